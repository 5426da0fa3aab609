// The streams of spmm_csr from pairs of rows: for packing. kernel_args.h tells their order (CsrBlock).
#pragma once

#include <cstdint>

#include "packing_args.h"

namespace {

using namespace sparseinf;

// condition ? a : b, where the compiler must not make it a branch.
inline uint32_t select(uint32_t condition, uint32_t a, uint32_t b) { return b ^ ((a ^ b) & (0u - condition)); }

// Two rows with a partner: the columns of both go to the shared part, all others to the single part, first row's and
// second row's in turn, and what the first row has beyond it to the rest.
//
// Any level: a nonzero at a time. Where it goes is computed without branches: a merge would mispredict on most.
template <class Wide>
struct PairWriter {
    static void write_row(const BlockRows& rows, uint32_t row, uint32_t other, uint32_t side, const PairedRows& pair,
                          uint16_t* columns, float* values) {
        const uint16_t* row_columns = rows.columns + rows.starts[row];
        const float* row_values = rows.values + rows.starts[row];
        const uint64_t* other_marks = rows.marks + other * rows.num_words;
        uint32_t shared = 0;
        for (uint32_t i = 0; i < rows.sizes[row]; ++i) {
            const uint16_t column = row_columns[i];
            const auto is_shared = static_cast<uint32_t>(other_marks[column / 64] >> (column % 64) & 1);
            const uint32_t single = i - shared;
            const uint32_t at = select(single < pair.num_single, 2 * single + side, single + pair.num_single);
            columns[select(is_shared, shared, pair.num_shared + at)] = column;
            values[select(is_shared, 2 * shared + side, 2 * pair.num_shared + at)] = row_values[i];
            shared += is_shared;
        }
    }

    static void write(const WritePairsArgs& args, const PairedRows& pair, uint16_t* columns, float* values) {
        write_row(args.rows, pair.first, pair.second, 0, pair, columns, values);
        write_row(args.rows, pair.second, pair.first, 1, pair, columns, values);
    }
};

template <class Wide>
void write_pairs(const WritePairsArgs& args) noexcept {
    const BlockRows& rows = args.rows;
    uint16_t* columns = args.columns;
    float* values = args.values;
    for (int64_t i = 0; i < args.num_pairs; ++i) {
        const PairedRows& pair = args.pairs[i];
        if (pair.second != rows.num_rows) {
            PairWriter<Wide>::write(args, pair, columns, values);
        } else if (pair.num_rest > 0) {  // copies of nothing may not come from nowhere
            __builtin_memcpy(columns, rows.columns + rows.starts[pair.first], pair.num_rest * sizeof *columns);
            __builtin_memcpy(values, rows.values + rows.starts[pair.first], pair.num_rest * sizeof *values);
        }
        columns += pair.num_shared + 2 * int64_t{pair.num_single} + pair.num_rest;
        values += 2 * (int64_t{pair.num_shared} + pair.num_single) + pair.num_rest;
    }
}

}  // namespace
