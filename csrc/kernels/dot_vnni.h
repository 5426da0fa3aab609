// Sums of four products of uint8 and int8 with AVX-512 VNNI, in one instruction that wraps and never saturates.
#pragma once

#include <immintrin.h>

namespace {

// sums + the four products of each 32-bit lane.
inline __m128i dot(__m128i sums, __m128i x, __m128i weights) { return _mm_dpbusd_epi32(sums, x, weights); }
inline __m256i dot(__m256i sums, __m256i x, __m256i weights) { return _mm256_dpbusd_epi32(sums, x, weights); }
inline __m512i dot(__m512i sums, __m512i x, __m512i weights) { return _mm512_dpbusd_epi32(sums, x, weights); }

}  // namespace
