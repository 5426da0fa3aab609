// The kernels that pack, at every level, against what their descriptions say, a nonzero at a time.
//
// Every array has a page that cannot be touched at one of its ends, of exactly the size that kernels/packing_args.h
// grants.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "guarded_array.h"
#include "matrices.h"

namespace {

using namespace sparseinf;
using namespace testing;

template <class T>
bool begins_with(const GuardedArray<T>& array, const std::vector<T>& expected) {
    return array.size() >= static_cast<int64_t>(expected.size()) &&
           (expected.empty() || std::memcmp(array.data(), expected.data(), expected.size() * sizeof(T)) == 0);
}

std::vector<float> numbered(size_t size) {
    std::vector<float> values(size);
    std::iota(values.begin(), values.end(), 1.0f);
    return values;
}

void check_cut(Isa isa, const std::vector<int32_t>& row, int64_t first_column, int64_t block_columns,
               int64_t num_blocks, Side side) {
    constexpr int64_t kStart = 1000, kStride = 3;
    const std::vector<float> row_values = numbered(row.size());
    std::vector<uint16_t> expected_columns;
    std::vector<int64_t> expected_sizes(static_cast<size_t>(num_blocks), 0);
    for (const int32_t column : row) {
        const int64_t block = (column - first_column) / block_columns;
        if (block >= num_blocks) break;
        ++expected_sizes[static_cast<size_t>(block)];
        expected_columns.push_back(static_cast<uint16_t>((column - first_column) % block_columns));
    }
    const auto num_cut = static_cast<int64_t>(expected_columns.size());

    const GuardedArray<int32_t> in_columns(row, side);
    const GuardedArray<float> in_values(row_values, side);
    GuardedArray<uint16_t> columns(num_cut + kRowRoom, side);
    GuardedArray<float> values(num_cut + kRowRoom, side);
    GuardedArray<uint32_t> sizes((num_blocks - 1) * kStride + 1, side);
    GuardedArray<int64_t> starts((num_blocks - 1) * kStride + 1, side);
    CHECK(kernels_for(isa).cut_row({in_columns.data(), in_values.data(), in_columns.size(), first_column, block_columns,
                                    num_blocks, columns.data(), values.data(), kStart, sizes.data(), starts.data(),
                                    kStride}) == num_cut);
    CHECK(begins_with(columns, expected_columns));
    CHECK(begins_with(values, numbered(expected_columns.size())));
    int64_t start = kStart;
    for (int64_t block = 0; block < num_blocks; ++block) {
        CHECK(starts[block * kStride] == start);
        CHECK(sizes[block * kStride] == expected_sizes[static_cast<size_t>(block)]);
        start += expected_sizes[static_cast<size_t>(block)];
    }
}

TEST(rows_are_cut_into_blocks) {
    std::mt19937 random(21);
    for_each_float_isa([&](Isa isa) {
        for (const double density : {0.0, 0.02, 0.3, 1.0}) {
            for (const int64_t num_columns : {1, 15, 16, 17, 31, 32, 33, 64, 200, 500}) {
                for (const int64_t first_column : {int64_t{0}, int64_t{700}, int64_t{INT32_MAX} - num_columns}) {
                    const Case name(describe(density) + " of " + std::to_string(num_columns) + " columns from " +
                                    std::to_string(first_column));
                    std::vector<int32_t> row;
                    for (int64_t column = first_column; column < first_column + num_columns; ++column) {
                        if (std::bernoulli_distribution(density)(random)) row.push_back(static_cast<int32_t>(column));
                    }
                    for (const Side side : kBothSides) {
                        check_cut(isa, row, first_column, 32, 1, side);
                        check_cut(isa, row, first_column, 32, 3, side);
                        check_cut(isa, row, first_column, 140, 4, side);
                        check_cut(isa, row, first_column, 65536, 1, side);
                    }
                }
            }
        }
    });
}

// The rows of a block with its inputs in guarded arrays; the first row is full and the last one empty.
struct GuardedRows {
    GuardedRows(uint32_t num_rows, int64_t num_words, double density, Side side, std::mt19937& random)
        : GuardedRows(random_matrix({num_rows, 64 * num_words - 3}, 1.0 - density, Numbers::kReal, random), num_words,
                      side) {}

