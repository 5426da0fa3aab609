// Sparse times panel, CSR: y[r][n] (+)= sum over the nonzeros (k, w) of row r of w * x[k][n].
//
// Two rows run at once, their sums in registers. A column in which both have a nonzero loads x once; the others are
// taken in step, so that every iteration feeds the chains of additions of two rows. Pairs with equal trip counts
// follow each other (CsrRun): then the loop exits are predicted, which matters more than anything else at ten
// nonzeros a row and K block. pack/csr_pack.h tells how rows become pairs.
#pragma once

#include <cstdint>

#include "kernel_args.h"
#include "row_sums.h"

namespace {

// Where the streams of a block have been read up to.
struct CsrCursor {
    const uint16_t* rows;
    const uint16_t* columns;
    const float* values;
};

// kPairs pairs of one run at once, in step: they have the same trip counts.
template <class Row, int kPairs>
SPARSEINF_INLINE void run_pairs(const SpmmCsrArgs& args, const CsrRun& run, CsrCursor& at) {
    const float* x_main = args.x.main;
    const float* x_tail = args.x.tail;
    const int64_t num_columns = int64_t{run.num_shared} + 2 * int64_t{run.num_single} + run.num_rest;
    const int64_t num_values = num_columns + run.num_shared;
    const uint16_t* columns[kPairs];
    const float* values[kPairs];
    Row first[kPairs], second[kPairs];
    for (int p = 0; p < kPairs; ++p) {
        columns[p] = at.columns + p * num_columns;
        values[p] = at.values + p * num_values;
        first[p].start(args.y, at.rows[2 * p], args.accumulate);
        second[p].start(args.y, at.rows[2 * p + 1], args.accumulate);
    }
    // A narrow panel uses up weights faster than the processor's own prefetchers bring them from memory. Zen 4,
    // 4096x4096, 16 columns, from memory: 3.3 -> 2.9 ms at 80 %, 1.45 -> 1.34 ms at 90 %; 2 to 4 % slower from the L2
    // cache. One column: no difference.
    if constexpr (kPairs >= 2 && sizeof(Row) > sizeof(float)) {
        constexpr int64_t kAhead = 512;
        for (int64_t i = 0; i < kPairs * num_values; i += 16) __builtin_prefetch(at.values + kAhead + i);
        for (int64_t i = 0; i < kPairs * num_columns; i += 32) __builtin_prefetch(at.columns + kAhead + i);
    }
    Row x, other;
    for (uint32_t i = 0; i < run.num_shared; ++i) {
        for (int p = 0; p < kPairs; ++p, columns[p - 1] += 1, values[p - 1] += 2) {
            x.load(x_main, x_tail, columns[p][0]);
            first[p].add(values[p][0], x);
            second[p].add(values[p][1], x);
        }
    }
    for (uint32_t i = 0; i < run.num_single; ++i) {
        for (int p = 0; p < kPairs; ++p, columns[p - 1] += 2, values[p - 1] += 2) {
            x.load(x_main, x_tail, columns[p][0]);
            other.load(x_main, x_tail, columns[p][1]);
            first[p].add(values[p][0], x);
            second[p].add(values[p][1], other);
        }
    }
    for (uint32_t i = 0; i < run.num_rest; ++i) {
        for (int p = 0; p < kPairs; ++p, columns[p - 1] += 1, values[p - 1] += 1) {
            x.load(x_main, x_tail, columns[p][0]);
            first[p].add(values[p][0], x);
        }
    }
    for (int p = 0; p < kPairs; ++p) {
        first[p].store(args.y, at.rows[2 * p]);
        second[p].store(args.y, at.rows[2 * p + 1]);
    }
    at = {at.rows + 2 * kPairs, at.columns + kPairs * num_columns, at.values + kPairs * num_values};
}

template <class Wide, class Half, int kWide, bool kHasHalf>
void spmm_csr(const SpmmCsrArgs& args) noexcept {
    using Row = PanelRow<Wide, Half, kWide, kHasHalf>;
    // Two rows of a narrow panel are too few chains of additions to fill a latency of four cycles. Zen 4, 1024x1024,
    // 80 %, 192 columns in panels of one vector: 1.57 ms with one pair at a time, 1.45 with four, 1.34 with four, two,
    // one; of two vectors: 1.38 ms with one, 1.07 with two; of three to five vectors: no difference.
    // Also without gain: unrolling the loops by 2 or 4 (1 %), prefetching the next pair's sums (3 to 9 % slower).
    constexpr int kVectors = kWide + kHasHalf;
    constexpr int kPairs = kVectors == 1 ? 4 : kVectors == 2 ? 2 : 1;
    CsrCursor at{args.block.rows, args.block.columns, args.block.values};
    for (int32_t r = 0; r < args.block.num_runs; ++r) {
        const CsrRun run = args.block.runs[r];
        uint32_t left = run.num_pairs;
        for (; left >= kPairs; left -= kPairs) run_pairs<Row, kPairs>(args, run, at);
        if constexpr (kPairs > 2) {
            for (; left >= 2; left -= 2) run_pairs<Row, 2>(args, run, at);
        }
        if constexpr (kPairs > 1) {
            for (; left > 0; --left) run_pairs<Row, 1>(args, run, at);
        }
    }
}

}  // namespace
