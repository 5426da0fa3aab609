// Columns of x as the int8 kernels for few columns read them: bytes, one column after the other.
#pragma once

#include <array>
#include <cstdint>

#include "ops/feature_blocks.h"
#include "ops/linear_call.h"

namespace sparseinf {

// Column n of x as `size` bytes, zeros past its features; returns its scale.
ActivationScale quantize_column(const LinearCall& call, const LinearLayer& layer, int64_t n, int64_t size, uint8_t* to);

class QuantizedColumns {
public:
    static constexpr int64_t kMaxColumns = 64;

    // Into `memory` on a cache-line boundary, one column_stride_bytes(size) a column.
    QuantizedColumns(uint8_t* memory, int64_t size)
        : features_(memory), size_(size), stride_(column_stride_bytes(size)) {}

    // Quantizes columns [first, first + count) of a call; count is at most kMaxColumns.
    void quantize(const LinearCall& call, const LinearLayer& layer, int64_t first, int64_t count, int num_threads);

    const uint8_t* column(int64_t n) const { return features_ + n * stride_; }
    int64_t stride() const { return stride_; }
    // Of the columns; zeros past the last.
    const float* scales() const { return scales_.data(); }
    const int32_t* zeros() const { return zeros_.data(); }

    // Sums of columns [first, first + count), those of some rows, become parts of rows of y.
    struct Sums {
        const int32_t* data;  // [column][stride], readable for fifteen past the last
        int64_t stride;
        int64_t first_row;
        int64_t num_rows;
    };
    void finish(const LinearCall& call, const LinearLayer& layer, int64_t first, int64_t count, const int32_t* row_sums,
                const Sums& sums) const;

private:
    uint8_t* features_;
    int64_t size_;
    int64_t stride_;
    int64_t first_ = 0;
    std::array<float, kMaxColumns> scales_{};
    std::array<int32_t, kMaxColumns> zeros_{};
};

}  // namespace sparseinf
