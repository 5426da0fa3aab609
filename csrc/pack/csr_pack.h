// CSR weights in the order in which spmm_csr reads them.
//
//   matrix   -> chunks of rows: what one thread works on; its accumulators stay in the L2 cache
//   chunk    -> K blocks of columns: the x they touch stays in the L1 cache
//   K block  -> pairs of rows with (nearly) equal numbers of nonzeros, sorted into runs of equal trip counts
//
// Nothing is padded: the pack holds each nonzero once, and can be turned back into the matrix.
#pragma once

#include <cstdint>
#include <vector>

#include "common/aligned_buffer.h"
#include "kernels/kernel_args.h"
#include "pack/csr_view.h"

namespace sparseinf {

// Rows of the accumulators that a chunk needs: its own, and those past them that the epilogue reads; the first of these
// also stands in for the partner that the last of an odd number of rows does not have.
constexpr int64_t accumulator_rows(int64_t num_rows) { return num_rows + 16; }

struct CsrChunk {
    int32_t first_row = 0;
    int32_t num_rows = 0;
    std::vector<CsrBlock> blocks;  // one a K block, pointing into the buffers below and the pack's values
    AlignedBuffer<CsrRun> runs;
    AlignedBuffer<uint16_t> rows;
    AlignedBuffer<uint16_t> columns;

    int64_t nbytes() const;  // without values
};

struct CsrPack {
    int64_t num_rows = 0;
    int64_t num_columns = 0;
    int64_t num_nonzeros = 0;
    int32_t block_columns = 0;  // columns a K block
    std::vector<CsrChunk> chunks;
    AlignedBuffer<float> values;  // of all chunks: together they lie on huge pages sooner than each on its own

    int64_t nbytes() const;
};

// panel_columns: how wide the panels of x will be, which decides how many of its rows fit into the L1 cache.
// kernels: whose bit counting packs; the pack is the same for all levels.
CsrPack pack_csr(const CsrView& matrix, int panel_columns, const KernelTable& kernels, int num_threads);

void unpack_csr(const CsrPack& pack, const CsrOutput& out);

}  // namespace sparseinf
