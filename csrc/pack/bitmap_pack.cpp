#include "pack/bitmap_pack.h"

#include <algorithm>
#include <bit>

#include "common/thread_pool.h"
#include "pack/row_sums.h"

namespace sparseinf {
namespace {

template <class Mask, class Value>
void make_bitmaps(const CsrView& matrix, int num_threads, Bitmaps<Mask, Value>& pack) {
    constexpr int64_t kGroup = Bitmaps<Mask, Value>::kGroupColumns;
    pack.num_rows = matrix.num_rows;
    pack.num_columns = matrix.num_columns;
    pack.num_nonzeros = matrix.num_nonzeros();
    pack.num_quads = (matrix.num_rows + 3) / 4;
    pack.num_groups = (matrix.num_columns + kGroup - 1) / kGroup;
    pack.masks = AlignedBuffer<Mask>(pack.num_quads * pack.num_groups * 4);
    pack.values = AlignedBuffer<Value>(pack.num_nonzeros + kGroup);
    pack.quad_offsets = AlignedBuffer<int64_t>(pack.num_quads + 1);
    for (int64_t quad = 0; quad <= pack.num_quads; ++quad) {
        pack.quad_offsets[quad] = matrix.row_offsets[std::min(4 * quad, matrix.num_rows)];
    }
    std::fill_n(pack.values.data() + pack.num_nonzeros, kGroup, Value{0});

    parallel_for(pack.num_quads, num_threads, [&](int, int64_t quad) {
        Mask* masks = pack.masks.data() + quad * pack.num_groups * 4;
        std::fill_n(masks, pack.num_groups * 4, Mask{0});
        const int64_t num_rows = std::min<int64_t>(4, matrix.num_rows - 4 * quad);
        const int64_t* offsets = matrix.row_offsets + 4 * quad;
        int64_t next[4];
        for (int64_t row = 0; row < num_rows; ++row) {
            next[row] = offsets[row];
            for (int64_t i = offsets[row]; i < offsets[row + 1]; ++i) {
                const int32_t column = matrix.columns[i];
                masks[column / kGroup * 4 + row] |= static_cast<Mask>(uint64_t{1} << (column % kGroup));
            }
        }
        Value* values = pack.values.data() + pack.quad_offsets[quad];
        for (int64_t group = 0; group < pack.num_groups; ++group) {
            for (int64_t row = 0; row < num_rows; ++row) {
                const float* from = matrix.values + next[row];
                const int count = std::popcount(masks[group * 4 + row]);
                values = std::transform(from, from + count, values, [](float v) { return static_cast<Value>(v); });
                next[row] += count;
            }
        }
    });
}

template <class Mask, class Value>
void write_csr(const Bitmaps<Mask, Value>& pack, const CsrOutput& out) {
    int64_t next = 0;
    for (int64_t row = 0; row < pack.num_rows; ++row) {
        out.row_offsets[row] = next;
        const Mask* masks = pack.masks.data() + row / 4 * pack.num_groups * 4;
        const Value* values = pack.values.data() + pack.quad_offsets[row / 4];
        for (int64_t group = 0; group < pack.num_groups; ++group, masks += 4) {
            for (int64_t other = 0; other < 4; ++other) {
                if (other == row % 4) {
                    for (uint64_t mask = masks[other]; mask != 0; mask &= mask - 1) {
                        out.columns[next] = static_cast<int32_t>(group * pack.kGroupColumns + std::countr_zero(mask));
                        out.values[next++] = *values++;
                    }
                } else {
                    values += std::popcount(masks[other]);
                }
            }
        }
    }
    out.row_offsets[pack.num_rows] = next;
}

}  // namespace

BitmapPack pack_bitmap(const CsrView& matrix, int num_threads) {
    BitmapPack pack;
    make_bitmaps(matrix, num_threads, pack);
    return pack;
}

BitmapInt8Pack pack_bitmap_int8(const CsrView& matrix, int num_threads) {
    BitmapInt8Pack pack;
    make_bitmaps(matrix, num_threads, pack);
    pack.row_sums = sum_rows(matrix);
    return pack;
}

void unpack_bitmap(const BitmapPack& pack, const CsrOutput& out) { write_csr(pack, out); }

void unpack_bitmap_int8(const BitmapInt8Pack& pack, const CsrOutput& out) { write_csr(pack, out); }

}  // namespace sparseinf
