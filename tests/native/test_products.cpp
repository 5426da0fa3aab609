// The kernels that multiply, at every level, on whole numbers: their sums are exact, so results must be equal.
//
// Every array of a kernel has a page that cannot be touched at one of its ends, of exactly the size that
// kernels/kernel_args.h grants.
#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "guarded_array.h"
#include "matrices.h"
#include "pack/bitmap_pack.h"
#include "pack/csr_pack.h"
#include "pack/dense_pack.h"
#include "products.h"

namespace {

using namespace sparseinf;
using namespace testing;

// A copy of a K block of a chunk, each stream in an array of exactly its size.
struct GuardedBlock {
    GuardedBlock(const CsrBlock& from, Side side)
        : runs(from.runs, from.num_runs, side),
          rows(from.rows, count(from, [](const CsrRun&) { return 2; }), side),
          columns(from.columns,
                  count(from, [](const CsrRun& r) { return r.num_shared + 2 * r.num_single + r.num_rest; }), side),
          values(from.values,
                 count(from, [](const CsrRun& r) { return 2 * (r.num_shared + r.num_single) + r.num_rest; }), side) {}

    template <class PerPair>
    static int64_t count(const CsrBlock& block, PerPair per_pair) {
        int64_t sum = 0;
        for (int32_t i = 0; i < block.num_runs; ++i) sum += int64_t{block.runs[i].num_pairs} * per_pair(block.runs[i]);
        return sum;
    }
    CsrBlock block() const {
        return {runs.data(), rows.data(), columns.data(), values.data(), static_cast<int32_t>(runs.size())};
    }

