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

// Two rows of the weight: their sums, and where their streams have been read up to.
template <class Row>
struct RowPair {
    using Weight = typename Row::Weight;

    Row first, second;
    const uint16_t* columns;
    const float* values;

    SPARSEINF_INLINE void add_shared(const ConstPanel& panel, Weight a, Weight b) {
        Row x;
        x.load(panel.main, panel.tail, columns[0]);
        first.add(a, x);
        second.add(b, x);
        columns += 1;
    }
    SPARSEINF_INLINE void add_single(const ConstPanel& panel, Weight a, Weight b) {
        Row x, other;
        x.load(panel.main, panel.tail, columns[0]);
        other.load(panel.main, panel.tail, columns[1]);
        first.add(a, x);
        second.add(b, other);
        columns += 2;
    }
    SPARSEINF_INLINE void add_rest(const ConstPanel& panel, Weight a) {
        Row x;
        x.load(panel.main, panel.tail, columns[0]);
        first.add(a, x);
        columns += 1;
    }
};

// kPairs pairs of one run at once, in step: they have the same trip counts.
template <class Row, int kPairs>
SPARSEINF_INLINE void run_pairs(const SpmmCsrArgs& args, const CsrRun& run, CsrCursor& at) {
    using Weight = typename Row::Weight;
    using Four = typename Row::FourWeights;
    const ConstPanel panel = args.x;
    const int64_t num_columns = int64_t{run.num_shared} + 2 * int64_t{run.num_single} + run.num_rest;
    const int64_t num_values = num_columns + run.num_shared;
    RowPair<Row> pairs[kPairs];
    for (int p = 0; p < kPairs; ++p) {
        pairs[p].columns = at.columns + p * num_columns;
        pairs[p].values = at.values + p * num_values;
        pairs[p].first.start(args.y, at.rows[2 * p], args.accumulate);
        pairs[p].second.start(args.y, at.rows[2 * p + 1], args.accumulate);
    }
    // A narrow panel uses up weights faster than the processor's own prefetchers bring them from memory. Zen 4,
    // 4096x4096, 16 columns, from memory: 3.3 -> 2.9 ms at 80 %, 1.45 -> 1.34 ms at 90 %; 2 to 4 % slower from the L2
    // cache. One column: no difference.
    if constexpr (kPairs >= 2 && sizeof(Row) > sizeof(float)) {
        constexpr int64_t kAhead = 512;
        for (int64_t i = 0; i < kPairs * num_values; i += 16) __builtin_prefetch(at.values + kAhead + i);
        for (int64_t i = 0; i < kPairs * num_columns; i += 32) __builtin_prefetch(at.columns + kAhead + i);
    }
    for (uint32_t i = 0; i < run.num_shared / 2; ++i) {
        for (auto& pair : pairs) {
            const Four four = Four::load(pair.values);
            pair.add_shared(panel, four.template spread<0>(), four.template spread<1>());
            pair.add_shared(panel, four.template spread<2>(), four.template spread<3>());
            pair.values += 4;
        }
    }
    if (run.num_shared % 2 != 0) {
        for (auto& pair : pairs) {
            pair.add_shared(panel, Weight::broadcast(pair.values[0]), Weight::broadcast(pair.values[1]));
            pair.values += 2;
        }
    }
    for (uint32_t i = 0; i < run.num_single / 2; ++i) {
        for (auto& pair : pairs) {
            const Four four = Four::load(pair.values);
            pair.add_single(panel, four.template spread<0>(), four.template spread<1>());
            pair.add_single(panel, four.template spread<2>(), four.template spread<3>());
            pair.values += 4;
        }
    }
    if (run.num_single % 2 != 0) {
        for (auto& pair : pairs) {
            pair.add_single(panel, Weight::broadcast(pair.values[0]), Weight::broadcast(pair.values[1]));
            pair.values += 2;
        }
    }
    for (uint32_t i = 0; i < run.num_rest; ++i) {
        for (auto& pair : pairs) pair.add_rest(panel, Weight::broadcast(*pair.values++));
    }
    for (int p = 0; p < kPairs; ++p) {
        pairs[p].first.store(args.y, at.rows[2 * p]);
        pairs[p].second.store(args.y, at.rows[2 * p + 1]);
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
