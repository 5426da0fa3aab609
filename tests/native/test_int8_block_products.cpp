// The int8 kernels on 4x1 blocks, at every level, against exact sums: every stream and panel ends at a page's border.
#include <algorithm>
#include <vector>

#include "pack/block_int8_pack.h"
#include "products.h"

namespace {

using namespace sparseinf;
using namespace testing;

// A copy of a K block of a chunk, each stream in an array of exactly its size.
struct GuardedQuads {
    GuardedQuads(const BlockQuads& from, Side side)
        : GuardedQuads(from, count(from, [](const StripRun&) { return uint32_t{1}; }),
                       count(from, [](const StripRun& run) { return run.num_quads; }), side) {}
    GuardedQuads(const BlockQuads& from, int64_t num_strips, int64_t num_quads, Side side)
        : runs(from.runs, from.num_runs, side),
          strips(from.strips, num_strips, side),
          offsets(from.offsets, 4 * num_quads, side),
          weights(from.weights, 16 * num_quads, side),
          block{runs.data(), strips.data(), offsets.data(), weights.data(), from.num_runs} {}

    template <class PerStrip>
    static int64_t count(const BlockQuads& block, PerStrip per_strip) {
        int64_t sum = 0;
        for (int32_t i = 0; i < block.num_runs; ++i) {
            sum += int64_t{block.runs[i].num_strips} * per_strip(block.runs[i]);
        }
        return sum;
    }

    GuardedArray<StripRun> runs;
    GuardedArray<uint16_t> strips;
    GuardedArray<uint16_t> offsets;
    GuardedArray<int8_t> weights;
    BlockQuads block;
};

// Columns of bytes, and panels of them.
struct Columns {
    Columns(int64_t num_features, int64_t width, std::mt19937& random) : num_columns(width) {
        for (int64_t i = 0; i < num_features * width; ++i) values.push_back(static_cast<float>(random() % 256));
        const int64_t num_quads = (num_features + 3) / 4;
        quads.assign(static_cast<size_t>(num_quads * 4 * width), 0);
        for (int64_t n = 0; n < width; ++n) {
            for (int64_t k = 0; k < num_features; ++k) {
                quads[static_cast<size_t>(k / 4 * 4 * width + 4 * n + k % 4)] =
                    static_cast<uint8_t>(values[static_cast<size_t>(n * num_features + k)]);
            }
        }
    }

    int64_t num_quads() const { return static_cast<int64_t>(quads.size()) / (4 * num_columns); }

    int64_t num_columns;
    std::vector<float> values;   // [column][feature]
    std::vector<uint8_t> quads;  // [feature / 4][column][feature % 4]
};

// Runs a kernel on all chunks. feature_bytes: what a feature takes up in the panel.
void check_product(SpmmBlockQuadsKernel kernel, const Matrix& matrix, const Columns& x, const uint8_t* panel,
                   int64_t feature_bytes, Side side) {
    const BlockInt8Pack pack = pack_block_int8(matrix.view(), kernels_for(available_isas().back()), 1);
    const int64_t num_features = matrix.shape.num_columns, width = x.num_columns;
    const Product expected = multiply(matrix, x.values, width);
    for (const BlockInt8Chunk& chunk : pack.chunks) {
        GuardedArray<int32_t> y((chunk.num_rows + 3) / 4 * 4 * width, side);
        int64_t first = 0;
        for (const BlockQuads& from : chunk.blocks) {
            const int64_t count = std::min<int64_t>(pack.block_columns, num_features - first);
            const GuardedArray<uint8_t> features(panel + first * feature_bytes, count * feature_bytes, side);
            const GuardedQuads guarded(from, side);
            kernel({guarded.block, features.data(), y.data(), first > 0});
            first += count;
        }
        bool is_right = true;
        for (int64_t row = 0; row < chunk.num_rows; ++row) {
            for (int64_t n = 0; n < width; ++n) {
                const auto at = static_cast<size_t>(n * matrix.shape.num_rows + chunk.first_row + row);
                is_right = is_right && static_cast<double>(y[row * width + n]) == expected.sums[at];
            }
        }
        CHECK(is_right);
    }
}

// The usual shapes, and one with several K blocks and chunks.
template <class Visit>
void for_each_int8_matrix(Visit&& visit) {
    std::mt19937 random(61);
    const auto visit_random = [&](Shape shape, double sparsity) {
        const Case name(describe(shape) + ", " + describe(sparsity) + " zeros");
        visit(random_int8_matrix(shape, sparsity, random), random);
    };
    for (const Shape shape : kProductShapes) {
        for (const double sparsity : kProductSparsities) visit_random(shape, sparsity);
    }
    visit_random({1100, 2100}, 0.99);
}

TEST(spmm_block_quads_multiplies) {
    for_each_int8_matrix([](const Matrix& matrix, std::mt19937& random) {
        for_each_isa([&](Isa isa) {
            const Int8KernelTable& kernels = int8_kernels_for(isa);
            for (int i = 0; 16 << i <= kernels.max_byte_columns; ++i) {
                const int64_t width = 16 << i;
                const Case name(std::to_string(width) + " columns");
                const Columns x(matrix.shape.num_columns, width, random);
                std::vector<uint8_t> bytes = x.quads;
                kernels.split_quads[i](bytes.data(), x.num_quads());
                check_product(kernels.spmm_block_quads[i], matrix, x, bytes.data(), width, kBothSides[random() % 2]);
            }
        });
    });
}

TEST(block_copies_multiply) {
    for_each_int8_matrix([](const Matrix& matrix, std::mt19937& random) {
        for_each_isa([&](Isa isa) {
            const Int8KernelTable& kernels = int8_kernels_for(isa);
            for (const bool is_vector : {true, false}) {
                const int64_t width = is_vector ? 1 : kCopiedColumns;
                const Case name(std::to_string(width) + " columns");
                const Columns x(matrix.shape.num_columns, width, random);
                const Side side = kBothSides[random() % 2];
                const GuardedArray<uint8_t> quads(x.quads, side);
                GuardedArray<uint8_t> copies(4 * quads.size(), side);
                (is_vector ? kernels.copy_column : kernels.copy_bytes)(quads.data(), x.num_quads(), copies.data());
                check_product(is_vector ? kernels.gemv_block_copies : kernels.spmm_block_copies, matrix, x,
                              copies.data(), 4 * width, side);
            }
        });
    });
}

}  // namespace
