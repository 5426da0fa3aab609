// Sparse times vector, sliced ELLPACK (SELL): y[r] += sum over the nonzeros (k, w) of row r of w * x[k].
//
// Eight rows side by side, one a lane: a step takes one nonzero of each, so that weights are two forward streams and
// no sum runs across lanes. The x of a step are picked up one by one, by columns that come out of one 8-byte load
// (Zen 4, cycles a nonzero: 0.63; 0.80 with a load for each column, 1.03 with scalar multiplications, 1.5 with
// gathers). After Monakov, Lokhmotov, Avetisyan, "Automatically tuning sparse matrix-vector multiplication for GPU
// architectures" (HiPEAC 2010), and Kreutzer et al., "A unified sparse matrix data format" (SIAM J. Sci. Comput. 2014).
#pragma once

#include <cstdint>

#include "kernel_args.h"
#include "row_sums.h"

namespace {

// Into the L2 cache, since the L1 cache waits for too few lines at once to hide the memory. Zen 4, 4096x4096 at 90 %
// from memory, us: none 739, into L1 64 steps ahead 690, into L2 128 / 256 / 512 / 1024 steps ahead 475 / 458 / 432 /
// 468 (23 GB/s; memory gives 31). Two streams, columns and values: 555 at best.
constexpr int64_t kStepsAhead = 512;

// Four offsets out of two loads: loads are what these kernels are short of.
struct FourOffsets {
    uint64_t a, b, c, d;

    static SPARSEINF_INLINE FourOffsets load(const uint16_t* offsets_bytes) {
        uint32_t low, high;
        __builtin_memcpy(&low, offsets_bytes, sizeof low);
        __builtin_memcpy(&high, offsets_bytes + 2, sizeof high);
        return {low & 0xffff, low >> 16, high & 0xffff, high >> 16};
    }
};

SPARSEINF_INLINE const float* at_offset(const float* x, uint64_t offset_bytes) {
    return reinterpret_cast<const float*>(reinterpret_cast<const char*>(x) + offset_bytes);
}

// The x of four columns.
template <class Quad>
SPARSEINF_INLINE Quad pick(const float* x, const uint16_t* offsets_bytes) {
    const FourOffsets at = FourOffsets::load(offsets_bytes);
    return Quad::from(at_offset(x, at.a), at_offset(x, at.b), at_offset(x, at.c), at_offset(x, at.d));
}

template <class Quad>
void gemv_sell(const GemvSellArgs& args) noexcept {
    static_assert(kSellLanes == 8);
    const uint16_t* rows = args.block.rows;
    const SellStep* steps = args.block.steps;
    for (int32_t r = 0; r < args.block.num_runs; ++r) {
        const SellRun run = args.block.runs[r];
        for (uint32_t slice = 0; slice < run.num_slices; ++slice) {
            Quad low = Quad::zero(), high = Quad::zero();
            for (uint32_t i = 0; i < run.num_steps; ++i, ++steps) {
                __builtin_prefetch(steps + kStepsAhead, 0, 2);
                low = multiply_add(Quad::load(steps->values), pick<Quad>(args.x, steps->offsets_bytes), low);
                high = multiply_add(Quad::load(steps->values + 4), pick<Quad>(args.x, steps->offsets_bytes + 4), high);
            }
            float sums[kSellLanes];
            low.store(sums);
            high.store(sums + 4);
            for (int lane = 0; lane < kSellLanes; ++lane) args.y[rows[lane]] += sums[lane];
            rows += kSellLanes;
        }
    }
}

}  // namespace
