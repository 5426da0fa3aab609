// Sparse times few columns: y[n][r] = sum over the nonzeros (k, w) of row r of w * x[n][k].
//
// Sixteen rows side by side, one a lane of 32 bits: a step takes one nonzero of each, or in int8 four. A window of x
// lies in registers, the columns of the step are looked up in it, all at once, and one multiply-add, or one of four
// products, does the rest: no gather, no sum across lanes, and the weights are one forward stream that serves all
// columns of x. The window slides: rows that have few nonzeros in one place go ahead of the others, as far as the
// window reaches, so that lanes rarely wait. Share of the lanes in use, random zeros (in fixed blocks of 128 columns it
// would be 62 % at 90 %):
//
//     zeros                  50 %   70 %   80 %   90 %   95 %
//     float32, 32 columns      91     83     74     60     43 %
//     int8, 64 columns         95            83     69
//     int8, 128 columns        99            93     85
//
// In float32 a window is two vectors, and loads are what limits: two steps share them. Zen 4, cycles a step with 1, 2,
// 3, 4 and 8 columns of x: 2.9, 5.0, 6.7, 8.5 and 16.4; with a window for each step, whose lanes are 0.5, 2 and 13 %
// fuller at 50, 80 and 95 %: 4.0, 6.2, 8.5, 10.7 and 19.5. Windows begin at whole cache lines there; in int8 at
// multiples of 32 bytes, from where Zen 4 loads 64 bytes just as fast.
#pragma once

#include <cstdint>

#include "lookup_args.h"
#include "row_sums.h"

namespace {

template <class Lanes, class Sum, int kColumns, int kVectors>
SPARSEINF_INLINE void store_lanes(const Lanes (&sums)[kColumns][kVectors], Sum* y, int64_t stride) {
    for (int n = 0; n < kColumns; ++n) {
        for (int i = 0; i < kVectors; ++i) sums[n][i].store(y + n * stride + i * Lanes::kWidth);
    }
}

template <class Steps>
SPARSEINF_INLINE void prefetch_lines(const Steps* steps) {
    const char* bytes = reinterpret_cast<const char*>(steps);
    for (uint64_t line = 0; line < sizeof(Steps); line += 64) __builtin_prefetch(bytes + line, 0, 2);
}

// Window: so many columns of x, in which the columns of Window::Lanes are looked up.
template <class Window, int kColumns, class Steps, class Feature, class Sum>
void spmm_lookup(const LookupArgs<Steps, Feature, Sum>& args) noexcept {
    using Lanes = typename Window::Lanes;
    constexpr int kVectors = kLookupLanes / Lanes::kWidth;
    constexpr int kVectorNonzeros = Steps::kNumNonzeros * Lanes::kWidth;
    // One column alone would wait for its own sums: two steps in turn have some.
    constexpr int kChains = kColumns == 1 && Steps::kNumSteps > 1 ? 2 : 1;
    const Steps* steps = args.slices.steps;
    const uint8_t* advance = args.slices.advances;
    const uint16_t* rows = args.slices.rows;
    for (int32_t slice = 0; slice < args.slices.num_slices; ++slice) {
        Lanes sums[kChains][kColumns][kVectors];
        for (auto& chain : sums) {
            for (auto& column : chain) {
                for (auto& lanes : column) lanes = Lanes::zero();
            }
        }
        const Feature* x = args.x;
        typename Window::Table tables[kColumns];
        for (uint32_t left = args.slices.num_steps[slice]; left > 0; left -= Steps::kNumSteps, ++steps) {
            if (args.prefetch_ahead > 0) prefetch_lines(steps + args.prefetch_ahead);
#pragma GCC unroll 4
            for (int step = 0; step < Steps::kNumSteps; ++step) {
                if (step % Steps::kWindowSteps == 0) {
                    x += Steps::kWindowAdvance * int64_t{*advance++};
                    for (int n = 0; n < kColumns; ++n) tables[n] = Window::at(x + n * args.x_stride);
                }
                for (int i = 0; i < kVectors; ++i) {
                    const int first = (step * kVectors + i) * kVectorNonzeros;
                    const auto places = Window::places(steps->columns + first);
                    const auto weights = Window::weights(steps->weights + first);
                    for (int n = 0; n < kColumns; ++n) {
                        Lanes& sum = sums[step % kChains][n][i];
                        sum = multiply_add(weights, Window::look_up(tables[n], places), sum);
                    }
                }
            }
        }
        for (int i = 0; kChains == 2 && i < kVectors; ++i) sums[0][0][i] = sums[0][0][i] + sums[kChains - 1][0][i];
        if (rows == nullptr) {
            store_lanes(sums[0], args.y + slice * kLookupLanes, args.y_stride);
            continue;
        }
        Sum lanes[kColumns * kLookupLanes];
        store_lanes(sums[0], lanes, kLookupLanes);
        for (int lane = 0; lane < kLookupLanes; ++lane) {
            Sum* y = args.y + rows[lane];
            for (int n = 0; n < kColumns; ++n) y[n * args.y_stride] = lanes[n * kLookupLanes + lane];
        }
        rows += kLookupLanes;
    }
}

}  // namespace
