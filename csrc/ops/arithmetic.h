// What operations on two elements compute, for every type.
#pragma once

#include <cstdint>
#include <type_traits>

namespace sparseinf {

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
// What is no number stays so. Not ||: vectors know no branches.
struct Minimum {
    template <class T>
    static T apply(T a, T b) {
        return (a != a) | (a < b) ? a : b;
    }
};
struct Maximum {
    template <class T>
    static T apply(T a, T b) {
        return (a != a) | (a > b) ? a : b;
    }
};

}  // namespace sparseinf
