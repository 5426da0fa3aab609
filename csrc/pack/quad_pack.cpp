#include "pack/quad_pack.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <utility>

#include "pack/chunk_blocks.h"
#include "pack/row_chunks.h"
#include "pack/row_pairs.h"
#include "pack/row_sums.h"

namespace sparseinf {
namespace {

// Rows a chunk: their sums over 64 columns take 128 KB.
constexpr int64_t kChunkRows = 512;

int32_t choose_block_columns(const CsrView& matrix) {
    const double density =
        static_cast<double>(matrix.num_nonzeros()) /
        std::max(1.0, static_cast<double>(matrix.num_rows) * static_cast<double>(matrix.num_columns));
    // 26 KB of x over 64 columns; but a row should find about 90 nonzeros in a block, even if its x then comes from the
    // L2 cache: each visit loads and stores its sums, and fills up quads. Zen 4, 384x3072, cycles for four nonzeros at
    // 256 / 384 / 512 / 768 / 1024 / 1536 / 3072 columns: 50 % 5.9 / 5.8 / 5.9 / 6.7 / 6.7 / 7.1 / 7.2, 80 % 7.2 / 7.0
    // / 6.9 / 6.9 / 7.1 / 7.8 / 8.1, 90 % 8.4 / 7.9 / 7.6 / 7.4 / 7.3 / 7.4 / 8.2, 95 % 10.3 / 9.2 / 8.8 / 8.3 / 8.0
    // / 7.8 / 7.9, 98 % 15.7 / 12.8 / 11.4 / 10.0 / 9.5 / 8.9 / 8.4.
    const double for_work = 90 / std::max(density, 1e-9);
    const auto most = static_cast<int64_t>(std::clamp<double>(for_work, 416, kMaxQuadBlockColumns));
    const int64_t num_blocks = std::max<int64_t>(1, (matrix.num_columns + most - 1) / most);  // of equal size
    return static_cast<int32_t>(std::max<int64_t>(1, (matrix.num_columns + num_blocks - 1) / num_blocks));
}

struct Streams {
    std::vector<uint16_t> offsets;
    std::vector<int8_t> weights;
};

// What the rows of a pair share beyond whole quads leaves the marks of both: each has it for itself.
void share_whole_quads(const BlockRows& rows, PairedRows& pair) {
    uint32_t num_left = pair.num_shared % 4;
    pair.num_shared -= num_left;
    pair.num_single += num_left;
    for (int64_t word = rows.num_words - 1; num_left > 0; --word) {
        uint64_t& first = rows.marks[pair.first * rows.num_words + word];
        uint64_t& second = rows.marks[pair.second * rows.num_words + word];
        for (; num_left > 0 && (first & second) != 0; --num_left) {
            const uint64_t last = std::bit_floor(first & second);
            first &= ~last;
            second &= ~last;
        }
    }
}

bool same_trip_counts(const QuadRun& a, const QuadRun& b) {
    return a.num_shared == b.num_shared && a.num_single == b.num_single && a.num_rest == b.num_rest;
}

// Packs one chunk. Kept between chunks by its thread: the working arrays keep their memory.
class ChunkPacker {
public:
    ChunkPacker(const CsrView& matrix, int32_t block_columns, const KernelTable& kernels)
        : blocks_(matrix, block_columns, kernels.cut_row),
          pairs_(block_columns, kernels),
          kernels_(kernels),
          scratch_(write_pairs_scratch(pairs_.num_words())),
          columns_(2 * 64 * pairs_.num_words() + kColumnsRoom),
          values_(2 * 64 * pairs_.num_words()) {}

