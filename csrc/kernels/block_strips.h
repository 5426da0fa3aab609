// Walks through the strips of a K block of int8 4x1 blocks, in the order in which their streams lie.
#pragma once

#include <cstdint>

#include "int8_args.h"
#include "row_sums.h"

// gcc keeps the sums of a lambda that it has not inlined in memory.
#define SPARSEINF_INLINE_LAMBDA __attribute__((always_inline))

namespace {

// Calls run(first_row, num_quads, offsets, weights) for each strip.
template <class Run>
SPARSEINF_INLINE void for_each_strip(const BlockQuads& block, Run&& run) {
    const uint16_t* strips = block.strips;
    const uint16_t* offsets = block.offsets;
    const int8_t* weights = block.weights;
    for (int32_t r = 0; r < block.num_runs; ++r) {
        const StripRun strip_run = block.runs[r];
        for (uint32_t i = 0; i < strip_run.num_strips; ++i, ++strips) {
            run(4 * int64_t{*strips}, strip_run.num_quads, offsets, weights);
            offsets += 4 * int64_t{strip_run.num_quads};
            weights += 16 * int64_t{strip_run.num_quads};
        }
    }
}

// The sums of a strip's four rows on kVectors vectors of columns.
template <class Lanes, int kVectors>
struct StripSums {
    static constexpr int64_t kColumns = kVectors * Lanes::kWidth;

    Lanes rows[4][kVectors];

    // What earlier K blocks left in y, or zero.
    SPARSEINF_INLINE void start(const int32_t* y, bool accumulate) {
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < kVectors; ++j) {
                rows[i][j] = accumulate ? Lanes::load(y + i * kColumns + j * Lanes::kWidth) : Lanes::zero();
            }
        }
    }
    SPARSEINF_INLINE void store(int32_t* y) const {
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < kVectors; ++j) rows[i][j].store(y + i * kColumns + j * Lanes::kWidth);
        }
    }
};

}  // namespace
