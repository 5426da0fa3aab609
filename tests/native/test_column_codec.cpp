// The column codec gives back what it was given; of damaged data it makes an error or a valid matrix, and never reads
// or writes outside.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "guarded_array.h"
#include "matrices.h"
#include "pack/column_codec.h"

namespace {

using namespace sparseinf;
using namespace testing;

constexpr Shape kShapes[] = {{0, 0}, {0, 9}, {9, 0}, {1, 1}, {1, 8}, {3, 9}, {7, 231}, {5, 233}, {4, 5000}};
constexpr double kSparsities[] = {0.0, 0.5, 0.9, 0.999, 1.0};
constexpr ColumnEncoding kEncodings[] = {ColumnEncoding::kBitmap, ColumnEncoding::kGaps};

MatrixExtent extent_of(const Matrix& matrix) { return {matrix.shape.num_rows, matrix.shape.num_columns}; }
CsrColumns columns_of(const Matrix& matrix) { return {matrix.columns, matrix.row_offsets}; }

struct Encoded {
    ColumnEncoding encoding;
    std::vector<uint8_t> data;
};

Encoded encode(const Matrix& matrix) {
    EncodingChoice choice{};
    CHECK(choose_encoding(extent_of(matrix), columns_of(matrix), choice) == CodecStatus::kOk);
    // Exactly as large as was said, or the encoder writes into a guard page.
    GuardedArray<uint8_t> data(choice.num_bytes, Side::kEnd);
    encode_columns(choice.encoding, extent_of(matrix), columns_of(matrix), data.span());
    return {choice.encoding, {data.data(), data.data() + data.size()}};
}

struct Decoded {
    Decoded(ColumnEncoding encoding, MatrixExtent extent, const std::vector<uint8_t>& bytes, int64_t num_nonzeros,
            Side side)
        : columns(num_nonzeros, side), row_offsets(extent.num_rows + 1, side) {
        const GuardedArray<uint8_t> data(bytes, side);
        status = decode_columns(encoding, extent, data.span(), columns.span(), row_offsets.span());
    }

