// Sparse int8 times vector, rows as bitmaps: y[r] = sum over the nonzeros (k, w) of row r of w * x[k].
//
// As gemv_bitmap.h does it for floats, 64 columns a step: the mask says which of them have a weight, the packed weights
// are spread to those, absent ones being zero, and all are multiplied. Bytes a position: density + 1/8. Zen 4, 3.6
// cycles a step at any density, of which spreading, the mask's way into its register, and the products take one and
// more each on the same two pipes: bound by bytes from memory up to 75 % zeros. Masks in one stream with the values: 5
// to 7.
#pragma once

#include <cstdint>

#include "few_columns_args.h"
#include "row_sums.h"

namespace {

// In values, into the L1 and into the L2 cache.
constexpr int64_t kInt8ValuesAheadL1 = 256;
constexpr int64_t kInt8ValuesAheadL2 = 1024;

// Four rows of the weight: their sums, and where their streams have been read up to. Expansion: how Expansion::Lanes of
// weights are made of a mask and packed weights.
template <class Expansion>
struct BitmapInt8Quad {
    using Lanes = typename Expansion::Lanes;
    static constexpr int kParts = 16 / Lanes::kWidth;
    static constexpr int kPartBytes = 4 * Lanes::kWidth;

    Lanes sums[4];
    const uint64_t* masks;
    const int8_t* values;

    SPARSEINF_INLINE void start(const GemvBitmapInt8Args& args, int64_t quad) {
        for (auto& row : sums) row = Lanes::zero();
        masks = args.masks + quad * args.num_groups * 4;
        values = args.values + args.quad_offsets[quad];
    }

    SPARSEINF_INLINE void add(const Lanes (&x)[kParts]) {
        for (int64_t line = 0; line < 128; line += 64) {
            __builtin_prefetch(values + kInt8ValuesAheadL1 + line);
            __builtin_prefetch(values + kInt8ValuesAheadL2 + line, 0, 2);
        }
        for (int i = 0; i < 4; ++i) {
            for (int part = 0; part < kParts; ++part) {
                const uint64_t mask = masks[i] << (64 - (part + 1) * kPartBytes) >> (64 - kPartBytes);
                sums[i] = multiply_add(Expansion::expand(mask, values), x[part], sums[i]);
                values += __builtin_popcountll(mask);
            }
        }
        masks += 4;
    }

    SPARSEINF_INLINE void store(int32_t* y) const {
        for (int i = 0; i < 4; ++i) y[i] = Expansion::sum(sums[i]);
    }
};

template <class Expansion, int kQuads>
SPARSEINF_INLINE void gemv_bitmap_int8_quads(const GemvBitmapInt8Args& args, const int64_t (&numbers)[kQuads]) {
    using Quad = BitmapInt8Quad<Expansion>;
    Quad quads[kQuads];
    for (int q = 0; q < kQuads; ++q) quads[q].start(args, numbers[q]);
    for (int64_t group = 0; group < args.num_groups; ++group) {
        typename Quad::Lanes x[Quad::kParts];
        for (int part = 0; part < Quad::kParts; ++part) {
            x[part] = Quad::Lanes::load(args.x + group * 64 + part * Quad::kPartBytes);
        }
        for (auto& quad : quads) quad.add(x);
    }
    for (int q = 0; q < kQuads; ++q) quads[q].store(args.y + 4 * numbers[q]);
}

// Two quads at once share x, and make two streams for the memory to fetch.
template <class Expansion>
void gemv_bitmap_int8(const GemvBitmapInt8Args& args) noexcept {
    const int64_t half = args.num_quads / 2;
    for (int64_t quad = 0; quad < half; ++quad) gemv_bitmap_int8_quads<Expansion, 2>(args, {quad, half + quad});
    if (args.num_quads % 2 != 0) gemv_bitmap_int8_quads<Expansion, 1>(args, {args.num_quads - 1});
}

}  // namespace
