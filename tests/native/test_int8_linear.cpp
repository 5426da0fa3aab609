// Whole int8 layers, bit for bit: every form and level, awkward shapes and numbers of columns, threads, extreme values.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "guarded_array.h"
#include "matrices.h"
#include "ops/linear.h"

namespace {

using namespace sparseinf;
using namespace testing;

// Makes a pack of a matrix of whole numbers.
struct Int8Form {
    const char* name;
    Pack (*pack)(const Matrix& matrix, const KernelTable& kernels);
};

Pack pack_as_dense(const Matrix& matrix, const KernelTable&) {
    const std::vector<float> values = matrix.dense();
    const std::vector<int8_t> integers(values.begin(), values.end());
    return {pack_dense_int8(integers.data(), matrix.shape.num_rows, matrix.shape.num_columns, 1)};
}

constexpr Int8Form kForms[] = {
    {"dense", pack_as_dense},
    {"csr",
     [](const Matrix& matrix, const KernelTable& kernels) -> Pack { return {pack_quads(matrix.view(), kernels, 1)}; }},
    {"block4x1",
     [](const Matrix& matrix, const KernelTable& kernels) -> Pack {
         return {pack_block_int8(matrix.view(), kernels, 1)};
     }},
    {"bitmap", [](const Matrix& matrix, const KernelTable&) -> Pack { return {pack_bitmap_int8(matrix.view(), 1)}; }},
    {"lookup",
     [](const Matrix& matrix, const KernelTable&) -> Pack { return {pack_lookup_int8(matrix.view(), 64, 1)}; }},
};

AlignedBuffer<float> buffer_of(const std::vector<float>& values) {
    AlignedBuffer<float> buffer(static_cast<int64_t>(values.size()));
    std::copy(values.begin(), values.end(), buffer.data());
    return buffer;
}

// A layer and the plain data that it was made of.
struct Int8Case {
    Matrix matrix;
    std::vector<float> row_scales;
    std::vector<float> bias;
    ActivationQuantization activations;

    Int8Case(Shape shape, double sparsity, std::mt19937& random)
        : matrix(random_int8_matrix(shape, sparsity, random)),
          row_scales(random_values(shape.num_rows, Numbers::kReal, random)),
          bias(random_values(shape.num_rows, Numbers::kReal, random)) {
        for (float& scale : row_scales) scale = std::abs(scale) + 0.1f;
    }

    Linear layer(const Int8Form& form, Isa isa) const {
        return Linear(matrix.shape.num_rows, matrix.shape.num_columns, isa,
                      {{1, std::make_shared<const Pack>(form.pack(matrix, kernels_for(isa)))}}, buffer_of(bias),
                      Epilogue{}, Int8Scales{activations, buffer_of(row_scales)});
    }

    // y as the definition has it, in the order of operations that is promised.
    std::vector<float> expected(const std::vector<float>& x, int64_t num_columns) const {
        const Shape shape = matrix.shape;
        std::vector<float> y(static_cast<size_t>(num_columns * shape.num_rows));
        for (int64_t n = 0; n < num_columns; ++n) {
            const float* row = x.data() + n * shape.num_columns;
            const ActivationScale scale = activations.scales == ActivationScales::kStatic
                                              ? activations.fixed
                                              : activations.scale_of(range_of_row(row, shape.num_columns));
            std::vector<int32_t> quantized(static_cast<size_t>(shape.num_columns));
            for (size_t k = 0; k < quantized.size(); ++k) {
                const float rounded = std::nearbyint(row[k] * scale.inverse) + static_cast<float>(scale.zero);
                quantized[k] = static_cast<int32_t>(std::clamp(rounded, 0.0f, 255.0f)) - scale.zero;
            }
            for (int64_t m = 0; m < shape.num_rows; ++m) {
                int64_t sum = 0;
                for (int64_t i = matrix.row_offsets[m]; i < matrix.row_offsets[m + 1]; ++i) {
                    sum += static_cast<int64_t>(matrix.values[i]) * quantized[matrix.columns[i]];
                }
                y[n * shape.num_rows + m] =
                    static_cast<float>(static_cast<int32_t>(sum)) * (scale.scale * row_scales[m]) + bias[m];
            }
        }
        return y;
    }

