// The int8 packs and kernels for few columns, at every level: sums are integers, so results must be equal.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "guarded_array.h"
#include "guarded_slices.h"
#include "matrices.h"
#include "pack/bitmap_pack.h"
#include "pack/lookup_pack.h"

namespace {

using namespace sparseinf;
using namespace testing;

// Slices have 16 rows, windows 64 or 128 columns, groups of a bitmap 64; a window advances at most 8160 columns a step.
constexpr Shape kShapes[] = {{0, 0},   {0, 5},    {5, 0},    {1, 1},   {1, 300},  {4, 64},   {15, 63},
                             {16, 65}, {17, 200}, {35, 129}, {70, 33}, {530, 40}, {33, 700}, {2, 20000}};
constexpr double kSparsities[] = {0.0, 0.6, 0.95, 1.0};
constexpr int32_t kWindows[] = {64, 128};

int random_between(int low, int high, std::mt19937& random) {
    return std::uniform_int_distribution<int>(low, high)(random);
}

template <class Visit>
void for_each_int8_matrix(Visit&& visit) {
    std::mt19937 random(21);
    for (const Shape shape : kShapes) {
        for (const double sparsity : kSparsities) {
            const Case name(describe(shape) + ", " + describe(sparsity) + " zeros");
            visit(random_int8_matrix(shape, sparsity, random), random);
        }
    }
    const Case name("one long row");
    visit(skewed_matrix(40, 3000, 5, random), random);
}

std::vector<uint8_t> random_bytes(int64_t size, std::mt19937& random) {
    std::vector<uint8_t> bytes(static_cast<size_t>(size));
    // The largest are frequent: two products with them do not fit 16 bits.
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(std::min(255, random_between(0, 300, random)));
    return bytes;
}

// The sum of one row for a column of x.
int32_t sum_of(const Matrix& matrix, int64_t row, const uint8_t* x) {
    int32_t sum = 0;
    for (auto i = static_cast<size_t>(matrix.row_offsets[static_cast<size_t>(row)]);
         i < static_cast<size_t>(matrix.row_offsets[static_cast<size_t>(row) + 1]); ++i) {
        sum += static_cast<int32_t>(matrix.values[i]) * x[matrix.columns[i]];
    }
    return sum;
}

template <class Unpack>
void check_comes_back(const Matrix& matrix, Unpack&& unpack) {
    for (const Side side : kBothSides) {
        GuardedArray<int64_t> row_offsets(matrix.shape.num_rows + 1, side);
        GuardedArray<int32_t> columns(static_cast<int64_t>(matrix.columns.size()), side);
        GuardedArray<float> values(static_cast<int64_t>(matrix.values.size()), side);
        unpack(CsrOutput{row_offsets.data(), columns.data(), values.data()});
        CHECK(std::ranges::equal(row_offsets.span(), matrix.row_offsets));
        CHECK(std::ranges::equal(columns.span(), matrix.columns));
        CHECK(std::ranges::equal(values.span(), matrix.values));
    }
}

TEST(int8_packs_for_few_columns_come_back) {
    for_each_int8_matrix([](const Matrix& matrix, std::mt19937&) {
        const BitmapInt8Pack bitmap = pack_bitmap_int8(matrix.view(), 1);
        check_comes_back(matrix, [&](const CsrOutput& out) { unpack_bitmap_int8(bitmap, out); });
        for (const int32_t window : kWindows) {
            const LookupInt8Pack lookup = pack_lookup_int8(matrix.view(), window, 1);
            check_comes_back(matrix, [&](const CsrOutput& out) { unpack_lookup_int8(lookup, out); });
        }
    });
}

TEST(int8_packs_for_few_columns_are_the_same_for_any_number_of_threads) {
    const auto same = [](const auto& a, const auto& b) {
        return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<size_t>(a.nbytes())) == 0;
    };
    std::mt19937 random(22);
    const Matrix matrix = random_int8_matrix({2100, 90}, 0.7, random);
    const BitmapInt8Pack bitmap = pack_bitmap_int8(matrix.view(), 1);
    const LookupInt8Pack lookup = pack_lookup_int8(matrix.view(), 64, 1);
    CHECK(lookup.chunks.size() > 3);  // or there would be nothing to share out
    for (int num_threads = 2; num_threads <= 8; ++num_threads) {
        CHECK(same(bitmap.values, pack_bitmap_int8(matrix.view(), num_threads).values));
        const LookupInt8Pack other = pack_lookup_int8(matrix.view(), 64, num_threads);
        CHECK(same(lookup.steps, other.steps));
        for (size_t i = 0; i < lookup.chunks.size(); ++i) CHECK(lookup.chunks[i].advances == other.chunks[i].advances);
    }
}

