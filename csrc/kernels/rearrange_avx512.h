// Bytes looked up in a window of x with AVX-512 BW: shuffles inside sixteen bytes. Packed weights are spread as with
// AVX2.
#pragma once

#include "lanes_avx512.h"
#include "rearrange_avx2.h"

namespace {

inline Lanes16 in_register(Lanes16 x) {
    asm("" : "+v"(x.v));
    return x;
}

// Sixty-four columns inside a window, and in which of its tables of sixteen bytes they lie.
struct Places64 {
    __m512i at;
    __mmask64 by_16, by_32, by_64;
};

inline __m512i look_up_64(const uint8_t* x, const Places64& places) {
    __m512i tables[4];
    for (int i = 0; i < 4; ++i) tables[i] = _mm512_broadcast_i32x4(Lanes4::load(x + 16 * i).v);
    const __m512i low =
        _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(tables[0], places.at), places.by_16, tables[1], places.at);
    const __m512i high =
        _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(tables[2], places.at), places.by_16, tables[3], places.at);
    return _mm512_mask_blend_epi8(places.by_32, low, high);
}

template <int kColumns>
struct ShuffledWindow {
    using Lanes = Lanes16;
    using Table = const uint8_t*;

    static Table at(const uint8_t* x) { return x; }
    static Places64 places(const uint8_t* columns) {
        const __m512i at = Lanes16::load(columns).v;
        const auto has_bit = [at](char bit) { return _mm512_test_epi8_mask(at, _mm512_set1_epi8(bit)); };
        return {at, has_bit(16), has_bit(32), has_bit(64)};
    }
    static Lanes16 weights(const int8_t* p) { return in_register(Lanes16::load(p)); }
    static Lanes16 look_up(const uint8_t* x, const Places64& places) {
        const __m512i low = look_up_64(x, places);
        if constexpr (kColumns == 64) return {low};
        return {_mm512_mask_blend_epi8(places.by_64, low, look_up_64(x + 64, places))};
    }
};

}  // namespace
