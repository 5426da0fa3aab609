// Floats looked up in a window of x with AVX2: gathered one by one.
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
    static __m256i places(const uint8_t* columns) {
        return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(columns)));
    }
    static LaneWeights8 weights(const float* p) {
        const __m256 v = Vec8::load(p).v;
        return {v, _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NEQ_UQ)};
    }
    static Vec8 look_up(const float* x, __m256i places) { return {_mm256_i32gather_ps(x, places, 4)}; }
};

}  // namespace