    static Range range_of_row(const float* row, int64_t count) {
        Range range{0, 0};
        for (int64_t k = 0; k < count; ++k) range = {std::min(range.low, row[k]), std::max(range.high, row[k])};
        return range;
    }
};

// y of a contiguous x, both behind guard pages.
std::vector<float> run(const Linear& layer, const std::vector<float>& x, int64_t num_columns, int num_threads,
                       Side side) {
    const GuardedArray<float> guarded_x(x, side);
    GuardedArray<float> y(num_columns * layer.out_features(), side);
    StridedRows rows(guarded_x.data(), sizeof(float));
    rows.add_dimension(num_columns, layer.in_features() * static_cast<int64_t>(sizeof(float)));
    layer.run({num_columns, rows, nullptr, y.data(), num_threads});
    return {y.data(), y.data() + y.size()};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

template <class Visit>
void for_each_isa_and_form(Visit&& visit) {
    for_each_isa([&](Isa isa) {
        for (const Int8Form& form : kForms) {
            const Case name(form.name);
            visit(isa, form);
        }
    });
}

TEST(int8_layers_multiply_exactly) {
    constexpr Shape kShapes[] = {{1, 1}, {3, 5}, {16, 16}, {37, 150}, {130, 67}, {1100, 9}, {5, 1100}};
    constexpr int64_t kColumns[] = {1, 2, 3, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 97, 130};
    std::mt19937 random(51);
    for (const Shape shape : kShapes) {
        for (const double sparsity : {0.0, 0.6, 0.97}) {
            const Int8Case layer(shape, sparsity, random);
            for (const int64_t num_columns : kColumns) {
                const Case name(describe(shape) + ", " + describe(sparsity) + " zeros, " + std::to_string(num_columns) +
                                " columns");
                const std::vector<float> x = random_values(num_columns * shape.num_columns, Numbers::kReal, random);
                const std::vector<float> expected = layer.expected(x, num_columns);
                for_each_isa_and_form([&](Isa isa, const Int8Form& form) {
                    const std::vector<float> y =
                        run(layer.layer(form, isa), x, num_columns, 1, kBothSides[num_columns % 2]);
                    CHECK(same_bits(y, expected));
                });
            }
        }
    }
}

// Products of the largest activations and weights: nothing may saturate on the way to a sum near the end of 32 bits.
TEST(int8_sums_reach_the_end_of_32_bits) {
    constexpr int64_t kLength = 65793;  // the most whose 255 * 128 sum up to less than 2^31
    for (const float weight : {-128.0f, 127.0f}) {
        const Case sign(weight < 0 ? "all -128" : "all 127");
        std::mt19937 random(52);
        Int8Case layer({3, kLength}, 0.0, random);
        std::fill(layer.matrix.values.begin(), layer.matrix.values.end(), weight);
        for (const int64_t num_columns : {int64_t{1}, int64_t{17}}) {
            const std::vector<float> x(static_cast<size_t>(num_columns * kLength), 1.0f);
            const std::vector<float> expected = layer.expected(x, num_columns);
            for_each_isa_and_form([&](Isa isa, const Int8Form& form) {
                CHECK(same_bits(run(layer.layer(form, isa), x, num_columns, 1, Side::kEnd), expected));
            });
        }
    }
}

TEST(int8_layers_give_the_same_bits_for_any_number_of_threads) {
    struct Job {
        Shape shape;
        int64_t num_columns;
    };
    constexpr Job kJobs[] = {{{2100, 2000}, 1}, {{2100, 60}, 40}, {{300, 100}, 200}, {{20, 70}, 3000}};
    std::mt19937 random(53);
    for (const Job& job : kJobs) {
        const Case name(describe(job.shape) + ", " + std::to_string(job.num_columns) + " columns");
        const Int8Case layer(job.shape, 0.5, random);
        const std::vector<float> x = random_values(job.num_columns * job.shape.num_columns, Numbers::kReal, random);
        const std::vector<float> expected = layer.expected(x, job.num_columns);
        const Isa isa = available_isas().back();
        for (const Int8Form& form : kForms) {
            const Case form_name(form.name);
            const Linear linear = layer.layer(form, isa);
            for (const int num_threads : {1, 2, 3, 8}) {
                CHECK(same_bits(run(linear, x, job.num_columns, num_threads, Side::kEnd), expected));
            }
        }
    }
}

TEST(int8_rows_without_a_finite_range_are_not_a_number) {
    std::mt19937 random(54);
    const Int8Case layer({19, 70}, 0.5, random);
    constexpr int64_t kColumns = 20;
    std::vector<float> x = random_values(kColumns * 70, Numbers::kReal, random);
    const std::vector<float> expected = layer.expected(x, kColumns);
    x[3 * 70 + 69] = std::numeric_limits<float>::quiet_NaN();
    x[17 * 70] = -std::numeric_limits<float>::infinity();
    for_each_isa_and_form([&](Isa isa, const Int8Form& form) {
        const std::vector<float> y = run(layer.layer(form, isa), x, kColumns, 1, Side::kEnd);
        for (int64_t i = 0; i < kColumns * 19; ++i) {
            const bool is_strange = i / 19 == 3 || i / 19 == 17;
            CHECK(is_strange ? std::isnan(y[i]) : y[i] == expected[i]);
        }
    });
}

// Layers in a chain: x and y in 8 bits, between which nothing is a float.
struct ChainedCase {
    static constexpr ActivationScale kFixed{0.013f, 1 / 0.013f, 119};
    static constexpr Requantization kRequantization{1 / 0.21f, 37};

    Int8Case layer;
    Epilogue epilogue;

    ChainedCase(Shape shape, Epilogue some_epilogue, std::mt19937& random)
        : layer(shape, 0.6, random), epilogue(some_epilogue) {
        layer.activations = {ActivationScales::kStatic, false, kFixed};
    }

    Linear linear(const Int8Form& form, Isa isa, bool requantizes) const {
        Int8Scales scales{layer.activations, buffer_of(layer.row_scales)};
        if (requantizes) scales.requantization = kRequantization;
        return Linear(layer.matrix.shape.num_rows, layer.matrix.shape.num_columns, isa,
                      {{1, std::make_shared<const Pack>(form.pack(layer.matrix, kernels_for(isa)))}},
                      buffer_of(layer.bias), epilogue, std::move(scales));
    }
};

uint8_t requantized(float y) {
    const float scaled = y * ChainedCase::kRequantization.inverse_scale;
    if (std::isnan(scaled)) return 0;
    const auto zero = static_cast<float>(ChainedCase::kRequantization.zero);
    return static_cast<uint8_t>(std::clamp(std::nearbyint(scaled) + zero, 0.0f, 255.0f));
}

// y of a strided x and perhaps a residual, everything behind guard pages.
template <class T>
std::vector<T> run_chained(const Linear& layer, const GuardedArray<uint8_t>& x, const GuardedArray<float>* residual,
                           int64_t num_columns, int64_t x_stride, Side side) {
    GuardedArray<T> y(num_columns * layer.out_features(), side);
    StridedRows rows(x.data(), x_stride),
        residual_rows(residual != nullptr ? residual->data() : nullptr, sizeof(float));
    rows.add_dimension(num_columns, layer.in_features() * x_stride);
    residual_rows.add_dimension(num_columns, layer.out_features() * static_cast<int64_t>(sizeof(float)));
    LinearCall call{num_columns, rows, residual != nullptr ? &residual_rows : nullptr, y.data(), 1};
    call.x_is_quantized = true;
    layer.run(call);
    return {y.data(), y.data() + y.size()};
}

TEST(int8_layers_take_8_bits_and_give_8_bits) {
    constexpr Shape kShapes[] = {{1, 1}, {15, 16}, {37, 150}, {131, 67}};
    constexpr int64_t kColumns[] = {1, 2, 8, 9, 16, 33, 97};
    constexpr Epilogue kEpilogues[] = {{}, {Activation::kClip, 0.0f, 6.0f, 0.0f}, {Activation::kLeakyRelu, 0, 0, 0.1f}};
    std::mt19937 random(56);
    for (const Shape shape : kShapes) {
        const ChainedCase chained(shape, kEpilogues[shape.num_rows % std::size(kEpilogues)], random);
        for (const int64_t num_columns : kColumns) {
            const Case name(describe(shape) + ", " + std::to_string(num_columns) + " columns");
            const Side side = kBothSides[num_columns % 2];
            const int64_t x_stride = 1 + num_columns % 3 / 2;
            GuardedArray<uint8_t> x(num_columns * shape.num_columns * x_stride - (x_stride - 1), side);
            for (uint8_t& byte : x.span()) byte = static_cast<uint8_t>(random() % 256);
            GuardedArray<float> numbers(random_values(num_columns * shape.num_rows, Numbers::kReal, random), side);
            if (numbers.size() > 2) {
                numbers[0] = std::numeric_limits<float>::quiet_NaN();
                numbers[1] = -numbers[0];
                numbers[2] = std::numeric_limits<float>::infinity();
            }
            const GuardedArray<float>* residual = num_columns % 2 == 0 ? &numbers : nullptr;
            // x as the floats that its bytes stand for, which quantize to these bytes again
            std::vector<float> floats(static_cast<size_t>(num_columns * shape.num_columns));
            for (size_t i = 0; i < floats.size(); ++i) {
                const int32_t q = x[static_cast<int64_t>(i) * x_stride];
                floats[i] = ChainedCase::kFixed.scale * static_cast<float>(q - ChainedCase::kFixed.zero);
            }
            for_each_isa_and_form([&](Isa isa, const Int8Form& form) {
                const std::vector<float> y =
                    run_chained<float>(chained.linear(form, isa, false), x, residual, num_columns, x_stride, side);
                const std::vector<uint8_t> bytes =
                    run_chained<uint8_t>(chained.linear(form, isa, true), x, residual, num_columns, x_stride, side);
                CHECK(std::ranges::equal(bytes, y, {}, {}, requantized));
                if (chained.epilogue.activation != Activation::kNone) return;
                const std::vector<float> sums = chained.layer.expected(floats, num_columns);
                for (size_t i = 3; i < sums.size(); ++i) {
                    CHECK(y[i] == sums[i] + (residual != nullptr ? (*residual)[static_cast<int64_t>(i)] : 0.0f));
                }
            });
        }
    }
}

TEST(int8_x_of_zeros_or_hardly_more_counts_as_zero) {
    std::mt19937 random(55);
    Int8Case layer({7, 33}, 0.5, random);
    for (const bool is_symmetric : {false, true}) {
        layer.activations.is_symmetric = is_symmetric;
        for (const float value : {0.0f, 1e-44f, -1e-44f}) {
            const std::vector<float> x(5 * 33, value);
            for_each_isa_and_form([&](Isa isa, const Int8Form& form) {
                const std::vector<float> y = run(layer.layer(form, isa), x, 5, 1, Side::kEnd);
                for (size_t i = 0; i < y.size(); ++i) CHECK(y[i] == layer.bias[i % 7]);
            });
        }
    }
}

}  // namespace
