// How the rows of a matrix are cut into chunks of like weight, what one thread works on at a time, and packed.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
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

// Calls pack(packer, chunk number) for each chunk; every thread keeps the packer that make() returns for it. Throws
// std::bad_alloc if any of them did.
template <class Make, class Pack>
void pack_chunks(int64_t num_chunks, int num_threads, Make&& make, Pack&& pack) {
    std::vector<decltype(make())> packers;
    for (int64_t slot = 0; slot < std::min<int64_t>(num_threads, num_chunks); ++slot) packers.push_back(make());
    std::atomic<bool> out_of_memory{false};
    parallel_for(num_chunks, num_threads, [&](int slot, int64_t chunk) {
        try {
            pack(*packers[static_cast<size_t>(slot)], static_cast<size_t>(chunk));
        } catch (const std::bad_alloc&) {
            out_of_memory = true;
        }
    });
    if (out_of_memory) throw std::bad_alloc();
}

// Writes the matrix of a pack in chunks of rows and K blocks of columns. for_each_nonzero(chunk, block, visit) calls
// visit(row, column, value) with places inside chunk and block, those of a row in the order of their columns.
template <class Pack, class ForEachNonzero>
void unpack_chunks(const Pack& pack, const CsrOutput& out, ForEachNonzero&& for_each_nonzero) {
    const auto for_each_block = [&pack](auto&& visit) {
        for (const auto& chunk : pack.chunks) {
            int32_t first_column = 0;
            for (const auto& block : chunk.blocks) {
                visit(chunk, block, first_column);
                first_column += pack.block_columns;
            }
        }
    };
    std::fill_n(out.row_offsets, pack.num_rows + 1, 0);
    for_each_block([&](const auto& chunk, const auto& block, int32_t) {
        for_each_nonzero(chunk, block,
                         [&](int32_t row, int32_t, float) { ++out.row_offsets[chunk.first_row + row + 1]; });
    });
    for (int64_t row = 0; row < pack.num_rows; ++row) out.row_offsets[row + 1] += out.row_offsets[row];
    std::vector<int64_t> next(out.row_offsets, out.row_offsets + pack.num_rows);
    for_each_block([&](const auto& chunk, const auto& block, int32_t first_column) {
        for_each_nonzero(chunk, block, [&](int32_t row, int32_t column, float value) {
            const int64_t at = next[static_cast<size_t>(chunk.first_row + row)]++;
            out.columns[at] = first_column + column;
            out.values[at] = value;
        });
    });
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