    // Fills the streams; the chunk's blocks do not point to them yet.
    void pack(QuadChunk& chunk, Streams& streams) {
        blocks_.begin_chunk(chunk.first_row, chunk.num_rows);
        streams.offsets.reserve(static_cast<size_t>(blocks_.num_nonzeros()));
        streams.weights.reserve(static_cast<size_t>(blocks_.num_nonzeros() * 9 / 8));
        std::vector<std::pair<size_t, size_t>> starts;  // of each block's runs and rows
        for (int64_t block = 0; block < blocks_.num_used_blocks(); ++block) {
            blocks_.open(block);
            starts.emplace_back(chunk.runs.size(), chunk.rows.size());
            // Only the first block must clear rows that have nothing.
            const BlockRows rows = pairs_.make(blocks_, static_cast<uint32_t>(chunk.num_rows), block == 0);
            for (PairedRows& pair : pairs_.pairs()) share_whole_quads(rows, pair);
            pairs_.sort([](const PairedRows& pair) {
                const QuadRun run = quads_of(pair);
                return std::array{run.num_shared + run.num_single, run.num_shared, run.num_rest};
            });
            add_runs(chunk, starts.back().first);
            write_streams(rows, streams);
        }
        for (size_t block = 0; block < starts.size(); ++block) {
            const auto [run, row] = starts[block];
            const size_t end = block + 1 < starts.size() ? starts[block + 1].first : chunk.runs.size();
            chunk.blocks.push_back(
                {chunk.runs.data() + run, chunk.rows.data() + row, nullptr, nullptr, static_cast<int32_t>(end - run)});
        }
    }

private:
    void add_runs(QuadChunk& chunk, size_t first_run) {
        for (const PairedRows& pair : pairs_.pairs()) {
            const QuadRun run = quads_of(pair);
            if (chunk.runs.size() > first_run && same_trip_counts(run, chunk.runs.back())) {
                ++chunk.runs.back().num_pairs;
            } else {
                chunk.runs.push_back(run);
            }
            chunk.rows.push_back(static_cast<uint16_t>(pair.first));
            chunk.rows.push_back(static_cast<uint16_t>(pair.second));
        }
    }

    void write_streams(const BlockRows& rows, Streams& streams) {
        const size_t offset = streams.offsets.size(), weight = streams.weights.size();
        int64_t offsets = 0, weights = 0;
        for (const PairedRows& pair : pairs_.pairs()) {
            offsets += num_offsets(quads_of(pair));
            weights += num_weights(quads_of(pair));
        }
        streams.offsets.resize(offset + static_cast<size_t>(offsets));
        streams.weights.resize(weight + static_cast<size_t>(weights));
        kernels_.write_quads({rows, pairs_.pairs().data(), static_cast<int64_t>(pairs_.pairs().size()), scratch_.data(),
                              columns_.data(), values_.data(), streams.offsets.data() + offset,
                              streams.weights.data() + weight});
    }

