#include "pack/block_int8_pack.h"

#include <algorithm>

#include "common/thread_pool.h"
#include "pack/block_pack.h"
#include "pack/row_chunks.h"
#include "pack/row_sums.h"

namespace sparseinf {
namespace {

uint32_t num_quads_of(uint32_t num_blocks) { return (num_blocks + 3) / 4; }

int64_t num_quads(const BlockStrips& block) {
    int64_t sum = 0;
    for (int32_t r = 0; r < block.num_runs; ++r) {
        sum += int64_t{block.runs[r].num_strips} * num_quads_of(block.runs[r].num_blocks);
    }
    return sum;
}

// Writes the blocks of one strip in fours; those that fill the last four up have weights of zero and an offset that
// exists.
void write_quads(const uint16_t* columns, const float* weights, uint32_t num_blocks, uint16_t* offsets, int8_t* out) {
    for (uint32_t i = 0; i < 4 * num_quads_of(num_blocks); ++i) {
        const uint32_t block = std::min(i, num_blocks - 1);
        offsets[i] = static_cast<uint16_t>(4 * columns[block]);
        for (uint32_t row = 0; row < 4; ++row) {
            out[i / 4 * 16 + row * 4 + i % 4] =
                i < num_blocks ? static_cast<int8_t>(weights[4 * block + row]) : int8_t{0};
        }
    }
}

// All but the streams, which begin at the given places. Strips come with falling numbers of blocks: so with falling
// numbers of quads.
void convert_runs(const BlockChunk& from, BlockInt8Chunk& chunk, const uint16_t* offsets, const int8_t* weights) {
    chunk.first_row = from.first_row;
    chunk.num_rows = from.num_rows;
    chunk.strips = from.strips;
    std::vector<size_t> first_runs;
    for (const BlockStrips& block : from.blocks) {
        first_runs.push_back(chunk.runs.size());
        for (int32_t r = 0; r < block.num_runs; ++r) {
            const uint32_t num_quads = num_quads_of(block.runs[r].num_blocks);
            if (chunk.runs.size() == first_runs.back() || chunk.runs.back().num_quads != num_quads) {
                chunk.runs.push_back({0, num_quads});
            }
            chunk.runs.back().num_strips += block.runs[r].num_strips;
        }
    }
    first_runs.push_back(chunk.runs.size());
    for (size_t i = 0; i < from.blocks.size(); ++i) {
        const BlockStrips& block = from.blocks[i];
        chunk.blocks.push_back({chunk.runs.data() + first_runs[i],
                                chunk.strips.data() + (block.strips - from.strips.data()), offsets, weights,
                                static_cast<int32_t>(first_runs[i + 1] - first_runs[i])});
        offsets += 4 * num_quads(block);
        weights += 16 * num_quads(block);
    }
}

void write_streams(const BlockChunk& from, uint16_t* offsets, int8_t* weights) {
    for (const BlockStrips& block : from.blocks) {
        const uint16_t* columns = block.columns;
        const float* values = block.weights;
        for (int32_t r = 0; r < block.num_runs; ++r) {
            const size_t num_blocks = block.runs[r].num_blocks, num_quads = num_quads_of(block.runs[r].num_blocks);
            for (uint32_t s = 0; s < block.runs[r].num_strips; ++s) {
                write_quads(columns, values, block.runs[r].num_blocks, offsets, weights);
                columns += num_blocks;
                values += 4 * num_blocks;
                offsets += 4 * num_quads;
                weights += 16 * num_quads;
            }
        }
    }
}

// Calls visit(row, column, value) for each nonzero of the K block, those of a row in the order of their columns.
template <class Visit>
void for_each_nonzero(const BlockQuads& block, Visit&& visit) {
    const uint16_t* strips = block.strips;
    const uint16_t* offsets = block.offsets;
    const int8_t* weights = block.weights;
    for (int32_t r = 0; r < block.num_runs; ++r) {
        const StripRun& run = block.runs[r];
        for (uint32_t s = 0; s < run.num_strips; ++s, ++strips) {
            for (uint32_t quad = 0; quad < run.num_quads; ++quad, offsets += 4, weights += 16) {
                for (int i = 0; i < 16; ++i) {
                    if (weights[i] != 0) visit(4 * *strips + i / 4, offsets[i % 4] / 4, static_cast<float>(weights[i]));
                }
            }
        }
    }
}

}  // namespace

int64_t BlockInt8Pack::nbytes() const {
    int64_t sum = offsets.nbytes() + weights.nbytes() + row_sums.nbytes();
    for (const auto& chunk : chunks) {
        sum += static_cast<int64_t>(chunk.blocks.size() * sizeof(BlockQuads) + chunk.runs.size() * sizeof(StripRun) +
                                    chunk.strips.size() * sizeof(uint16_t));
    }
    return sum;
}

BlockInt8Pack pack_block_int8(const CsrView& matrix, const KernelTable& kernels, int num_threads) {
    const BlockPack blocks = pack_block(matrix, kernels, num_threads);
    BlockInt8Pack pack;
    pack.num_rows = matrix.num_rows;
    pack.num_columns = matrix.num_columns;
    pack.num_nonzeros = matrix.num_nonzeros();
    pack.block_columns = blocks.block_columns;
    pack.row_sums = sum_rows(matrix);
    std::vector<int64_t> first_quads{0};
    for (const BlockChunk& chunk : blocks.chunks) {
        int64_t sum = first_quads.back();
        for (const BlockStrips& block : chunk.blocks) sum += num_quads(block);
        first_quads.push_back(sum);
    }
    pack.offsets = AlignedBuffer<uint16_t>(4 * first_quads.back());
    pack.weights = AlignedBuffer<int8_t>(16 * first_quads.back());
    pack.chunks.resize(blocks.chunks.size());
    for (size_t i = 0; i < pack.chunks.size(); ++i) {
        convert_runs(blocks.chunks[i], pack.chunks[i], pack.offsets.data() + 4 * first_quads[i],
                     pack.weights.data() + 16 * first_quads[i]);
    }
    parallel_for(static_cast<int64_t>(pack.chunks.size()), num_threads, [&](int, int64_t chunk) {
        const auto i = static_cast<size_t>(chunk);
        write_streams(blocks.chunks[i], pack.offsets.data() + 4 * first_quads[i],
                      pack.weights.data() + 16 * first_quads[i]);
    });
    return pack;
}

void unpack_block_int8(const BlockInt8Pack& pack, const CsrOutput& out) {
    unpack_chunks(pack, out,
                  [](const BlockInt8Chunk&, const BlockQuads& block, auto&& visit) { for_each_nonzero(block, visit); });
}

}  // namespace sparseinf
