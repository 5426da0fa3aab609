// Kernels of operations on single rows of floats, one table a level. As plain as kernel_args.h.
#pragma once

#include <cstdint>

namespace sparseinf {

// y may be x.
using SoftmaxKernel = void (*)(const float* x, int64_t size, float* y) noexcept;

struct RowKernelTable {
    SoftmaxKernel softmax;
};

}  // namespace sparseinf
