// How to walk through an array of which some dimensions are reduced.
//
// Neighbouring dimensions that are both reduced, or both kept, become one. Where the innermost is reduced, each result
// is made from runs; where it is kept, neighbouring results are made side by side. A result is one thread's, and the
// order in which its elements come is the same for any number of threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "ops/ranges.h"
#include "ops/tensor.h"

namespace sparseinf {

class ReductionWalk {
public:
    ReductionWalk(const Shape& shape, const std::vector<bool>& is_reduced) {
        bool innermost_is_reduced = true, has_innermost = false;
        for (int d = shape.rank(); d-- > 0;) {
            const bool reduces = is_reduced[static_cast<size_t>(d)];
            if (reduces) count_ *= shape[d];
            if (shape[d] == 1) continue;
            if (!has_innermost) innermost_is_reduced = reduces, has_innermost = true;
            Dimensions& same = reduces ? reduced_ : kept_;
            if (same.size > 0 && same.last_dimension_end() == shape.size_from(d + 1)) {
                same.extents[same.size - 1] *= shape[d];
            } else {
                same.extents[same.size] = shape[d];
                same.strides[same.size++] = shape.size_from(d + 1);
            }
        }
        if (innermost_is_reduced) {
            run_ = reduced_.take_innermost();
        } else {
            side_by_side_ = kept_.take_innermost();
        }
    }

    // Function: start, add, join and finish, templates over the elements' type; see reductions.cpp.
    template <class Function, class T>
    void reduce(const T* x, T* y, int num_threads) const {
        if (side_by_side_ == 0) {
            const int64_t num_results = kept_.num_indices();
            for_ranges(num_results, results_of_range(count_), num_threads, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) y[i] = reduce_runs<Function>(x + kept_.offset_of(i));
            });
            return;
        }
        const int64_t num_blocks = (side_by_side_ + kBlock - 1) / kBlock;
        const int64_t num_units = kept_.num_indices() * num_blocks;
        for_ranges(num_units, results_of_range(count_ * kBlock), num_threads, [&](int64_t begin, int64_t end) {
            for (int64_t unit = begin; unit < end; ++unit) {
                const int64_t outer = unit / num_blocks, first = unit % num_blocks * kBlock;
                reduce_columns<Function>(x + kept_.offset_of(outer) + first, y + outer * side_by_side_ + first,
                                         std::min(kBlock, side_by_side_ - first));
            }
        });
    }

private:
    static constexpr int64_t kBlock = 256;    // results side by side: 2 KB of sums
    static constexpr int64_t kPartials = 16;  // sums of a run: they do not wait for each other, and fill vectors

    // From the innermost outwards.
    struct Dimensions {
        size_t size = 0;
        std::array<int64_t, kMaxRank> extents{}, strides{};

        int64_t last_dimension_end() const { return extents[size - 1] * strides[size - 1]; }
        int64_t num_indices() const {
            int64_t count = 1;
            for (size_t d = 0; d < size; ++d) count *= extents[d];
            return count;
        }
        int64_t offset_of(int64_t index) const {
            int64_t offset = 0;
            for (size_t d = 0; d < size; ++d) {
                offset += index % extents[d] * strides[d];
                index /= extents[d];
            }
            return offset;
        }
        int64_t take_innermost() {
            if (size == 0) return 1;
            const int64_t extent = extents[0];
            std::copy(extents.begin() + 1, extents.end(), extents.begin());
            std::copy(strides.begin() + 1, strides.end(), strides.begin());
            --size;
            return extent;
        }
    };

    template <class Function, class T>
    T reduce_runs(const T* x) const {
        using Total = decltype(Function::template start<T>());
        std::array<Total, kPartials> partials;
        partials.fill(Function::template start<T>());
        const int64_t whole = run_ / kPartials * kPartials, num_runs = count_ == 0 ? 0 : reduced_.num_indices();
        for (int64_t i = 0; i < num_runs; ++i) {
            const T* run = x + reduced_.offset_of(i);
            for (int64_t first = 0; first < whole; first += kPartials) {
                for (size_t k = 0; k < kPartials; ++k) {
                    partials[k] = Function::template add<T>(partials[k], run[first + static_cast<int64_t>(k)]);
                }
            }
            for (int64_t k = whole; k < run_; ++k) {
                Total& partial = partials[static_cast<size_t>(k - whole)];
                partial = Function::template add<T>(partial, run[k]);
            }
        }
        for (size_t half = kPartials / 2; half > 0; half /= 2) {
            for (size_t k = 0; k < half; ++k) partials[k] = Function::join(partials[k], partials[k + half]);
        }
        return Function::template finish<T>(partials[0], count_);
    }

    template <class Function, class T>
    void reduce_columns(const T* x, T* y, int64_t num_columns) const {
        using Total = decltype(Function::template start<T>());
        std::array<Total, kBlock> totals;
        totals.fill(Function::template start<T>());
        const int64_t num_rows = count_ == 0 ? 0 : reduced_.num_indices();
        for (int64_t i = 0; i < num_rows; ++i) {
            const T* row = x + reduced_.offset_of(i);
            for (int64_t j = 0; j < num_columns; ++j) {
                Total& total = totals[static_cast<size_t>(j)];
                total = Function::template add<T>(total, row[j]);
            }
        }
        for (int64_t j = 0; j < num_columns; ++j) {
            y[j] = Function::template finish<T>(totals[static_cast<size_t>(j)], count_);
        }
    }

    Dimensions kept_, reduced_;
    int64_t count_ = 1;         // elements of each result
    int64_t run_ = 0;           // where the innermost dimension is reduced: its extent
    int64_t side_by_side_ = 0;  // where it is kept: its extent
};

}  // namespace sparseinf
