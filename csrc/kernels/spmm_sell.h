// Sparse times a narrow panel, sliced ELLPACK (SELL): y[r][n] += sum over the nonzeros (k, w) of row r of w * x[k][n].
//
// Eight rows in step, each with sums of its own: chains of additions enough for the latency, and no loop shorter than
// a slice. For few columns that is faster than CSR's pairs, whose bookkeeping does not shrink with the panel.
#pragma once

#include <cstdint>

#include "gemv_sell.h"
#include "kernel_args.h"
#include "row_sums.h"

namespace {

// One nonzero of each of four rows.
template <class Row>
SPARSEINF_INLINE void add_four(const ConstPanel& panel, const uint16_t* offsets_bytes, const float* values, Row* sums) {
    const FourOffsets at = FourOffsets::load(offsets_bytes);
    const auto weights = Row::FourWeights::load(values);
    Row x;
    x.load_at(panel, at.a);
    sums[0].add(weights.template spread<0>(), x);
    x.load_at(panel, at.b);
    sums[1].add(weights.template spread<1>(), x);
    x.load_at(panel, at.c);
    sums[2].add(weights.template spread<2>(), x);
    x.load_at(panel, at.d);
    sums[3].add(weights.template spread<3>(), x);
}

template <class Wide, class Half, int kWide, bool kHasHalf>
void spmm_sell(const SpmmSellArgs& args) noexcept {
    using Row = PanelRow<Wide, Half, kWide, kHasHalf>;
    static_assert(kSellLanes == 8);
    const ConstPanel panel = args.x;
    const uint16_t* rows = args.block.rows;
    const SellStep* steps = args.block.steps;
    for (int32_t r = 0; r < args.block.num_runs; ++r) {
        const SellRun run = args.block.runs[r];
        for (uint32_t slice = 0; slice < run.num_slices; ++slice) {
            Row sums[kSellLanes];
            for (auto& row : sums) row.clear();
            for (uint32_t i = 0; i < run.num_steps; ++i, ++steps) {
                __builtin_prefetch(steps + kStepsAhead, 0, 2);
                add_four(panel, steps->offsets_bytes, steps->values, sums);
                add_four(panel, steps->offsets_bytes + 4, steps->values + 4, sums + 4);
            }
            for (int lane = 0; lane < kSellLanes; ++lane) {
                Row y;
                y.load(args.y.main, args.y.tail, rows[lane]);
                y.add(sums[lane]);
                y.store(args.y, rows[lane]);
            }
            rows += kSellLanes;
        }
    }
}

}  // namespace
