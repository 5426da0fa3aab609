// Vectors of eight and of four floats with AVX2 and FMA. Compiled for AVX-512VL the same code gets its encodings.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

struct Vec4 {
    static constexpr int kWidth = 4;
    __m128 v;

    static Vec4 zero() { return {_mm_setzero_ps()}; }
    static Vec4 broadcast(float value) { return {_mm_set1_ps(value)}; }
    static Vec4 load(const void* p) { return {_mm_loadu_ps(static_cast<const float*>(p))}; }
    static Vec4 from(const float* a, const float* b, const float* c, const float* d) {
        return {_mm_setr_ps(*a, *b, *c, *d)};
    }
    void store(float* p) const { _mm_storeu_ps(p, v); }
    static __m128i mask(int count) { return _mm_cmpgt_epi32(_mm_set1_epi32(count), _mm_setr_epi32(0, 1, 2, 3)); }
    static Vec4 load_partial(const void* p, int count) {
        return {_mm_maskload_ps(static_cast<const float*>(p), mask(count))};
    }
    void store_partial(float* p, int count) const { _mm_maskstore_ps(p, mask(count), v); }
    struct Four {
        __m128 v;
        static Four load(const float* p) { return {_mm_loadu_ps(p)}; }
        template <int kIndex>
        Vec4 spread() const {
            return {_mm_permute_ps(v, 0x55 * kIndex)};
        }
    };
};

inline Vec4 operator+(Vec4 a, Vec4 b) { return {_mm_add_ps(a.v, b.v)}; }
inline Vec4 multiply_add(Vec4 a, Vec4 b, Vec4 c) { return {_mm_fmadd_ps(a.v, b.v, c.v)}; }
inline void transpose(Vec4 (&r)[4]) { _MM_TRANSPOSE4_PS(r[0].v, r[1].v, r[2].v, r[3].v); }

using Quad = Vec4;

struct Vec8 {
    using Half = Vec4;
    static constexpr int kWidth = 8;
    __m256 v;

    static Vec8 zero() { return {_mm256_setzero_ps()}; }
    static Vec8 broadcast(float value) { return {_mm256_set1_ps(value)}; }
    static Vec8 load(const void* p) { return {_mm256_loadu_ps(static_cast<const float*>(p))}; }
    void store(float* p) const { _mm256_storeu_ps(p, v); }
    static __m256i mask(int count) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    }
    static Vec8 load_partial(const void* p, int count) {
        return {_mm256_maskload_ps(static_cast<const float*>(p), mask(count))};
    }
    void store_partial(float* p, int count) const { _mm256_maskstore_ps(p, mask(count), v); }
    static Vec8 load_each_4_times(const float* p) {
        return {_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_set1_ps(p[0])), _mm_set1_ps(p[1]), 1)};
    }
    // Four weights, to be spread over a vector one after the other: that leaves the load slots to x.
    struct Four {
        __m256 v;
        static Four load(const float* p) { return {_mm256_broadcast_ps(reinterpret_cast<const __m128*>(p))}; }
        template <int kIndex>
        Vec8 spread() const {
            return {_mm256_permute_ps(v, 0x55 * kIndex)};
        }
    };
    // p[i] = v[i] + v[i + 4]
    void store_sum_of_fours(float* p) const {
        _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
    }
};

inline Vec8 operator+(Vec8 a, Vec8 b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec8 operator-(Vec8 a, Vec8 b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec8 operator*(Vec8 a, Vec8 b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec8 operator/(Vec8 a, Vec8 b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Vec8 multiply_add(Vec8 a, Vec8 b, Vec8 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }

// The larger (smaller) of the bound and x; x where x is NaN: maxps returns its second operand then.
inline Vec8 at_least(Vec8 low, Vec8 x) { return {_mm256_max_ps(low.v, x.v)}; }
inline Vec8 at_most(Vec8 high, Vec8 x) { return {_mm256_min_ps(high.v, x.v)}; }
inline Vec8 absolute(Vec8 x) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), x.v)}; }
inline Vec8 copy_sign(Vec8 magnitude, Vec8 sign) {
    const __m256 sign_bit = _mm256_set1_ps(-0.0f);
    return {_mm256_or_ps(_mm256_andnot_ps(sign_bit, magnitude.v), _mm256_and_ps(sign_bit, sign.v))};
}
// a where x < bound, else b.
inline Vec8 select_less(Vec8 x, Vec8 bound, Vec8 a, Vec8 b) {
    return {_mm256_blendv_ps(b.v, a.v, _mm256_cmp_ps(x.v, bound.v, _CMP_LT_OQ))};
}
inline Vec8 round_to_integer(Vec8 x) { return {_mm256_round_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
// 2^n for whole n in [-126, 127]; zero for -127, infinity for 128.
inline Vec8 power_of_two(Vec8 n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23))};
}

