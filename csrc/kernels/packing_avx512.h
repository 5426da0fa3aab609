// What packing does sixteen nonzeros at a time with AVX-512.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cut_row.h"
#include "pair_rows.h"
#include "vec_avx512.h"
#include "write_pairs.h"

namespace {

// Lanes of a vector of 16 when `count` elements are left.
inline __mmask16 lanes_of(int64_t count) { return static_cast<__mmask16>(count >= 16 ? 0xffff : (1 << count) - 1); }

// 32 at once: nearly all segments of about 14 nonzeros are one step. Zen 4, ns a nonzero of packing in all, with the
// step of any level / with this: 50 % zeros 2.92 / 2.80, 90 % 5.66 / 5.35, 95 % 6.2 / 5.8.
template <>
struct RowStep<Vec16> {
    static constexpr int64_t kStep = 32;

    static int64_t copy(const CutRowArgs& args, int64_t at, int32_t first_column, int32_t limit) {
        const int64_t left = args.size - at;
        const uint32_t lanes = _bzhi_u32(~0u, static_cast<uint32_t>(left < kStep ? left : kStep));
        const uint32_t low = copy_16(args, at, lanes & 0xffff, first_column, limit);
        const uint32_t high = copy_16(args, at + 16, lanes >> 16, first_column, limit);
        return __builtin_popcount(low | high << 16);
    }

    // Which of sixteen nonzeros are below limit.
    static uint32_t copy_16(const CutRowArgs& args, int64_t at, uint32_t lanes, int32_t first_column, int32_t limit) {
        const auto mask = static_cast<__mmask16>(lanes);
        const __m512i column = _mm512_maskz_loadu_epi32(mask, args.columns + at);
        const __m512i inside = _mm512_sub_epi32(column, _mm512_set1_epi32(first_column));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(args.out_columns + at), _mm512_cvtepi32_epi16(inside));
        _mm512_storeu_ps(args.out_values + at, _mm512_maskz_loadu_ps(mask, args.values + at));
        return _mm512_mask_cmplt_epi32_mask(mask, column, _mm512_set1_epi32(limit));
    }
};

template <>
struct RowMarks<Vec16> {
    // Of more words, a nonzero at a time is as fast. Zen 4, ns a nonzero of packing in all, this way / a nonzero at a
    // time: 5 words (95 % zeros) 5.8 / 5.8, 8 words (97 %) 6.7 / 6.2.
    static void set(const uint16_t* columns, uint32_t size, uint64_t* marks, int64_t num_words) {
        if (num_words <= 2) {
            set_words<2>(columns, size, marks, num_words);
        } else if (num_words <= 4) {
            set_words<4>(columns, size, marks, num_words);
        } else {
            RowMarks<Vec8>::set(columns, size, marks, num_words);
        }
    }

    // A shift by 64 or more, or by less than none, leaves nothing of the bit.
    template <int kWords>
    static void set_words(const uint16_t* columns, uint32_t size, uint64_t* marks, int64_t num_words) {
        __m512i words[kWords];
        for (auto& word : words) word = _mm512_setzero_si512();
        for (uint32_t i = 0; i < size; i += 8) {
            const auto lanes = static_cast<__mmask8>(lanes_of(size - i));
            const __m512i column = _mm512_cvtepu16_epi64(_mm_maskz_loadu_epi16(lanes, columns + i));
            const __m512i bit = _mm512_maskz_set1_epi64(lanes, 1);
            for (int w = 0; w < kWords; ++w) {
                const __m512i shift = _mm512_sub_epi64(column, _mm512_set1_epi64(64 * w));
                words[w] = _mm512_or_si512(words[w], _mm512_sllv_epi64(bit, shift));
            }
        }
        for (int w = 0; w < kWords; w += 2) {
            const __m512i both = _mm512_or_si512(_mm512_unpacklo_epi64(words[w], words[w + 1]),
                                                 _mm512_unpackhi_epi64(words[w], words[w + 1]));
            const __m256i half = _mm256_or_si256(_mm512_castsi512_si256(both), _mm512_extracti64x4_epi64(both, 1));
            const __m128i quarter = _mm_or_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
            auto* out = reinterpret_cast<__m128i*>(marks + w);
            if (w + 1 < num_words) {
                _mm_storeu_si128(out, quarter);
            } else {
                _mm_storel_epi64(out, quarter);
            }
        }
    }
};

// Each row is first split into what it shares and what it does not, then the two rows are interleaved. Zen 4, ns a
// nonzero of packing in all, before this, sixteen marks at a time and partners chosen in one call / with them:
// 50 % zeros 7.0 / 4.2, 90 % 9.1 / 6.8.
template <>
struct PairWriter<Vec16> {
    // Which of sixteen columns are in a set.
    struct InRegister {  // of at most 512 columns
        __m512i words;
        InRegister(const uint64_t* marks, int64_t num_words)
            : words(_mm512_maskz_loadu_epi64(static_cast<__mmask8>(lanes_of(num_words)), marks)) {}
        __m512i word(__m512i index) const { return _mm512_permutexvar_epi32(index, words); }
    };
    struct InMemory {
        const uint64_t* marks;
        InMemory(const uint64_t* row_marks, int64_t) : marks(row_marks) {}
        __m512i word(__m512i index) const { return _mm512_i32gather_epi32(index, marks, 4); }
    };

