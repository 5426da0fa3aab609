// The kernels on 4x1 blocks, at every level, on whole numbers: their sums are exact, so results must be equal.
#include <algorithm>
#include <vector>

#include "pack/block_pack.h"
#include "products.h"

namespace {

using namespace sparseinf;
using namespace testing;

// A copy of a K block of a chunk, each stream in an array of exactly its size.
struct GuardedStrips {
    GuardedStrips(const BlockStrips& from, Side side)
        : GuardedStrips(from, count(from, [](const BlockRun&) { return uint32_t{1}; }),
                        count(from, [](const BlockRun& run) { return run.num_blocks; }), side) {}
    GuardedStrips(const BlockStrips& from, int64_t num_strips, int64_t num_blocks, Side side)
        : runs(from.runs, from.num_runs, side),
          strips(from.strips, num_strips, side),
          columns(from.columns, num_blocks, side),
          weights(from.weights, 4 * num_blocks, side),
          block{runs.data(), strips.data(), columns.data(), weights.data(), from.num_runs} {}

    template <class PerStrip>
    static int64_t count(const BlockStrips& block, PerStrip per_strip) {
        int64_t sum = 0;
        for (int32_t i = 0; i < block.num_runs; ++i) {
            sum += int64_t{block.runs[i].num_strips} * per_strip(block.runs[i]);
        }
        return sum;
    }

    GuardedArray<BlockRun> runs;
    GuardedArray<uint16_t> strips;
    GuardedArray<uint16_t> columns;
    GuardedArray<float> weights;
    BlockStrips block;
};

int64_t rows_of_strips(const BlockChunk& chunk) { return (chunk.num_rows + 3) / 4 * 4; }

TEST(spmm_block_multiplies) {
    for_each_float_isa([](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        for_each_matrix([&](const Matrix& matrix, std::mt19937& random) {
            const int64_t in_features = matrix.shape.num_columns;
            const BlockPack pack = pack_block(matrix.view(), kernels_for(available_isas().back()), 1);
            for_each_panel(kernels.spmm_block, [&](SpmmBlockKernel kernel, PanelShape shape) {
                const Side side = kBothSides[random() % 2];
                const int64_t width = (2 * shape.num_wide + shape.has_half) * kernels.vector_width / 2;
                const std::vector<float> x = random_values(width * in_features, Numbers::kWhole, random);
                const Product expected = multiply(matrix, x, width);
                for (const BlockChunk& chunk : pack.chunks) {
                    GuardedPanel y(rows_of_strips(chunk), shape, kernels.vector_width, side);
                    int64_t first = 0;
                    for (const BlockStrips& from : chunk.blocks) {
                        const int64_t count = std::min<int64_t>(pack.block_columns, in_features - first);
                        const GuardedPanel panel(x, in_features, first, count, shape, kernels.vector_width, side);
                        const GuardedStrips guarded(from, side);
                        kernel({guarded.block, panel.const_panel(), y.panel(), first > 0});
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

// One more shape: several K blocks and chunks.
TEST(gemv_block_multiplies) {
    const auto check = [](Isa isa, const Matrix& matrix, std::mt19937& random) {
        const int64_t in_features = matrix.shape.num_columns;
        const BlockPack pack = pack_block(matrix.view(), kernels_for(available_isas().back()), 1);
        const std::vector<float> x = random_values(in_features, Numbers::kWhole, random);
        const Product expected = multiply(matrix, x, 1);
        for (const Side side : kBothSides) {
            for (const BlockChunk& chunk : pack.chunks) {
                GuardedArray<float> y(rows_of_strips(chunk), side);
                int64_t first = 0;
                for (const BlockStrips& from : chunk.blocks) {
                    const int64_t count = std::min<int64_t>(pack.block_columns, in_features - first);
                    const GuardedArray<float> features(x.data() + first, count, side);
                    const GuardedStrips guarded(from, side);
                    kernels_for(isa).gemv_block({guarded.block, features.data(), y.data(), first > 0});
                    first += count;
                }
                for (int64_t row = 0; row < chunk.num_rows; ++row) {
                    CHECK(double{y[row]} == expected.sums[static_cast<size_t>(chunk.first_row + row)]);
                }
            }
        }
    };
    std::mt19937 random(14);
    const Matrix large = random_matrix({1100, 2100}, 0.98, Numbers::kWhole, random);
    for_each_float_isa([&](Isa isa) {
        for_each_matrix([&](const Matrix& matrix, std::mt19937& numbers) { check(isa, matrix, numbers); });
        check(isa, large, random);
    });
}

}  // namespace
