#include "pack/row_pairs.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace sparseinf {

BlockRows RowPairs::make(const ChunkBlocks& blocks, uint32_t num_rows, bool keep_empty) {
    const size_t marks_of_rows = num_rows * static_cast<size_t>(num_words_);
    marks_.resize(marks_of_rows + static_cast<size_t>(num_words_));
    std::fill(marks_.begin() + static_cast<std::ptrdiff_t>(marks_of_rows), marks_.end(), 0);
    const BlockRows rows{blocks.columns(), blocks.values(), blocks.starts(), blocks.sizes(),
                         marks_.data(),    num_words_,      num_rows};
    order_.resize(num_rows);
    std::iota(order_.begin(), order_.end(), 0u);
    sort_by_falling(order_, other_order_, positions_, [&](uint32_t row) { return rows.sizes[row]; });
    kernels_.mark_columns(rows, order_.data());

    next_.resize(num_rows);
    pairs_.resize(num_rows);
    const int64_t num_pairs = kernels_.pair_rows({rows, order_.data(), keep_empty, next_.data(), pairs_.data()});
    pairs_.resize(static_cast<size_t>(num_pairs));
    return rows;
}

}  // namespace sparseinf