    struct Split {
        float* shared;
        float* single;
        uint32_t* single_columns;
    };

    // kColumns: also write the shared columns.
    template <class Marks, bool kColumns>
    static void split(const BlockRows& rows, uint32_t row, uint32_t other, const Split& out, uint16_t* columns) {
        const Marks marks(rows.marks + other * rows.num_words, rows.num_words);
        const uint16_t* in_columns = rows.columns + rows.starts[row];
        const float* in_values = rows.values + rows.starts[row];
        const int64_t size = rows.sizes[row];
        const __m512i one = _mm512_set1_epi32(1);
        int64_t num_shared = 0;
        for (int64_t i = 0; i < size; i += 16) {
            const __mmask16 lanes = lanes_of(size - i);
            const __m512i column = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, in_columns + i));
            const __m512 value = _mm512_maskz_loadu_ps(lanes, in_values + i);
            const __m512i word = marks.word(_mm512_srli_epi32(column, 5));
            const __mmask16 shared = _mm512_mask_test_epi32_mask(lanes, word, _mm512_rolv_epi32(one, column));
            const auto single = static_cast<__mmask16>(lanes & ~shared);
            const int64_t num_single = i - num_shared;
            if constexpr (kColumns) {
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(columns + num_shared),
                                    _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(shared, column)));
            }
            _mm512_storeu_ps(out.shared + num_shared, _mm512_maskz_compress_ps(shared, value));
            _mm512_storeu_ps(out.single + num_single, _mm512_maskz_compress_ps(single, value));
            _mm512_storeu_si512(out.single_columns + num_single, _mm512_maskz_compress_epi32(single, column));
            num_shared += __builtin_popcount(shared);
        }
    }

    static void interleave(const float* a, const float* b, int64_t size, float* out) {
        const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        for (int64_t i = 0; i < size; i += 16) {
            const __m512 from_a = _mm512_loadu_ps(a + i), from_b = _mm512_loadu_ps(b + i);
            const uint32_t lanes = _bzhi_u32(~0u, static_cast<uint32_t>(size - i < 16 ? 2 * (size - i) : 32));
            _mm512_mask_storeu_ps(out + 2 * i, static_cast<__mmask16>(lanes),
                                  _mm512_permutex2var_ps(from_a, low, from_b));
            _mm512_mask_storeu_ps(out + 2 * i + 16, static_cast<__mmask16>(lanes >> 16),
                                  _mm512_permutex2var_ps(from_a, high, from_b));
        }
    }

    template <class Marks>
    static void write_with(const WritePairsArgs& args, const PairedRows& pair, uint16_t* columns, float* values) {
        const int64_t stride = 64 * args.rows.num_words + 16;
        const auto part = [&](int64_t i) { return args.scratch + i * stride; };
        const Split a{part(0), part(1), reinterpret_cast<uint32_t*>(part(2))};
        const Split b{part(3), part(4), reinterpret_cast<uint32_t*>(part(5))};
        split<Marks, true>(args.rows, pair.first, pair.second, a, columns);
        split<Marks, false>(args.rows, pair.second, pair.first, b, nullptr);
        columns += pair.num_shared;
        interleave(a.shared, b.shared, pair.num_shared, values);
        values += 2 * int64_t{pair.num_shared};
        for (int64_t i = 0; i < pair.num_single; i += 16) {
            const __m512i from_a = _mm512_loadu_si512(a.single_columns + i);
            const __m512i from_b = _mm512_loadu_si512(b.single_columns + i);
            _mm512_storeu_si512(columns + 2 * i, _mm512_or_si512(from_a, _mm512_slli_epi32(from_b, 16)));
        }
        interleave(a.single, b.single, pair.num_single, values);
        columns += 2 * int64_t{pair.num_single};
        values += 2 * int64_t{pair.num_single};
        for (int64_t i = 0; i < pair.num_rest; i += 16) {
            const __m512i from = _mm512_loadu_si512(a.single_columns + pair.num_single + i);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(columns + i), _mm512_cvtepi32_epi16(from));
            _mm512_mask_storeu_ps(values + i, lanes_of(pair.num_rest - i),
                                  _mm512_loadu_ps(a.single + pair.num_single + i));
        }
    }

    static void write(const WritePairsArgs& args, const PairedRows& pair, uint16_t* columns, float* values) {
        if (args.rows.num_words <= 8) {
            write_with<InRegister>(args, pair, columns, values);
        } else {
            write_with<InMemory>(args, pair, columns, values);
        }
    }
};

}  // namespace