    GuardedRows(const Matrix& matrix, int64_t num_words, Side side)
        : columns(static_cast<int64_t>(matrix.columns.size()), side),
          values(matrix.values, side),
          starts(matrix.row_offsets.data(), matrix.shape.num_rows, side),
          sizes(matrix.shape.num_rows, side),
          marks(matrix.shape.num_rows * num_words, side),
          rows{columns.data(),
               values.data(),
               starts.data(),
               sizes.data(),
               marks.data(),
               num_words,
               static_cast<uint32_t>(matrix.shape.num_rows)} {
        for (int64_t i = 0; i < columns.size(); ++i) {
            columns[i] = static_cast<uint16_t>(matrix.columns[static_cast<size_t>(i)]);
        }
        for (int64_t row = 0; row < sizes.size(); ++row) {
            const auto at = static_cast<size_t>(row);
            sizes[row] = static_cast<uint32_t>(matrix.row_offsets[at + 1] - matrix.row_offsets[at]);
        }
        order.resize(rows.num_rows);
        std::iota(order.begin(), order.end(), 0u);
        std::ranges::stable_sort(order, [&](uint32_t a, uint32_t b) { return sizes[a] > sizes[b]; });
    }

    std::vector<uint16_t> columns_of(uint32_t row) const {
        return {columns.data() + starts[row], columns.data() + starts[row] + sizes[row]};
    }
    std::vector<uint16_t> shared_columns(uint32_t a, uint32_t b) const {
        std::vector<uint16_t> shared;
        std::ranges::set_intersection(columns_of(a), columns_of(b), std::back_inserter(shared));
        return shared;
    }

