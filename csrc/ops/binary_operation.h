// An operation on two arrays, element by element, broadcast to a common shape.
#pragma once

#include <cstdint>
#include <type_traits>

#include "ops/attributes.h"
#include "ops/broadcast.h"

namespace sparseinf {

// The commonest runs, over which a compiler makes vectors: both arrays move, or one of them stands. y may lie over an
// array, element on element: ivdep says that this hinders nothing.
template <class A, class B, class R, class Function>
void apply_run(const A* a, int64_t a_stride, const B* b, int64_t b_stride, R* y, int64_t count, Function&& function) {
    if (a_stride == 1 && b_stride == 1) {
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) y[i] = function(a[i], b[i]);
    } else if (a_stride == 1 && b_stride == 0) {
        const B value = *b;
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) y[i] = function(a[i], value);
    } else if (a_stride == 0 && b_stride == 1) {
        const A value = *a;
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) y[i] = function(value, b[i]);
    } else {
        for (int64_t i = 0; i < count; ++i) y[i] = function(a[i * a_stride], b[i * b_stride]);
    }
}

// y = function(a, b) for each element of y's shape, to which a and b are broadcast.
template <class A, class B, class R, class Function>
void apply_to_pairs(const Tensor& a, const Tensor& b, Tensor& y, Function&& function) {
    const BroadcastWalk<3> walk(y.shape, {&a.shape, &b.shape, &y.shape});
    walk.for_each_run([&](const auto& at, int64_t count, const auto& strides) {
        apply_run(a.as<A>() + at[0], strides[0], b.as<B>() + at[1], strides[1], y.as<R>() + at[2], count, function);
    });
}

// Function: a template over the type of the elements; the result is of the same type, or bool of a comparison.
template <class Function, bool kCompares>
class Binary final : public Operation {
public:
    explicit Binary(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor a = step.at(0), b = step.at(1);
        const Shape common = broadcast_shape({&a.shape, &b.shape});
        const ElementType type = kCompares ? ElementType::kBool : a.type;
        Tensor& y = !kCompares && a.shape == common   ? step.output_over(0, 0, type, common)
                    : !kCompares && b.shape == common ? step.output_over(0, 1, type, common)
                                                      : step.output(0, type, common);
        visit_type(a.type, [&](auto zero) {
            using T = decltype(zero);
            using R = std::conditional_t<kCompares, bool, T>;
            apply_to_pairs<T, T, R>(
                a, b, y, [](T left, T right) { return static_cast<R>(Function::template apply<T>(left, right)); });
        });
    }
};

}  // namespace sparseinf
