// Floats looked up in a window of x with AVX-512: one instruction for sixteen.
#pragma once

#include "vec_avx512.h"

namespace {

// Empty statements keep the compiler from loading again what several instructions use: loads are what lookups are short
// of.

// Weights, and which of them there are: lanes that have none never touch x.
struct LaneWeights16 {
    __m512 v;
    __mmask16 is_there;
};

inline Vec16 multiply_add(LaneWeights16 a, Vec16 x, Vec16 sum) {
    return {_mm512_mask3_fmadd_ps(a.v, x.v, sum.v, a.is_there)};
}

struct FloatWindow {
    using Lanes = Vec16;
    struct Table {
        __m512 low, high;
    };

    static Table at(const float* x) {
        __m512 high = Vec16::load(x + 16).v;
        asm("" : "+v"(high));
        return {Vec16::load(x).v, high};
    }
    static __m512i places(const uint8_t* columns) {
        return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(columns)));
    }
    static LaneWeights16 weights(const float* p) {
        __m512 v = Vec16::load(p).v;
        asm("" : "+v"(v));
        return {v, _mm512_test_epi32_mask(_mm512_castps_si512(v), _mm512_castps_si512(v))};
    }
    static Vec16 look_up(const Table& x, __m512i places) { return {_mm512_permutex2var_ps(x.low, places, x.high)}; }
};

}  // namespace