int64_t num_slots(const LookupInt8Pack& pack) { return pack.steps.size() * 4 * kLookupLanes; }

TEST(only_uneven_rows_are_looked_up_out_of_order_in_int8) {
    std::mt19937 random(23);
    // All but one row of 100 nonzeros.
    const Matrix uneven = skewed_matrix(64, 3000, 100, random);
    Matrix even{{32, 3000}, {0}, uneven.columns, uneven.values};
    for (int64_t row = 1; row <= 32; ++row) even.row_offsets.push_back(100 * row);
    for (const int32_t window : kWindows) {
        CHECK(pack_lookup_int8(even.view(), window, 1).chunks[0].rows.empty());
        CHECK(!pack_lookup_int8(uneven.view(), window, 1).chunks[0].rows.empty());
    }
}

// A row a thousand times longer than the others must not fill slices with zeros.
TEST(int8_lookup_packs_of_skewed_rows_stay_small) {
    std::mt19937 random(24);
    const Matrix matrix = skewed_matrix(200, 6000, 600, random);
    const LookupInt8Pack pack = pack_lookup_int8(matrix.view(), 128, 1);
    CHECK(!pack.chunks[0].partial_sums.empty());
    CHECK(num_slots(pack) < static_cast<int64_t>(matrix.values.size()) * 5 / 3);
}

TEST(every_level_has_an_int8_lookup_kernel_for_every_group_up_to_its_largest) {
    for_each_isa([](Isa isa) {
        const Int8KernelTable& kernels = int8_kernels_for(isa);
        CHECK(kernels.max_lookup_columns >= 1 && kernels.max_lookup_columns <= kMaxLookupInt8Columns);
        for (const auto& of_window : kernels.spmm_lookup) {
            for (int n = 0; n < kernels.max_lookup_columns; ++n) CHECK(of_window[n] != nullptr);
        }
    });
}

TEST(spmm_lookup_int8_multiplies) {
    for_each_isa([](Isa isa) {
        const Int8KernelTable& kernels = int8_kernels_for(isa);
        for_each_int8_matrix([&](const Matrix& matrix, std::mt19937& random) {
            for (const int32_t window : kWindows) {
                const LookupInt8Pack pack = pack_lookup_int8(matrix.view(), window, 1);
                const int64_t x_stride = matrix.shape.num_columns + window;
                for (int count = 1; count <= kernels.max_lookup_columns; ++count) {
                    const Case name("window " + std::to_string(window) + ", " + std::to_string(count) + " columns");
                    const Side side = kBothSides[random() % 2];
                    const GuardedArray<uint8_t> x(random_bytes(count * x_stride, random), side);
                    for (const LookupChunk<LookupInt8Step>& chunk : pack.chunks) {
                        const GuardedSlices<LookupInt8Step> guarded(chunk, side);
                        const int64_t y_stride = chunk.num_sums();
                        GuardedArray<int32_t> y(count * y_stride, side);
                        kernels.spmm_lookup[window / kMaxLookupInt8Window][count - 1](
                            {guarded.slices(), count % 2 * 24, x.data(), x_stride, y.data(), y_stride});
                        for (int n = 0; n < count; ++n) {
                            int32_t* sums = y.data() + n * y_stride;
                            for (const PartialSum& sum : chunk.partial_sums) sums[sum.row] += sums[sum.from];
                            for (int64_t row = 0; row < chunk.num_rows; ++row) {
                                CHECK(sums[row] == sum_of(matrix, chunk.first_row + row, x.data() + n * x_stride));
                            }
                        }
                    }
                }
            }
        });
    });
}

