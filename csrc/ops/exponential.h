// exp of floats, four at a time: compilers make no vectors of the choices in it by themselves.
#pragma once

#include <cstdint>
#include <cstring>

namespace sparseinf {

using FourFloats [[gnu::vector_size(16)]] = float;
using FourIntegers [[gnu::vector_size(16)]] = int32_t;

// exp(x) for x up to 0 to 1.5 units in the last place; 0 where the result is below the normal numbers, NaN of NaN.
//
//     x = n ln 2 + r,  exp(x) = 2^n exp(r),  |r| <= ln 2 / 2
inline FourFloats exp_of_negative(FourFloats x) {
    constexpr float kLeast = -87.3f;
    constexpr float kRounds = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to whole numbers
    constexpr int32_t kRoundsBits = 0x4b400000;
    const FourIntegers is_too_small = x < kLeast;
    const FourFloats bounded = is_too_small ? FourFloats{} + kLeast : x;
    const FourFloats shifted = bounded * 1.44269504f + kRounds;
    const FourFloats n = shifted - kRounds;
    const FourFloats r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
    FourFloats power = r * 1.9875691500e-4f + 1.3981999507e-3f;
    power = power * r + 8.3334519073e-3f;
    power = power * r + 4.1665795894e-2f;
    power = power * r + 1.6666665459e-1f;
    power = power * r + 5.0000001201e-1f;
    power = power * (r * r) + r + 1.0f;
    const auto exponent = reinterpret_cast<FourIntegers>(shifted) - (kRoundsBits - 127);
    const auto bits = reinterpret_cast<FourIntegers>(power * reinterpret_cast<FourFloats>(exponent << 23));
    return reinterpret_cast<FourFloats>(bits & ~is_too_small);
}

// out[i] = exp(x[i] - most), which may be x itself.
inline void exponentials(const float* x, float most, int64_t count, float* out) {
    FourFloats four;
    int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
        std::memcpy(&four, x + i, sizeof four);
        four = exp_of_negative(four - most);
        std::memcpy(out + i, &four, sizeof four);
    }
    for (; i < count; ++i) out[i] = exp_of_negative(FourFloats{} + (x[i] - most))[0];
}

}  // namespace sparseinf