    GuardedArray<uint16_t> columns;
    GuardedArray<float> values;
    GuardedArray<int64_t> starts;
    GuardedArray<uint32_t> sizes;
    GuardedArray<uint64_t> marks;
    BlockRows rows;
    std::vector<uint32_t> order;
};

template <class Visit>
void for_each_block(Visit&& visit) {
    std::mt19937 random(22);
    for_each_float_isa([&](Isa isa) {
        for (const int64_t num_words : {1, 2, 3, 4, 5, 6, 7, 8, 9, 20}) {
            for (const double density : {0.0, 0.03, 0.2, 0.5, 1.0}) {
                for (const uint32_t num_rows : {1u, 2u, 3u, 40u}) {
                    const Case name(describe(density) + " of " + std::to_string(num_words) + " words, " +
                                    std::to_string(num_rows) + " rows");
                    for (const Side side : kBothSides) {
                        GuardedRows block(num_rows, num_words, density, side, random);
                        const GuardedArray<uint32_t> order(block.order, side);
                        kernels_for(isa).mark_columns(block.rows, order.data());
                        visit(kernels_for(isa), block, side);
                    }
                }
            }
        }
    });
}

TEST(columns_are_marked) {
    for_each_block([](const KernelTable&, const GuardedRows& block, Side) {
        std::vector<uint64_t> expected(static_cast<size_t>(block.marks.size()), 0);
        for (uint32_t row = 0; row < block.rows.num_rows; ++row) {
            for (const uint16_t column : block.columns_of(row)) {
                expected[static_cast<size_t>(row * block.rows.num_words + column / 64)] |= uint64_t{1} << column % 64;
            }
        }
        CHECK(begins_with(block.marks, expected));
    });
}

std::vector<PairedRows> pairs_of(const KernelTable& kernels, const GuardedRows& block, bool keep_empty, Side side) {
    const GuardedArray<uint32_t> order(block.order, side);
    GuardedArray<uint32_t> next(order.size(), side);
    GuardedArray<PairedRows> pairs(order.size(), side);
    const int64_t num_pairs = kernels.pair_rows({block.rows, order.data(), keep_empty, next.data(), pairs.data()});
    return {pairs.data(), pairs.data() + num_pairs};
}

TEST(a_row_is_paired_with_the_next_of_most_shared_columns) {
    for_each_block([](const KernelTable& kernels, const GuardedRows& block, Side side) {
        std::vector<uint32_t> left = block.order;
        for (const PairedRows& pair : pairs_of(kernels, block, true, side)) {
            CHECK(!left.empty() && pair.first == left.front());
            left.erase(left.begin());
            const uint32_t size = block.sizes[pair.first];
            if (left.empty()) {
                CHECK(pair.second == block.rows.num_rows);
                CHECK(pair.num_shared == 0 && pair.num_single == 0 && pair.num_rest == size);
                continue;
            }
            // Of the first eight of the same size; of several that share as many columns, the last, or the first if
            // they share none.
            const uint32_t partner_size = block.sizes[left.front()];
            size_t best = 0, most = 0;
            for (size_t i = 0; i < std::min<size_t>(8, left.size()) && block.sizes[left[i]] == partner_size; ++i) {
                const size_t shared = block.shared_columns(pair.first, left[i]).size();
                if (shared > 0 && shared >= most) {
                    best = i;
                    most = shared;
                }
            }
            CHECK(pair.second == left[best]);
            CHECK(pair.num_shared == most);
            CHECK(pair.num_shared + pair.num_single == partner_size);
            CHECK(pair.num_shared + pair.num_single + pair.num_rest == size);
            left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
        }
        CHECK(left.empty());
    });
}

TEST(rows_that_have_nothing_are_left_out_on_request) {
    for_each_block([](const KernelTable& kernels, const GuardedRows& block, Side side) {
        std::vector<PairedRows> expected = pairs_of(kernels, block, true, side);
        std::erase_if(expected, [&](const PairedRows& pair) { return block.sizes[pair.first] == 0; });
        const std::vector<PairedRows> pairs = pairs_of(kernels, block, false, side);
        CHECK(pairs.size() == expected.size());
        CHECK(pairs.empty() || std::memcmp(pairs.data(), expected.data(), pairs.size() * sizeof pairs[0]) == 0);
    });
}

struct Streams {
    std::vector<uint16_t> columns;
    std::vector<float> values;
};

// Appends a pair in the order that CsrBlock describes.
void append_pair(const GuardedRows& block, const PairedRows& pair, Streams& out) {
    const bool has_second = pair.second < block.rows.num_rows;
    const std::vector<uint16_t> both =
        has_second ? block.shared_columns(pair.first, pair.second) : std::vector<uint16_t>{};
    Streams shared[2], single[2];
    for (size_t side = 0; side < (has_second ? 2 : 1); ++side) {
        const uint32_t row = side == 0 ? pair.first : pair.second;
        for (int64_t i = block.starts[row]; i < block.starts[row] + block.sizes[row]; ++i) {
            Streams& part = std::ranges::binary_search(both, block.columns[i]) ? shared[side] : single[side];
            part.columns.push_back(block.columns[i]);
            part.values.push_back(block.values[i]);
        }
    }
    for (size_t i = 0; i < both.size(); ++i) {
        out.columns.push_back(both[i]);
        for (const Streams& part : shared) out.values.push_back(part.values[i]);
    }
    for (size_t i = 0; i < single[0].columns.size(); ++i) {
        for (const Streams& part : single) {
            if (i >= part.columns.size()) continue;
            out.columns.push_back(part.columns[i]);
            out.values.push_back(part.values[i]);
        }
    }
}

TEST(pairs_are_written_in_the_order_of_the_kernel) {
    for_each_block([](const KernelTable& kernels, const GuardedRows& block, Side side) {
        const std::vector<PairedRows> made = pairs_of(kernels, block, true, side);
        Streams expected;
        for (const PairedRows& pair : made) append_pair(block, pair, expected);
        const GuardedArray<PairedRows> pairs(made, side);
        GuardedArray<float> scratch(write_pairs_scratch(block.rows.num_words), side);
        GuardedArray<uint16_t> columns(static_cast<int64_t>(expected.columns.size()) + kColumnsRoom, side);
        GuardedArray<float> values(static_cast<int64_t>(expected.values.size()), side);
        kernels.write_pairs({block.rows, pairs.data(), pairs.size(), scratch.data(), columns.data(), values.data()});
        CHECK(values.size() == block.values.size());
        CHECK(begins_with(columns, expected.columns));
        CHECK(begins_with(values, expected.values));
    });
}

}  // namespace
