// Whole layers: every form, every level, awkward shapes and numbers of columns, any number of threads and of callers.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "guarded_array.h"
#include "matrices.h"
#include "ops/linear.h"

namespace {

using namespace sparseinf;
using namespace testing;

enum class Form { kDense, kCsr, kBitmap, kLookup };
constexpr Form kForms[] = {Form::kDense, Form::kCsr, Form::kBitmap, Form::kLookup};

std::shared_ptr<const Pack> pack_as(Form form, const Matrix& matrix, Isa isa) {
    if (form == Form::kDense) {
        return std::make_shared<Pack>(
            Pack{pack_dense(matrix.dense().data(), matrix.shape.num_rows, matrix.shape.num_columns, 1)});
    }
    if (form == Form::kBitmap) return std::make_shared<Pack>(Pack{pack_bitmap(matrix.view(), 1)});
    if (form == Form::kLookup) return std::make_shared<Pack>(Pack{pack_lookup(matrix.view(), 1)});
    return std::make_shared<Pack>(Pack{pack_csr(matrix.view(), csr_panel_columns(isa), kernels_for(isa), 1)});
}

AlignedBuffer<float> buffer_of(const std::vector<float>& values) {
    AlignedBuffer<float> buffer(static_cast<int64_t>(values.size()));
    std::copy(values.begin(), values.end(), buffer.data());
    return buffer;
}

Linear layer_of(Form form, const Matrix& matrix, Isa isa, const std::vector<float>& bias = {}) {
    return Linear(matrix.shape.num_rows, matrix.shape.num_columns, isa, {{1, pack_as(form, matrix, isa)}},
                  buffer_of(bias), Epilogue{}, std::nullopt);
}

StridedRows contiguous_rows(const float* data, int64_t num_columns, int64_t num_features) {
    StridedRows rows(data, sizeof(float));
    rows.add_dimension(num_columns, num_features * static_cast<int64_t>(sizeof(float)));
    return rows;
}

// y of a contiguous x, both behind guard pages.
std::vector<float> run(const Linear& layer, const std::vector<float>& x, int64_t num_columns, int num_threads,
                       Side side = Side::kEnd) {
    const GuardedArray<float> guarded_x(x, side);
    GuardedArray<float> y(num_columns * layer.out_features(), side);
    layer.run({num_columns, contiguous_rows(guarded_x.data(), num_columns, layer.in_features()), nullptr, y.data(),
               num_threads});
    return {y.data(), y.data() + y.size()};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

template <class Visit>
void for_each_isa_and_form(Visit&& visit) {
    for_each_float_isa([&](Isa isa) {
        for (const Form form : kForms) {
            constexpr const char* kNames[] = {"dense", "csr", "bitmap", "lookup"};
            const Case name(kNames[static_cast<int>(form)]);
            visit(isa, form);
        }
    });
}

TEST(layers_multiply) {
    constexpr Shape kShapes[] = {{1, 1}, {3, 5}, {16, 16}, {37, 150}, {130, 67}, {1100, 9}, {5, 1100}};
    constexpr int64_t kColumns[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 48, 65, 96, 97, 130};
    for_each_isa_and_form([&](Isa isa, Form form) {
        std::mt19937 random(41);
        for (const Shape shape : kShapes) {
            for (const double sparsity : {0.0, 0.7, 0.97}) {
                const Matrix matrix = random_matrix(shape, sparsity, Numbers::kReal, random);
                const std::vector<float> bias = random_values(shape.num_rows, Numbers::kReal, random);
                const Linear layer = layer_of(form, matrix, isa, bias);
                for (const int64_t num_columns : kColumns) {
                    const Case name(describe(shape) + ", " + describe(sparsity) + " zeros, " +
                                    std::to_string(num_columns) + " columns");
                    const std::vector<float> x = random_values(num_columns * shape.num_columns, Numbers::kReal, random);
                    const Product expected = multiply(matrix, x, num_columns);
                    const std::vector<float> y = run(layer, x, num_columns, 1, kBothSides[num_columns % 2]);
                    bool is_right = true;
                    for (size_t i = 0; i < y.size(); ++i) {
                        const double exact = expected.sums[i] + double{bias[i % bias.size()]};
                        // The bias is one more term that is rounded.
                        const double bound =
                            expected.bounds[i] + 0x1p-23 * (std::abs(exact) + std::abs(expected.sums[i]));
                        is_right = is_right && std::abs(double{y[i]} - exact) <= bound;
                    }
                    CHECK(is_right);
                }
            }
        }
    });
}

TEST(any_number_of_threads_gives_the_same_bits) {
    struct Job {
        Shape shape;
        int64_t num_columns;
    };
    // Enough work that eight threads are worth it, in several chunks of rows or panels or both.
    constexpr Job kJobs[] = {{{2100, 2000}, 1}, {{2100, 60}, 40}, {{300, 100}, 200}, {{20, 70}, 3000}};
    std::mt19937 random(42);
    for (const Job& job : kJobs) {
        const Case name(describe(job.shape) + ", " + std::to_string(job.num_columns) + " columns");
        const Matrix matrix = random_matrix(job.shape, 0.04, Numbers::kReal, random);
        const std::vector<float> x = random_values(job.num_columns * job.shape.num_columns, Numbers::kReal, random);
        for_each_isa_and_form([&](Isa isa, Form form) {
            if (form == Form::kBitmap && job.num_columns > 100) return;  // one column after the other: nothing new
            const Linear layer = layer_of(form, matrix, isa);
            const std::vector<float> expected = run(layer, x, job.num_columns, 1);
            for (int num_threads = 2; num_threads <= 8; ++num_threads) {
                const Case threads(std::to_string(num_threads) + " threads");
                CHECK(same_bits(run(layer, x, job.num_columns, num_threads), expected));
            }
        });
    }
}

TEST(many_threads_may_call_one_layer) {
    constexpr Shape kShape{1500, 64};
    std::mt19937 random(43);
    const Matrix matrix = random_matrix(kShape, 0.1, Numbers::kReal, random);
    for (const Form form : kForms) {
        const Linear layer = layer_of(form, matrix, available_isas().back());
        std::vector<std::thread> callers;
        for (int caller = 0; caller < 6; ++caller) {
            const int64_t num_columns = 1 + 11 * caller;
            const std::vector<float> x = random_values(num_columns * kShape.num_columns, Numbers::kReal, random);
            callers.emplace_back([&layer, x, num_columns, expected = run(layer, x, num_columns, 1)] {
                for (int call = 0; call < 20; ++call) {
                    CHECK(same_bits(run(layer, x, num_columns, 1 + call % 5), expected));
                }
            });
        }
        for (std::thread& caller : callers) caller.join();
    }
}

TEST(x_and_residual_of_any_strides_give_the_same_bits) {
    constexpr int64_t kOuter = 3, kInner = 7, kIn = 45, kOut = 21;
    std::mt19937 random(44);
    const Matrix matrix = random_matrix({kOut, kIn}, 0.5, Numbers::kReal, random);
    const std::vector<float> x = random_values(kOuter * kInner * kIn, Numbers::kReal, random);
    const std::vector<float> residual = random_values(kOuter * kInner * kOut, Numbers::kReal, random);
    // [outer][inner][feature] stored as [inner][feature][outer], each float a byte after where it would be aligned.
    const auto scattered = [&](const std::vector<float>& values, int64_t num_features) {
        GuardedArray<char> bytes(static_cast<int64_t>(values.size()) * 5, Side::kEnd);
        for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i) {
            const int64_t row = i / num_features, feature = i % num_features;
            const int64_t at = (row % kInner * num_features + feature) * kOuter + row / kInner;
            std::memcpy(bytes.data() + 5 * at, &values[static_cast<size_t>(i)], sizeof(float));
        }
        return std::vector<char>(bytes.data(), bytes.data() + bytes.size());
    };
    const auto strided_rows = [&](const GuardedArray<char>& bytes, int64_t num_features) {
        StridedRows rows(bytes.data(), 5 * kOuter);
        rows.add_dimension(kOuter, 5);
        rows.add_dimension(kInner, 5 * kOuter * num_features);
        return rows;
    };
    const GuardedArray<char> scattered_x(scattered(x, kIn), Side::kEnd);
    const GuardedArray<char> scattered_residual(scattered(residual, kOut), Side::kEnd);
    const StridedRows strided_x = strided_rows(scattered_x, kIn),
                      strided_residual = strided_rows(scattered_residual, kOut);
    const StridedRows plain_x = contiguous_rows(x.data(), kOuter * kInner, kIn);
    const StridedRows plain_residual = contiguous_rows(residual.data(), kOuter * kInner, kOut);
    for_each_isa_and_form([&](Isa isa, Form form) {
        const Linear layer = layer_of(form, matrix, isa);
        std::vector<float> expected(kOuter * kInner * kOut), y(kOuter * kInner * kOut);
        layer.run({kOuter * kInner, plain_x, &plain_residual, expected.data(), 1});
        layer.run({kOuter * kInner, strided_x, &strided_residual, y.data(), 1});
        CHECK(same_bits(y, expected));
        const std::vector<float> without = run(layer, x, kOuter * kInner, 1);
        bool is_added = true;
        for (size_t i = 0; i < y.size(); ++i) is_added = is_added && y[i] == without[i] + residual[i];
        CHECK(is_added);
    });
}

TEST(a_column_affects_only_its_own_result) {
    std::mt19937 random(45);
    const Matrix matrix = random_matrix({50, 40}, 0.6, Numbers::kReal, random);
    for_each_isa_and_form([&](Isa isa, Form form) {
        const Linear layer = layer_of(form, matrix, isa);
        for (const int64_t num_columns : {2, 19, 70}) {
            std::vector<float> x = random_values(num_columns * 40, Numbers::kReal, random);
            const std::vector<float> clean = run(layer, x, num_columns, 1);
            std::fill_n(x.begin() + 40, 40, std::numeric_limits<float>::quiet_NaN());  // column 1
            const std::vector<float> y = run(layer, x, num_columns, 1);
            CHECK(std::equal(y.begin(), y.begin() + 50, clean.begin()));
            CHECK(std::equal(y.begin() + 100, y.end(), clean.begin() + 100));
            CHECK(std::isnan(y[50]));  // row 0 of the weight is full
        }
    });
}

TEST(each_range_of_columns_runs_its_own_plan) {
    std::mt19937 random(46);
    const Isa isa = available_isas().back();
    const Matrix few = random_matrix({20, 30}, 0.5, Numbers::kWhole, random);
    const Matrix many = random_matrix({20, 30}, 0.5, Numbers::kWhole, random);
    const Linear layer(20, 30, isa, {{1, pack_as(Form::kBitmap, few, isa)}, {16, pack_as(Form::kCsr, many, isa)}}, {},
                       Epilogue{}, std::nullopt);
    for (const int64_t num_columns : {1, 2, 15, 16, 17, 100}) {
        const std::vector<float> x = random_values(num_columns * 30, Numbers::kWhole, random);
        const Product expected = multiply(num_columns < 16 ? few : many, x, num_columns);
        CHECK(std::ranges::equal(run(layer, x, num_columns, 1), expected.sums));
    }
}

TEST(empty_matrices_give_the_bias) {
    for_each_isa_and_form([](Isa isa, Form form) {
        for (const Shape shape : {Shape{0, 7}, Shape{6, 0}, Shape{0, 0}}) {
            const Case name(describe(shape));
            Matrix matrix;
            matrix.shape = shape;
            matrix.row_offsets.resize(static_cast<size_t>(shape.num_rows) + 1, 0);
            const std::vector<float> bias(static_cast<size_t>(shape.num_rows), 2.5f);
            const Linear layer = layer_of(form, matrix, isa, bias);
            for (const int64_t num_columns : {0, 1, 5, 40}) {
                const std::vector<float> x(static_cast<size_t>(num_columns * shape.num_columns), 1.0f);
                const std::vector<float> expected(static_cast<size_t>(num_columns * shape.num_rows), 2.5f);
                CHECK(same_bits(run(layer, x, num_columns, 2), expected));
            }
        }
    });
}

}  // namespace
