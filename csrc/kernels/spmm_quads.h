// Sparse int8 times a panel of bytes: y[r][n] (+)= sum over the nonzeros (k, w) of row r of w * x[k][n], four a step.
//
// Instructions that add four products want the four x of a column side by side. The rows of x of any four nonzeros are
// brought into that order in registers:
//
//     x[k0]  a0 b0 c0 ...                                     a0 a1 a2 a3 b0 b1 b2 b3 ...
//     x[k1]  a1 b1 c1 ...    interleaved bytes, then pairs ->
//     x[k2]  a2 b2 c2 ...
//     x[k3]  a3 b3 c3 ...
//
// Interleaving works inside 16 bytes of a vector, so columns do not come out one after the other; split_quads lays the
// panel out so that they do. Two rows run at once, as in spmm_csr.h: four columns in which both have a nonzero are
// brought into order once.
//
// Zen 4, 64 columns: 8 interleavings on three pipes and 4 products on two, of four pipes, are 6 cycles a quad at best,
// 4 where two rows share it. Measured 6.4 to 7 and 4.8: which pipe an operation gets is decided early and not always
// well. What did not help, 384x768 at 50 / 80 %, cycles a quad, 5.8 / 6.8 as it is: blends, which any pipe runs, in the
// place of every second interleaving, either with a second copy of x whose neighbours are swapped (6.3 / 7.3), or by
// rotating in registers (7.0 / 7.7); the order of instructions (no difference).
#pragma once

#include <cstdint>

#include "int8_args.h"
#include "row_sums.h"

namespace {

// Two rows of the weight: their sums, and where their streams have been read up to.
template <class Bytes>
struct QuadRowPair {
    using Lanes = typename Bytes::Lanes;
    using Row = PanelRow<Lanes, Lanes, Bytes::kVectors, false>;

    const uint8_t* x;
    const uint16_t* offsets;
    const int8_t* weights;
    Row first, second;

    SPARSEINF_INLINE const uint8_t* column(int i) const {
        return x + uint64_t{offsets[i]} * (Bytes::kColumns / kQuadOffsetsAColumn);
    }
    SPARSEINF_INLINE Row next_x() {
        Row quad;
        Bytes::interleave(column(0), column(1), column(2), column(3), quad.wide);
        offsets += 4;
        return quad;
    }
    SPARSEINF_INLINE Lanes next_weights() {
        const Lanes four = Lanes::broadcast(weights);
        weights += 4;
        return four;
    }
    // The processor's own prefetchers start anew with each page. Zen 4, 64 columns, 8192x8192, 80 %, from memory:
    // 9.5 -> 7.4 ms, from the caches no difference; narrower panels have no time for it (16 columns: 15 % slower).
    SPARSEINF_INLINE void prefetch() const {
        constexpr int kAhead = 4096;
        if constexpr (Bytes::kColumns == 64) {
            __builtin_prefetch(offsets + kAhead, 0, 2);
            __builtin_prefetch(weights + kAhead, 0, 2);
        }
    }
    SPARSEINF_INLINE void add_shared() {
        prefetch();
        const Row quad = next_x();
        first.add(next_weights(), quad);
        second.add(next_weights(), quad);
    }
    SPARSEINF_INLINE void add_single() {
        prefetch();
        first.add(next_weights(), next_x());
        second.add(next_weights(), next_x());
    }
    SPARSEINF_INLINE void add_rest() { first.add(next_weights(), next_x()); }
};

// Bytes: a vector of so many columns; Bytes::kVectors vectors of Bytes::Lanes hold their sums.
template <class Bytes>
void spmm_quads(const SpmmQuadsArgs& args) noexcept {
    const Panel y{reinterpret_cast<float*>(args.y), nullptr};
    const uint16_t* rows = args.block.rows;
    QuadRowPair<Bytes> pair;
    pair.x = args.x;
    pair.offsets = args.block.offsets;
    pair.weights = args.block.weights;
    for (int32_t r = 0; r < args.block.num_runs; ++r) {
        const QuadRun run = args.block.runs[r];
        for (uint32_t i = 0; i < run.num_pairs; ++i, rows += 2) {
            pair.first.start(y, rows[0], args.accumulate);
            pair.second.start(y, rows[1], args.accumulate);
            for (uint32_t quad = 0; quad < run.num_shared; ++quad) pair.add_shared();
            for (uint32_t quad = 0; quad < run.num_single; ++quad) pair.add_single();
            for (uint32_t quad = 0; quad < run.num_rest; ++quad) pair.add_rest();
            pair.first.store(y, rows[0]);
            pair.second.store(y, rows[1]);
        }
    }
}

template <class Bytes>
void split_quads(uint8_t* panel, int64_t num_quads) noexcept {
    for (int64_t quad = 0; quad < num_quads; ++quad) Bytes::split(panel + quad * 4 * Bytes::kColumns);
}

}  // namespace