    GuardedArray<int32_t> columns;
    GuardedArray<int64_t> row_offsets;
    CodecStatus status;
};

bool is_valid(const Decoded& decoded, MatrixExtent extent) {
    if (decoded.row_offsets[0] != 0 || decoded.row_offsets[extent.num_rows] != decoded.columns.size()) return false;
    for (int64_t row = 0; row < extent.num_rows; ++row) {
        if (decoded.row_offsets[row] > decoded.row_offsets[row + 1]) return false;
        int64_t previous = -1;
        for (int64_t i = decoded.row_offsets[row]; i < decoded.row_offsets[row + 1]; ++i) {
            if (decoded.columns[i] <= previous || decoded.columns[i] >= extent.num_columns) return false;
            previous = decoded.columns[i];
        }
    }
    return true;
}

template <class Visit>
void for_each_matrix(Visit&& visit) {
    std::mt19937 random(31);
    for (const Shape shape : kShapes) {
        for (const double sparsity : kSparsities) {
            const Case name(describe(shape) + ", " + describe(sparsity) + " zeros");
            visit(random_matrix(shape, sparsity, Numbers::kWhole, random), random);
        }
    }
}

TEST(columns_come_back) {
    for_each_matrix([](const Matrix& matrix, std::mt19937&) {
        const Encoded encoded = encode(matrix);
        for (const Side side : kBothSides) {
            const Decoded decoded(encoded.encoding, extent_of(matrix), encoded.data,
                                  static_cast<int64_t>(matrix.columns.size()), side);
            CHECK(decoded.status == CodecStatus::kOk);
            CHECK(std::ranges::equal(decoded.columns.span(), matrix.columns));
            CHECK(std::ranges::equal(decoded.row_offsets.span(), matrix.row_offsets));
        }
    });
}

TEST(both_encodings_are_chosen) {
    std::mt19937 random(32);
    CHECK(encode(random_matrix({20, 500}, 0.5, Numbers::kWhole, random)).encoding == ColumnEncoding::kBitmap);
    CHECK(encode(random_matrix({20, 500}, 0.99, Numbers::kWhole, random)).encoding == ColumnEncoding::kGaps);
}

TEST(every_wrong_size_is_refused) {
    for_each_matrix([](const Matrix& matrix, std::mt19937&) {
        const Encoded encoded = encode(matrix);
        const auto num_nonzeros = static_cast<int64_t>(matrix.columns.size());
        const auto is_refused = [&](const std::vector<uint8_t>& data, int64_t claimed) {
            return Decoded(encoded.encoding, extent_of(matrix), data, claimed, Side::kEnd).status != CodecStatus::kOk;
        };
        std::vector<uint8_t> longer = encoded.data;
        longer.push_back(0);
        CHECK(is_refused(longer, num_nonzeros));
        CHECK(is_refused(encoded.data, num_nonzeros + 1));
        if (num_nonzeros > 0) CHECK(is_refused(encoded.data, num_nonzeros - 1));
        for (size_t size = 0; size < encoded.data.size(); ++size) {
            CHECK(is_refused({encoded.data.begin(), encoded.data.begin() + static_cast<int64_t>(size)}, num_nonzeros));
        }
    });
}

// Random bytes are mostly refused; changed ones are sometimes another valid matrix.
TEST(damaged_data_is_refused_or_another_valid_matrix) {
    int num_refused = 0, num_valid = 0;
    for_each_matrix([&](const Matrix& matrix, std::mt19937& random) {
        const Encoded encoded = encode(matrix);
        const auto num_nonzeros = static_cast<int64_t>(matrix.columns.size());
        for (int round = 0; round < 200; ++round) {
            std::vector<uint8_t> data = encoded.data;
            MatrixExtent extent = extent_of(matrix);
            int64_t claimed = num_nonzeros;
            switch (random() % 6) {
                case 0:  // some bytes changed
                    for (int i = 0; i < 3 && !data.empty(); ++i)
                        data[random() % data.size()] = static_cast<uint8_t>(random());
                    break;
                case 1:  // a bit changed
                    if (!data.empty()) data[random() % data.size()] ^= static_cast<uint8_t>(1u << random() % 8);
                    break;
                case 2:  // cut off
                    data.resize(random() % (data.size() + 1));
                    break;
                case 3:  // something after the end
                    data.push_back(static_cast<uint8_t>(random()));
                    break;
                case 4:  // another shape
                    extent.num_rows = static_cast<int64_t>(random() % 12);
                    extent.num_columns = static_cast<int64_t>(random() % 6000);
                    break;
                case 5:  // another number of nonzeros
                    claimed = static_cast<int64_t>(random() % static_cast<unsigned>(2 * num_nonzeros + 3));
                    break;
            }
            for (const ColumnEncoding encoding : kEncodings) {
                if (check_size(encoding, extent, claimed, static_cast<int64_t>(data.size())) != CodecStatus::kOk) {
                    const Decoded decoded(encoding, extent, data, claimed, Side::kEnd);
                    CHECK(decoded.status != CodecStatus::kOk);
                    ++num_refused;
                    continue;
                }
                for (const Side side : kBothSides) {
                    const Decoded decoded(encoding, extent, data, claimed, side);
                    CHECK(decoded.status != CodecStatus::kOk || is_valid(decoded, extent));
                    ++(decoded.status == CodecStatus::kOk ? num_valid : num_refused);
                }
            }
        }
    });
    CHECK(num_refused > 1000 && num_valid > 100);  // both happen, or nothing was tested
}

TEST(what_is_no_matrix_is_not_encoded) {
    EncodingChoice choice{};
    const auto status = [&](MatrixExtent extent, std::vector<int32_t> columns, std::vector<int64_t> row_offsets) {
        return choose_encoding(extent, {columns, row_offsets}, choice);
    };
    CHECK(status({2, 5}, {0, 4, 1}, {0, 2, 3}) == CodecStatus::kOk);
    CHECK(status({2, 5}, {4, 0, 1}, {0, 2, 3}) == CodecStatus::kColumnsNotAscending);
    CHECK(status({2, 5}, {0, 0, 1}, {0, 2, 3}) == CodecStatus::kColumnsNotAscending);
    CHECK(status({2, 5}, {0, 5, 1}, {0, 2, 3}) == CodecStatus::kColumnOutOfRange);
    CHECK(status({2, 5}, {-1, 4, 1}, {0, 2, 3}) == CodecStatus::kColumnOutOfRange);
    CHECK(status({2, 5}, {0, 4, 1}, {0, 2, 2}) == CodecStatus::kInvalidRowOffsets);
    CHECK(status({2, 5}, {0, 4, 1}, {1, 2, 3}) == CodecStatus::kInvalidRowOffsets);
    CHECK(status({2, 5}, {0, 4, 1}, {0, 4, 3}) == CodecStatus::kInvalidRowOffsets);
    CHECK(status({1, 5}, {0, 4, 1}, {0, 2, 3}) == CodecStatus::kInvalidRowOffsets);
}

TEST(sizes_that_cannot_be_are_refused_before_memory_is_taken) {
    constexpr int64_t kHuge = int64_t{1} << 60;
    CHECK(check_size(ColumnEncoding::kGaps, {kHuge, 8}, 0, 1000) == CodecStatus::kTruncated);
    CHECK(check_size(ColumnEncoding::kGaps, {10, 8}, kHuge, 1000) == CodecStatus::kTruncated);
    CHECK(check_size(ColumnEncoding::kBitmap, {kHuge, 1 << 30}, 0, 1000) == CodecStatus::kTruncated);
    CHECK(check_size(ColumnEncoding::kBitmap, {10, 8}, kHuge, 10) == CodecStatus::kWrongCount);
    CHECK(check_size(ColumnEncoding::kBitmap, {10, 8}, 5, 11) == CodecStatus::kTrailingBytes);
    CHECK(check_size(ColumnEncoding::kBitmap, {kHuge, 0}, 0, 0) != CodecStatus::kOk);
}

}  // namespace