    GuardedArray<CsrRun> runs;
    GuardedArray<uint16_t> rows;
    GuardedArray<uint16_t> columns;
    GuardedArray<float> values;
};

template <class Kernel>
bool has_all_up_to(int max_wide, const Kernel (&kernels)[kMaxWide + 1][2]) {
    bool all = kernels[0][true] != nullptr && kernels[max_wide][false] != nullptr;
    for (int num_wide = 1; num_wide < max_wide; ++num_wide) all = all && kernels[num_wide][0] && kernels[num_wide][1];
    return all;
}

TEST(every_level_has_a_kernel_for_every_panel_up_to_its_widest) {
    for_each_float_isa([](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        CHECK(kernels.max_wide_csr <= kMaxWide && has_all_up_to(kernels.max_wide_csr, kernels.spmm_csr));
        CHECK(kernels.max_wide_dense <= kMaxWide && has_all_up_to(kernels.max_wide_dense, kernels.spmm_dense));
        CHECK(has_all_up_to(kernels.max_wide_dense, kernels.spmm_block));
        CHECK(kernels.spmm_sell[0][1] && kernels.spmm_sell[1][0] && kernels.spmm_sell[1][1] && kernels.spmm_sell[2][0]);
    });
}

TEST(spmm_csr_multiplies) {
    for_each_float_isa([](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        for_each_matrix([&](const Matrix& matrix, std::mt19937& random) {
            const int64_t in_features = matrix.shape.num_columns;
            const CsrPack pack = pack_csr(matrix.view(), kMaxPanelColumns, kernels, 1);
            for_each_panel(kernels.spmm_csr, [&](SpmmCsrKernel kernel, PanelShape shape) {
                const Side side = kBothSides[random() % 2];
                const int64_t width = (2 * shape.num_wide + shape.has_half) * kernels.vector_width / 2;
                const std::vector<float> x = random_values(width * in_features, Numbers::kWhole, random);
                const Product expected = multiply(matrix, x, width);
                for (const CsrChunk& chunk : pack.chunks) {
                    GuardedPanel y(accumulator_rows(chunk.num_rows), shape, kernels.vector_width, side);
                    int64_t first = 0;
                    for (const CsrBlock& from : chunk.blocks) {
                        const int64_t count = std::min<int64_t>(pack.block_columns, in_features - first);
                        const GuardedPanel panel(x, in_features, first, count, shape, kernels.vector_width, side);
                        const GuardedBlock block(from, side);
                        kernel({block.block(), panel.const_panel(), y.panel(), first > 0});
                        first += count;
                    }
                    for (int64_t row = 0; row < chunk.num_rows; ++row) {
                        for (int64_t n = 0; n < width; ++n) {
                            const auto at = static_cast<size_t>(n * matrix.shape.num_rows + chunk.first_row + row);
                            CHECK(double{y.at(row, n)} == expected.sums[at]);
                        }
                    }
                }
            });
        });
    });
}

TEST(spmm_dense_multiplies) {
    for_each_float_isa([](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        for_each_matrix([&](const Matrix& matrix, std::mt19937& random) {
            const int64_t num_rows = matrix.shape.num_rows, in_features = matrix.shape.num_columns;
            const DensePack pack = pack_dense(matrix.dense().data(), num_rows, in_features, 1);
            for_each_panel(kernels.spmm_dense, [&](SpmmDenseKernel kernel, PanelShape shape) {
                const Side side = kBothSides[random() % 2];
                const int64_t width = (2 * shape.num_wide + shape.has_half) * kernels.vector_width / 2;
                const std::vector<float> x = random_values(width * in_features, Numbers::kWhole, random);
                const Product expected = multiply(matrix, x, width);
                GuardedPanel y(4 * pack.num_strips, shape, kernels.vector_width, side);
                // In two K blocks, the second added to the first; the kernel may read no column beyond its block.
                const int64_t cut = 1 + static_cast<int64_t>(random() % static_cast<unsigned>(in_features));
                for (const auto& [first, end] : {std::pair(int64_t{0}, cut), std::pair(cut, in_features)}) {
                    if (first == end) continue;
                    const GuardedPanel panel(x, in_features, first, end - first, shape, kernels.vector_width, side);
                    // The last strip's columns of the block end where the array ends.
                    const int64_t used = (pack.num_strips - 1) * pack.strip_stride + 4 * (end - first);
                    const GuardedArray<float> weights(pack.weights.data() + 4 * first, used, side);
                    kernel({weights.data(), pack.strip_stride, static_cast<int32_t>(pack.num_strips),
                            static_cast<int32_t>(end - first), panel.const_panel(), y.panel(), first > 0});
                }
                for (int64_t row = 0; row < num_rows; ++row) {
                    for (int64_t n = 0; n < width; ++n) {
                        CHECK(double{y.at(row, n)} == expected.sums[static_cast<size_t>(n * num_rows + row)]);
                    }
                }
            });
        });
    });
}

TEST(gemv_csr_multiplies) {
    for_each_float_isa([](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        for_each_matrix([&](const Matrix& matrix, std::mt19937& random) {
            const int64_t in_features = matrix.shape.num_columns;
            const CsrPack pack = pack_csr(matrix.view(), kMaxPanelColumns, kernels, 1);
            const std::vector<float> x = random_values(in_features, Numbers::kWhole, random);
            const Product expected = multiply(matrix, x, 1);
            for (const Side side : kBothSides) {
                for (const CsrChunk& chunk : pack.chunks) {
                    GuardedArray<float> y(accumulator_rows(chunk.num_rows), side);
                    int64_t first = 0;
                    for (const CsrBlock& from : chunk.blocks) {
                        const int64_t count = std::min<int64_t>(pack.block_columns, in_features - first);
                        const GuardedArray<float> x_block(x.data() + first, count, side);
                        const GuardedBlock block(from, side);
                        kernels.gemv_csr({block.block(), {x_block.data(), nullptr}, {y.data(), nullptr}, first > 0});
                        first += count;
                    }
                    for (int64_t row = 0; row < chunk.num_rows; ++row) {
                        CHECK(double{y[row]} == expected.sums[static_cast<size_t>(chunk.first_row + row)]);
                    }
                }
            }
        });
    });
}

std::vector<float> padded(std::vector<float> x, int64_t size) {
    x.resize(static_cast<size_t>(size), 0.0f);
    return x;
}

// The arguments of gemv_bitmap, each array of exactly the size that the kernel may touch.
struct GuardedBitmap {
    GuardedBitmap(const BitmapPack& pack, const std::vector<float>& features, Side side)
        : masks(pack.masks.data(), pack.num_quads * pack.num_groups * 4, side),
          values(pack.values.data(), pack.num_nonzeros + 16, side),
          quad_offsets(pack.quad_offsets.data(), pack.num_quads, side),
          x(padded(features, 16 * pack.num_groups), side),
          y(4 * pack.num_quads, side),
          args{masks.data(),
               values.data(),
               quad_offsets.data(),
               static_cast<int32_t>(pack.num_quads),
               static_cast<int32_t>(pack.num_groups),
               x.data(),
               y.data()} {}

