// Every activation at every level, over all magnitudes of float32, against its definition in double precision.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "guarded_array.h"
#include "matrices.h"

namespace {

using namespace sparseinf;
using namespace testing;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// |found - exact| <= (absolute + relative * |exact|) * 2^-24, the roundoff of float32. The absolute part is for where
// the activation nearly vanishes but its terms do not. Bounds leave a fifth more than what was measured.
struct Definition {
    const char* name;
    Epilogue epilogue;
    double (*exact)(double);
    double relative;
    double absolute;
};

constexpr float kSlope = 0.01f;

const Definition kDefinitions[] = {
    {"none", {}, [](double x) { return x; }, 0, 0},
    {"clip", {Activation::kClip, -1.5f, 6.0f, 0.0f}, [](double x) { return std::clamp(x, -1.5, 6.0); }, 0, 0},
    {"relu",
     {Activation::kClip, 0.0f, std::numeric_limits<float>::infinity(), 0.0f},
     [](double x) { return std::max(x, 0.0); },
     0,
     0},
    {"leaky_relu",
     {Activation::kLeakyRelu, 0.0f, 0.0f, kSlope},
     [](double x) { return x < 0 ? double{kSlope} * x : x; },
     1,
     1e-30},
    {"gelu", {Activation::kGelu}, [](double x) { return x * std::erfc(-x / std::sqrt(2.0)) / 2; }, 1.7, 0.9},
    {"gelu_tanh",
     {Activation::kGeluTanh},
     [](double x) { return x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)); },
     1.8,
     1.8},
    {"silu", {Activation::kSilu}, [](double x) { return x * sigmoid(x); }, 2.7, 0.7},
    {"hardswish", {Activation::kHardswish}, [](double x) { return x * std::clamp(x + 3, 0.0, 6.0) / 6; }, 1.9, 1.9},
    {"hardsigmoid", {Activation::kHardsigmoid}, [](double x) { return std::clamp(x + 3, 0.0, 6.0) / 6; }, 1.4, 0.7},
    {"sigmoid", {Activation::kSigmoid}, sigmoid, 1.7, 0.4},
    {"tanh", {Activation::kTanh}, [](double x) { return std::tanh(x); }, 2.4, 0},
};

// Finite numbers of every sign and magnitude, and all that lies where activations bend.
std::vector<float> sample() {
    std::vector<float> values;
    for (uint32_t bits = 0; bits < 0x7f800000u; bits += 0x10001u) {
        float value;
        std::memcpy(&value, &bits, sizeof value);
        values.push_back(value);
        values.push_back(-value);
    }
    for (int i = -12000; i <= 12000; ++i) values.push_back(static_cast<float>(i) / 1000.0f);
    for (int i = -4000; i <= 4000; ++i) values.push_back(static_cast<float>(i) / 40.0f);
    return values;
}

// The activation of each value: its sum, without bias or residual.
std::vector<float> activated(const std::vector<float>& values, const KernelTable& kernels, const Epilogue& epilogue) {
    const auto size = static_cast<int64_t>(values.size());
    std::vector<float> sums = values;
    sums.resize(values.size() + 16);
    const GuardedArray<float> guarded(sums.data(), (size + 15) / 16 * 16, Side::kEnd);
    GuardedArray<float> y(size, Side::kEnd);
    char* const row = reinterpret_cast<char*>(y.data());
    UnpackArgs args{};
    args.sums = {guarded.data(), nullptr};
    args.rows = &row;
    args.num_columns = 1;
    args.num_features = static_cast<int32_t>(size);
    args.epilogue = epilogue;
    kernels.finish_vector(args);
    return {y.data(), y.data() + size};
}

TEST(activations_are_accurate_everywhere) {
    const std::vector<float> values = sample();
    for_each_float_isa([&](Isa isa) {
        for (const Definition& definition : kDefinitions) {
            const Case name(definition.name);
            const std::vector<float> found = activated(values, kernels_for(isa), definition.epilogue);
            double worst = 0;
            float worst_at = 0;
            for (size_t i = 0; i < values.size(); ++i) {
                const double exact = definition.exact(double{values[i]});
                const double allowed = (definition.absolute + definition.relative * std::abs(exact)) * 0x1p-24;
                const double error = std::abs(double{found[i]} - exact);
                // Not `error > allowed`: a NaN must fail.
                const double excess = error <= allowed ? (allowed > 0 ? error / allowed : 0) : kInfinity;
                if (excess > worst) {
                    worst = excess;
                    worst_at = values[i];
                }
            }
            const Case at("x = " + describe(double{worst_at}) + ", error " + describe(worst) + " times the bound");
            CHECK(worst <= 1);
        }
    });
}

TEST(activations_keep_nan) {
    for_each_float_isa([](Isa isa) {
        const std::vector<float> values(19, std::numeric_limits<float>::quiet_NaN());
        for (const Definition& definition : kDefinitions) {
            const Case name(definition.name);
            const std::vector<float> found = activated(values, kernels_for(isa), definition.epilogue);
            CHECK(std::all_of(found.begin(), found.end(), [](float y) { return std::isnan(y); }));
        }
    });
}

TEST(activations_saturate_at_infinity) {
    for_each_float_isa([](Isa isa) {
        for (const Definition& definition : kDefinitions) {
            const Case name(definition.name);
            const auto found =
                activated({std::numeric_limits<float>::infinity()}, kernels_for(isa), definition.epilogue);
            CHECK(double{found[0]} == definition.exact(kInfinity));
        }
    });
}

}  // namespace
