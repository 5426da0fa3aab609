// Sixteen lanes of int32 sums, or of four bytes each, with AVX-512; columns of bytes of the same width.
#pragma once

#include "lanes_avx2.h"

namespace {

struct Lanes16 {
    using Half = Lanes8;
    static constexpr int kWidth = 16;
    __m512i v;

    static Lanes16 zero() { return {_mm512_setzero_si512()}; }
    // The four bytes at p in each lane.
    static Lanes16 broadcast(const void* p) {
        int32_t bits;
        __builtin_memcpy(&bits, p, sizeof bits);
        return {_mm512_set1_epi32(bits)};
    }
    static Lanes16 broadcast(const float& bits) { return broadcast(static_cast<const void*>(&bits)); }
    static Lanes16 load(const void* p) { return {_mm512_loadu_si512(p)}; }
    void store(void* p) const { _mm512_storeu_si512(p, v); }
    static Lanes16 load_each_4_times(const float* p) {
        const __m512i each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
        return {_mm512_permutexvar_epi32(each, _mm512_castsi128_si512(Lanes4::load(p).v))};
    }
    struct Four {
        __m512i v;
        static Four load(const float* p) { return {_mm512_broadcast_i32x4(Lanes4::load(p).v)}; }
        template <int kIndex>
        Lanes16 spread() const {
            return {_mm512_shuffle_epi32(v, static_cast<_MM_PERM_ENUM>(0x55 * kIndex))};
        }
    };
    // p[i] = v[i] + v[i + 4] + v[i + 8] + v[i + 12]
    void store_sum_of_fours(float* p) const {
        const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
        Lanes4{_mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1))}.store(p);
    }
};

inline Lanes16 operator+(Lanes16 a, Lanes16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline Lanes16 multiply_add(Lanes16 weights, Lanes16 x, Lanes16 sums) { return {dot(sums.v, x.v, weights.v)}; }
inline Lanes8 low_half(Lanes16 x) { return {_mm512_castsi512_si256(x.v)}; }

// Sixteen columns. Four rows of x fill one register, a quarter each: every instruction does the work of four. Zen 4,
// 768x768 at 80 %: 40 -> 33 us with VBMI, 38 without. Thirty-two columns in two registers, by permutations of two
// sources, which only two pipes have: 45 -> 50 us.
struct Bytes16InOne {
    using Lanes = Lanes16;
    static constexpr int kColumns = 16;
    static constexpr int kVectors = 1;

    static void interleave(const uint8_t* a, const uint8_t* b, const uint8_t* c, const uint8_t* d, Lanes16 (&out)[1]) {
        const __m256i ab = _mm256_inserti128_si256(_mm256_castsi128_si256(Lanes4::load(a).v), Lanes4::load(b).v, 1);
        const __m256i cd = _mm256_inserti128_si256(_mm256_castsi128_si256(Lanes4::load(c).v), Lanes4::load(d).v, 1);
        const __m512i rows = _mm512_inserti64x4(_mm512_castsi256_si512(ab), cd, 1);
#if defined(__AVX512VBMI__)
        const __m512i by_column = _mm512_setr_epi32(
            0x30201000, 0x31211101, 0x32221202, 0x33231303, 0x34241404, 0x35251505, 0x36261606, 0x37271707, 0x38281808,
            0x39291909, 0x3a2a1a0a, 0x3b2b1b0b, 0x3c2c1c0c, 0x3d2d1d0d, 0x3e2e1e0e, 0x3f2f1f0f);
        out[0].v = _mm512_permutexvar_epi8(by_column, rows);
#else
        const __m512i by_fours = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        const __m512i by_column =
            _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
        out[0].v = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(by_fours, rows), by_column);
#endif
    }
    static void split(uint8_t* p) { Bytes16::split(p); }
};

// Sixty-four columns. Four rows of x, a byte a column, become four vectors of lanes, four bytes a column.
struct Bytes64 {
    using Lanes = Lanes16;
    static constexpr int kColumns = 64;
    static constexpr int kVectors = 4;

    static void interleave(const uint8_t* a, const uint8_t* b, const uint8_t* c, const uint8_t* d, Lanes16 (&out)[4]) {
        const __m512i r0 = Lanes16::load(a).v, r1 = Lanes16::load(b).v, r2 = Lanes16::load(c).v,
                      r3 = Lanes16::load(d).v;
        const __m512i low01 = _mm512_unpacklo_epi8(r0, r1), high01 = _mm512_unpackhi_epi8(r0, r1);
        const __m512i low23 = _mm512_unpacklo_epi8(r2, r3), high23 = _mm512_unpackhi_epi8(r2, r3);
        out[0].v = _mm512_unpacklo_epi16(low01, low23);
        out[1].v = _mm512_unpackhi_epi16(low01, low23);
        out[2].v = _mm512_unpacklo_epi16(high01, high23);
        out[3].v = _mm512_unpackhi_epi16(high01, high23);
    }
    // Undoes interleave: four vectors of lanes at p become four rows of bytes.
    static void split(uint8_t* p) {
        const __m512i by_feature =
            _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
        __m512i r[4];
        for (int i = 0; i < 4; ++i) r[i] = _mm512_shuffle_epi8(Lanes16::load(p + 64 * i).v, by_feature);
        const __m512i low01 = _mm512_unpacklo_epi32(r[0], r[1]), high01 = _mm512_unpackhi_epi32(r[0], r[1]);
        const __m512i low23 = _mm512_unpacklo_epi32(r[2], r[3]), high23 = _mm512_unpackhi_epi32(r[2], r[3]);
        Lanes16{_mm512_unpacklo_epi64(low01, low23)}.store(p);
        Lanes16{_mm512_unpackhi_epi64(low01, low23)}.store(p + 64);
        Lanes16{_mm512_unpacklo_epi64(high01, high23)}.store(p + 128);
        Lanes16{_mm512_unpackhi_epi64(high01, high23)}.store(p + 192);
    }
};

}  // namespace
