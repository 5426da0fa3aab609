// int8 weights in 4x1 blocks, four blocks of a strip each, in the order in which spmm_block_quads and gemv_block_quads
// read them. Chunks, K blocks and strips are those of a BlockPack.
#pragma once

#include <cstdint>
#include <vector>

#include "common/aligned_buffer.h"
#include "kernels/int8_args.h"
#include "pack/csr_view.h"

namespace sparseinf {

struct BlockInt8Chunk {
    int32_t first_row = 0;
    int32_t num_rows = 0;
    std::vector<BlockQuads> blocks;  // one a K block, pointing into the arrays below and the pack's
    std::vector<StripRun> runs;
    std::vector<uint16_t> strips;
};

struct BlockInt8Pack {
    int64_t num_rows = 0;
    int64_t num_columns = 0;
    int64_t num_nonzeros = 0;
    int32_t block_columns = 0;  // columns a K block
    std::vector<BlockInt8Chunk> chunks;
    AlignedBuffer<uint16_t> offsets;  // of all chunks: a large buffer lies on huge pages
    AlignedBuffer<int8_t> weights;    // zeros inside blocks and quads included
    AlignedBuffer<int32_t> row_sums;

    int64_t nbytes() const;
};

// The matrix holds whole numbers from -128 to 127. kernels: those that pack; the pack is the same for all levels.
BlockInt8Pack pack_block_int8(const CsrView& matrix, const KernelTable& kernels, int num_threads);

void unpack_block_int8(const BlockInt8Pack& pack, const CsrOutput& out);

}  // namespace sparseinf
