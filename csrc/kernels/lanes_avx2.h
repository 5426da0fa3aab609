// Eight and four lanes of int32 sums, or of four bytes each, with AVX2; columns of bytes of the same widths. Whoever
// includes this has chosen a dot() before. Compiled for AVX-512VL the same code gets its encodings.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

struct Lanes4 {
    static constexpr int kWidth = 4;
    __m128i v;

    static Lanes4 zero() { return {_mm_setzero_si128()}; }
    // The four bytes at p in each lane.
    static Lanes4 broadcast(const void* p) {
        int32_t bits;
        __builtin_memcpy(&bits, p, sizeof bits);
        return {_mm_set1_epi32(bits)};
    }
    static Lanes4 broadcast(const float& bits) { return broadcast(static_cast<const void*>(&bits)); }
    static Lanes4 load(const void* p) { return {_mm_loadu_si128(static_cast<const __m128i*>(p))}; }
    void store(void* p) const { _mm_storeu_si128(static_cast<__m128i*>(p), v); }
    // The first byte of each lane from a, the second from b, the third from c, the fourth from d.
    static Lanes4 choose(Lanes4 a, Lanes4 b, Lanes4 c, Lanes4 d) {
#if defined(__AVX512VL__)  // loads that merge
        const __m128i ab = _mm_mask_blend_epi8(0x2222, a.v, b.v);
        return {_mm_mask_blend_epi8(0x8888, _mm_mask_blend_epi8(0x4444, ab, c.v), d.v)};
#else
        const __m128i odd = _mm_set1_epi16(-256);
        return {_mm_blend_epi16(_mm_blendv_epi8(a.v, b.v, odd), _mm_blendv_epi8(c.v, d.v, odd), 0xaa)};
#endif
    }
    struct Four {
        __m128i v;
        static Four load(const float* p) { return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))}; }
        template <int kIndex>
        Lanes4 spread() const {
            return {_mm_shuffle_epi32(v, 0x55 * kIndex)};
        }
    };
};

inline Lanes4 operator+(Lanes4 a, Lanes4 b) { return {_mm_add_epi32(a.v, b.v)}; }
inline Lanes4 multiply_add(Lanes4 weights, Lanes4 x, Lanes4 sums) { return {dot(sums.v, x.v, weights.v)}; }

struct Lanes8 {
    using Half = Lanes4;
    static constexpr int kWidth = 8;
    __m256i v;

