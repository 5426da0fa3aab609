// Operations on one array, element by element.
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "ops/operation_table.h"
#include "ops/ranges.h"

namespace sparseinf {
namespace {

// Function: float -> float.
template <auto kFunction>
class FloatUnary final : public Operation {
public:
    explicit FloatUnary(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        float* y = step.output_over(0, 0, x.type, x.shape).template as<float>();
        const float* from = x.as<float>();
        for_ranges(x.size(), kElementsOfRange, step.num_threads(), [&](int64_t begin, int64_t end) {
#pragma GCC ivdep
            for (int64_t i = begin; i < end; ++i) y[i] = kFunction(from[i]);
        });
    }
};

// Which floats are what no number should be: attributes detect_nan, detect_positive, detect_negative (infinities).
class FloatClass final : public Operation {
public:
    explicit FloatClass(const Attributes& attributes)
        : nan_(attributes.integer("detect_nan") != 0),
          positive_(attributes.integer("detect_positive") != 0),
          negative_(attributes.integer("detect_negative") != 0) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        bool* y = step.output(0, ElementType::kBool, x.shape).as<bool>();
        const float* from = x.as<float>();
        const int64_t size = x.size();
        for (int64_t i = 0; i < size; ++i) {
            y[i] = (nan_ && from[i] != from[i]) || (positive_ && from[i] == INFINITY) ||
                   (negative_ && from[i] == -INFINITY);
        }
    }

private:
    bool nan_, positive_, negative_;
};

// Function: a template over the type of the elements.
template <class Function>
class AnyUnary final : public Operation {
public:
    explicit AnyUnary(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        Tensor& y = step.output_over(0, 0, x.type, x.shape);
        const int64_t size = x.size();
        visit_type(x.type, [&](auto zero) {
            using T = decltype(zero);
            const T* from = x.as<T>();
            T* to = y.as<T>();
#pragma GCC ivdep
            for (int64_t i = 0; i < size; ++i) to[i] = Function::template apply<T>(from[i]);
        });
    }
};

struct Negative {
    template <class T>
    static T apply(T x) {
        return static_cast<T>(-x);
    }
};
struct Absolute {
    template <class T>
    static T apply(T x) {
        if constexpr (std::is_signed_v<T>) return static_cast<T>(x < T{0} ? -x : x + T{0});
        return x;
    }
};
struct Relu {
    template <class T>
    static T apply(T x) {
        return x < T{0} ? T{0} : x;
    }
};
struct Sign {
    template <class T>
    static T apply(T x) {
        if (x != x) return x;
        return static_cast<T>((x > T{0}) - (x < T{0}));
    }
};
struct BitwiseNot {
    template <class T>
    static T apply(T x) {
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return static_cast<T>(~x);
        return x;
    }
};
struct Not {
    template <class T>
    static T apply(T x) {
        return static_cast<T>(!x);
    }
};

float square_root(float x) { return std::sqrt(x); }
float exponential(float x) { return std::exp(x); }
float logarithm(float x) { return std::log(x); }
float reciprocal(float x) { return 1.0f / x; }
float error_function(float x) { return std::erf(x); }
float hyperbolic_tangent(float x) { return std::tanh(x); }
float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }
float swish(float x) { return x / (1.0f + std::exp(-x)); }
float sine(float x) { return std::sin(x); }
float cosine(float x) { return std::cos(x); }
float tangent(float x) { return std::tan(x); }
float arc_sine(float x) { return std::asin(x); }
float arc_cosine(float x) { return std::acos(x); }
float arc_tangent(float x) { return std::atan(x); }
float hyperbolic_sine(float x) { return std::sinh(x); }
float hyperbolic_cosine(float x) { return std::cosh(x); }
float area_sine(float x) { return std::asinh(x); }
float area_cosine(float x) { return std::acosh(x); }
float area_tangent(float x) { return std::atanh(x); }
// log(1 + exp(x)), where exp may be too large for a float.
float softplus(float x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
float softsign(float x) { return x / (1.0f + std::fabs(x)); }
float mish(float x) { return x * std::tanh(softplus(x)); }
float hard_swish(float x) {
    const float gate = x / 6.0f + 0.5f;
    const float bounded = gate < 0 ? 0.0f : gate;
    return x * (bounded > 1 ? 1.0f : bounded);
}
float round_down(float x) { return std::floor(x); }
float round_up_to_whole(float x) { return std::ceil(x); }
float round_to_even(float x) { return std::nearbyint(x); }

constexpr OperationMaker kOperations[] = {
    {"Neg", make<AnyUnary<Negative>>},
    {"Abs", make<AnyUnary<Absolute>>},
    {"Relu", make<AnyUnary<Relu>>},
    {"Not", make<AnyUnary<Not>>},
    {"Sqrt", make<FloatUnary<square_root>>},
    {"Exp", make<FloatUnary<exponential>>},
    {"Log", make<FloatUnary<logarithm>>},
    {"Reciprocal", make<FloatUnary<reciprocal>>},
    {"Erf", make<FloatUnary<error_function>>},
    {"Tanh", make<FloatUnary<hyperbolic_tangent>>},
    {"Sigmoid", make<FloatUnary<sigmoid>>},
    {"Swish", make<FloatUnary<swish>>},
    {"Floor", make<FloatUnary<round_down>>},
    {"Ceil", make<FloatUnary<round_up_to_whole>>},
    {"Round", make<FloatUnary<round_to_even>>},
    {"Sign", make<AnyUnary<Sign>>},
    {"BitwiseNot", make<AnyUnary<BitwiseNot>>},
    {"Sin", make<FloatUnary<sine>>},
    {"Cos", make<FloatUnary<cosine>>},
    {"Tan", make<FloatUnary<tangent>>},
    {"Asin", make<FloatUnary<arc_sine>>},
    {"Acos", make<FloatUnary<arc_cosine>>},
    {"Atan", make<FloatUnary<arc_tangent>>},
    {"Sinh", make<FloatUnary<hyperbolic_sine>>},
    {"Cosh", make<FloatUnary<hyperbolic_cosine>>},
    {"Asinh", make<FloatUnary<area_sine>>},
    {"Acosh", make<FloatUnary<area_cosine>>},
    {"Atanh", make<FloatUnary<area_tangent>>},
    {"Softplus", make<FloatUnary<softplus>>},
    {"Softsign", make<FloatUnary<softsign>>},
    {"Mish", make<FloatUnary<mish>>},
    {"HardSwish", make<FloatUnary<hard_swish>>},
    {"FloatClass", make<FloatClass>},
};

}  // namespace

std::span<const OperationMaker> unary_operations() { return kOperations; }

}  // namespace sparseinf
