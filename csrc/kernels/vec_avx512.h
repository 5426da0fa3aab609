// Vectors of sixteen floats with AVX-512.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "vec_avx2.h"

namespace {

struct Vec16 {
    using Half = Vec8;
    static constexpr int kWidth = 16;
    __m512 v;

    static Vec16 zero() { return {_mm512_setzero_ps()}; }
    static Vec16 broadcast(float value) { return {_mm512_set1_ps(value)}; }
    static Vec16 load(const void* p) { return {_mm512_loadu_ps(p)}; }
    void store(float* p) const { _mm512_storeu_ps(p, v); }
    static __mmask16 mask(int count) { return static_cast<__mmask16>((1u << count) - 1u); }
    static Vec16 load_partial(const void* p, int count) { return {_mm512_maskz_loadu_ps(mask(count), p)}; }
    void store_partial(float* p, int count) const { _mm512_mask_storeu_ps(p, mask(count), v); }
    static Vec16 load_each_4_times(const float* p) {
        const __m512i each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
        return {_mm512_permutexvar_ps(each, _mm512_castps128_ps512(_mm_loadu_ps(p)))};
    }
    // Four weights, to be spread over a vector one after the other. Zen 4 loads 64 bytes a cycle, and a broadcast from
    // memory counts like a whole vector: spreading from a register leaves the loads to x.
    struct Four {
        __m512 v;
        static Four load(const float* p) { return {_mm512_broadcast_f32x4(_mm_loadu_ps(p))}; }
        template <int kIndex>
        Vec16 spread() const {
            return {_mm512_permute_ps(v, 0x55 * kIndex)};
        }
    };
    // p[i] = v[i] + v[i + 4] + v[i + 8] + v[i + 12]
    void store_sum_of_fours(float* p) const {
        const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
        _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
    }
};

inline Vec16 operator+(Vec16 a, Vec16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec16 operator-(Vec16 a, Vec16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec16 operator*(Vec16 a, Vec16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec16 operator/(Vec16 a, Vec16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec16 multiply_add(Vec16 a, Vec16 b, Vec16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }

// The larger (smaller) of the bound and x; x where x is NaN: maxps returns its second operand then.
inline Vec16 at_least(Vec16 low, Vec16 x) { return {_mm512_max_ps(low.v, x.v)}; }
inline Vec16 at_most(Vec16 high, Vec16 x) { return {_mm512_min_ps(high.v, x.v)}; }
inline Vec16 absolute(Vec16 x) { return {_mm512_abs_ps(x.v)}; }
inline Vec16 copy_sign(Vec16 magnitude, Vec16 sign) {
    const __m512 sign_bit = _mm512_set1_ps(-0.0f);
    return {_mm512_or_ps(_mm512_andnot_ps(sign_bit, magnitude.v), _mm512_and_ps(sign_bit, sign.v))};
}
// a where x < bound, else b.
inline Vec16 select_less(Vec16 x, Vec16 bound, Vec16 a, Vec16 b) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, bound.v, _CMP_LT_OQ), b.v, a.v)};
}
inline Vec16 round_to_integer(Vec16 x) {
    return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// 2^n for whole n in [-126, 127]; zero for -127, infinity for 128.
inline Vec16 power_of_two(Vec16 n) {
    const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23))};
}

