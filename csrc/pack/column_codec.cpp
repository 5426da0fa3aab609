// The encodings of column_codec.h. The decoders are written for speed: they run over every nonzero of every file.
#include "column_codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>

namespace sparseinf {
namespace {

// Bytes below it end a number. The other 24 reach beyond 2^31.
constexpr uint64_t kLimit = 232;

int64_t number_size(uint64_t number) noexcept { return number < kLimit ? 1 : 1 + std::popcount(number / kLimit); }

uint8_t* write_number(uint64_t number, uint8_t* next) noexcept {
    for (uint64_t doublings = number / kLimit; doublings != 0;) {
        const uint64_t highest = static_cast<uint64_t>(std::bit_width(doublings)) - 1;
        *next++ = static_cast<uint8_t>(kLimit + highest);
        doublings ^= uint64_t{1} << highest;
    }
    *next++ = static_cast<uint8_t>(number % kLimit);
    return next;
}

// What a byte of a number adds.
constexpr auto kSummands = [] {
    std::array<uint32_t, 256> summands{};
    for (uint64_t byte = 0; byte < summands.size(); ++byte) {
        summands[byte] = static_cast<uint32_t>(byte < kLimit ? byte : kLimit << (byte - kLimit));
    }
    return summands;
}();

// The bits that are set in a byte, lowest first; what follows them is of no meaning.
struct SetBits {
    std::array<int32_t, 8> positions;
    int32_t count;
};

constexpr auto kSetBits = [] {
    std::array<SetBits, 256> table{};
    for (std::size_t byte = 0; byte < table.size(); ++byte) {
        for (int32_t bit = 0; bit < 8; ++bit) {
            if ((byte >> bit & 1) != 0) table[byte].positions[static_cast<std::size_t>(table[byte].count++)] = bit;
        }
    }
    return table;
}();

struct ByteReader {
    const uint8_t* next;
    const uint8_t* end;
};

CodecStatus decode_counts(MatrixExtent extent, int64_t num_nonzeros, ByteReader& reader,
                          std::span<int64_t> row_offsets) noexcept {
    row_offsets[0] = 0;
    for (std::size_t row = 1; row < row_offsets.size(); ++row) {
        uint64_t count = 0;
        uint8_t byte = 0;
        do {
            if (reader.next == reader.end) return CodecStatus::kTruncated;
            byte = *reader.next++;
            count += kSummands[byte];
        } while (byte >= kLimit);
        if (count > static_cast<uint64_t>(extent.num_columns)) return CodecStatus::kColumnOutOfRange;
        row_offsets[row] = row_offsets[row - 1] + static_cast<int64_t>(count);
        if (row_offsets[row] > num_nonzeros) return CodecStatus::kWrongCount;
    }
    return row_offsets.back() == num_nonzeros ? CodecStatus::kOk : CodecStatus::kWrongCount;
}

CodecStatus decode_gaps(MatrixExtent extent, std::span<const uint8_t> data, std::span<int32_t> columns,
                        std::span<int64_t> row_offsets) noexcept {
    ByteReader reader{data.data(), data.data() + data.size()};
    const CodecStatus status = decode_counts(extent, static_cast<int64_t>(columns.size()), reader, row_offsets);
    if (status != CodecStatus::kOk) return status;

    const uint8_t* next = reader.next;
    int32_t* column = columns.data();
    for (std::size_t row = 1; row < row_offsets.size(); ++row) {
        const uint8_t* const row_data = next;
        const int32_t* const row_end = columns.data() + row_offsets[row];
        uint64_t position = 0;
        while (column != row_end) {
            if (next == reader.end) return CodecStatus::kTruncated;
            const uint8_t byte = *next++;
            const bool is_nonzero = byte < kLimit;  // otherwise the number goes on, and this place is written again
            position += kSummands[byte];
            *column = static_cast<int32_t>(position);
            column += is_nonzero;
            position += is_nonzero;
        }
        // Every byte adds from 1 to 2^31. So one check a row is enough: more bytes than columns are too many, and up
        // to 2^31 of them cannot overflow the position.
        if (next - row_data > extent.num_columns || position > static_cast<uint64_t>(extent.num_columns)) {
            return CodecStatus::kColumnOutOfRange;
        }
    }
    return next == reader.end ? CodecStatus::kOk : CodecStatus::kTrailingBytes;
}

CodecStatus decode_bitmap(MatrixExtent extent, std::span<const uint8_t> data, std::span<int32_t> columns,
                          std::span<int64_t> row_offsets) noexcept {
    const uint8_t* next = data.data();
    int32_t* column = columns.data();
    const int32_t* const columns_end = column + columns.size();
    row_offsets[0] = 0;
    for (std::size_t row = 1; row < row_offsets.size(); ++row) {
        for (int64_t base = 0; base < extent.num_columns; base += 8) {
            const uint8_t byte = *next++;
            if (byte >> std::min<int64_t>(8, extent.num_columns - base) != 0) return CodecStatus::kColumnOutOfRange;
            const SetBits& set = kSetBits[byte];
            std::array<int32_t, 8> placed;
            for (std::size_t i = 0; i < 8; ++i) placed[i] = static_cast<int32_t>(base) + set.positions[i];
            const std::ptrdiff_t room = columns_end - column;
            if (room >= 8) {
                // All eight at once: the places after the count are written again by the next byte.
                std::memcpy(column, placed.data(), sizeof placed);
            } else if (set.count <= room) {
                std::copy_n(placed.begin(), set.count, column);
            } else {
                return CodecStatus::kWrongCount;
            }
            column += set.count;
        }
        row_offsets[row] = column - columns.data();
    }
    return column == columns_end ? CodecStatus::kOk : CodecStatus::kWrongCount;
}

// -1 where a bitmap is not offered: without columns, or beyond int64_t.
int64_t bitmap_size(MatrixExtent extent) noexcept {
    const int64_t row_bytes = (extent.num_columns + 7) / 8;
    if (row_bytes == 0 || extent.num_rows > std::numeric_limits<int64_t>::max() / row_bytes) return -1;
    return extent.num_rows * row_bytes;
}

CodecStatus check_row_offsets(MatrixExtent extent, CsrColumns matrix) noexcept {
    const std::span<const int64_t> offsets = matrix.row_offsets;
    const bool spans_all = extent.num_rows >= 0 && offsets.size() == static_cast<std::size_t>(extent.num_rows) + 1 &&
                           offsets.front() == 0 && offsets.back() == static_cast<int64_t>(matrix.columns.size());
    return spans_all && std::is_sorted(offsets.begin(), offsets.end()) ? CodecStatus::kOk
                                                                       : CodecStatus::kInvalidRowOffsets;
}

std::span<const int32_t> row_columns(CsrColumns matrix, std::size_t row) noexcept {
    const std::size_t start = static_cast<std::size_t>(matrix.row_offsets[row]);
    return matrix.columns.subspan(start, static_cast<std::size_t>(matrix.row_offsets[row + 1]) - start);
}

void encode_bitmap(MatrixExtent extent, CsrColumns matrix, std::span<uint8_t> data) noexcept {
    const int64_t row_bytes = (extent.num_columns + 7) / 8;
    std::fill(data.begin(), data.end(), uint8_t{0});
    uint8_t* row_data = data.data();
    for (std::size_t row = 0; row + 1 < matrix.row_offsets.size(); ++row, row_data += row_bytes) {
        for (const int32_t column : row_columns(matrix, row)) {
            uint8_t& byte = row_data[column / 8];
            byte = static_cast<uint8_t>(byte | 1 << column % 8);
        }
    }
}

void encode_gaps(CsrColumns matrix, std::span<uint8_t> data) noexcept {
    uint8_t* next = data.data();
    for (std::size_t row = 0; row + 1 < matrix.row_offsets.size(); ++row) {
        next = write_number(row_columns(matrix, row).size(), next);
    }
    for (std::size_t row = 0; row + 1 < matrix.row_offsets.size(); ++row) {
        int32_t previous = -1;
        for (const int32_t column : row_columns(matrix, row)) {
            next = write_number(static_cast<uint64_t>(column - previous - 1), next);
            previous = column;
        }
    }
}

}  // namespace

const char* describe(CodecStatus status) noexcept {
    switch (status) {
        case CodecStatus::kOk:
            return "is sound";
        case CodecStatus::kInvalidRowOffsets:
            return "has row offsets that do not rise from 0 to the end";
        case CodecStatus::kColumnsNotAscending:
            return "has columns that do not ascend within a row";
        case CodecStatus::kColumnOutOfRange:
            return "has a nonzero outside the matrix";
        case CodecStatus::kTruncated:
            return "ends too early";
        case CodecStatus::kTrailingBytes:
            return "has bytes left over at its end";
        case CodecStatus::kWrongCount:
            return "has another number of nonzeros than there are values";
    }
    return "is in an unknown state";
}

CodecStatus choose_encoding(MatrixExtent extent, CsrColumns matrix, EncodingChoice& choice) noexcept {
    const CodecStatus offsets_status = check_row_offsets(extent, matrix);
    if (offsets_status != CodecStatus::kOk) return offsets_status;
    int64_t gaps_size = 0;
    for (std::size_t row = 0; row + 1 < matrix.row_offsets.size(); ++row) {
        const std::span<const int32_t> columns = row_columns(matrix, row);
        gaps_size += number_size(columns.size());
        int32_t previous = -1;
        for (const int32_t column : columns) {
            if (column < 0 || column >= extent.num_columns) return CodecStatus::kColumnOutOfRange;
            if (column <= previous) return CodecStatus::kColumnsNotAscending;
            gaps_size += number_size(static_cast<uint64_t>(column - previous - 1));
            previous = column;
        }
    }
    const int64_t bits_size = bitmap_size(extent);
    choice = bits_size >= 0 && bits_size <= gaps_size ? EncodingChoice{ColumnEncoding::kBitmap, bits_size}
                                                      : EncodingChoice{ColumnEncoding::kGaps, gaps_size};
    return CodecStatus::kOk;
}

void encode_columns(ColumnEncoding encoding, MatrixExtent extent, CsrColumns matrix, std::span<uint8_t> data) noexcept {
    if (encoding == ColumnEncoding::kBitmap) {
        encode_bitmap(extent, matrix, data);
    } else {
        encode_gaps(matrix, data);
    }
}

CodecStatus check_size(ColumnEncoding encoding, MatrixExtent extent, int64_t num_nonzeros, int64_t num_bytes) noexcept {
    if (encoding == ColumnEncoding::kGaps) {  // a row and a nonzero take a byte each at least
        return extent.num_rows <= num_bytes && num_nonzeros <= num_bytes - extent.num_rows ? CodecStatus::kOk
                                                                                           : CodecStatus::kTruncated;
    }
    const int64_t expected = bitmap_size(extent);
    if (expected < 0 || num_bytes < expected) return CodecStatus::kTruncated;
    if (num_bytes > expected) return CodecStatus::kTrailingBytes;
    return num_nonzeros / 8 <= num_bytes ? CodecStatus::kOk : CodecStatus::kWrongCount;
}

CodecStatus decode_columns(ColumnEncoding encoding, MatrixExtent extent, std::span<const uint8_t> data,
                           std::span<int32_t> columns, std::span<int64_t> row_offsets) noexcept {
    const CodecStatus status =
        check_size(encoding, extent, static_cast<int64_t>(columns.size()), static_cast<int64_t>(data.size()));
    if (status != CodecStatus::kOk) return status;
    return encoding == ColumnEncoding::kBitmap ? decode_bitmap(extent, data, columns, row_offsets)
                                               : decode_gaps(extent, data, columns, row_offsets);
}

}  // namespace sparseinf