    ChunkBlocks blocks_;
    RowPairs pairs_;
    const KernelTable& kernels_;
    AlignedBuffer<float> scratch_;  // of write_quads
    AlignedBuffer<uint16_t> columns_;
    AlignedBuffer<float> values_;
};

// Calls visit(run, rows, offsets, weights) for each pair of the block, the pointers at the pair's first entries.
template <class Visit>
void for_each_pair(const QuadBlock& block, Visit&& visit) {
    const uint16_t* rows = block.rows;
    const uint16_t* offsets = block.offsets;
    const int8_t* weights = block.weights;
    for (int32_t r = 0; r < block.num_runs; ++r) {
        const QuadRun& run = block.runs[r];
        for (uint32_t i = 0; i < run.num_pairs; ++i, rows += 2) {
            visit(run, rows, offsets, weights);
            offsets += num_offsets(run);
            weights += num_weights(run);
        }
    }
}

// Calls visit(column, value) for each nonzero of one row of a pair: shared and single ones merged by column.
template <class Visit>
void read_row(const QuadRun& run, uint32_t side, const uint16_t* offsets, const int8_t* weights, Visit&& visit) {
    const uint16_t* single_offsets = offsets + 4 * size_t{run.num_shared};
    const int8_t* single_weights = weights + 8 * size_t{run.num_shared};
    const size_t num_shared = 4 * size_t{run.num_shared};
    const size_t num_single = 4 * (size_t{run.num_single} + (side == 0 ? run.num_rest : 0));
    size_t shared = 0, single = 0;
    while (shared < num_shared || single < num_single) {
        const size_t quad = single / 4;
        const size_t at = 4 * (quad < run.num_single ? 2 * quad + side : run.num_single + quad) + single % 4;
        if (single < num_single && single_weights[at] == 0) {  // fills up the last quad
            single = num_single;
        } else if (single == num_single || (shared < num_shared && offsets[shared] < single_offsets[at])) {
            visit(offsets[shared] / kQuadOffsetsAColumn, weights[shared / 4 * 8 + 4 * side + shared % 4]);
            ++shared;
        } else {
            visit(single_offsets[at] / kQuadOffsetsAColumn, single_weights[at]);
            ++single;
        }
    }
}

}  // namespace

int64_t QuadPack::nbytes() const {
    int64_t sum = offsets.nbytes() + weights.nbytes() + row_sums.nbytes();
    for (const auto& chunk : chunks) {
        sum += static_cast<int64_t>(chunk.blocks.size() * sizeof(QuadBlock) + chunk.runs.size() * sizeof(QuadRun) +
                                    chunk.rows.size() * sizeof(uint16_t));
    }
    return sum;
}

QuadPack pack_quads(const CsrView& matrix, const KernelTable& kernels, int num_threads) {
    QuadPack pack;
    pack.num_rows = matrix.num_rows;
    pack.num_columns = matrix.num_columns;
    pack.num_nonzeros = matrix.num_nonzeros();
    pack.block_columns = choose_block_columns(matrix);
    pack.row_sums = sum_rows(matrix);
    pack.chunks = cut_into_chunks<QuadChunk>(matrix, kChunkRows);
    std::vector<Streams> streams(pack.chunks.size());
    pack_chunks(
        static_cast<int64_t>(pack.chunks.size()), num_threads,
        [&] { return std::make_unique<ChunkPacker>(matrix, pack.block_columns, kernels); },
        [&](ChunkPacker& packer, size_t i) { packer.pack(pack.chunks[i], streams[i]); });
    std::vector<std::vector<uint16_t>> offsets;
    std::vector<std::vector<int8_t>> weights;
    for (auto& stream : streams) {
        offsets.push_back(std::move(stream.offsets));
        weights.push_back(std::move(stream.weights));
    }
    std::vector<int64_t> first_offsets, first_weights;  // of each chunk
    pack.offsets = join_chunks(offsets, first_offsets, num_threads);
    pack.weights = join_chunks(weights, first_weights, num_threads);
    for (size_t i = 0; i < pack.chunks.size(); ++i) {
        const uint16_t* offset = pack.offsets.data() + first_offsets[i];
        const int8_t* weight = pack.weights.data() + first_weights[i];
        for (auto& block : pack.chunks[i].blocks) {
            block.offsets = offset;
            block.weights = weight;
            for (int32_t r = 0; r < block.num_runs; ++r) {
                offset += block.runs[r].num_pairs * num_offsets(block.runs[r]);
                weight += block.runs[r].num_pairs * num_weights(block.runs[r]);
            }
        }
    }
    return pack;
}

void unpack_quads(const QuadPack& pack, const CsrOutput& out) {
    unpack_chunks(pack, out, [](const QuadChunk& chunk, const QuadBlock& block, auto&& visit) {
        for_each_pair(
            block, [&](const QuadRun& run, const uint16_t* rows, const uint16_t* offsets, const int8_t* weights) {
                for (uint32_t side = 0; side < 2 && rows[side] < chunk.num_rows; ++side) {
                    read_row(run, side, offsets, weights,
                             [&](int column, int8_t value) { visit(rows[side], column, static_cast<float>(value)); });
                }
            });
    });
}

}  // namespace sparseinf
