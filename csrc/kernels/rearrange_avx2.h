// Bytes looked up in a window of x, and packed weights spread by a mask, with AVX2: shuffles inside sixteen bytes.
#pragma once

#include "lanes_avx2.h"
#include "vec_avx2.h"

namespace {

// Keeps the compiler from loading it again for each use: loads are what lookups are short of.
inline Lanes8 in_register(Lanes8 x) {
    asm("" : "+x"(x.v));
    return x;
}

// Thirty-two columns inside a window; shifted so that a bit that chooses between tables of sixteen bytes is the first
// of its byte.
struct Places32 {
    __m256i at, by_16, by_32, by_64;
};

inline __m256i look_up_64(const uint8_t* x, const Places32& places) {
    __m256i found[4];
    for (int table = 0; table < 4; ++table) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + 16 * table));
        found[table] = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), places.at);
    }
    return _mm256_blendv_epi8(_mm256_blendv_epi8(found[0], found[1], places.by_16),
                              _mm256_blendv_epi8(found[2], found[3], places.by_16), places.by_32);
}

template <int kColumns>
struct Window {
    using Lanes = Lanes8;
    using Table = const uint8_t*;

    static Table at(const uint8_t* x) { return x; }
    static Places32 places(const uint8_t* columns) {
        const __m256i at = Lanes8::load(columns).v;
        return {at, _mm256_slli_epi16(at, 3), _mm256_slli_epi16(at, 2), _mm256_slli_epi16(at, 1)};
    }
    static Lanes8 weights(const int8_t* p) { return in_register(Lanes8::load(p)); }
    static Lanes8 look_up(const uint8_t* x, const Places32& places) {
        const __m256i low = look_up_64(x, places);
        if constexpr (kColumns == 64) return {low};
        return {_mm256_blendv_epi8(low, look_up_64(x + 64, places), places.by_64)};
    }
};

struct Expansion {
    using Lanes = Lanes8;

    // The next packed weight where the mask has a bit, zero elsewhere.
    static Lanes8 expand(uint64_t mask, const int8_t* weights) {
        __m128i halves[2];
        for (__m128i& half : halves) {
            const auto low = static_cast<uint8_t>(mask), high = static_cast<uint8_t>(mask >> 8);
            const __m128i places = _mm_unpacklo_epi64(load_8(kExpand.lanes[low]), load_8(kExpand.lanes[high]));
            const int8_t* next = weights + __builtin_popcount(low);
            const __m128i packed = _mm_unpacklo_epi64(load_8(weights), load_8(next));
            half = _mm_shuffle_epi8(packed, _mm_or_si128(places, _mm_set_epi64x(0x0808080808080808, 0)));
            weights = next + __builtin_popcount(high);
            mask >>= 16;
        }
        return {_mm256_set_m128i(halves[1], halves[0])};
    }
    static int32_t sum(Lanes8 x) {
        __m128i s = _mm_add_epi32(_mm256_castsi256_si128(x.v), _mm256_extracti128_si256(x.v, 1));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
        return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
    }

private:
    static __m128i load_8(const int8_t* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
};

}  // namespace
