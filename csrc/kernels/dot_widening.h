// Sums of four products of uint8 and int8 where there is no instruction for them: in 16 bits, whose pairs of products
// fit 32. The instruction that multiplies bytes would saturate: 2 * 255 * 127 is more than 16 bits hold.
#pragma once

#include <immintrin.h>

namespace {

// sums + the four products of each 32-bit lane.
inline __m128i dot(__m128i sums, __m128i x, __m128i weights) {
    const __m128i even =
        _mm_madd_epi16(_mm_and_si128(x, _mm_set1_epi16(255)), _mm_srai_epi16(_mm_slli_epi16(weights, 8), 8));
    const __m128i odd = _mm_madd_epi16(_mm_srli_epi16(x, 8), _mm_srai_epi16(weights, 8));
    return _mm_add_epi32(sums, _mm_add_epi32(even, odd));
}
inline __m256i dot(__m256i sums, __m256i x, __m256i weights) {
    const __m256i even = _mm256_madd_epi16(_mm256_and_si256(x, _mm256_set1_epi16(255)),
                                           _mm256_srai_epi16(_mm256_slli_epi16(weights, 8), 8));
    const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(x, 8), _mm256_srai_epi16(weights, 8));
    return _mm256_add_epi32(sums, _mm256_add_epi32(even, odd));
}
#if defined(__AVX512BW__)
inline __m512i dot(__m512i sums, __m512i x, __m512i weights) {
    const __m512i even = _mm512_madd_epi16(_mm512_and_si512(x, _mm512_set1_epi16(255)),
                                           _mm512_srai_epi16(_mm512_slli_epi16(weights, 8), 8));
    const __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(x, 8), _mm512_srai_epi16(weights, 8));
    return _mm512_add_epi32(sums, _mm512_add_epi32(even, odd));
}
#endif

}  // namespace
