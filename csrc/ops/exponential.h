// exp of float in arithmetic that compilers turn into vectors.
#pragma once

#include <bit>
#include <cstdint>

namespace sparseinf {

// exp(x) for x up to 0 to 1.5 units in the last place; 0 where the result is below the normal numbers, NaN of NaN.
//
//     x = n ln 2 + r,  exp(x) = 2^n exp(r),  |r| <= ln 2 / 2
inline float exp_of_negative(float x) {
    constexpr float kLeast = -87.3f;
    constexpr float kRounds = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to whole numbers
    const float bounded = x < kLeast ? kLeast : x;
    const float shifted = bounded * 1.44269504f + kRounds;
    const float n = shifted - kRounds;
    const float r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
    float power = 1.9875691500e-4f;
    power = power * r + 1.3981999507e-3f;
    power = power * r + 8.3334519073e-3f;
    power = power * r + 4.1665795894e-2f;
    power = power * r + 1.6666665459e-1f;
    power = power * r + 5.0000001201e-1f;
    power = power * r * r + r + 1.0f;
    const uint32_t exponent = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRounds);
    const float scale = std::bit_cast<float>((exponent + 127u) << 23);
    return x < kLeast ? 0.0f : power * scale;
}

}  // namespace sparseinf
