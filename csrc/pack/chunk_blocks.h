// A chunk of CSR rows copied block by block of columns, the rows of each block in order.
//
// Packing looks at one block of all rows at a time. In the matrix a block's nonzeros are spread over as many places as
// there are rows, which costs a cache line each; here they lie together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/packing_args.h"
#include "pack/csr_view.h"

namespace sparseinf {

// The nonzeros of one row in one block; columns count from the block's first.
struct Segment {
    const uint16_t* columns;
    const float* values;
    uint32_t size;
};

class ChunkBlocks {
public:
    // block_columns is at most 2^16. Keeps its memory from one chunk to the next.
    ChunkBlocks(const CsrView& matrix, int64_t block_columns, CutRowKernel cut_row);

    void begin_chunk(int64_t first_row, int64_t num_rows);

    int64_t num_blocks() const { return num_blocks_; }
    int64_t num_nonzeros() const { return num_nonzeros_; }  // of the chunk
    // Of a chunk without nonzeros only the first block is worth a look, since it clears the sums.
    int64_t num_used_blocks() const { return num_nonzeros_ > 0 ? num_blocks_ : 1; }

    // Makes a block's segments available; blocks are opened in order.
    void open(int64_t block) {
        if (block == end_block_) copy_blocks(block);
        first_segment_ = (block - first_block_) * num_rows_;
    }
    // The open block's segments: where they start in columns() and values(), and their sizes, by row.
    const uint16_t* columns() const { return columns_.data(); }
    const float* values() const { return values_.data(); }
    const int64_t* starts() const { return starts_.data() + first_segment_; }
    const uint32_t* sizes() const { return sizes_.data() + first_segment_; }

    Segment segment(uint32_t row) const {
        const auto at = static_cast<size_t>(first_segment_ + row);
        return {columns_.data() + starts_[at], values_.data() + starts_[at], sizes_[at]};
    }

private:
    void copy_blocks(int64_t first_block);
    void make_room(int64_t size);

    const CsrView& matrix_;
    CutRowKernel cut_row_;
    int64_t block_columns_;
    int64_t num_blocks_;
    int64_t num_rows_ = 0;
    int64_t num_nonzeros_ = 0;
    const int64_t* row_ends_ = nullptr;
    std::vector<int64_t> next_;                // of each row: its first nonzero that was not copied yet
    int64_t first_block_ = 0, end_block_ = 0;  // those copied
    int64_t first_segment_ = 0;
    std::vector<uint32_t> sizes_;    // [block][row]
    std::vector<int64_t> starts_;    // [block][row], into the two below
    std::vector<uint16_t> columns_;  // [row][block][nonzero]
    std::vector<float> values_;
};

}  // namespace sparseinf
