// The float kernels that look x up, at every level, on whole numbers: their sums are exact, so results must be equal.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "guarded_slices.h"
#include "products.h"

namespace {

using namespace sparseinf;
using namespace testing;

// Slices have 16 rows, windows 32 columns, and advance at most 4080 of them; chunks have at most 512 rows.
constexpr Shape kShapes[] = {{1, 1},   {1, 300},  {4, 31},  {15, 32},  {16, 33},  {17, 200},
                             {35, 48}, {70, 129}, {530, 9}, {33, 700}, {2, 20000}};

template <class Visit>
void for_each_lookup_matrix(Visit&& visit) {
    std::mt19937 random(51);
    for (const Shape shape : kShapes) {
        for (const double sparsity : kProductSparsities) {
            const Case name(describe(shape) + ", " + describe(sparsity) + " zeros");
            visit(random_matrix(shape, sparsity, Numbers::kWhole, random), random);
        }
    }
    const Case name("one long row");
    visit(skewed_matrix(40, 3000, 5, random), random);
}

// Sums of a chunk for columns of x that lie x_stride apart: [column][row].
std::vector<float> run_lookup(const KernelTable& kernels, const LookupChunk<LookupSteps>& chunk,
                              const std::vector<float>& x, int64_t x_stride, int count, Side side) {
    const GuardedSlices<LookupSteps> guarded(chunk, side);
    const GuardedArray<float> guarded_x(x, side);
    const int64_t y_stride = chunk.num_sums();
    GuardedArray<float> y(count * y_stride, side);
    kernels.spmm_lookup[count - 1]({guarded.slices(), count % 2 * 8, guarded_x.data(), x_stride, y.data(), y_stride});
    std::vector<float> sums;
    for (int n = 0; n < count; ++n) {
        float* column = y.data() + n * y_stride;
        for (const PartialSum& part : chunk.partial_sums) column[part.row] += column[part.from];
        sums.insert(sums.end(), column, column + chunk.num_rows);
    }
    return sums;
}

// Columns of x one after the other, a window of NaN behind each: what no weight belongs to is never used.
std::vector<float> with_windows(const std::vector<float>& x, int64_t num_features) {
    std::vector<float> padded;
    for (size_t first = 0; first < x.size(); first += static_cast<size_t>(num_features)) {
        padded.insert(padded.end(), x.begin() + static_cast<int64_t>(first),
                      x.begin() + static_cast<int64_t>(first) + num_features);
        padded.insert(padded.end(), kLookupWindow, std::numeric_limits<float>::quiet_NaN());
    }
    return padded;
}

TEST(every_level_has_a_lookup_kernel_for_every_group_up_to_its_largest) {
    for_each_float_isa([](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        CHECK(kernels.max_lookup_columns >= 1 && kernels.max_lookup_columns <= kMaxLookupColumns);
        for (int n = 0; n < kernels.max_lookup_columns; ++n) CHECK(kernels.spmm_lookup[n] != nullptr);
    });
}

TEST(spmm_lookup_multiplies) {
    for_each_float_isa([](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        for_each_lookup_matrix([&](const Matrix& matrix, std::mt19937& random) {
            const LookupPack pack = pack_lookup(matrix.view(), 1);
            const int64_t num_features = matrix.shape.num_columns;
            for (int count = 1; count <= kernels.max_lookup_columns; ++count) {
                const Case name(std::to_string(count) + " columns");
                const std::vector<float> x = random_values(count * num_features, Numbers::kWhole, random);
                const std::vector<float> padded = with_windows(x, num_features);
                const Product expected = multiply(matrix, x, count);
                for (const Side side : kBothSides) {
                    for (const auto& chunk : pack.chunks) {
                        const std::vector<float> sums =
                            run_lookup(kernels, chunk, padded, num_features + kLookupWindow, count, side);
                        for (size_t i = 0; i < sums.size(); ++i) {
                            const auto n = static_cast<int64_t>(i) / chunk.num_rows;
                            const int64_t row = chunk.first_row + static_cast<int64_t>(i) % chunk.num_rows;
                            const auto at = static_cast<size_t>(n * matrix.shape.num_rows + row);
                            CHECK(double{sums[i]} == expected.sums[at]);
                        }
                    }
                }
            }
        });
    });
}

TEST(lookups_never_use_x_at_pruned_positions) {
    std::mt19937 random(52);
    const Matrix matrix = random_matrix({40, 150}, 0.8, Numbers::kWhole, random);
    const LookupPack pack = pack_lookup(matrix.view(), 1);
    for_each_float_isa([&](Isa isa) {
        for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
            for (int64_t row = 1; row < 39; ++row) {
                std::vector<float> x(150, poison);
                double expected = 0;
                for (auto i = static_cast<size_t>(matrix.row_offsets[static_cast<size_t>(row)]);
                     i < static_cast<size_t>(matrix.row_offsets[static_cast<size_t>(row) + 1]); ++i) {
                    x[static_cast<size_t>(matrix.columns[i])] = 3.0f;
                    expected += 3.0 * double{matrix.values[i]};
                }
                const std::vector<float> padded = with_windows(x, 150);
                const std::vector<float> sums =
                    run_lookup(kernels_for(isa), pack.chunks[0], padded, 150 + kLookupWindow, 1, Side::kEnd);
                CHECK(double{sums[static_cast<size_t>(row)]} == expected);
            }
        }
    });
}

// The smallest weights are weights: a lane without one is a lane with exactly zero.
TEST(denormal_weights_are_looked_up) {
    const float tiny = std::numeric_limits<float>::denorm_min();
    Matrix matrix{{20, 40}, {0}, {}, {}};
    for (int32_t row = 0; row < 20; ++row) {
        matrix.columns.push_back(2 * row);
        matrix.values.push_back(row % 2 == 0 ? tiny : -tiny);
        matrix.row_offsets.push_back(row + 1);
    }
    const LookupPack pack = pack_lookup(matrix.view(), 1);
    const std::vector<float> x = with_windows(std::vector<float>(40, 0x1p100f), 40);
    for_each_float_isa([&](Isa isa) {
        const std::vector<float> sums =
            run_lookup(kernels_for(isa), pack.chunks[0], x, 40 + kLookupWindow, 1, Side::kEnd);
        for (size_t row = 0; row < 20; ++row) CHECK(sums[row] == (row % 2 == 0 ? tiny : -tiny) * 0x1p100f);
    });
}

}  // namespace
