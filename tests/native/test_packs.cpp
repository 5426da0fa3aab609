// A pack can be turned back into exactly the matrix that it was made from, by any number of threads.
#include <algorithm>
#include <cstring>
#include <vector>

#include "check.h"
#include "guarded_array.h"
#include "matrices.h"
#include "pack/bitmap_pack.h"
#include "pack/block_int8_pack.h"
#include "pack/block_pack.h"
#include "pack/csr_pack.h"
#include "pack/dense_pack.h"
#include "pack/lookup_pack.h"
#include "pack/sell_pack.h"

namespace {

using namespace sparseinf;
using namespace testing;

constexpr Shape kShapes[] = {{0, 0}, {0, 5},   {5, 0},    {1, 1},   {1, 200},   {200, 1},    {3, 4},
                             {4, 3}, {16, 16}, {17, 130}, {33, 65}, {1040, 24}, {2050, 100}, {9, 70000}};
constexpr double kSparsities[] = {0.0, 0.5, 0.9, 0.99, 1.0};

template <class Visit>
void for_each_matrix(Visit&& visit) {
    std::mt19937 random(1);
    for (const Shape shape : kShapes) {
        for (const double sparsity : kSparsities) {
            const Case name(describe(shape) + ", " + describe(sparsity) + " zeros");
            visit(random_matrix(shape, sparsity, Numbers::kReal, random));
        }
    }
}

template <class T, class U>
bool same_bytes(const T& a, const U& b) {
    return a.size() == static_cast<int64_t>(b.size()) &&
           (b.empty() || std::memcmp(a.data(), b.data(), b.size() * sizeof b[0]) == 0);
}

// What `unpack(out)` writes into arrays of exactly the matrix's size is the matrix.
template <class Unpack>
void check_comes_back(const Matrix& matrix, Unpack&& unpack) {
    for (const Side side : kBothSides) {
        GuardedArray<int64_t> row_offsets(matrix.shape.num_rows + 1, side);
        GuardedArray<int32_t> columns(static_cast<int64_t>(matrix.columns.size()), side);
        GuardedArray<float> values(static_cast<int64_t>(matrix.values.size()), side);
        unpack(CsrOutput{row_offsets.data(), columns.data(), values.data()});
        CHECK(same_bytes(row_offsets, matrix.row_offsets));
        CHECK(same_bytes(columns, matrix.columns));
        CHECK(same_bytes(values, matrix.values));
    }
}

// The matrix in arrays of exactly its size: packing must not read outside either.
struct GuardedMatrix {
    GuardedMatrix(const Matrix& matrix, Side side)
        : row_offsets(matrix.row_offsets, side),
          columns(matrix.columns, side),
          values(matrix.values, side),
          view{matrix.shape.num_rows, matrix.shape.num_columns, row_offsets.data(), columns.data(), values.data()} {}

