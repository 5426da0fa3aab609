// Sparse times vector, CSR rows as bitmaps: y[r] = sum over the nonzeros (k, w) of row r of w * x[k].
//
// Sixteen columns a step: the mask says which of them have a weight, the packed weights are spread to those lanes,
// and only those lanes are added (x at a pruned position is never touched by arithmetic). Bytes a position:
// 4 * density + 1/8, which is what bounds this kernel while the weights come from memory. Four rows at once share
// the load of x and hide each other's latencies.
#pragma once

#include <cstdint>

#include "kernel_args.h"
#include "row_sums.h"

namespace {

// In values. The stream advances unevenly, which the processor's own prefetchers follow badly. Zen 4, 4096x4096 from
// memory at 70 %: 2.31 ms without, 1.50 with 64, 1.28 with 256, 1.29 with 512, 1.64 with 1024 values.
constexpr int64_t kPrefetchDistance = 384;

template <class Wide>
void gemv_bitmap(const GemvBitmapArgs& args) noexcept {
    constexpr int kParts = 16 / Wide::kWidth;
    constexpr uint32_t kPartMask = (1u << Wide::kWidth) - 1;
    for (int64_t quad = 0; quad < args.num_quads; ++quad) {
        const uint16_t* masks = args.masks + quad * args.num_groups * 4;
        const float* values = args.values + args.quad_offsets[quad];
        Wide sums[4];
        for (int i = 0; i < 4; ++i) sums[i] = Wide::zero();
        for (int64_t group = 0; group < args.num_groups; ++group, masks += 4) {
            __builtin_prefetch(values + kPrefetchDistance);
            __builtin_prefetch(values + kPrefetchDistance + 16);
            Wide x[kParts];
            for (int part = 0; part < kParts; ++part) x[part] = Wide::load(args.x + group * 16 + part * Wide::kWidth);
            for (int i = 0; i < 4; ++i) {
                for (int part = 0; part < kParts; ++part) {
                    uint32_t mask = (masks[i] >> (part * Wide::kWidth)) & kPartMask;
                    asm("" : "+r"(mask));  // all 32 bits: a 16-bit popcnt would wait for the one before
                    sums[i] = multiply_add_expanded(mask, values, x[part], sums[i]);
                    values += __builtin_popcount(mask);
                }
            }
        }
        for (int i = 0; i < 4; ++i) args.y[4 * quad + i] = sum(sums[i]);
    }
}

}  // namespace
