#include "pack/bitmap_pack.h"

#include <algorithm>
#include <bit>

#include "common/thread_pool.h"

namespace sparseinf {

BitmapPack pack_bitmap(const CsrView& matrix, int num_threads) {
    BitmapPack pack;
    pack.num_rows = matrix.num_rows;
    pack.num_columns = matrix.num_columns;
    pack.num_nonzeros = matrix.num_nonzeros();
    pack.num_quads = (matrix.num_rows + 3) / 4;
    pack.num_groups = (matrix.num_columns + 15) / 16;
    pack.masks = AlignedBuffer<uint16_t>(pack.num_quads * pack.num_groups * 4);
    pack.values = AlignedBuffer<float>(pack.num_nonzeros + 16);
    pack.quad_offsets = AlignedBuffer<int64_t>(pack.num_quads + 1);
    for (int64_t quad = 0; quad <= pack.num_quads; ++quad) {
        pack.quad_offsets[quad] = matrix.row_offsets[std::min(4 * quad, matrix.num_rows)];
    }
    std::fill_n(pack.values.data() + pack.num_nonzeros, 16, 0.0f);

    parallel_for(pack.num_quads, num_threads, [&](int, int64_t quad) {
        uint16_t* masks = pack.masks.data() + quad * pack.num_groups * 4;
        std::fill_n(masks, pack.num_groups * 4, uint16_t{0});
        const int64_t num_rows = std::min<int64_t>(4, matrix.num_rows - 4 * quad);
        const int64_t* offsets = matrix.row_offsets + 4 * quad;
        int64_t next[4];
        for (int64_t row = 0; row < num_rows; ++row) {
            next[row] = offsets[row];
            for (int64_t i = offsets[row]; i < offsets[row + 1]; ++i) {
                const int32_t column = matrix.columns[i];
                masks[column / 16 * 4 + row] |= static_cast<uint16_t>(1u << (column % 16));
            }
        }
        float* values = pack.values.data() + pack.quad_offsets[quad];
        for (int64_t group = 0; group < pack.num_groups; ++group) {
            for (int64_t row = 0; row < num_rows; ++row) {
                const int count = std::popcount(masks[group * 4 + row]);
                values = std::copy_n(matrix.values + next[row], count, values);
                next[row] += count;
            }
        }
    });
    return pack;
}

void unpack_bitmap(const BitmapPack& pack, const CsrOutput& out) {
    int64_t next = 0;
    for (int64_t row = 0; row < pack.num_rows; ++row) {
        out.row_offsets[row] = next;
        const uint16_t* masks = pack.masks.data() + row / 4 * pack.num_groups * 4;
        const float* values = pack.values.data() + pack.quad_offsets[row / 4];
        for (int64_t group = 0; group < pack.num_groups; ++group, masks += 4) {
            for (int64_t other = 0; other < 4; ++other) {
                if (other == row % 4) {
                    for (uint32_t mask = masks[other]; mask != 0; mask &= mask - 1) {
                        out.columns[next] = static_cast<int32_t>(group * 16 + std::countr_zero(mask));
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

}  // namespace sparseinf