// Which weight each lane takes: lane i of mask takes the popcount(mask below i)-th; lanes outside have the sign bit.
struct ExpandTable {
    alignas(8) int8_t lanes[256][8];
    constexpr ExpandTable() : lanes{} {
        for (int mask = 0; mask < 256; ++mask) {
            int8_t next = 0;
            for (int i = 0; i < 8; ++i) lanes[mask][i] = (mask >> i & 1) ? next++ : static_cast<int8_t>(-128);
        }
    }
};
constexpr ExpandTable kExpand;

// c + a * w in the lanes of mask, where w are the first weights, in lane order; other lanes keep c.
// Outside the mask a is cleared and w is some finite weight: their product is zero whatever a was.
inline Vec8 multiply_add_expanded(uint32_t mask, const float* weights, Vec8 a, Vec8 c) {
    const __m256i lanes = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kExpand.lanes[mask])));
    const __m256 w = _mm256_permutevar8x32_ps(_mm256_loadu_ps(weights), lanes);
    const __m256 outside = _mm256_castsi256_ps(_mm256_srai_epi32(lanes, 31));
    return {_mm256_fmadd_ps(w, _mm256_andnot_ps(outside, a.v), c.v)};
}
// Lanes that hold int32: a - factor * b, and what they are in float.
inline Vec8 subtract_product(Vec8 a, int32_t factor, Vec8 b) {
    const __m256i product = _mm256_mullo_epi32(_mm256_set1_epi32(factor), _mm256_castps_si256(b.v));
    return {_mm256_castsi256_ps(_mm256_sub_epi32(_mm256_castps_si256(a.v), product))};
}
inline Vec8 float_of_integer(Vec8 x) { return {_mm256_cvtepi32_ps(_mm256_castps_si256(x.v))}; }
// p[i] = clamp(rint(x[i]) + zero, 0, 255), x at least -2^22. A sum with 1.5 * 2^23 holds a whole number in its bits; of
// what is too large for that, the bits are large too.
inline void store_bytes(const Vec8 (&x)[4], int32_t zero, uint8_t* p) {
    const __m256 magic = _mm256_set1_ps(12582912.0f);
    const __m256i shift = _mm256_sub_epi32(_mm256_set1_epi32(zero), _mm256_castps_si256(magic));
    __m256i q[4];
    for (int i = 0; i < 4; ++i) q[i] = _mm256_add_epi32(_mm256_castps_si256(_mm256_add_ps(x[i].v, magic)), shift);
    const __m256i words01 = _mm256_packs_epi32(q[0], q[1]), words23 = _mm256_packs_epi32(q[2], q[3]);
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm256_permutevar8x32_epi32(_mm256_packus_epi16(words01, words23), in_order));
}
// The same for the first `count` elements of one vector.
inline void store_bytes(Vec8 x, int32_t zero, uint8_t* p, int count) {
    const __m256 magic = _mm256_set1_ps(12582912.0f);
    const __m256i shift = _mm256_sub_epi32(_mm256_set1_epi32(zero), _mm256_castps_si256(magic));
    const __m256i q = _mm256_add_epi32(_mm256_castps_si256(_mm256_add_ps(x.v, magic)), shift);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
    const __m128i bytes = _mm_packus_epi16(words, words);
    if (count == Vec8::kWidth) {
        _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
    } else {
        __builtin_memcpy(p, &bytes, static_cast<uint64_t>(count));
    }
}
inline Vec4 low_half(Vec8 x) { return {_mm256_castps256_ps128(x.v)}; }
inline float sum(Vec8 x) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x.v), _mm256_extractf128_ps(x.v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

inline Vec4 high_half(Vec8 x) { return {_mm256_extractf128_ps(x.v, 1)}; }

// Eight rows of four into four columns of eight.
inline void transpose(const Vec4 (&rows)[8], Vec8 (&columns)[4]) {
    __m256 r[4];
    for (int i = 0; i < 4; ++i) r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(rows[i].v), rows[i + 4].v, 1);
    const __m256 low01 = _mm256_unpacklo_ps(r[0], r[1]), high01 = _mm256_unpackhi_ps(r[0], r[1]);
    const __m256 low23 = _mm256_unpacklo_ps(r[2], r[3]), high23 = _mm256_unpackhi_ps(r[2], r[3]);
    columns[0].v = _mm256_shuffle_ps(low01, low23, 0x44);
    columns[1].v = _mm256_shuffle_ps(low01, low23, 0xee);
    columns[2].v = _mm256_shuffle_ps(high01, high23, 0x44);
    columns[3].v = _mm256_shuffle_ps(high01, high23, 0xee);
}

}  // namespace
