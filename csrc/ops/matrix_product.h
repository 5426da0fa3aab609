// Products of float matrices that are both made in the run: y = a b. None of them is packed beforehand.
//
// Rows of a become strips of four (as dense weights do), columns of b panels, and the dense kernel runs on these.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_args.h"

namespace sparseinf {

// element [i][j] = data[i * row_stride + j * column_stride]
struct StridedMatrix {
    const float* data;
    int64_t row_stride;
    int64_t column_stride;
};

// a: (rows, depth), b: (depth, columns)
struct ProductShape {
    int64_t rows;
    int64_t columns;
    int64_t depth;
};

struct MatrixProduct {
    StridedMatrix a, b;
    float* y;
    int64_t y_stride;  // elements from one row to the next
};

// Computes many products of one shape, whose strides are the same too. Throws std::bad_alloc before anything is
// written. Each element is summed in the order of the depth, whatever the number of threads.
void multiply(const KernelTable& kernels, const ProductShape& shape, std::span<const MatrixProduct> products,
              int num_threads);

}  // namespace sparseinf
