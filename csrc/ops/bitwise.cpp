// Operations on the bits of integers, and remainders of divisions.
#include <cmath>
#include <type_traits>

#include "ops/binary_operation.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// Compilation sees to it that floats do not come here.
template <class T, class Compute>
T of_bits(T a, T b, Compute&& compute) {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(compute(a, b));
    return a;
}

struct BitwiseAnd {
    template <class T>
    static T apply(T a, T b) {
        return of_bits(a, b, [](auto x, auto y) { return x & y; });
    }
};
struct BitwiseOr {
    template <class T>
    static T apply(T a, T b) {
        return of_bits(a, b, [](auto x, auto y) { return x | y; });
    }
};
struct BitwiseXor {
    template <class T>
    static T apply(T a, T b) {
        return of_bits(a, b, [](auto x, auto y) { return x ^ y; });
    }
};
// By as many bits as there are, or more, nothing is left. Numbers are not negative.
struct ShiftLeft {
    template <class T>
    static T apply(T a, T b) {
        return of_bits(
            a, b, [](auto x, auto y) { return static_cast<uint64_t>(y) < 64 ? static_cast<uint64_t>(x) << y : 0; });
    }
};
struct ShiftRight {
    template <class T>
    static T apply(T a, T b) {
        return of_bits(
            a, b, [](auto x, auto y) { return static_cast<uint64_t>(y) < 64 ? static_cast<uint64_t>(x) >> y : 0; });
    }
};

// With the sign of the dividend, as in C; by 0 integers leave 0.
struct Remainder {
    template <class T>
    static T apply(T a, T b) {
        if constexpr (std::is_floating_point_v<T>) {
            return std::fmod(a, b);
        } else {
            if (b == T{0}) return T{0};
            if constexpr (std::is_signed_v<T>) {
                if (b == T(-1)) return T{0};
            }
            return static_cast<T>(a % b);
        }
    }
};
// With the sign of the divisor, as in Python.
struct Modulus {
    template <class T>
    static T apply(T a, T b) {
        const T rest = Remainder::apply<T>(a, b);
        if constexpr (std::is_signed_v<T>) return rest != T{0} && (rest < T{0}) != (b < T{0}) ? rest + b : rest;
        return rest;
    }
};

template <class Function>
using Whole = Binary<Function, false>;

constexpr OperationMaker kOperations[] = {
    {"BitwiseAnd", make<Whole<BitwiseAnd>>}, {"BitwiseOr", make<Whole<BitwiseOr>>},
    {"BitwiseXor", make<Whole<BitwiseXor>>}, {"ShiftLeft", make<Whole<ShiftLeft>>},
    {"ShiftRight", make<Whole<ShiftRight>>}, {"Remainder", make<Whole<Remainder>>},
    {"Modulus", make<Whole<Modulus>>},
};

}  // namespace

std::span<const OperationMaker> bitwise_operations() { return kOperations; }

}  // namespace sparseinf
