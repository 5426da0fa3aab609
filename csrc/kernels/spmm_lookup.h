// Sparse int8 times few columns: y[n][r] = sum over the nonzeros (k, w) of row r of w * x[n][k].
//
// Sixteen rows side by side, one a lane of 32 bits: a step takes four nonzeros of each. A window of x lies in
// registers, the columns of the step are looked up in it, all 64 at once, and instructions that add four products do
// the rest: no gather, no sum across lanes, and the weights are one forward stream that serves all columns of x. The
// window slides: rows that have few nonzeros in one place go ahead of the others, as far as the window reaches, so that
// lanes rarely wait (random zeros, 4096 columns, share of the lanes in use with windows of 64 / 128 columns: 95 / 99 %
// at 50 % zeros, 83 / 93 % at 80 %, 69 / 85 % at 90 %; in fixed blocks of 128 columns it would be 62 % at 90 %).
// Windows begin at multiples of 32 columns: Zen 4 loads 64 bytes from there as fast as from whole cache lines.
#pragma once

#include <cstdint>

#include "few_columns_args.h"
#include "row_sums.h"

namespace {

template <class Lanes, int kColumns, int kVectors>
SPARSEINF_INLINE void store_lanes(const Lanes (&sums)[kColumns][kVectors], int32_t* y, int64_t stride) {
    for (int n = 0; n < kColumns; ++n) {
        for (int i = 0; i < kVectors; ++i) sums[n][i].store(y + n * stride + i * Lanes::kWidth);
    }
}

// Window: so many columns of x, in which Window::Lanes of four columns each are looked up.
template <class Window, int kColumns>
void spmm_lookup(const SpmmLookupArgs& args) noexcept {
    using Lanes = typename Window::Lanes;
    constexpr int kVectors = kLookupLanes / Lanes::kWidth;
    constexpr int kVectorBytes = 4 * Lanes::kWidth;
    const LookupStep* step = args.slices.steps;
    const uint8_t* advance = args.slices.advances;
    const uint16_t* rows = args.slices.rows;
    for (int32_t slice = 0; slice < args.slices.num_slices; ++slice) {
        Lanes sums[kColumns][kVectors];
        for (auto& column : sums) {
            for (auto& lanes : column) lanes = Lanes::zero();
        }
        const uint8_t* x = args.x;
        for (uint32_t left = args.slices.num_steps[slice]; left > 0; --left, ++step) {
            if (args.steps_ahead > 0) {
                __builtin_prefetch((step + args.steps_ahead)->columns, 0, 2);
                __builtin_prefetch((step + args.steps_ahead)->weights, 0, 2);
            }
            x += kWindowAdvance * int64_t{*advance++};
            for (int i = 0; i < kVectors; ++i) {
                const auto places = Window::places(step->columns + i * kVectorBytes);
                const Lanes weights = in_register(Lanes::load(step->weights + i * kVectorBytes));
                for (int n = 0; n < kColumns; ++n) {
                    sums[n][i] = multiply_add(weights, Window::look_up(x + n * args.x_stride, places), sums[n][i]);
                }
            }
        }
        if (rows == nullptr) {
            store_lanes(sums, args.y + slice * kLookupLanes, args.y_stride);
            continue;
        }
        int32_t lanes[kColumns * kLookupLanes];
        store_lanes(sums, lanes, kLookupLanes);
        for (int lane = 0; lane < kLookupLanes; ++lane) {
            int32_t* y = args.y + rows[lane];
            for (int n = 0; n < kColumns; ++n) y[n * args.y_stride] = lanes[n * kLookupLanes + lane];
        }
        rows += kLookupLanes;
    }
}

}  // namespace
