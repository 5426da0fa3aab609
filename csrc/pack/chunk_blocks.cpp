#include "pack/chunk_blocks.h"

#include <algorithm>

namespace sparseinf {
namespace {

// Nonzeros looked at together. A loop to a segment's own end would mispredict its exit for nearly every segment; the
// surplus of whole steps is overwritten.
constexpr int64_t kStep = 16;

// Nonzeros copied at once: 400 KB of the L2 cache, in which they stay until they are packed.
constexpr int64_t kCopiedNonzeros = 64 << 10;

// The first of columns[at..end) that is not below limit.
int64_t first_not_below(const int32_t* columns, int64_t at, int64_t end, int64_t limit) {
    const auto bound = static_cast<int32_t>(std::min<int64_t>(limit, INT32_MAX));
    while (at + kStep <= end) {
        int32_t num_below = 0;
        for (int64_t i = 0; i < kStep; ++i) num_below += columns[at + i] < bound;
        at += num_below;
        if (num_below < kStep) return at;
    }
    while (at < end && columns[at] < bound) ++at;
    return at;
}

}  // namespace

ChunkBlocks::ChunkBlocks(const CsrView& matrix, int64_t block_columns)
    : matrix_(matrix),
      block_columns_(block_columns),
      num_blocks_(std::max<int64_t>(1, (matrix.num_columns + block_columns - 1) / block_columns)) {}

void ChunkBlocks::begin_chunk(int64_t first_row, int64_t num_rows) {
    const int64_t* offsets = matrix_.row_offsets + first_row;
    num_rows_ = num_rows;
    num_nonzeros_ = offsets[num_rows] - offsets[0];
    next_.assign(offsets, offsets + num_rows);
    row_ends_ = offsets + 1;
    first_block_ = end_block_ = 0;
}

void ChunkBlocks::copy_blocks(int64_t first_block) {
    const int64_t nonzeros_a_block = num_nonzeros_ / num_blocks_ + 1;
    const int64_t num_blocks = std::clamp<int64_t>(kCopiedNonzeros / nonzeros_a_block, 1, num_blocks_ - first_block);
    first_block_ = first_block;
    end_block_ = first_block + num_blocks;

    sizes_.assign(static_cast<size_t>(num_blocks * num_rows_), 0);
    starts_.resize(sizes_.size());
    for (int64_t row = 0; row < num_rows_; ++row) {
        int64_t at = next_[static_cast<size_t>(row)];
        for (int64_t block = 0; block < num_blocks && at < row_ends_[row]; ++block) {
            const int64_t end_column = (first_block + block + 1) * block_columns_;
            const int64_t end = first_not_below(matrix_.columns, at, row_ends_[row], end_column);
            sizes_[static_cast<size_t>(block * num_rows_ + row)] = static_cast<uint32_t>(end - at);
            at = end;
        }
    }
    int64_t next = 0;
    for (int64_t block = 0; block < num_blocks; ++block) {
        for (int64_t row = 0; row < num_rows_; ++row) {
            const auto at = static_cast<size_t>(block * num_rows_ + row);
            starts_[at] = next;
            next += sizes_[at];
        }
        next += kStep;  // room for what the last row's last step copies too much
    }
    columns_.resize(static_cast<size_t>(next));
    values_.resize(static_cast<size_t>(next));

    for (int64_t row = 0; row < num_rows_; ++row) {
        int64_t& from = next_[static_cast<size_t>(row)];
        for (int64_t block = 0; block < num_blocks; ++block) {
            const auto at = static_cast<size_t>(block * num_rows_ + row);
            copy_segment(from, sizes_[at], (first_block + block) * block_columns_, starts_[at]);
            from += sizes_[at];
        }
    }
}

// In whole steps, as far as the matrix has that many nonzeros.
void ChunkBlocks::copy_segment(int64_t from, int64_t size, int64_t first_column, int64_t to) {
    for (int64_t done = 0; done < size; done += kStep) {
        const int32_t* in_columns = matrix_.columns + from + done;
        const float* in_values = matrix_.values + from + done;
        uint16_t* columns = columns_.data() + to + done;
        float* values = values_.data() + to + done;
        const auto copy = [&](int64_t count) {
            for (int64_t i = 0; i < count; ++i) {
                columns[i] = static_cast<uint16_t>(in_columns[i] - static_cast<int32_t>(first_column));
                values[i] = in_values[i];
            }
        };
        const int64_t left = matrix_.num_nonzeros() - from - done;
        if (left >= kStep) {
            copy(kStep);
        } else {
            copy(left);
        }
    }
}

}  // namespace sparseinf
