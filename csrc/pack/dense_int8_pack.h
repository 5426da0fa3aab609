// Dense int8 weights for the kernels of dense float ones: four neighbouring columns of a row take the place of one
// float, weights[row / 4][column / 4][row % 4][column % 4].
#pragma once

#include <cstdint>

#include "common/aligned_buffer.h"
#include "pack/dense_pack.h"

namespace sparseinf {

struct DenseInt8Pack {
    int64_t num_rows = 0;
    int64_t num_columns = 0;
    DensePack quads;
    AlignedBuffer<int32_t> row_sums;

    int64_t nbytes() const { return quads.nbytes() + row_sums.nbytes(); }
};

// weights[row * num_columns + column]
DenseInt8Pack pack_dense_int8(const int8_t* weights, int64_t num_rows, int64_t num_columns, int num_threads);

void unpack_dense_int8(const DenseInt8Pack& pack, int8_t* weights);

}  // namespace sparseinf
