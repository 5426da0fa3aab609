// CSR weights as sliced ELLPACK, in the order in which gemv_sell reads them.
//
//   matrix   -> chunks of rows: what one thread works on
//   chunk    -> K blocks of columns: the x they touch stays in the L1 cache
//   K block  -> lanes: rows, long ones cut into several, sorted by length
//   slice    -> eight lanes, filled up to the longest of them
#pragma once

#include <cstdint>
#include <vector>

#include "common/aligned_buffer.h"
#include "kernels/kernel_args.h"
#include "pack/csr_view.h"

namespace sparseinf {

struct SellChunk {
    int32_t first_row = 0;
    int32_t num_rows = 0;
    std::vector<SellBlock> blocks;  // one a K block, pointing into the arrays below and the pack's steps
    std::vector<SellRun> runs;
    std::vector<uint16_t> rows;
};

struct SellPack {
    int64_t num_rows = 0;
    int64_t num_columns = 0;
    int64_t num_nonzeros = 0;
    int32_t block_columns = 0;  // columns a K block
    std::vector<SellChunk> chunks;
    AlignedBuffer<SellStep> steps;  // of all chunks: a large buffer lies on huge pages

    int64_t nbytes() const;
};

// kernels: those that pack; the pack is the same for all levels.
SellPack pack_sell(const CsrView& matrix, const KernelTable& kernels, int num_threads);

void unpack_sell(const SellPack& pack, const CsrOutput& out);

}  // namespace sparseinf
