// Sparse times vector in 4x1 blocks: y[4 s + i] (+)= sum over the blocks (k, w) of strip s of w[i] * x[k], i = 0..3
//
// A block's four weights are one vector, its x is in all lanes: no sum runs across lanes. 4.5 bytes a weight.
#pragma once

#include <cstdint>

#include "kernel_args.h"
#include "row_sums.h"

namespace {

template <class Quad>
void gemv_block(const GemvBlockArgs& args) noexcept {
    constexpr int kChains = 4;  // of additions
    // Into the L2 cache. Zen 4, 4096x4096 at 70 % from memory, us: 256 / 512 / 1024 / 2048 ahead 956 / 905 / 886 / 914
    // (25 GB/s; memory gives 31).
    constexpr int64_t kBlocksAhead = 1024;
    const uint16_t* columns = args.block.columns;
    const float* weights = args.block.weights;
    const uint16_t* strips = args.block.strips;
    for (int32_t r = 0; r < args.block.num_runs; ++r) {
        const BlockRun run = args.block.runs[r];
        for (uint32_t s = 0; s < run.num_strips; ++s, ++strips) {
            float* y = args.y + 4 * int64_t{*strips};
            Quad sums[kChains];
            sums[0] = args.accumulate ? Quad::load(y) : Quad::zero();
            for (int chain = 1; chain < kChains; ++chain) sums[chain] = Quad::zero();
            uint32_t left = run.num_blocks;
            for (; left >= kChains; left -= kChains, columns += kChains, weights += 4 * kChains) {
                __builtin_prefetch(weights + 4 * kBlocksAhead, 0, 2);
                for (int chain = 0; chain < kChains; ++chain) {
                    const Quad x = Quad::broadcast(args.x[columns[chain]]);
                    sums[chain] = multiply_add(Quad::load(weights + 4 * chain), x, sums[chain]);
                }
            }
            for (; left > 0; --left, ++columns, weights += 4) {
                sums[0] = multiply_add(Quad::load(weights), Quad::broadcast(args.x[*columns]), sums[0]);
            }
            ((sums[0] + sums[1]) + (sums[2] + sums[3])).store(y);
        }
    }
}

}  // namespace
