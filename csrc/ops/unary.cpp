// Operations on one array, element by element.
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "ops/operation_table.h"

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
        const int64_t size = x.size();
        for (int64_t i = 0; i < size; ++i) y[i] = kFunction(from[i]);
    }
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
    {"Floor", make<FloatUnary<round_down>>},
    {"Ceil", make<FloatUnary<round_up_to_whole>>},
    {"Round", make<FloatUnary<round_to_even>>},
};

}  // namespace

std::span<const OperationMaker> unary_operations() { return kOperations; }

}  // namespace sparseinf
