// Rows of float32 somewhere in a strided array of any number of dimensions, the last of which holds the features.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sparseinf {

class StridedRows {
public:
    static constexpr std::size_t kMaxDimensions = 64;  // NumPy's own limit

    StridedRows(const void* base, int64_t feature_stride_bytes)
        : base_(static_cast<const char*>(base)), feature_stride_bytes_(feature_stride_bytes) {}

    // Dimensions are added from the outermost to the innermost; those that continue each other become one.
    void add_dimension(int64_t size, int64_t stride_bytes) {
        if (size == 1) return;
        if (num_dimensions_ > 0) {
            auto& outer = dimensions_[num_dimensions_ - 1];
            if (outer.stride_bytes == size * stride_bytes) {
                outer = {outer.size * size, stride_bytes};
                return;
            }
        }
        dimensions_[num_dimensions_++] = {size, stride_bytes};
    }

    // The rows from `first` on.
    StridedRows from(int64_t first) const {
        StridedRows rest = *this;
        rest.first_ += first;
        return rest;
    }

    const char* row(int64_t n) const {
        n += first_;
        int64_t offset = 0;
        for (std::size_t d = num_dimensions_; d-- > 1; n /= dimensions_[d].size) {
            offset += n % dimensions_[d].size * dimensions_[d].stride_bytes;
        }
        return base_ + offset + (num_dimensions_ > 0 ? n * dimensions_[0].stride_bytes : 0);
    }

    int64_t feature_stride_bytes() const { return feature_stride_bytes_; }

private:
    struct Dimension {
        int64_t size;
        int64_t stride_bytes;
    };

    const char* base_;
    int64_t feature_stride_bytes_;
    int64_t first_ = 0;
    std::size_t num_dimensions_ = 0;
    std::array<Dimension, kMaxDimensions> dimensions_;
};

}  // namespace sparseinf
