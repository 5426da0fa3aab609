// CSR weights as bitmaps and packed values, in the order in which gemv_bitmap and gemv_bitmap_int8 read them.
//
//   masks[row / 4][column / G][row % 4]    bit i: column G * group + i has a value; G = 16, or 64 for int8
//   values                                 in the order of the masks and their bits, then G zeros
//
// Rows are filled up to a multiple of four with empty ones.
#pragma once

#include <cstdint>

#include "common/aligned_buffer.h"
#include "pack/csr_view.h"

namespace sparseinf {

template <class Mask, class Value>
struct Bitmaps {
    static constexpr int64_t kGroupColumns = 8 * sizeof(Mask);

    int64_t num_rows = 0;
    int64_t num_columns = 0;
    int64_t num_nonzeros = 0;
    int64_t num_quads = 0;
    int64_t num_groups = 0;
    AlignedBuffer<Mask> masks;
    AlignedBuffer<Value> values;
    AlignedBuffer<int64_t> quad_offsets;  // num_quads + 1

    int64_t nbytes() const { return masks.nbytes() + values.nbytes() + quad_offsets.nbytes(); }
};

using BitmapPack = Bitmaps<uint16_t, float>;

struct BitmapInt8Pack : Bitmaps<uint64_t, int8_t> {
    AlignedBuffer<int32_t> row_sums;

    int64_t nbytes() const { return Bitmaps::nbytes() + row_sums.nbytes(); }
};

BitmapPack pack_bitmap(const CsrView& matrix, int num_threads);
// The matrix holds whole numbers from -128 to 127.
BitmapInt8Pack pack_bitmap_int8(const CsrView& matrix, int num_threads);

void unpack_bitmap(const BitmapPack& pack, const CsrOutput& out);
void unpack_bitmap_int8(const BitmapInt8Pack& pack, const CsrOutput& out);

}  // namespace sparseinf
