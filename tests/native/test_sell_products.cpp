// The kernels on sliced ELLPACK, at every level, on whole numbers: their sums are exact, so results must be equal.
#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "pack/sell_pack.h"
#include "products.h"

namespace {

using namespace sparseinf;
using namespace testing;

// The arguments of gemv_sell for one block, each array of exactly the size that the kernel may touch.
struct GuardedSell {
    GuardedSell(const SellBlock& block, int64_t num_slices, int64_t num_steps, const std::vector<float>& features,
                Side side)
        : runs(block.runs, block.num_runs, side),
          rows(block.rows, num_slices * kSellLanes, side),
          steps(block.steps, num_steps, side),
          x(features, side),
          block{runs.data(), rows.data(), steps.data(), block.num_runs} {}

    static GuardedSell of(const SellBlock& block, const std::vector<float>& features, Side side) {
        int64_t num_slices = 0, num_steps = 0;
        for (int32_t r = 0; r < block.num_runs; ++r) {
            num_slices += block.runs[r].num_slices;
            num_steps += int64_t{block.runs[r].num_slices} * block.runs[r].num_steps;
        }
        return {block, num_slices, num_steps, features, side};
    }

    GuardedArray<SellRun> runs;
    GuardedArray<uint16_t> rows;
    GuardedArray<SellStep> steps;
    GuardedArray<float> x;
    SellBlock block;
};

// Sums of a chunk, made block by block.
std::vector<float> run_sell(const KernelTable& kernels, const SellPack& pack, const SellChunk& chunk,
                            const std::vector<float>& x, Side side) {
    GuardedArray<float> y(chunk.num_rows + 1, side);
    std::fill_n(y.data(), y.size(), 0.0f);
    auto from = x.begin();
    for (const SellBlock& block : chunk.blocks) {
        const auto count = std::min<std::ptrdiff_t>(pack.block_columns, x.end() - from);
        std::vector<float> features(from, from + count);
        features.resize(static_cast<size_t>(pack.block_columns) + 1, 0.0f);
        const GuardedSell guarded = GuardedSell::of(block, features, side);
        kernels.gemv_sell({guarded.block, guarded.x.data(), y.data()});
        from += count;
    }
    return {y.data(), y.data() + chunk.num_rows};
}

TEST(gemv_sell_multiplies) {
    for_each_float_isa([](Isa isa) {
        for_each_matrix([&](const Matrix& matrix, std::mt19937& random) {
            const SellPack pack = pack_sell(matrix.view(), kernels_for(available_isas().back()), 1);
            const std::vector<float> x = random_values(matrix.shape.num_columns, Numbers::kWhole, random);
            const Product expected = multiply(matrix, x, 1);
            for (const Side side : kBothSides) {
                for (const SellChunk& chunk : pack.chunks) {
                    const std::vector<float> y = run_sell(kernels_for(isa), pack, chunk, x, side);
                    for (size_t row = 0; row < y.size(); ++row) {
                        CHECK(double{y[row]} == expected.sums[static_cast<size_t>(chunk.first_row) + row]);
                    }
                }
            }
        });
    });
}

TEST(spmm_sell_multiplies) {
    for_each_float_isa([](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        for_each_matrix([&](const Matrix& matrix, std::mt19937& random) {
            const int64_t in_features = matrix.shape.num_columns;
            const SellPack pack = pack_sell(matrix.view(), kernels_for(available_isas().back()), 1);
            for (const PanelShape shape :
                 {PanelShape{0, true}, PanelShape{1, false}, PanelShape{1, true}, PanelShape{2, false}}) {
                const Side side = kBothSides[random() % 2];
                const int64_t width = (2 * shape.num_wide + shape.has_half) * kernels.vector_width / 2;
                const std::vector<float> x = random_values(width * in_features, Numbers::kWhole, random);
                const Product expected = multiply(matrix, x, width);
                for (const SellChunk& chunk : pack.chunks) {
                    GuardedPanel y(chunk.num_rows + 1, shape, kernels.vector_width, side);
                    std::fill_n(y.main.data(), y.main.size(), 0.0f);
                    std::fill_n(y.tail.data(), y.tail.size(), 0.0f);
                    int64_t first = 0;
                    for (const SellBlock& from : chunk.blocks) {
                        const int64_t count = std::min<int64_t>(pack.block_columns, in_features - first);
                        GuardedPanel panel(pack.block_columns + 1, shape, kernels.vector_width, side);
                        for (int64_t k = 0; k <= pack.block_columns; ++k) {
                            for (int64_t n = 0; n < width; ++n) {
                                panel.at(k, n) = k < count ? x[static_cast<size_t>(n * in_features + first + k)] : 0.0f;
                            }
                        }
                        const GuardedSell guarded = GuardedSell::of(from, {}, side);
                        kernels.spmm_sell[shape.num_wide][shape.has_half](
                            {guarded.block, panel.const_panel(), y.panel()});
                        first += count;
                    }
                    for (int64_t row = 0; row < chunk.num_rows; ++row) {
                        for (int64_t n = 0; n < width; ++n) {
                            const auto at = static_cast<size_t>(n * matrix.shape.num_rows + chunk.first_row + row);
                            CHECK(double{y.at(row, n)} == expected.sums[at]);
                        }
                    }
                }
            }
        });
    });
}

TEST(sliced_rows_never_use_x_at_pruned_positions) {
    std::mt19937 random(15);
    const Matrix matrix = random_matrix({40, 150}, 0.8, Numbers::kWhole, random);
    const SellPack pack = pack_sell(matrix.view(), kernels_for(available_isas().back()), 1);
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
                const std::vector<float> y = run_sell(kernels_for(isa), pack, pack.chunks[0], x, Side::kEnd);
                CHECK(double{y[static_cast<size_t>(row)]} == expected);
            }
        }
    });
}

}  // namespace
