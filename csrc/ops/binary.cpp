// Operations on two arrays, element by element, broadcast to a common shape.
#include <cstdint>
#include <type_traits>

#include "ops/arithmetic.h"
#include "ops/binary_operation.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

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
// x, slopes of what is below 0.
struct ParametricRelu {
    template <class T>
    static T apply(T x, T slope) {
        return x < T{0} ? Multiply::apply<T>(slope, x) : x;
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
    {"Add", make<Binary<Add, false>>},
    {"Sub", make<Binary<Subtract, false>>},
    {"Mul", make<Binary<Multiply, false>>},
    {"Div", make<Binary<Divide, false>>},
    {"PRelu", make<Binary<ParametricRelu, false>>},
    {"And", make<Binary<And, true>>},
    {"Or", make<Binary<Or, true>>},
    {"Xor", make<Binary<Xor, true>>},
    {"Equal", make<Binary<Equal, true>>},
    {"Less", make<Binary<Less, true>>},
    {"LessOrEqual", make<Binary<LessOrEqual, true>>},
    {"Greater", make<Binary<Greater, true>>},
    {"GreaterOrEqual", make<Binary<GreaterOrEqual, true>>},
};

}  // namespace

std::span<const OperationMaker> binary_operations() { return kOperations; }

}  // namespace sparseinf
