// What the int8 kernels for few columns are given. x comes as it is: plain bytes, one column after the other.
#pragma once

#include <cstdint>

#include "kernel_args.h"

namespace sparseinf {

// Rows as bitmaps: 64 columns a mask. Rows come in fours, and the values lie in the order in which the masks name
// them, so that weights are two forward streams.
//   masks[row / 4][column / 64][row % 4]
struct GemvBitmapInt8Args {
    const uint64_t* masks;
    const int8_t* values;         // readable for 64 elements past its end
    const int64_t* quad_offsets;  // where each four rows' values start
    int32_t num_quads;
    int32_t num_groups;  // groups of 64 columns a row
    const uint8_t* x;    // readable for 64 * num_groups elements
    int32_t* y;          // 4 * num_quads elements
};

using GemvBitmapInt8Kernel = void (*)(const GemvBitmapInt8Args&) noexcept;
// The sums of column n begin at args.sums.main + n * sums_stride, and are readable for fifteen features past the last.
using FinishColumnsKernel = void (*)(const UnpackArgs& args, int64_t sums_stride) noexcept;

}  // namespace sparseinf
