// What the kernels are given that look x up in registers, for float32 and for int8.
//
// Rows lie side by side in the lanes of a slice, and a step takes one nonzero of each (float32), or four (int8). All
// nonzeros of a step lie in one window of x, which slides forward from step to step, or from each second step to the
// next: the x of any column in it are looked up in registers. x comes as it is, one column after the other.
#pragma once

#include <cstdint>

namespace sparseinf {

inline constexpr int kLookupLanes = 16;

// Steps as they lie in memory: in whole cache lines. A weight is zero where a lane has no nonzero.
struct LookupSteps {
    static constexpr int kNumSteps = 4;
    static constexpr int kWindowSteps = 2;     // that share a window
    static constexpr int kNumNonzeros = 1;     // of a lane in a step
    static constexpr int kWindowAdvance = 16;  // windows begin at multiples of so many columns

    uint8_t columns[kNumSteps * kLookupLanes];  // [step][lane], inside the window
    float weights[kNumSteps * kLookupLanes];
};
struct LookupInt8Step {
    static constexpr int kNumSteps = 1;
    static constexpr int kWindowSteps = 1;
    static constexpr int kNumNonzeros = 4;
    static constexpr int kWindowAdvance = 32;

    uint8_t columns[kNumNonzeros * kLookupLanes];  // [lane][4]
    int8_t weights[kNumNonzeros * kLookupLanes];
};

// Streams:
//   num_steps  [slice]          a multiple of Steps::kNumSteps
//   rows       [slice][16]      where each lane's sum goes; nullptr: one after the other
//   advances   [slice][window]  how far the window moves on, in steps of kWindowAdvance; the first from column 0
//   steps      [slice][step]
template <class StepsOfFormat>
struct LookupSlices {
    using Steps = StepsOfFormat;

    const uint32_t* num_steps;
    const uint16_t* rows;
    const uint8_t* advances;
    const Steps* steps;
    int32_t num_slices;
};

template <class Steps, class Feature, class Sum>
struct LookupArgs {
    LookupSlices<Steps> slices;
    int64_t prefetch_ahead;  // in Steps; 0: no prefetching
    const Feature* x;        // [column][x_stride]; each column readable for a window past its last feature
    int64_t x_stride;
    Sum* y;  // [column][y_stride]; what the lanes name is overwritten
    int64_t y_stride;
};

using SpmmLookupArgs = LookupArgs<LookupSteps, float, float>;
using SpmmLookupInt8Args = LookupArgs<LookupInt8Step, uint8_t, int32_t>;
using SpmmLookupKernel = void (*)(const SpmmLookupArgs&) noexcept;
using SpmmLookupInt8Kernel = void (*)(const SpmmLookupInt8Args&) noexcept;

inline constexpr int kLookupWindow = 32;          // columns of a float32 window
inline constexpr int kMaxLookupColumns = 4;       // columns of x at a time
inline constexpr int kMaxLookupInt8Window = 128;  // columns
inline constexpr int kNumLookupInt8Windows = 2;   // 64 and 128 columns
inline constexpr int kMaxLookupInt8Columns = 16;  // columns of x at a time

}  // namespace sparseinf
