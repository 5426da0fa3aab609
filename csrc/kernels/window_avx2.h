// Floats looked up in a window of x with AVX2: picked up one by one.
#pragma once

#include "vec_avx2.h"

namespace {

// Weights, and all bits set in the lanes that have one: the others never touch x.
struct LaneWeights8 {
    __m256 v;
    __m256 is_there;
};

inline Vec8 multiply_add(LaneWeights8 a, Vec8 x, Vec8 sum) {
    return {_mm256_fmadd_ps(a.v, _mm256_and_ps(a.is_there, x.v), sum.v)};
}

struct FloatWindow {
    using Lanes = Vec8;
    using Table = const float*;

    static Table at(const float* x) { return x; }
    static const uint8_t* places(const uint8_t* columns) { return columns; }
    static LaneWeights8 weights(const float* p) {
        const __m256 v = Vec8::load(p).v;
        return {v, _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NEQ_UQ)};
    }
    // Zen 4, ns a step and column: 2.9; by gathering 4.9.
    static Vec8 look_up(const float* x, const uint8_t* at) {
        const Vec4 low = Vec4::from(x + at[0], x + at[1], x + at[2], x + at[3]);
        const Vec4 high = Vec4::from(x + at[4], x + at[5], x + at[6], x + at[7]);
        return {_mm256_set_m128(high.v, low.v)};
    }
};

}  // namespace
