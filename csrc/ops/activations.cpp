// Operations on one array, element by element, that attributes or bounds say more about.
#include <cmath>
#include <limits>

#include "ops/operation_table.h"
#include "ops/ranges.h"

namespace sparseinf {
namespace {

// Function: made from attributes, float -> float.
template <class Function>
class Activation final : public Operation {
public:
    explicit Activation(const Attributes& attributes) : function_(attributes) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        float* y = step.output_over(0, 0, x.type, x.shape).template as<float>();
        const float* from = x.as<float>();
        for_ranges(x.size(), kElementsOfRange, step.num_threads(), [&](int64_t begin, int64_t end) {
            const Function function = function_;  // a copy that y cannot lie over
#pragma GCC ivdep
            for (int64_t i = begin; i < end; ++i) y[i] = function(from[i]);
        });
    }

private:
    Function function_;
};

struct LeakyRelu {
    explicit LeakyRelu(const Attributes& attributes) : alpha(attributes.number("alpha")) {}
    float operator()(float x) const {
        // A sum, because compilers make no vectors of a choice between two results.
        return (x < 0 ? 0.0f : x) + alpha * (x < 0 ? x : 0.0f);
    }
    float alpha;
};
struct Elu {
    explicit Elu(const Attributes& attributes) : alpha(attributes.number("alpha")) {}
    float operator()(float x) const { return x < 0 ? alpha * std::expm1(x) : x; }
    float alpha;
};
struct Celu {
    explicit Celu(const Attributes& attributes) : alpha(attributes.number("alpha")) {}
    float operator()(float x) const { return x < 0 ? alpha * std::expm1(x / alpha) : x; }
    float alpha;
};
struct Selu {
    explicit Selu(const Attributes& attributes)
        : alpha(attributes.number("alpha")), gamma(attributes.number("gamma")) {}
    float operator()(float x) const { return gamma * (x < 0 ? alpha * std::expm1(x) : x); }
    float alpha, gamma;
};
struct HardSigmoid {
    explicit HardSigmoid(const Attributes& attributes)
        : alpha(attributes.number("alpha")), beta(attributes.number("beta")) {}
    float operator()(float x) const {
        const float y = alpha * x + beta;
        const float bounded = y < 0 ? 0.0f : y;
        return bounded > 1 ? 1.0f : bounded;
    }
    float alpha, beta;
};
struct ThresholdedRelu {
    explicit ThresholdedRelu(const Attributes& attributes) : alpha(attributes.number("alpha")) {}
    float operator()(float x) const { return x <= alpha ? 0.0f : x; }
    float alpha;
};
struct Gelu {
    explicit Gelu(const Attributes&) {}
    float operator()(float x) const { return 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); }
};
struct GeluByTanh {
    explicit GeluByTanh(const Attributes&) {}
    float operator()(float x) const { return 0.5f * x * (1.0f + std::tanh(0.79788456f * (x + 0.044715f * x * x * x))); }
};

// x, perhaps the least, perhaps the most value. Where the least is more than the most, all is the most.
class Clip final : public Operation {
public:
    explicit Clip(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const Tensor least = bound(step, 1), most = bound(step, 2);
        visit_type(x.type, [&](auto zero) {
            using T = decltype(zero);
            using Limits = std::numeric_limits<T>;
            const T lowest = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
            const T highest = Limits::has_infinity ? Limits::infinity() : Limits::max();
            const T low = least.data != nullptr ? *least.as<T>() : lowest;
            const T high = most.data != nullptr ? *most.as<T>() : highest;
            const T* from = x.as<T>();
            T* y = step.output_over(0, 0, x.type, x.shape).template as<T>();
            for_ranges(x.size(), kElementsOfRange, step.num_threads(), [=](int64_t begin, int64_t end) {
#pragma GCC ivdep
                for (int64_t i = begin; i < end; ++i) {
                    const T raised = from[i] < low ? low : from[i];
                    y[i] = raised > high ? high : raised;
                }
            });
        });
    }

private:
    static Tensor bound(StepContext& step, int i) {
        const Tensor* given = step.input(i);
        if (given == nullptr) return {};
        if (given->size() != 1 || given->type != step.at(0).type) {
            throw OperationError("a bound must be one element of x's type, but has shape " + text_of(given->shape));
        }
        return *given;
    }
};

constexpr OperationMaker kOperations[] = {
    {"LeakyRelu", make<Activation<LeakyRelu>>},
    {"Elu", make<Activation<Elu>>},
    {"Celu", make<Activation<Celu>>},
    {"Selu", make<Activation<Selu>>},
    {"HardSigmoid", make<Activation<HardSigmoid>>},
    {"ThresholdedRelu", make<Activation<ThresholdedRelu>>},
    {"Gelu", make<Activation<Gelu>>},
    {"GeluByTanh", make<Activation<GeluByTanh>>},
    {"Clip", make<Clip>},
};

}  // namespace

std::span<const OperationMaker> activation_operations() { return kOperations; }

}  // namespace sparseinf
