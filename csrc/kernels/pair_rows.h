// Which rows of a K block run together: for packing.
//
// Marks are sets of columns, one bit each: the columns that two rows share are counted 64 at a time. All of this is
// kernels because std::popcount without the processor's own instruction took most of the time of packing (85 ns a
// nonzero at 95 % zeros; all of packing takes 6 ns now).
#pragma once

#include <cstdint>

#include "packing_args.h"
#include "row_sums.h"

namespace {

// How far down the list of rows with the same count a partner is looked for.
constexpr int kPartnerWindow = 8;

// The marks of one row.
template <class Wide>
struct RowMarks {
    static void set(const uint16_t* columns, uint32_t size, uint64_t* marks, int64_t num_words) {
        for (int64_t i = 0; i < num_words; ++i) marks[i] = 0;
        for (uint32_t i = 0; i < size; ++i) marks[columns[i] / 64] |= uint64_t{1} << (columns[i] % 64);
    }
};

// In the order of counts, so that the inner loop's exit is predicted.
template <class Wide>
void mark_columns(const BlockRows& rows, const uint32_t* order) noexcept {
    for (uint32_t i = 0; i < rows.num_rows; ++i) {
        const uint32_t row = order[i];
        RowMarks<Wide>::set(rows.columns + rows.starts[row], rows.sizes[row], rows.marks + row * rows.num_words,
                            rows.num_words);
    }
}

// How many bits two sets have in common. kWords: the number of words if it is a small one, else 0.
template <int kWords>
SPARSEINF_INLINE uint32_t common_bits(const uint64_t* a, const uint64_t* b, int64_t num_words) {
    int64_t sum = 0;
    if constexpr (kWords > 0) {
        for (int i = 0; i < kWords; ++i) sum += __builtin_popcountll(a[i] & b[i]);
    } else {
        for (int64_t i = 0; i < num_words; ++i) sum += __builtin_popcountll(a[i] & b[i]);
    }
    return static_cast<uint32_t>(sum);
}

// The partner is the row that shares most columns, among the next few of the largest count that is left; it is taken
// out of the list that `next` makes of `order`.
template <int kWords>
int64_t pair_rows_of(const PairRowsArgs& args) noexcept {
    const BlockRows& rows = args.rows;
    const uint32_t num_rows = rows.num_rows;
    const int64_t num_words = kWords > 0 ? kWords : rows.num_words;
    uint32_t* next = args.next;
    for (uint32_t i = 0; i < num_rows; ++i) next[i] = i + 1;
    PairedRows* pair = args.pairs;
    for (uint32_t i = 0; i < num_rows; i = next[i]) {
        const uint32_t row = args.order[i];
        const uint32_t size = rows.sizes[row];
        if (size == 0 && !args.keep_empty) break;
        if (next[i] == num_rows) {
            *pair++ = {row, num_rows, 0, 0, size};
            break;
        }
        const uint64_t* marks = rows.marks + row * num_words;
        const uint32_t partner_size = rows.sizes[args.order[next[i]]];
        uint64_t best = 0;  // common columns and, below, the place before the partner in the list
        uint32_t before = i;
        for (int seen = 0; seen < kPartnerWindow; ++seen) {
            const uint32_t j = next[before];
            if (j == num_rows) break;
            const uint32_t other = args.order[j];
            if (rows.sizes[other] != partner_size) break;
            const uint32_t common = common_bits<kWords>(marks, rows.marks + other * num_words, num_words);
            const uint64_t candidate = uint64_t{common} << 32 | before;
            best = best < candidate ? candidate : best;
            before = j;
        }
        const auto num_common = static_cast<uint32_t>(best >> 32);
        before = num_common == 0 ? i : static_cast<uint32_t>(best);  // none: the first is as good as any
        const uint32_t partner = next[before];
        next[before] = next[partner];
        *pair++ = {row, args.order[partner], num_common, partner_size - num_common, size - partner_size};
    }
    return pair - args.pairs;
}

inline int64_t pair_rows(const PairRowsArgs& args) noexcept {
    switch (args.rows.num_words) {
        case 1:
            return pair_rows_of<1>(args);
        case 2:
            return pair_rows_of<2>(args);
        case 3:
            return pair_rows_of<3>(args);
        case 4:
            return pair_rows_of<4>(args);
        default:
            return pair_rows_of<0>(args);
    }
}

}  // namespace