TEST(gemv_bitmap_int8_multiplies) {
    for_each_isa([](Isa isa) {
        for_each_int8_matrix([&](const Matrix& matrix, std::mt19937& random) {
            const BitmapInt8Pack pack = pack_bitmap_int8(matrix.view(), 1);
            for (const Side side : kBothSides) {
                const GuardedArray<uint64_t> masks(pack.masks.data(), pack.masks.size(), side);
                const GuardedArray<int8_t> values(pack.values.data(), pack.num_nonzeros + 64, side);
                const GuardedArray<int64_t> quad_offsets(pack.quad_offsets.data(), pack.num_quads, side);
                const GuardedArray<uint8_t> x(random_bytes(64 * pack.num_groups, random), side);
                GuardedArray<int32_t> y(4 * pack.num_quads, side);
                int8_kernels_for(isa).gemv_bitmap({masks.data(), values.data(), quad_offsets.data(),
                                                   static_cast<int32_t>(pack.num_quads),
                                                   static_cast<int32_t>(pack.num_groups), x.data(), y.data()});
                for (int64_t row = 0; row < matrix.shape.num_rows; ++row) {
                    CHECK(y[row] == sum_of(matrix, row, x.data()));
                }
            }
        });
    });
}

// Rows of y, and what of an epilogue there is.
struct FinishCase {
    Activation activation;
    bool has_bias;
    bool has_residual;
};
constexpr FinishCase kFinishCases[] = {{Activation::kNone, false, false},
                                       {Activation::kClip, true, false},
                                       {Activation::kClip, true, true},
                                       {Activation::kGelu, true, false}};

TEST(columns_finished_together_are_finished_as_one_by_one) {
    constexpr int kColumns = 5;
    std::mt19937 random(25);
    for_each_isa([&](Isa isa) {
        for (const int32_t num_features : {1, 4, 15, 16, 17, 37}) {
            for (const FinishCase& finish : kFinishCases) {
                const Case name(std::to_string(num_features) + " features");
                const int64_t stride = num_features + 15;
                std::vector<int32_t> sums(static_cast<size_t>(kColumns * stride)), row_sums, zeros;
                for (int32_t& sum : sums) sum = random_between(-100000, 100000, random);
                for (int i = 0; i < num_features; ++i) row_sums.push_back(random_between(-1000, 1000, random));
                for (int n = 0; n < kColumns; ++n) zeros.push_back(random_between(0, 255, random));
                const std::vector<float> row_scales = random_values(num_features, Numbers::kReal, random);
                const std::vector<float> scales = random_values(kColumns, Numbers::kReal, random);
                const std::vector<float> bias = random_values(num_features, Numbers::kReal, random);
                const std::vector<float> residual = random_values(num_features, Numbers::kReal, random);
                const GuardedArray<int32_t> guarded(sums, Side::kEnd);
                GuardedArray<float> together(kColumns * num_features, Side::kEnd);
                GuardedArray<float> each(num_features, Side::kEnd);
                std::array<char*, kColumns> rows;
                std::array<const char*, kColumns> residual_rows;
                for (int n = 0; n < kColumns; ++n) {
                    const auto i = static_cast<size_t>(n);
                    rows[i] = reinterpret_cast<char*>(together.data() + n * num_features);
                    residual_rows[i] = reinterpret_cast<const char*>(residual.data());
                }
                Dequantization scaling{scales.data(), zeros.data(), row_scales.data(), row_sums.data()};
                UnpackArgs args{{reinterpret_cast<const float*>(guarded.data()), nullptr},
                                &scaling,
                                nullptr,
                                rows.data(),
                                finish.has_residual ? residual_rows.data() : nullptr,
                                sizeof(float),
                                finish.has_bias ? bias.data() : nullptr,
                                kColumns,
                                num_features,
                                {finish.activation, -1.0f, 1.0f, 0.0f}};
                int8_kernels_for(isa).finish_columns(args, stride);
                for (int n = 0; n < kColumns; ++n) {
                    scaling = {scales.data() + n, zeros.data() + n, row_scales.data(), row_sums.data()};
                    char* row = reinterpret_cast<char*>(each.data());
                    args.sums.main = reinterpret_cast<const float*>(guarded.data() + n * stride);
                    args.rows = &row;
                    args.num_columns = 1;
                    kernels_for(isa).finish_vector(args);
                    CHECK(std::memcmp(rows[static_cast<size_t>(n)], row, sizeof(float) * num_features) == 0);
                }
            }
        }
    });
}

}  // namespace
