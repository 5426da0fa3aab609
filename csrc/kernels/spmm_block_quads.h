// int8 4x1 blocks times a panel of bytes, four blocks a step:
//     y[4 s + i][n] (+)= sum over the blocks (k, w) of strip s of w[i] * x[k][n],  i = 0..3
//
// The rows of x of any four blocks of a strip are interleaved as in spmm_quads.h, once for four rows of the weight: a
// step of 64 columns is 16 sums of products and 8 interleavings, which other units do at the same time.
//
// Zen 4, AVX-512: 1.03 cycles a sum of products with 64 quads a strip and more, where 1 is the peak; 1.07 / 1.25 with
// 24 / 10, where the sums' way from the L2 cache and back shows. Weights that are spread from one load instead of four
// broadcasts take as long: loads are not what this waits for. AVX2 has registers for two rows only, and yet four at
// once are faster (768x768x128 at 80 %: 314 us, 348 with two), since x is interleaved once.
#pragma once

#include <cstdint>

#include "block_strips.h"
#include "int8_args.h"
#include "row_sums.h"

namespace {

// Bytes: a vector of so many columns; Bytes::kVectors vectors of Bytes::Lanes hold the sums of a row.
template <class Bytes>
void spmm_block_quads(const SpmmBlockQuadsArgs& args) noexcept {
    using Lanes = typename Bytes::Lanes;
    constexpr int64_t kColumns = Bytes::kColumns, kScale = kColumns / 4;
    constexpr int64_t kQuadsAhead = 128;
    for_each_strip(args.block, [&](int64_t row, uint32_t num_quads, const uint16_t* offsets,
                                   const int8_t* weights) SPARSEINF_INLINE_LAMBDA {
        StripSums<Lanes, Bytes::kVectors> sums;
        sums.start(args.y + row * kColumns, args.accumulate);
        for (uint32_t quad = 0; quad < num_quads; ++quad, offsets += 4, weights += 16) {
            __builtin_prefetch(offsets + 4 * kQuadsAhead, 0, 2);
            __builtin_prefetch(weights + 16 * kQuadsAhead, 0, 2);
            Lanes x[Bytes::kVectors];
            Bytes::interleave(args.x + offsets[0] * kScale, args.x + offsets[1] * kScale, args.x + offsets[2] * kScale,
                              args.x + offsets[3] * kScale, x);
            for (int i = 0; i < 4; ++i) {
                const Lanes w = Lanes::broadcast(weights + 4 * i);
                for (int j = 0; j < Bytes::kVectors; ++j) sums.rows[i][j] = multiply_add(w, x[j], sums.rows[i][j]);
            }
        }
        sums.store(args.y + row * kColumns);
    });
}

}  // namespace
