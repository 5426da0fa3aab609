// Small squares of elements transposed in vectors of 16 bytes.
//
// N rows of N elements fill N vectors. Interleaving rows i and i + N/2 to rows 2i and 2i + 1 moves the highest bit of
// an element's row number to the end of its column number; log2(N) times that has exchanged the two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace sparseinf {

struct SixteenBytes {
    uint64_t halves[2];
};

template <class Element>
struct TransposeTile {
    static constexpr int64_t kSide = 16 / static_cast<int64_t>(sizeof(Element));
    typedef Element Row __attribute__((vector_size(16)));

    template <int... kIndex>
    static Row interleave_low(Row a, Row b, std::integer_sequence<int, kIndex...>) {
        return __builtin_shufflevector(a, b, (kIndex / 2 + kIndex % 2 * static_cast<int>(kSide))...);
    }
    template <int... kIndex>
    static Row interleave_high(Row a, Row b, std::integer_sequence<int, kIndex...>) {
        constexpr int kHalf = static_cast<int>(kSide) / 2;
        return __builtin_shufflevector(a, b, (kHalf + kIndex / 2 + kIndex % 2 * static_cast<int>(kSide))...);
    }

    // to[i][j] = from[j][i]; steps from row to row in bytes.
    static void run(const std::byte* from, int64_t from_step, std::byte* to, int64_t to_step) {
        using Indices = std::make_integer_sequence<int, static_cast<int>(kSide)>;
        constexpr int64_t kHalf = kSide / 2;
        Row rows[kSide];
        for (int64_t i = 0; i < kSide; ++i) {
            std::memcpy(&rows[i], from + i * from_step, sizeof(Row));
        }
        for (int64_t stage = 1; stage < kSide; stage *= 2) {
            Row next[kSide];
            for (int64_t i = 0; i < kHalf; ++i) {
                next[2 * i] = interleave_low(rows[i], rows[i + kHalf], Indices());
                next[2 * i + 1] = interleave_high(rows[i], rows[i + kHalf], Indices());
            }
            std::memcpy(rows, next, sizeof(rows));
        }
        for (int64_t i = 0; i < kSide; ++i) {
            std::memcpy(to + i * to_step, &rows[i], sizeof(Row));
        }
    }
};

// Elements that fill a vector are copied one by one.
template <>
struct TransposeTile<SixteenBytes> {
    static constexpr int64_t kSide = 1;
    static void run(const std::byte* from, int64_t, std::byte* to, int64_t) { std::memcpy(to, from, 16); }
};

// A square of kSide elements on a side, made of such tiles.
template <class Element, int64_t kSide>
void transpose_tiles(const std::byte* from, int64_t from_step, std::byte* to, int64_t to_step) {
    using Tile = TransposeTile<Element>;
    static_assert(kSide % Tile::kSide == 0);
    constexpr auto kSize = static_cast<int64_t>(sizeof(Element));
    for (int64_t i = 0; i < kSide; i += Tile::kSide) {
        for (int64_t j = 0; j < kSide; j += Tile::kSide) {
            Tile::run(from + j * from_step + i * kSize, from_step, to + i * to_step + j * kSize, to_step);
        }
    }
}

}  // namespace sparseinf
