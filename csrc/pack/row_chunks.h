// How the rows of a matrix are cut into chunks of like weight: what one thread works on at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/aligned_buffer.h"
#include "common/thread_pool.h"
#include "pack/csr_view.h"

namespace sparseinf {

// Chunks end after max_rows rows, or sooner where rows are much heavier than the mean; always at a multiple of 16.
// Chunk: a struct that begins with first_row and num_rows.
template <class Chunk>
std::vector<Chunk> cut_into_chunks(const CsrView& matrix, int64_t max_rows) {
    const int64_t num_chunks = std::max<int64_t>(1, (matrix.num_rows + max_rows - 1) / max_rows);
    const int64_t rows_a_chunk = round_up(std::max<int64_t>(1, (matrix.num_rows + num_chunks - 1) / num_chunks), 16);
    const int64_t heavy = matrix.num_nonzeros() / num_chunks * 5 / 4 + 1;
    std::vector<Chunk> chunks;
    int64_t row = 0;
    do {
        int64_t end = row;
        do {
            end = std::min(end + 16, matrix.num_rows);
        } while (end < matrix.num_rows && end - row < rows_a_chunk &&
                 matrix.row_offsets[end] - matrix.row_offsets[row] < heavy);
        auto& chunk = chunks.emplace_back();
        chunk.first_row = static_cast<int32_t>(row);
        chunk.num_rows = static_cast<int32_t>(end - row);
        row = end;
    } while (row < matrix.num_rows);
    return chunks;
}

// All chunks' arrays one after the other in one buffer, which lies on huge pages where it is large; they are freed on
// the way. starts: where each one begins.
template <class T>
AlignedBuffer<T> join_chunks(std::vector<std::vector<T>>& chunks, std::vector<int64_t>& starts, int num_threads) {
    starts.assign(1, 0);
    for (const auto& chunk : chunks) starts.push_back(starts.back() + static_cast<int64_t>(chunk.size()));
    AlignedBuffer<T> joined(starts.back());
    parallel_for(static_cast<int64_t>(chunks.size()), num_threads, [&](int, int64_t i) {
        auto& chunk = chunks[static_cast<size_t>(i)];
        std::copy(chunk.begin(), chunk.end(), joined.data() + starts[static_cast<size_t>(i)]);
        std::vector<T>().swap(chunk);
    });
    return joined;
}

}  // namespace sparseinf
