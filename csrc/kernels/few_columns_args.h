// What the int8 kernels for few columns are given. x comes as it is: plain bytes, one column after the other.
#pragma once

#include <cstdint>

#include "kernel_args.h"

namespace sparseinf {

// Rows side by side in the lanes of a slice, four nonzeros of each a step. All nonzeros of a step lie in one window of
// x, which slides forward from step to step: the x of any column in it are looked up in registers.
inline constexpr int kLookupLanes = 16;
inline constexpr int kWindowAdvance = 32;     // windows begin at multiples of so many columns
inline constexpr int kMaxLookupWindow = 128;  // columns
inline constexpr int kNumLookupWindows = 2;   // 64 and 128 columns
inline constexpr int kMaxLookupColumns = 16;  // columns of x at a time

struct LookupStep {
    uint8_t columns[4 * kLookupLanes];  // [lane][4], inside the window
    int8_t weights[4 * kLookupLanes];   // zero where a lane has no nonzero
};

// Streams:
//   num_steps  [slice]
//   rows       [slice][16]    where each lane's sum goes; nullptr: one after the other
//   advances   [slice][step]  how far the window moves before the step, in steps of kWindowAdvance from column 0
//   steps      [slice][step]
struct LookupSlices {
    const uint32_t* num_steps;
    const uint16_t* rows;
    const uint8_t* advances;
    const LookupStep* steps;
    int32_t num_slices;
};

struct SpmmLookupArgs {
    LookupSlices slices;
    int64_t steps_ahead;  // how far to prefetch; 0: not at all
    const uint8_t* x;     // [column][x_stride]; each column readable for a window past its last feature
    int64_t x_stride;
    int32_t* y;  // [column][y_stride]; what the lanes name is overwritten
    int64_t y_stride;
};

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

using SpmmLookupKernel = void (*)(const SpmmLookupArgs&) noexcept;
using GemvBitmapInt8Kernel = void (*)(const GemvBitmapInt8Args&) noexcept;
// The sums of column n begin at args.sums.main + n * sums_stride, and are readable for fifteen features past the last.
using FinishColumnsKernel = void (*)(const UnpackArgs& args, int64_t sums_stride) noexcept;

}  // namespace sparseinf
