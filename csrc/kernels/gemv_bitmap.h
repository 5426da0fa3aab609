// Sparse times vector, CSR rows as bitmaps: y[r] = sum over the nonzeros (k, w) of row r of w * x[k].
//
// Sixteen columns a step: the mask says which of them have a weight, the packed weights are spread to those lanes,
// and only those lanes are added (x at a pruned position is never touched by arithmetic). Bytes a position:
// 4 * density + 1/8, which is what bounds this kernel while the weights come from memory. Four rows are one stream of
// values; eight rows at once share the load of x, hide each other's latencies, and make two streams.
#pragma once

#include <cstdint>

#include "kernel_args.h"
#include "row_sums.h"

namespace {

// In values, into the L1 and into the L2 cache. The streams advance unevenly, which the processor's own prefetchers
// follow badly, and the L1 cache waits for too few lines at once to hide the memory. Zen 4, 4096x4096 from memory, us
// at 50 / 70 %: 1710 / 1200 with one stream and L1 384; 1345 / 1020 with two streams and L1 512; 1380 / 1010 with L1
// 768; 1897 / 969 with L2 2048 only; 1217 / 978 with L1 768 and L2 2048 (29 and 23 GB/s; memory gives 31).
constexpr int64_t kValuesAheadL1 = 768;
constexpr int64_t kValuesAheadL2 = 2048;

// Four rows of the weight: their sums, and where their streams have been read up to.
template <class Wide>
struct BitmapQuad {
    Wide sums[4];
    const uint16_t* masks;
    const float* values;

    SPARSEINF_INLINE void start(const GemvBitmapArgs& args, int64_t quad) {
        for (auto& row : sums) row = Wide::zero();
        masks = args.masks + quad * args.num_groups * 4;
        values = args.values + args.quad_offsets[quad];
    }

    template <int kParts>
    SPARSEINF_INLINE void add(const Wide (&x)[kParts]) {
        constexpr uint32_t kPartMask = (1u << Wide::kWidth) - 1;
        for (int64_t line = 0; line < 32; line += 16) {
            __builtin_prefetch(values + kValuesAheadL1 + line);
            __builtin_prefetch(values + kValuesAheadL2 + line, 0, 2);
        }
        for (int i = 0; i < 4; ++i) {
            for (int part = 0; part < kParts; ++part) {
                uint32_t mask = (masks[i] >> (part * Wide::kWidth)) & kPartMask;
                asm("" : "+r"(mask));  // all 32 bits: a 16-bit popcnt would wait for the one before
                sums[i] = multiply_add_expanded(mask, values, x[part], sums[i]);
                values += __builtin_popcount(mask);
            }
        }
        masks += 4;
    }

    SPARSEINF_INLINE void store(float* y) const {
        for (int i = 0; i < 4; ++i) y[i] = sum(sums[i]);
    }
};

template <class Wide, int kQuads>
SPARSEINF_INLINE void gemv_bitmap_quads(const GemvBitmapArgs& args, const int64_t (&numbers)[kQuads]) {
    constexpr int kParts = 16 / Wide::kWidth;
    BitmapQuad<Wide> quads[kQuads];
    for (int q = 0; q < kQuads; ++q) quads[q].start(args, numbers[q]);
    for (int64_t group = 0; group < args.num_groups; ++group) {
        Wide x[kParts];
        for (int part = 0; part < kParts; ++part) x[part] = Wide::load(args.x + group * 16 + part * Wide::kWidth);
        for (auto& quad : quads) quad.add(x);
    }
    for (int q = 0; q < kQuads; ++q) quads[q].store(args.y + 4 * numbers[q]);
}

template <class Wide>
void gemv_bitmap(const GemvBitmapArgs& args) noexcept {
    const int64_t half = args.num_quads / 2;
    for (int64_t quad = 0; quad < half; ++quad) gemv_bitmap_quads<Wide, 2>(args, {quad, half + quad});
    if (args.num_quads % 2 != 0) gemv_bitmap_quads<Wide, 1>(args, {args.num_quads - 1});
}

}  // namespace
