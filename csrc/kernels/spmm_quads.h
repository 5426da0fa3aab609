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
// panel out so that they do.
#pragma once

#include <cstdint>

#include "int8_args.h"
#include "row_sums.h"

namespace {

// Bytes: a vector of so many columns; four vectors of Bytes::Lanes hold their sums.
template <class Bytes>
void spmm_quads(const SpmmQuadsArgs& args) noexcept {
    using Lanes = typename Bytes::Lanes;
    constexpr int64_t kColumns = Bytes::kColumns;
    constexpr int kLanes = Lanes::kWidth;
    const uint16_t* columns = args.block.columns;
    const int8_t* weights = args.block.weights;
    const uint16_t* rows = args.block.rows;
    for (int32_t r = 0; r < args.block.num_runs; ++r) {
        const QuadRun run = args.block.runs[r];
        for (uint32_t i = 0; i < run.num_rows; ++i) {
            int32_t* y = args.y + int64_t{rows[i]} * kColumns;
            Lanes sums[4];
            for (int j = 0; j < 4; ++j) sums[j] = args.accumulate ? Lanes::load(y + j * kLanes) : Lanes::zero();
            for (uint32_t quad = 0; quad < run.num_quads; ++quad, columns += 4, weights += 4) {
                Lanes x[4];
                Bytes::interleave(args.x + columns[0] * kColumns, args.x + columns[1] * kColumns,
                                  args.x + columns[2] * kColumns, args.x + columns[3] * kColumns, x);
                const Lanes w = Lanes::broadcast(weights);
                for (int j = 0; j < 4; ++j) sums[j] = multiply_add(w, x[j], sums[j]);
            }
            for (int j = 0; j < 4; ++j) sums[j].store(y + j * kLanes);
        }
        rows += run.num_rows;
    }
}

template <class Bytes>
void split_quads(uint8_t* panel, int64_t num_quads) noexcept {
    for (int64_t quad = 0; quad < num_quads; ++quad) Bytes::split(panel + quad * 4 * Bytes::kColumns);
}

}  // namespace
