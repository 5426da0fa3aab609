// Sums of the weights of each row of an int8 matrix: what the zero points of x are multiplied by.
#pragma once

#include <cstdint>

#include "common/aligned_buffer.h"
#include "pack/csr_view.h"

namespace sparseinf {

// The matrix holds whole numbers. A sum fits 32 bits: whoever made the matrix has checked more than that.
inline AlignedBuffer<int32_t> sum_rows(const CsrView& matrix) {
    AlignedBuffer<int32_t> sums(matrix.num_rows);
    for (int64_t row = 0; row < matrix.num_rows; ++row) {
        int32_t sum = 0;
        for (int64_t i = matrix.row_offsets[row]; i < matrix.row_offsets[row + 1]; ++i) {
            sum += static_cast<int32_t>(matrix.values[i]);
        }
        sums[row] = sum;
    }
    return sums;
}

}  // namespace sparseinf
