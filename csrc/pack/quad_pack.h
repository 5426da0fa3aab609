// int8 CSR weights in quads, four nonzeros of a row each, in the order in which spmm_quads reads them.
//
//   matrix   -> chunks of rows: what one thread works on; its sums stay in the L2 cache
//   chunk    -> K blocks of columns: the x they touch stays in the L1 cache
//   K block  -> pairs of rows with (nearly) equal numbers of nonzeros, sorted into runs of equal trip counts
#pragma once

#include <cstdint>
#include <vector>

#include "common/aligned_buffer.h"
#include "kernels/int8_args.h"
#include "pack/csr_view.h"

namespace sparseinf {

struct QuadChunk {
    int32_t first_row = 0;
    int32_t num_rows = 0;
    std::vector<QuadBlock> blocks;  // one a K block, pointing into the arrays below and the pack's
    std::vector<QuadRun> runs;
    std::vector<uint16_t> rows;
};

struct QuadPack {
    int64_t num_rows = 0;
    int64_t num_columns = 0;
    int64_t num_nonzeros = 0;
    int32_t block_columns = 0;  // columns a K block
    std::vector<QuadChunk> chunks;
    AlignedBuffer<uint16_t> offsets;  // of all chunks: a large buffer lies on huge pages
    AlignedBuffer<int8_t> weights;
    AlignedBuffer<int32_t> row_sums;

    int64_t nbytes() const;
};

// The matrix holds whole numbers from -128 to 127. kernels: those that pack; the pack is the same for all levels.
QuadPack pack_quads(const CsrView& matrix, const KernelTable& kernels, int num_threads);

void unpack_quads(const QuadPack& pack, const CsrOutput& out);

}  // namespace sparseinf
