// Sparse times panel in 4x1 blocks: y[4 s + i][n] (+)= sum over the blocks (k, w) of strip s of w[i] * x[k][n], i =
// 0..3
//
// Four rows share each load of x, which leaves the multipliers as the only limit, as long as all sums are in registers.
// Strips with equal numbers of blocks follow each other (BlockRun), so that the loop's exit is predicted.
#pragma once

#include <cstdint>

#include "kernel_args.h"
#include "row_sums.h"

namespace {

// Four rows of the weight: their sums, and where their streams have been read up to. Spread: the four weights of a
// block are loaded at once, which takes a register more than loading each of them into every lane.
template <class Row, bool kSpread>
struct BlockStrip {
    Row sums[4];
    const uint16_t* columns;
    const float* weights;

    SPARSEINF_INLINE void add_block(const ConstPanel& panel) {
        Row x;
        if constexpr (kSpread) {
            const auto four = Row::FourWeights::load(weights);
            x.load(panel.main, panel.tail, *columns);
            sums[0].add(four.template spread<0>(), x);
            sums[1].add(four.template spread<1>(), x);
            sums[2].add(four.template spread<2>(), x);
            sums[3].add(four.template spread<3>(), x);
        } else {
            x.load(panel.main, panel.tail, *columns);
            for (int i = 0; i < 4; ++i) sums[i].add(Row::Weight::broadcast(weights[i]), x);
        }
        columns += 1;
        weights += 4;
    }
};

// Where the streams of a K block have been read up to.
struct BlockCursor {
    const uint16_t* strips;
    const uint16_t* columns;
    const float* weights;
};

// kStrips strips of one run at once, in step: they have the same number of blocks.
template <class Row, int kStrips, bool kSpread>
SPARSEINF_INLINE void run_strips(const SpmmBlockArgs& args, int64_t num_blocks, BlockCursor& at) {
    const ConstPanel panel = args.x;
    BlockStrip<Row, kSpread> strips[kStrips];
    for (int s = 0; s < kStrips; ++s) {
        for (int i = 0; i < 4; ++i) strips[s].sums[i].start(args.y, 4 * int64_t{at.strips[s]} + i, args.accumulate);
        strips[s].columns = at.columns + s * num_blocks;
        strips[s].weights = at.weights + 4 * s * num_blocks;
    }
    for (int64_t block = 0; block < num_blocks; ++block) {
        for (auto& strip : strips) strip.add_block(panel);
    }
    for (int s = 0; s < kStrips; ++s) {
        for (int i = 0; i < 4; ++i) strips[s].sums[i].store(args.y, 4 * int64_t{at.strips[s]} + i);
    }
    at = {at.strips + kStrips, at.columns + kStrips * num_blocks, at.weights + 4 * kStrips * num_blocks};
}

// Four rows of one vector are too few chains of additions to fill a latency of four cycles: more strips at once, as far
// as their sums, a row of x, the four weights and one of them in every lane are all in registers.
constexpr int block_strips_at_once(int vectors_a_row, int num_registers) {
    for (int strips = 4 / vectors_a_row; strips > 1; strips /= 2) {
        if ((4 * strips + 1) * vectors_a_row + 2 <= num_registers) return strips;
    }
    return 1;
}

template <class Wide, class Half, int kWide, bool kHasHalf, int kRegisters>
void spmm_block(const SpmmBlockArgs& args) noexcept {
    using Row = PanelRow<Wide, Half, kWide, kHasHalf>;
    constexpr int kVectors = kWide + kHasHalf;
    constexpr int kStrips = block_strips_at_once(kVectors, kRegisters);
    constexpr bool kSpread = (4 * kStrips + 1) * kVectors + 2 <= kRegisters;
    BlockCursor at{args.block.strips, args.block.columns, args.block.weights};
    for (int32_t r = 0; r < args.block.num_runs; ++r) {
        const BlockRun run = args.block.runs[r];
        uint32_t left = run.num_strips;
        for (; left >= kStrips; left -= kStrips) run_strips<Row, kStrips, kSpread>(args, run.num_blocks, at);
        if constexpr (kStrips > 1) {
            for (; left > 0; --left) run_strips<Row, 1, kSpread>(args, run.num_blocks, at);
        }
    }
}

}  // namespace
