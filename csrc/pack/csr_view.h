// A CSR matrix somewhere in memory, and how its rows are shared out.
#pragma once

#include <cstdint>

namespace sparseinf {

// Checked by whoever makes one: row_offsets ascend from 0 to the number of values, columns ascend strictly inside a
// row and lie in [0, num_columns), no value is zero.
struct CsrView {
    int64_t num_rows;
    int64_t num_columns;
    const int64_t* row_offsets;  // num_rows + 1
    const int32_t* columns;
    const float* values;

    int64_t num_nonzeros() const { return row_offsets[num_rows]; }
};

// Where a pack writes the matrix that it was made from.
struct CsrOutput {
    int64_t* row_offsets;
    int32_t* columns;
    float* values;
};

}  // namespace sparseinf
