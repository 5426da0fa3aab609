// Several arrays as if they had one shape: NumPy's rules, from the last dimension on; extents of 1 are repeated.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>

#include "ops/operation.h"

namespace sparseinf {

// Throws OperationError where two extents differ and neither is 1.
inline Shape broadcast_shape(std::initializer_list<const Shape*> shapes) {
    int rank = 0;
    for (const Shape* shape : shapes) rank = std::max(rank, shape->rank());
    Shape common;
    for (int d = 0; d < rank; ++d) {
        int64_t extent = 1;
        for (const Shape* shape : shapes) {
            const int own = d - (rank - shape->rank());
            if (own < 0 || (*shape)[own] == 1) continue;
            if (extent != 1 && extent != (*shape)[own]) {
                std::string text;
                for (const Shape* each : shapes) text += (text.empty() ? "" : " and ") + text_of(*each);
                throw OperationError("arrays of shapes " + text + " do not fit each other");
            }
            extent = (*shape)[own];
        }
        common.append(extent);
    }
    return common;
}

// How to walk through kCount arrays in the order of a common shape. Neighbouring dimensions along which all of them
// move alike become one, so that the innermost is as long as can be.
template <int kCount>
class BroadcastWalk {
public:
    BroadcastWalk(const Shape& common, const std::array<const Shape*, kCount>& shapes) {
        std::array<std::array<int64_t, kCount>, kMaxRank> strides{};
        for (size_t i = 0; i < kCount; ++i) {
            int64_t stride = 1;
            const Shape& shape = *shapes[i];
            for (int own = shape.rank() - 1; own >= 0; --own) {
                const int d = own + common.rank() - shape.rank();
                strides[static_cast<size_t>(d)][i] = shape[own] == 1 ? 0 : stride;
                stride *= shape[own];
            }
        }
        for (int d = 0; d < common.rank(); ++d) append(common[d], strides[static_cast<size_t>(d)]);
        if (rank_ == 0) append_new(1, {});
    }

    // Calls visit(first element of each array, count, strides) for each innermost run.
    template <class Visit>
    void for_each_run(Visit&& visit) const {
        int64_t num_runs = 1;
        for (size_t d = 0; d + 1 < rank_; ++d) num_runs *= extents_[d];
        if (num_runs == 0 || extents_[rank_ - 1] == 0) return;
        std::array<int64_t, kCount> at{};
        std::array<int64_t, kMaxRank> index{};
        for (;;) {
            visit(at, extents_[rank_ - 1], strides_[rank_ - 1]);
            if (--num_runs == 0) return;
            for (size_t d = rank_ - 1; d-- > 0;) {
                for (size_t i = 0; i < kCount; ++i) at[i] += strides_[d][i];
                if (++index[d] < extents_[d]) break;
                for (size_t i = 0; i < kCount; ++i) at[i] -= extents_[d] * strides_[d][i];
                index[d] = 0;
            }
        }
    }

private:
    void append(int64_t extent, const std::array<int64_t, kCount>& strides) {
        if (extent == 1) return;
        if (rank_ > 0) {
            bool continues = true;
            for (size_t i = 0; i < kCount; ++i) continues = continues && strides_[rank_ - 1][i] == extent * strides[i];
            if (continues) {
                extents_[rank_ - 1] *= extent;
                strides_[rank_ - 1] = strides;
                return;
            }
        }
        append_new(extent, strides);
    }
    void append_new(int64_t extent, const std::array<int64_t, kCount>& strides) {
        extents_[rank_] = extent;
        strides_[rank_++] = strides;
    }

    size_t rank_ = 0;
    std::array<int64_t, kMaxRank> extents_{};
    std::array<std::array<int64_t, kCount>, kMaxRank> strides_{};
};

}  // namespace sparseinf