    GuardedArray<uint16_t> masks;
    GuardedArray<float> values;
    GuardedArray<int64_t> quad_offsets;
    GuardedArray<float> x;
    GuardedArray<float> y;
    GemvBitmapArgs args;
};

TEST(gemv_bitmap_multiplies) {
    for_each_float_isa([](Isa isa) {
        for_each_matrix([&](const Matrix& matrix, std::mt19937& random) {
            const BitmapPack pack = pack_bitmap(matrix.view(), 1);
            const std::vector<float> x = random_values(matrix.shape.num_columns, Numbers::kWhole, random);
            const Product expected = multiply(matrix, x, 1);
            for (const Side side : kBothSides) {
                GuardedBitmap guarded(pack, x, side);
                kernels_for(isa).gemv_bitmap(guarded.args);
                for (int64_t row = 0; row < matrix.shape.num_rows; ++row) {
                    CHECK(double{guarded.y[row]} == expected.sums[static_cast<size_t>(row)]);
                }
            }
        });
    });
}

TEST(gemv_dense_multiplies) {
    for_each_float_isa([](Isa isa) {
        for_each_matrix([&](const Matrix& matrix, std::mt19937& random) {
            const int64_t num_rows = matrix.shape.num_rows, in_features = matrix.shape.num_columns;
            const DensePack pack = pack_dense(matrix.dense().data(), num_rows, in_features, 1);
            const std::vector<float> x = random_values(in_features, Numbers::kWhole, random);
            const Product expected = multiply(matrix, x, 1);
            for (const Side side : kBothSides) {
                const GuardedArray<float> weights(pack.weights.data(), pack.num_strips * pack.strip_stride, side);
                const GuardedArray<float> guarded_x(padded(x, pack.strip_stride / 4), side);
                GuardedArray<float> y(4 * pack.num_strips, side);
                kernels_for(isa).gemv_dense({weights.data(), pack.strip_stride, static_cast<int32_t>(pack.num_strips),
                                             static_cast<int32_t>(pack.strip_stride / 4), guarded_x.data(), y.data()});
                for (int64_t row = 0; row < num_rows; ++row) {
                    CHECK(double{y[row]} == expected.sums[static_cast<size_t>(row)]);
                }
            }
        });
    });
}

TEST(sparse_kernels_never_use_x_at_pruned_positions) {
    std::mt19937 random(12);
    const Matrix matrix = random_matrix({40, 150}, 0.8, Numbers::kWhole, random);
    const std::vector<float> clean = random_values(150, Numbers::kWhole, random);
    for_each_float_isa([&](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        const CsrPack csr = pack_csr(matrix.view(), 64, kernels, 1);
        const BitmapPack bitmap = pack_bitmap(matrix.view(), 1);
        for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
            // Each row in turn is the one whose pruned positions are poisoned: its sum must not change.
            for (int64_t row = 1; row < 39; ++row) {
                std::vector<float> x(150, poison);
                const auto begin = static_cast<size_t>(matrix.row_offsets[static_cast<size_t>(row)]);
                const auto end = static_cast<size_t>(matrix.row_offsets[static_cast<size_t>(row) + 1]);
                double expected = 0;
                for (size_t i = begin; i < end; ++i) {
                    const auto column = static_cast<size_t>(matrix.columns[i]);
                    x[column] = clean[column];
                    expected += double{matrix.values[i]} * double{clean[column]};
                }
                GuardedBitmap guarded(bitmap, x, Side::kEnd);
                kernels.gemv_bitmap(guarded.args);
                CHECK(double{guarded.y[row]} == expected);

                GuardedArray<float> y(accumulator_rows(40), Side::kEnd);
                int64_t first = 0;
                for (const CsrBlock& block : csr.chunks[0].blocks) {
                    kernels.gemv_csr({block, {x.data() + first, nullptr}, {y.data(), nullptr}, first > 0});
                    first += csr.block_columns;
                }
                CHECK(double{y[row]} == expected);
            }
        }
    });
}

TEST(the_reading_yardstick_reads_everything) {
    for_each_float_isa([](Isa isa) {
        GuardedArray<float> data(64 * 5, Side::kEnd);
        for (int64_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i);
        CHECK(kernels_for(isa).read(data.data(), data.size()) == 319.0f * 320.0f / 2.0f);
    });
}

}  // namespace
