// CSR weights as bitmaps and packed values, in the order in which gemv_bitmap reads them.
//
//   masks[row / 4][column / 16][row % 4]   bit i: column 16 * group + i has a value
//   values                                 in the order of the masks and their bits, then 16 zeros
//
// Rows are filled up to a multiple of four with empty ones.
#pragma once

#include <cstdint>

#include "common/aligned_buffer.h"
#include "pack/csr_view.h"

namespace sparseinf {

struct BitmapPack {
    int64_t num_rows = 0;
    int64_t num_columns = 0;
    int64_t num_nonzeros = 0;
    int64_t num_quads = 0;
    int64_t num_groups = 0;
    AlignedBuffer<uint16_t> masks;
    AlignedBuffer<float> values;
    AlignedBuffer<int64_t> quad_offsets;  // num_quads + 1

    int64_t nbytes() const { return masks.nbytes() + values.nbytes() + quad_offsets.nbytes(); }
};

BitmapPack pack_bitmap(const CsrView& matrix, int num_threads);

void unpack_bitmap(const BitmapPack& pack, const CsrOutput& out);

}  // namespace sparseinf