// c + a * w in the lanes of mask, where w are the first weights, in lane order; other lanes keep c.
// The weights are spread onto a register that was just cleared: Zen 4 and 5 make the zero-masked form, and a merge
// onto anything older, wait for the old contents (5 cycles a step instead of 1). The empty statements keep the
// compiler from folding the two back into a zero-masked expansion from memory.
inline Vec16 multiply_add_expanded(uint32_t mask, const float* weights, Vec16 a, Vec16 c) {
    const auto lanes = static_cast<__mmask16>(mask);
    __m512 packed = _mm512_loadu_ps(weights);
    __m512 spread = _mm512_setzero_ps();
    asm("" : "+v"(packed));
    asm("" : "+v"(spread));
    return {_mm512_mask3_fmadd_ps(_mm512_mask_expand_ps(spread, lanes, packed), a.v, c.v, lanes)};
}
// Lanes that hold int32: a - factor * b, and what they are in float.
inline Vec16 subtract_product(Vec16 a, int32_t factor, Vec16 b) {
    const __m512i product = _mm512_mullo_epi32(_mm512_set1_epi32(factor), _mm512_castps_si512(b.v));
    return {_mm512_castsi512_ps(_mm512_sub_epi32(_mm512_castps_si512(a.v), product))};
}
inline Vec16 float_of_integer(Vec16 x) { return {_mm512_cvtepi32_ps(_mm512_castps_si512(x.v))}; }
// p[i] = clamp(rint(x[i]) + zero, 0, 255), x at least -2^22. A sum with 1.5 * 2^23 holds a whole number in its bits; of
// what is too large for that, the bits are large too.
inline void store_bytes(const Vec16 (&x)[4], int32_t zero, uint8_t* p) {
    const __m512 magic = _mm512_set1_ps(12582912.0f);
    const __m512i shift = _mm512_sub_epi32(_mm512_set1_epi32(zero), _mm512_castps_si512(magic));
    __m512i q[4];
    for (int i = 0; i < 4; ++i) q[i] = _mm512_add_epi32(_mm512_castps_si512(_mm512_add_ps(x[i].v, magic)), shift);
    const __m512i words01 = _mm512_packs_epi32(q[0], q[1]), words23 = _mm512_packs_epi32(q[2], q[3]);
    const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(p, _mm512_permutexvar_epi32(in_order, _mm512_packus_epi16(words01, words23)));
}
// The same for the first `count` elements of one vector.
inline void store_bytes(Vec16 x, int32_t zero, uint8_t* p, int count) {
    const __m512 magic = _mm512_set1_ps(12582912.0f);
    const __m512i shift = _mm512_sub_epi32(_mm512_set1_epi32(zero), _mm512_castps_si512(magic));
    const __m512i q = _mm512_add_epi32(_mm512_castps_si512(_mm512_add_ps(x.v, magic)), shift);
    const __m128i bytes = _mm512_cvtusepi32_epi8(_mm512_max_epi32(q, _mm512_setzero_si512()));
    if (count == Vec16::kWidth) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
    } else {
        _mm_mask_storeu_epi8(p, Vec16::mask(count), bytes);
    }
}
inline Vec8 low_half(Vec16 x) { return {_mm512_castps512_ps256(x.v)}; }
inline float sum(Vec16 x) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
    return sum(Vec8{half});
}

inline Vec8 high_half(Vec16 x) { return {_mm512_extractf32x8_ps(x.v, 1)}; }

// Sixteen rows of eight into eight columns of sixteen.
inline void transpose(const Vec8 (&rows)[16], Vec16 (&columns)[8]) {
    __m512 r[8];
    for (int i = 0; i < 8; ++i) {
        r[i] = _mm512_insertf32x8(_mm512_castps256_ps512(rows[i].v), rows[i + 8].v, 1);
    }
    __m512 t[8];
    for (int i = 0; i < 8; i += 2) {  // pairs of rows
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    __m512 u[8];
    for (int i = 0; i < 8; i += 4) {  // fours of rows: u[i + c] holds rows i.. and i + 8.., columns c and c + 4
        u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    const __m512i high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    for (int c = 0; c < 4; ++c) {  // all sixteen
        const __m512d a = _mm512_castps_pd(u[c]), b = _mm512_castps_pd(u[c + 4]);
        columns[c].v = _mm512_castpd_ps(_mm512_permutex2var_pd(a, low, b));
        columns[c + 4].v = _mm512_castpd_ps(_mm512_permutex2var_pd(a, high, b));
    }
}

}  // namespace
