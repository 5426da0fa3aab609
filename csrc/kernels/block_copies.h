// int8 4x1 blocks times few columns, four blocks a step:
//     y[4 s + i][n] (+)= sum over the blocks (k, w) of strip s of w[i] * x[k][n],  i = 0..3
//
// Few columns do not pay for interleaving. Here each byte of x comes four times, copies[feature][T][4], and a vector
// takes its first bytes from one feature, its second ones from another, ...: bytes are chosen, which all units can
// do, and none is moved.
//
// Zen 4, AVX-512, cycles a step: 3.0 for one column, which reads weights at 29 GB/s from any cache; 4.1 for eight,
// where panels of sixteen columns take 8.3. For one column also tried: x as four tables of shifted bytes, which are
// combined by scalars (3.7 to 4.0), other instructions to choose bytes (3.3 to 3.8), a load for each offset (3.4).
#pragma once

#include <cstdint>

#include "block_strips.h"
#include "int8_args.h"
#include "row_sums.h"

namespace {

// The offsets of a step, out of two loads: loads are what these kernels are short of.
struct QuadOffsets {
    uint64_t a, b, c, d;

    static SPARSEINF_INLINE QuadOffsets load(const uint16_t* offsets) {
        uint32_t low, high;
        __builtin_memcpy(&low, offsets, sizeof low);
        __builtin_memcpy(&high, offsets + 2, sizeof high);
        return {low & 0xffff, low >> 16, high & 0xffff, high >> 16};
    }
};

// One column. A lane is a row: the four weights of a row lie side by side.
template <class Lanes>
SPARSEINF_INLINE void add_quad(const uint8_t* x, const uint16_t* offsets, const int8_t* weights, Lanes& sums) {
    const QuadOffsets at = QuadOffsets::load(offsets);
    const Lanes chosen = Lanes::choose(Lanes::broadcast(x + at.a), Lanes::broadcast(x + at.b),
                                       Lanes::broadcast(x + at.c), Lanes::broadcast(x + at.d));
    sums = multiply_add(Lanes::load(weights), chosen, sums);
}

template <class Lanes>
void gemv_block_copies(const SpmmBlockQuadsArgs& args) noexcept {
    static_assert(Lanes::kWidth == 4);
    constexpr int kChains = 4;  // of additions
    for_each_strip(args.block, [&](int64_t row, uint32_t left, const uint16_t* offsets,
                                   const int8_t* weights) SPARSEINF_INLINE_LAMBDA {
        Lanes sums[kChains];
        sums[0] = args.accumulate ? Lanes::load(args.y + row) : Lanes::zero();
        for (int chain = 1; chain < kChains; ++chain) sums[chain] = Lanes::zero();
        for (; left >= kChains; left -= kChains, offsets += 4 * kChains, weights += 16 * kChains) {
            for (int chain = 0; chain < kChains; ++chain) {
                add_quad(args.x, offsets + 4 * chain, weights + 16 * chain, sums[chain]);
            }
        }
        for (; left > 0; --left, offsets += 4, weights += 16) add_quad(args.x, offsets, weights, sums[0]);
        ((sums[0] + sums[1]) + (sums[2] + sums[3])).store(args.y + row);
    });
}

// Into the L2 cache, at every step: lines that are left out stop the kernel for as long as the memory takes, since the
// processor's own prefetchers do not follow streams that already come. Zen 4, eight columns, 8192x8192 at 50 / 70 / 90
// % from memory, ms: none 6.3 / 4.1 / 1.36, so 3.5 / 2.5 / 0.87. One column reads fast enough for the processor's own:
// there this loses 5 to 10 %.
SPARSEINF_INLINE void prefetch_quads(const uint16_t* offsets, const int8_t* weights) {
    constexpr int64_t kQuadsAhead = 1024;
    __builtin_prefetch(offsets + 4 * kQuadsAhead, 0, 2);
    __builtin_prefetch(weights + 16 * kQuadsAhead, 0, 2);
}

// kCopiedColumns columns, or fewer that are filled up. A lane is a column.
template <class Lanes, int kVectors>
SPARSEINF_INLINE void add_quad(const uint8_t* x, const uint16_t* offsets, const int8_t* weights,
                               StripSums<Lanes, kVectors>& sums) {
    const QuadOffsets at = QuadOffsets::load(offsets);
    const auto four = Lanes::Four::load(reinterpret_cast<const float*>(weights));
    for (int j = 0; j < kVectors; ++j, x += sizeof(Lanes)) {
        const Lanes chosen =
            Lanes::choose(Lanes::load(x + at.a * kCopiedColumns), Lanes::load(x + at.b * kCopiedColumns),
                          Lanes::load(x + at.c * kCopiedColumns), Lanes::load(x + at.d * kCopiedColumns));
        sums.rows[0][j] = multiply_add(four.template spread<0>(), chosen, sums.rows[0][j]);
        sums.rows[1][j] = multiply_add(four.template spread<1>(), chosen, sums.rows[1][j]);
        sums.rows[2][j] = multiply_add(four.template spread<2>(), chosen, sums.rows[2][j]);
        sums.rows[3][j] = multiply_add(four.template spread<3>(), chosen, sums.rows[3][j]);
    }
}

template <class Lanes>
void spmm_block_copies(const SpmmBlockQuadsArgs& args) noexcept {
    for_each_strip(args.block, [&](int64_t row, uint32_t left, const uint16_t* offsets, const int8_t* weights)
                                   SPARSEINF_INLINE_LAMBDA {
                                       StripSums<Lanes, kCopiedColumns / Lanes::kWidth> sums;
                                       sums.start(args.y + row * kCopiedColumns, args.accumulate);
                                       for (; left >= 4; left -= 4, offsets += 16, weights += 64) {
                                           prefetch_quads(offsets, weights);
                                           for (int i = 0; i < 4; ++i)
                                               add_quad(args.x, offsets + 4 * i, weights + 16 * i, sums);
                                       }
                                       for (; left > 0; --left, offsets += 4, weights += 16) {
                                           prefetch_quads(offsets, weights);
                                           add_quad(args.x, offsets, weights, sums);
                                       }
                                       sums.store(args.y + row * kCopiedColumns);
                                   });
}

// A panel of quads into one of copies: quads[feature / 4][T][4] -> copies[feature][T][4].
template <int kColumns>
void copy_bytes(const uint8_t* quads, int64_t num_quads, uint8_t* copies) noexcept {
    for (int64_t quad = 0; quad < num_quads; ++quad) {
        for (int byte = 0; byte < 4; ++byte) {
            for (int n = 0; n < kColumns; ++n) {
                const uint32_t four = quads[4 * (quad * kColumns + n) + byte] * 0x01010101u;
                __builtin_memcpy(copies + 4 * ((4 * quad + byte) * kColumns + n), &four, sizeof four);
            }
        }
    }
}

}  // namespace
