// CSR weights in 4x1 blocks, in the order in which spmm_block and gemv_block read them.
//
//   matrix   -> chunks of rows: what one thread works on; its accumulators stay in the L2 cache
//   chunk    -> K blocks of columns: the x they touch stays in the L2 cache, too
//   K block  -> strips of four rows, sorted by their numbers of blocks
//
// A block is stored where any of its four rows has a nonzero. Blocks of 8x1, 16x1, 4x4, ... are several of these.
#pragma once

#include <cstdint>
#include <vector>

#include "common/aligned_buffer.h"
#include "kernels/kernel_args.h"
#include "pack/csr_view.h"

namespace sparseinf {

struct BlockChunk {
    int32_t first_row = 0;
    int32_t num_rows = 0;
    std::vector<BlockStrips> blocks;  // one a K block, pointing into the arrays below and the pack's
    std::vector<BlockRun> runs;
    std::vector<uint16_t> strips;
};

struct BlockPack {
    int64_t num_rows = 0;
    int64_t num_columns = 0;
    int64_t num_nonzeros = 0;
    int32_t block_columns = 0;  // columns a K block
    std::vector<BlockChunk> chunks;
    AlignedBuffer<uint16_t> columns;  // of all chunks: a large buffer lies on huge pages
    AlignedBuffer<float> weights;     // zeros inside blocks included

    int64_t nbytes() const;
};

// kernels: those that pack; the pack is the same for all levels.
BlockPack pack_block(const CsrView& matrix, const KernelTable& kernels, int num_threads);

void unpack_block(const BlockPack& pack, const CsrOutput& out);

}  // namespace sparseinf
