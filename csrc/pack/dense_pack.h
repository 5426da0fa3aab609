// Dense weights as 4x1 blocks with every block present: weights[row / 4][column][row % 4].
//
// Rows and columns are filled up to multiples of four with zeros. One pack serves every number of columns of x.
#pragma once

#include <cstdint>

#include "common/aligned_buffer.h"

namespace sparseinf {

struct DensePack {
    int64_t num_rows = 0;
    int64_t num_columns = 0;
    int64_t num_strips = 0;
    int64_t strip_stride = 0;  // elements
    AlignedBuffer<float> weights;

    int64_t nbytes() const { return weights.nbytes(); }
};

// weights[row * num_columns + column]
DensePack pack_dense(const float* weights, int64_t num_rows, int64_t num_columns, int num_threads);

void unpack_dense(const DensePack& pack, float* weights);

}  // namespace sparseinf
