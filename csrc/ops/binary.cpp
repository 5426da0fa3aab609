// Operations on two arrays, element by element, broadcast to a common shape.
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "ops/broadcast.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// The commonest runs, over which a compiler makes vectors: both arrays move, or one of them stands.
template <class T, class R, class Function>
void apply_run(const T* a, int64_t a_stride, const T* b, int64_t b_stride, R* y, int64_t count, Function&& function) {
    if (a_stride == 1 && b_stride == 1) {
        for (int64_t i = 0; i < count; ++i) y[i] = function(a[i], b[i]);
    } else if (a_stride == 1 && b_stride == 0) {
        const T value = *b;
        for (int64_t i = 0; i < count; ++i) y[i] = function(a[i], value);
    } else if (a_stride == 0 && b_stride == 1) {
        const T value = *a;
        for (int64_t i = 0; i < count; ++i) y[i] = function(value, b[i]);
    } else {
        for (int64_t i = 0; i < count; ++i) y[i] = function(a[i * a_stride], b[i * b_stride]);
    }
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
        const BroadcastWalk<3> walk(common, {&a.shape, &b.shape, &common});
        visit_type(a.type, [&](auto zero) {
            using T = decltype(zero);
            using R = std::conditional_t<kCompares, bool, T>;
            walk.for_each_run([&](const auto& at, int64_t count, const auto& strides) {
                apply_run(a.as<T>() + at[0], strides[0], b.as<T>() + at[1], strides[1], y.as<R>() + at[2], count,
                          [](T left, T right) { return static_cast<R>(Function::template apply<T>(left, right)); });
            });
        });
    }
};

// Whole numbers wrap around, as NumPy's do.
template <class T, class Compute>
T wrapping(T a, T b, Compute&& compute) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        using Unsigned = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<Unsigned>(compute(static_cast<uint64_t>(a), static_cast<uint64_t>(b))));
    } else {
        return static_cast<T>(compute(a, b));
    }
}

struct Add {
    template <class T>
    static T apply(T a, T b) {
        return wrapping(a, b, [](auto x, auto y) { return x + y; });
    }
};
struct Subtract {
    template <class T>
    static T apply(T a, T b) {
        return wrapping(a, b, [](auto x, auto y) { return x - y; });
    }
};
struct Multiply {
    template <class T>
    static T apply(T a, T b) {
        return wrapping(a, b, [](auto x, auto y) { return x * y; });
    }
};
// Whole numbers round towards zero; what has no result is 0, the least number by -1 itself.
struct Divide {
    template <class T>
    static T apply(T a, T b) {
        if constexpr (std::is_floating_point_v<T>) return a / b;
        if (b == T{0}) return T{0};
        if constexpr (std::is_signed_v<T>) {
            if (b == T(-1)) return Subtract::apply<T>(T{0}, a);
        }
        return static_cast<T>(a / b);
    }
};
struct Minimum {
    template <class T>
    static T apply(T a, T b) {
        return a != a || a < b ? a : b;
    }
};
struct Maximum {
    template <class T>
    static T apply(T a, T b) {
        return a != a || a > b ? a : b;
    }
};
struct And {
    template <class T>
    static bool apply(T a, T b) {
        return a && b;
    }
};
struct Or {
    template <class T>
    static bool apply(T a, T b) {
        return a || b;
    }
};
struct Xor {
    template <class T>
    static bool apply(T a, T b) {
        return !a != !b;
    }
};
struct Equal {
    template <class T>
    static bool apply(T a, T b) {
        return a == b;
    }
};
struct Less {
    template <class T>
    static bool apply(T a, T b) {
        return a < b;
    }
};
struct LessOrEqual {
    template <class T>
    static bool apply(T a, T b) {
        return a <= b;
    }
};
struct Greater {
    template <class T>
    static bool apply(T a, T b) {
        return a > b;
    }
};
struct GreaterOrEqual {
    template <class T>
    static bool apply(T a, T b) {
        return a >= b;
    }
};

constexpr OperationMaker kOperations[] = {
    {"Add", make<Binary<Add, false>>},        {"Sub", make<Binary<Subtract, false>>},
    {"Mul", make<Binary<Multiply, false>>},   {"Div", make<Binary<Divide, false>>},
    {"Min", make<Binary<Minimum, false>>},    {"Max", make<Binary<Maximum, false>>},
    {"And", make<Binary<And, true>>},         {"Or", make<Binary<Or, true>>},
    {"Xor", make<Binary<Xor, true>>},         {"Equal", make<Binary<Equal, true>>},
    {"Less", make<Binary<Less, true>>},       {"LessOrEqual", make<Binary<LessOrEqual, true>>},
    {"Greater", make<Binary<Greater, true>>}, {"GreaterOrEqual", make<Binary<GreaterOrEqual, true>>},
};

}  // namespace

std::span<const OperationMaker> binary_operations() { return kOperations; }

}  // namespace sparseinf
