// Bytes looked up in a window of x, and packed weights spread by a mask, with AVX-512 VBMI and VBMI2: one instruction
// each.
#pragma once

#include "rearrange_avx512.h"

namespace {

template <int kColumns>
struct PermutedWindow {
    using Lanes = Lanes16;
    using Table = const uint8_t*;

    static Table at(const uint8_t* x) { return x; }
    static __m512i places(const uint8_t* columns) { return in_register(Lanes16::load(columns)).v; }
    static Lanes16 weights(const int8_t* p) { return in_register(Lanes16::load(p)); }
    static Lanes16 look_up(const uint8_t* x, __m512i places) {
        const __m512i low = Lanes16::load(x).v;
        if constexpr (kColumns == 64) return {_mm512_permutexvar_epi8(places, low)};
        return {_mm512_permutex2var_epi8(low, places, Lanes16::load(x + 64).v)};
    }
};

struct Expansion64 {
    using Lanes = Lanes16;

    // The next packed weight where the mask has a bit, zero elsewhere. Spread onto a register that was just cleared,
    // as in vec_avx512.h: anything older would be waited for.
    static Lanes16 expand(uint64_t mask, const int8_t* weights) {
        __m512i packed = Lanes16::load(weights).v;
        __m512i spread = _mm512_setzero_si512();
        asm("" : "+v"(packed));
        asm("" : "+v"(spread));
        return {_mm512_mask_expand_epi8(spread, mask, packed)};
    }
    static int32_t sum(Lanes16 x) { return _mm512_reduce_add_epi32(x.v); }
};

}  // namespace