    GuardedArray<int64_t> row_offsets;
    GuardedArray<int32_t> columns;
    GuardedArray<float> values;
    CsrView view;
};

TEST(csr_packs_come_back) {
    for_each_float_isa([](Isa isa) {
        for_each_matrix([&](const Matrix& matrix) {
            for (const int panel_columns : {1, 16, 96}) {
                const Case panel("panels of " + std::to_string(panel_columns));
                const GuardedMatrix guarded(matrix, Side::kEnd);
                const CsrPack pack = pack_csr(guarded.view, panel_columns, kernels_for(isa), 1);
                check_comes_back(matrix, [&](const CsrOutput& out) { unpack_csr(pack, out); });
            }
        });
    });
}

TEST(bitmap_packs_come_back) {
    for_each_matrix([](const Matrix& matrix) {
        const GuardedMatrix guarded(matrix, Side::kEnd);
        const BitmapPack pack = pack_bitmap(guarded.view, 1);
        check_comes_back(matrix, [&](const CsrOutput& out) { unpack_bitmap(pack, out); });
    });
}

TEST(block_packs_come_back) {
    for_each_float_isa([](Isa isa) {
        for_each_matrix([&](const Matrix& matrix) {
            const GuardedMatrix guarded(matrix, Side::kEnd);
            const BlockPack pack = pack_block(guarded.view, kernels_for(isa), 1);
            check_comes_back(matrix, [&](const CsrOutput& out) { unpack_block(pack, out); });
        });
    });
}

TEST(block_int8_packs_come_back) {
    std::mt19937 random(4);
    for (const Shape shape : kShapes) {
        for (const double sparsity : kSparsities) {
            const Case name(describe(shape) + ", " + describe(sparsity) + " zeros");
            const Matrix matrix = random_int8_matrix(shape, sparsity, random);
            const GuardedMatrix guarded(matrix, Side::kEnd);
            const BlockInt8Pack pack = pack_block_int8(guarded.view, kernels_for(available_isas().back()), 1);
            check_comes_back(matrix, [&](const CsrOutput& out) { unpack_block_int8(pack, out); });
        }
    }
}

TEST(sell_packs_come_back) {
    for_each_float_isa([](Isa isa) {
        for_each_matrix([&](const Matrix& matrix) {
            const GuardedMatrix guarded(matrix, Side::kEnd);
            const SellPack pack = pack_sell(guarded.view, kernels_for(isa), 1);
            check_comes_back(matrix, [&](const CsrOutput& out) { unpack_sell(pack, out); });
        });
    });
}

TEST(lookup_packs_come_back) {
    for_each_matrix([](const Matrix& matrix) {
        const GuardedMatrix guarded(matrix, Side::kEnd);
        const LookupPack pack = pack_lookup(guarded.view, 1);
        check_comes_back(matrix, [&](const CsrOutput& out) { unpack_lookup(pack, out); });
    });
}

// A row a thousand times longer than the others must not fill slices with zeros.
TEST(sell_packs_of_skewed_rows_stay_small) {
    Matrix matrix;
    matrix.shape = {200, 6000};
    for (int64_t row = 0; row < 200; ++row) {
        const int32_t size = row == 77 ? 6000 : 6;
        for (int32_t i = 0; i < size; ++i) {
            matrix.columns.push_back(size == 6000 ? i : 900 * i);
            matrix.values.push_back(1.0f);
        }
        matrix.row_offsets.push_back(static_cast<int64_t>(matrix.columns.size()));
    }
    const SellPack pack = pack_sell(matrix.view(), kernels_for(available_isas().back()), 1);
    CHECK(pack.steps.size() * kSellLanes < static_cast<int64_t>(matrix.values.size()) * 5 / 4);
    check_comes_back(matrix, [&](const CsrOutput& out) { unpack_sell(pack, out); });
}

// Likewise, of which windows leave some lanes without a nonzero anyway.
TEST(lookup_packs_of_skewed_rows_stay_small) {
    std::mt19937 random(6);
    const Matrix matrix = skewed_matrix(200, 6000, 600, random);
    const LookupPack pack = pack_lookup(matrix.view(), 1);
    CHECK(!pack.chunks[0].partial_sums.empty());
    const int64_t num_slots = pack.steps.size() * LookupSteps::kNumSteps * kLookupLanes;
    CHECK(num_slots < static_cast<int64_t>(matrix.values.size()) * 2);
    check_comes_back(matrix, [&](const CsrOutput& out) { unpack_lookup(pack, out); });
}

TEST(only_uneven_rows_are_looked_up_out_of_order) {
    std::mt19937 random(7);
    // All but one row of 100 nonzeros.
    const Matrix uneven = skewed_matrix(64, 3000, 100, random);
    Matrix even{{32, 3000}, {0}, uneven.columns, uneven.values};
    for (int64_t row = 1; row <= 32; ++row) even.row_offsets.push_back(100 * row);
    CHECK(pack_lookup(even.view(), 1).chunks[0].rows.empty());
    CHECK(!pack_lookup(uneven.view(), 1).chunks[0].rows.empty());
}

TEST(dense_packs_come_back) {
    for_each_matrix([](const Matrix& matrix) {
        const std::vector<float> dense = matrix.dense();
        for (const Side side : kBothSides) {
            const GuardedArray<float> weights(dense, side);
            const DensePack pack = pack_dense(weights.data(), matrix.shape.num_rows, matrix.shape.num_columns, 1);
            GuardedArray<float> again(weights.size(), side);
            unpack_dense(pack, again.data());
            CHECK(same_bytes(again, dense));
        }
    });
}

template <class T>
bool same_bytes(const AlignedBuffer<T>& a, const AlignedBuffer<T>& b) {
    return a.size() == b.size() &&
           (a.size() == 0 || std::memcmp(a.data(), b.data(), static_cast<size_t>(a.nbytes())) == 0);
}

TEST(packs_are_the_same_for_any_number_of_threads) {
    std::mt19937 random(2);
    const Matrix matrix = random_matrix({4100, 90}, 0.7, Numbers::kReal, random);
    const std::vector<float> dense = matrix.dense();
    const KernelTable& kernels = kernels_for(available_isas().back());
    const CsrPack csr = pack_csr(matrix.view(), 64, kernels, 1);
    const BitmapPack bitmap = pack_bitmap(matrix.view(), 1);
    const SellPack sell = pack_sell(matrix.view(), kernels_for(available_isas().back()), 1);
    const BlockPack block = pack_block(matrix.view(), kernels_for(available_isas().back()), 1);
    const LookupPack lookup = pack_lookup(matrix.view(), 1);
    const DensePack strips = pack_dense(dense.data(), 4100, 90, 1);
    CHECK(csr.chunks.size() > 3);  // or there would be nothing to share out
    for (int num_threads = 2; num_threads <= 8; ++num_threads) {
        const Case threads(std::to_string(num_threads) + " threads");
        const CsrPack other_csr = pack_csr(matrix.view(), 64, kernels, num_threads);
        CHECK(other_csr.chunks.size() == csr.chunks.size());
        for (size_t i = 0; i < std::min(csr.chunks.size(), other_csr.chunks.size()); ++i) {
            CHECK(same_bytes(csr.chunks[i].rows, other_csr.chunks[i].rows));
            CHECK(same_bytes(csr.chunks[i].columns, other_csr.chunks[i].columns));
        }
        CHECK(same_bytes(csr.values, other_csr.values));
        const BitmapPack other_bitmap = pack_bitmap(matrix.view(), num_threads);
        CHECK(same_bytes(bitmap.masks, other_bitmap.masks));
        CHECK(same_bytes(bitmap.values, other_bitmap.values));
        const BlockPack other_block = pack_block(matrix.view(), kernels_for(available_isas().back()), num_threads);
        CHECK(same_bytes(block.columns, other_block.columns));
        CHECK(same_bytes(block.weights, other_block.weights));
        CHECK(
            same_bytes(sell.steps, pack_sell(matrix.view(), kernels_for(available_isas().back()), num_threads).steps));
        const LookupPack other_lookup = pack_lookup(matrix.view(), num_threads);
        CHECK(same_bytes(lookup.steps, other_lookup.steps));
        for (size_t i = 0; i < lookup.chunks.size(); ++i) {
            CHECK(lookup.chunks[i].advances == other_lookup.chunks[i].advances);
        }
        CHECK(same_bytes(strips.weights, pack_dense(dense.data(), 4100, 90, num_threads).weights));
    }
}

TEST(int8_packs_are_the_same_for_any_number_of_threads) {
    std::mt19937 random(5);
    const Matrix matrix = random_int8_matrix({4100, 90}, 0.7, random);
    const KernelTable& kernels = kernels_for(available_isas().back());
    const BlockInt8Pack block = pack_block_int8(matrix.view(), kernels, 1);
    CHECK(block.chunks.size() > 3);  // or there would be nothing to share out
    for (int num_threads = 2; num_threads <= 8; ++num_threads) {
        const Case threads(std::to_string(num_threads) + " threads");
        const BlockInt8Pack other = pack_block_int8(matrix.view(), kernels, num_threads);
        CHECK(same_bytes(block.offsets, other.offsets));
        CHECK(same_bytes(block.weights, other.weights));
        CHECK(same_bytes(block.row_sums, other.row_sums));
    }
}

TEST(a_csr_pack_holds_every_nonzero_once) {
    std::mt19937 random(3);
    const Matrix matrix = random_matrix({300, 300}, 0.8, Numbers::kReal, random);
    const CsrPack pack = pack_csr(matrix.view(), 64, kernels_for(Isa::kScalar), 1);
    CHECK(pack.values.size() == static_cast<int64_t>(matrix.values.size()));
    CHECK(pack.num_nonzeros == pack.values.size());
    std::vector<float> packed(pack.values.data(), pack.values.data() + pack.values.size());
    std::vector<float> values = matrix.values;
    std::ranges::sort(packed);
    std::ranges::sort(values);
    CHECK(packed == values);
}

}  // namespace
