// One element becomes another type's, as NumPy does it on x86-64, with nothing left undefined.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace sparseinf {

// Floats lose what stands behind the point; those that an integer cannot hold, and what is no number, become its least
// value, and the lowest bits of that of an int32 in 8-bit types. Integers keep their lowest bits. Everything but 0 is
// true.
template <class To, class From>
To converted(From x) {
    if constexpr (std::is_same_v<To, From>) {
        return x;
    } else if constexpr (std::is_same_v<To, bool>) {
        return x != From{0};
    } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
        using Wide = std::conditional_t<sizeof(To) == 8, int64_t, int32_t>;
        constexpr From kBound = static_cast<From>(uint64_t{1} << (8 * sizeof(Wide) - 1));
        const bool fits = x >= -kBound && x < kBound;
        return static_cast<To>(fits ? static_cast<Wide>(x) : std::numeric_limits<Wide>::min());
    } else {
        return static_cast<To>(x);
    }
}

}  // namespace sparseinf