    static Lanes8 zero() { return {_mm256_setzero_si256()}; }
    static Lanes8 broadcast(const void* p) {
        int32_t bits;
        __builtin_memcpy(&bits, p, sizeof bits);
        return {_mm256_set1_epi32(bits)};
    }
    static Lanes8 broadcast(const float& bits) { return broadcast(static_cast<const void*>(&bits)); }
    static Lanes8 load(const void* p) { return {_mm256_loadu_si256(static_cast<const __m256i*>(p))}; }
    void store(void* p) const { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
    static Lanes8 choose(Lanes8 a, Lanes8 b, Lanes8 c, Lanes8 d) {
#if defined(__AVX512VL__)
        const __m256i ab = _mm256_mask_blend_epi8(0x22222222, a.v, b.v);
        return {_mm256_mask_blend_epi8(0x88888888, _mm256_mask_blend_epi8(0x44444444, ab, c.v), d.v)};
#else
        const __m256i odd = _mm256_set1_epi16(-256);
        return {_mm256_blend_epi16(_mm256_blendv_epi8(a.v, b.v, odd), _mm256_blendv_epi8(c.v, d.v, odd), 0xaa)};
#endif
    }
    static Lanes8 load_each_4_times(const float* p) {
        return {
            _mm256_inserti128_si256(_mm256_castsi128_si256(Lanes4::broadcast(p[0]).v), Lanes4::broadcast(p[1]).v, 1)};
    }
    struct Four {
        __m256i v;
        static Four load(const float* p) {
            return {_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
        }
        template <int kIndex>
        Lanes8 spread() const {
            return {_mm256_shuffle_epi32(v, 0x55 * kIndex)};
        }
    };
    // p[i] = v[i] + v[i + 4]
    void store_sum_of_fours(float* p) const {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                         _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
    }
};

inline Lanes8 operator+(Lanes8 a, Lanes8 b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline Lanes8 multiply_add(Lanes8 weights, Lanes8 x, Lanes8 sums) { return {dot(sums.v, x.v, weights.v)}; }
inline Lanes4 low_half(Lanes8 x) { return {_mm256_castsi256_si128(x.v)}; }

// Sixteen columns. Four rows of x, a byte a column, become four vectors of lanes, four bytes a column.
struct Bytes16 {
    using Lanes = Lanes4;
    static constexpr int kColumns = 16;
    static constexpr int kVectors = 4;

    static void interleave(const uint8_t* a, const uint8_t* b, const uint8_t* c, const uint8_t* d, Lanes4 (&out)[4]) {
        const __m128i r0 = Lanes4::load(a).v, r1 = Lanes4::load(b).v, r2 = Lanes4::load(c).v, r3 = Lanes4::load(d).v;
        const __m128i low01 = _mm_unpacklo_epi8(r0, r1), high01 = _mm_unpackhi_epi8(r0, r1);
        const __m128i low23 = _mm_unpacklo_epi8(r2, r3), high23 = _mm_unpackhi_epi8(r2, r3);
        out[0].v = _mm_unpacklo_epi16(low01, low23);
        out[1].v = _mm_unpackhi_epi16(low01, low23);
        out[2].v = _mm_unpacklo_epi16(high01, high23);
        out[3].v = _mm_unpackhi_epi16(high01, high23);
    }
    // Undoes interleave: four vectors of lanes at p become four rows of bytes.
    static void split(uint8_t* p) {
        const __m128i by_feature = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        __m128i r[4];
        for (int i = 0; i < 4; ++i) r[i] = _mm_shuffle_epi8(Lanes4::load(p + 16 * i).v, by_feature);
        const __m128i low01 = _mm_unpacklo_epi32(r[0], r[1]), high01 = _mm_unpackhi_epi32(r[0], r[1]);
        const __m128i low23 = _mm_unpacklo_epi32(r[2], r[3]), high23 = _mm_unpackhi_epi32(r[2], r[3]);
        Lanes4{_mm_unpacklo_epi64(low01, low23)}.store(p);
        Lanes4{_mm_unpackhi_epi64(low01, low23)}.store(p + 16);
        Lanes4{_mm_unpacklo_epi64(high01, high23)}.store(p + 32);
        Lanes4{_mm_unpackhi_epi64(high01, high23)}.store(p + 48);
    }
};

// Thirty-two columns.
struct Bytes32 {
    using Lanes = Lanes8;
    static constexpr int kColumns = 32;
    static constexpr int kVectors = 4;

    static void interleave(const uint8_t* a, const uint8_t* b, const uint8_t* c, const uint8_t* d, Lanes8 (&out)[4]) {
        const __m256i r0 = Lanes8::load(a).v, r1 = Lanes8::load(b).v, r2 = Lanes8::load(c).v, r3 = Lanes8::load(d).v;
        const __m256i low01 = _mm256_unpacklo_epi8(r0, r1), high01 = _mm256_unpackhi_epi8(r0, r1);
        const __m256i low23 = _mm256_unpacklo_epi8(r2, r3), high23 = _mm256_unpackhi_epi8(r2, r3);
        out[0].v = _mm256_unpacklo_epi16(low01, low23);
        out[1].v = _mm256_unpackhi_epi16(low01, low23);
        out[2].v = _mm256_unpacklo_epi16(high01, high23);
        out[3].v = _mm256_unpackhi_epi16(high01, high23);
    }
    static void split(uint8_t* p) {
        const __m256i by_feature =
            _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
        __m256i r[4];
        for (int i = 0; i < 4; ++i) r[i] = _mm256_shuffle_epi8(Lanes8::load(p + 32 * i).v, by_feature);
        const __m256i low01 = _mm256_unpacklo_epi32(r[0], r[1]), high01 = _mm256_unpackhi_epi32(r[0], r[1]);
        const __m256i low23 = _mm256_unpacklo_epi32(r[2], r[3]), high23 = _mm256_unpackhi_epi32(r[2], r[3]);
        Lanes8{_mm256_unpacklo_epi64(low01, low23)}.store(p);
        Lanes8{_mm256_unpackhi_epi64(low01, low23)}.store(p + 32);
        Lanes8{_mm256_unpacklo_epi64(high01, high23)}.store(p + 64);
        Lanes8{_mm256_unpackhi_epi64(high01, high23)}.store(p + 96);
    }
};

}  // namespace
