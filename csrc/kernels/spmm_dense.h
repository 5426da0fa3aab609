// Dense times panel, as 4x1 blocks with every block present:
//     y[4 s + i][n] (+)= sum over k of weights[s][k][i] * x[k][n],  i = 0..3
//
// A tile is kStrips strips of four rows by the panel's columns, all in registers: x[k] is loaded once for its rows.
#pragma once

#include <cstdint>

#include "kernel_args.h"
#include "row_sums.h"

namespace {

template <class Wide, class Half, int kWide, bool kHasHalf, int kStrips>
SPARSEINF_INLINE void spmm_dense_tile(const SpmmDenseArgs& args, const float* weights, int64_t first_row) {
    using Row = PanelRow<Wide, Half, kWide, kHasHalf>;
    const float* x_main = args.x.main;
    const float* x_tail = args.x.tail;
    Row sums[4 * kStrips];
    for (int i = 0; i < 4 * kStrips; ++i) sums[i].start(args.y, first_row + i, args.accumulate);
    for (int64_t k = 0; k < args.num_columns; ++k) {
        Row x;
        x.load(x_main, x_tail, k);
        for (int s = 0; s < kStrips; ++s) {
            const float* w = weights + s * args.strip_stride + 4 * k;
            for (int i = 0; i < 4; ++i) sums[4 * s + i].add(Row::Weight::broadcast(w[i]), x);
        }
    }
    for (int i = 0; i < 4 * kStrips; ++i) sums[i].store(args.y, first_row + i);
}

// As many strips as keep the tile, one row of x and a weight in registers.
constexpr int strips_that_fit(int vectors_a_row, int num_registers) {
    for (int strips = 4; strips > 1; strips /= 2) {
        if ((4 * strips + 1) * vectors_a_row + 1 <= num_registers) return strips;
    }
    return 1;
}

template <class Wide, class Half, int kWide, bool kHasHalf, int kRegisters>
void spmm_dense(const SpmmDenseArgs& args) noexcept {
    constexpr int kStrips = strips_that_fit(kWide + kHasHalf, kRegisters);
    const float* weights = args.weights;
    int64_t strip = 0;
    for (; strip + kStrips <= args.num_strips; strip += kStrips) {
        spmm_dense_tile<Wide, Half, kWide, kHasHalf, kStrips>(args, weights + strip * args.strip_stride, 4 * strip);
    }
    for (; strip < args.num_strips; ++strip) {
        spmm_dense_tile<Wide, Half, kWide, kHasHalf, 1>(args, weights + strip * args.strip_stride, 4 * strip);
    }
}

}  // namespace
