// The streams of spmm_quads from pairs of rows: for packing. int8_args.h tells their order (QuadBlock).
//
// Each pair is first written as spmm_csr reads it, then cut into quads.
#pragma once

#include <cstdint>

#include "int8_args.h"
#include "row_sums.h"
#include "write_pairs.h"

namespace {

// One row's nonzeros of a pair that it does not share, wherever write_pairs left them.
struct SingleNonzeros {
    const uint16_t* columns;
    const float* values;
    int64_t num_in_turn;  // these lie two apart, with the other row's in between; what follows them does not
    int64_t num_rest;
    int side;

    // Four from nonzero `first` on; past the last: column 0 with the weight 0, which changes no sum.
    void write_quad(int64_t first, uint16_t* offsets, int8_t* weights) const {
        for (int64_t i = first; i < first + 4; ++i) {
            const int64_t at = i < num_in_turn ? 2 * i + side : num_in_turn + i;
            const bool is_nonzero = i < num_in_turn + num_rest;
            offsets[i - first] = is_nonzero ? static_cast<uint16_t>(kQuadOffsetsAColumn * columns[at]) : uint16_t{0};
            weights[i - first] = is_nonzero ? static_cast<int8_t>(values[at]) : int8_t{0};
        }
    }
};

inline void cut_into_quads(const PairedRows& pair, const uint16_t* columns, const float* values, uint16_t* offsets,
                           int8_t* weights) {
    for (uint32_t i = 0; i < pair.num_shared; ++i) {
        offsets[i] = static_cast<uint16_t>(kQuadOffsetsAColumn * columns[i]);
    }
    for (uint32_t i = 0; i < 2 * pair.num_shared; i += 8) {
        for (uint32_t j = 0; j < 4; ++j) {
            weights[i + j] = static_cast<int8_t>(values[i + 2 * j]);
            weights[i + 4 + j] = static_cast<int8_t>(values[i + 2 * j + 1]);
        }
    }
    columns += pair.num_shared;
    values += 2 * int64_t{pair.num_shared};
    offsets += pair.num_shared;
    weights += 2 * int64_t{pair.num_shared};
    const SingleNonzeros first{columns, values, pair.num_single, pair.num_rest, 0};
    const SingleNonzeros second{columns, values, pair.num_single, 0, 1};
    int64_t nonzero = 0;
    for (; nonzero < pair.num_single; nonzero += 4, offsets += 8, weights += 8) {
        first.write_quad(nonzero, offsets, weights);
        second.write_quad(nonzero, offsets + 4, weights + 4);
    }
    for (; nonzero < int64_t{pair.num_single} + pair.num_rest; nonzero += 4, offsets += 4, weights += 4) {
        first.write_quad(nonzero, offsets, weights);
    }
}

template <class Wide>
void write_quads(const WriteQuadsArgs& args) noexcept {
    uint16_t* offsets = args.offsets;
    int8_t* weights = args.weights;
    for (int64_t i = 0; i < args.num_pairs; ++i) {
        const PairedRows& pair = args.pairs[i];
        write_pairs<Wide>({args.rows, &pair, 1, args.scratch, args.columns, args.values});
        cut_into_quads(pair, args.columns, args.values, offsets, weights);
        const QuadRun run = quads_of(pair);
        offsets += num_offsets(run);
        weights += num_weights(run);
    }
}

}  // namespace
