#include "pack/block_pack.h"

#include <algorithm>
#include <bit>
#include <memory>

#include "pack/chunk_blocks.h"
#include "pack/counting_sort.h"
#include "pack/row_chunks.h"

namespace sparseinf {
namespace {

// 512 rows of 96 sums take 200 KB of the L2 cache, 1024 columns of x 400 KB: unlike rows one by one, strips read x
// slowly enough for that. From 256 to 1024 rows and 512 to 2048 columns nothing changes by more than 2 %.
constexpr int64_t kChunkRows = 512;
constexpr int64_t kBlockColumns = 1024;

// Packs one chunk. Kept between chunks by its thread: the working arrays keep their memory.
class ChunkPacker {
public:
    ChunkPacker(const CsrView& matrix, int32_t block_columns, const KernelTable& kernels)

        : blocks_(matrix, block_columns, kernels.cut_row),
          words_a_strip_(static_cast<size_t>(block_columns + 63) / 64) {}

    // Appends to `columns` and `weights`; the chunk's K blocks do not point to them yet.
    void pack(BlockChunk& chunk, std::vector<uint16_t>& columns, std::vector<float>& weights) {
        blocks_.begin_chunk(chunk.first_row, chunk.num_rows);
        struct Offsets {
            size_t runs, strips;
        };
        std::vector<Offsets> offsets{{0, 0}};
        for (int64_t block = 0; block < blocks_.num_used_blocks(); ++block) {
            blocks_.open(block);
            sort_strips(static_cast<uint32_t>(chunk.num_rows));
            for (const uint32_t strip : order_) {
                if (counts_[strip] == 0 && block > 0) break;  // only the first block must clear strips without any
                if (chunk.runs.size() == offsets.back().runs || chunk.runs.back().num_blocks != counts_[strip]) {
                    chunk.runs.push_back({0, counts_[strip]});
                }
                ++chunk.runs.back().num_strips;
                chunk.strips.push_back(static_cast<uint16_t>(strip));
                write_strip(strip, static_cast<uint32_t>(chunk.num_rows), columns, weights);
            }
            offsets.push_back({chunk.runs.size(), chunk.strips.size()});
        }
        for (size_t block = 0; block + 1 < offsets.size(); ++block) {
            const Offsets& at = offsets[block];
            chunk.blocks.push_back({chunk.runs.data() + at.runs, chunk.strips.data() + at.strips, nullptr, nullptr,
                                    static_cast<int32_t>(offsets[block + 1].runs - at.runs)});
        }
    }

private:
    // order_: the strips, those with most blocks first; marks_: one bit for each column that has a block.
    void sort_strips(uint32_t num_rows) {
        const size_t num_strips = (num_rows + 3) / 4;
        marks_.assign(num_strips * words_a_strip_, 0);
        for (uint32_t row = 0; row < num_rows; ++row) {
            uint64_t* marks = marks_.data() + row / 4 * words_a_strip_;
            const Segment nonzeros = blocks_.segment(row);
            for (uint32_t i = 0; i < nonzeros.size; ++i) {
                marks[nonzeros.columns[i] / 64] |= uint64_t{1} << (nonzeros.columns[i] % 64);
            }
        }
        counts_.assign(num_strips, 0);
        for (size_t i = 0; i < marks_.size(); ++i) {
            counts_[i / words_a_strip_] += static_cast<uint32_t>(std::popcount(marks_[i]));
        }
        order_.resize(num_strips);
        std::iota(order_.begin(), order_.end(), 0u);
        sort_by_falling(order_, other_order_, positions_, [this](uint32_t strip) { return counts_[strip]; });
    }

    void write_strip(uint32_t strip, uint32_t num_rows, std::vector<uint16_t>& columns, std::vector<float>& weights) {
        const uint64_t* marks = marks_.data() + strip * words_a_strip_;
        const size_t first = columns.size();
        ranks_.clear();
        for (size_t word = 0; word < words_a_strip_; ++word) {
            ranks_.push_back(columns.size());
            for (uint64_t left = marks[word]; left != 0; left &= left - 1) {
                columns.push_back(static_cast<uint16_t>(64 * word + static_cast<size_t>(std::countr_zero(left))));
            }
        }
        weights.resize(4 * (first + counts_[strip]), 0.0f);
        for (uint32_t row = 4 * strip; row < std::min(4 * strip + 4, num_rows); ++row) {
            const Segment nonzeros = blocks_.segment(row);
            for (uint32_t i = 0; i < nonzeros.size; ++i) {
                const uint16_t column = nonzeros.columns[i];
                const uint64_t before = marks[column / 64] & ((uint64_t{1} << (column % 64)) - 1);
                const size_t at = ranks_[column / 64] + static_cast<size_t>(std::popcount(before));
                weights[4 * at + row % 4] = nonzeros.values[i];
            }
        }
    }

    ChunkBlocks blocks_;
    const size_t words_a_strip_;
    std::vector<uint64_t> marks_;  // words_a_strip_ for each strip
    std::vector<uint32_t> counts_;
    std::vector<uint32_t> order_;
    std::vector<uint32_t> other_order_;
    std::vector<uint32_t> positions_;  // of the counting sort
    std::vector<size_t> ranks_;        // of the strip at hand: the block that each word of marks starts with
};

int64_t num_blocks(const BlockStrips& block) {
    int64_t sum = 0;
    for (int32_t r = 0; r < block.num_runs; ++r) sum += int64_t{block.runs[r].num_strips} * block.runs[r].num_blocks;
    return sum;
}

// Calls visit(row, column, value) for each nonzero of the K block, those of a row in the order of their columns.
template <class Visit>
void for_each_nonzero(const BlockStrips& block, Visit&& visit) {
    const uint16_t* strips = block.strips;
    const uint16_t* columns = block.columns;
    const float* weights = block.weights;
    for (int32_t r = 0; r < block.num_runs; ++r) {
        const BlockRun& run = block.runs[r];
        for (uint32_t s = 0; s < run.num_strips; ++s, ++strips) {
            for (uint32_t i = 0; i < run.num_blocks; ++i, ++columns, weights += 4) {
                for (int row = 0; row < 4; ++row) {
                    if (weights[row] != 0.0f) visit(4 * *strips + row, *columns, weights[row]);
                }
            }
        }
    }
}

}  // namespace

int64_t BlockPack::nbytes() const {
    int64_t sum = columns.nbytes() + weights.nbytes();
    for (const auto& chunk : chunks) {
        sum += static_cast<int64_t>(chunk.blocks.size() * sizeof(BlockStrips) + chunk.runs.size() * sizeof(BlockRun) +
                                    chunk.strips.size() * sizeof(uint16_t));
    }
    return sum;
}

BlockPack pack_block(const CsrView& matrix, const KernelTable& kernels, int num_threads) {
    BlockPack pack;
    pack.num_rows = matrix.num_rows;
    pack.num_columns = matrix.num_columns;
    pack.num_nonzeros = matrix.num_nonzeros();
    pack.block_columns = static_cast<int32_t>(std::clamp<int64_t>(matrix.num_columns, 1, kBlockColumns));
    pack.chunks = cut_into_chunks<BlockChunk>(matrix, kChunkRows);
    std::vector<std::vector<uint16_t>> columns(pack.chunks.size());
    std::vector<std::vector<float>> weights(pack.chunks.size());
    pack_chunks(
        static_cast<int64_t>(pack.chunks.size()), num_threads,
        [&] { return std::make_unique<ChunkPacker>(matrix, pack.block_columns, kernels); },
        [&](ChunkPacker& packer, size_t i) { packer.pack(pack.chunks[i], columns[i], weights[i]); });
    std::vector<int64_t> column_starts, weight_starts;
    pack.columns = join_chunks(columns, column_starts, num_threads);
    pack.weights = join_chunks(weights, weight_starts, num_threads);
    for (size_t i = 0; i < pack.chunks.size(); ++i) {
        int64_t at = column_starts[i];
        for (auto& block : pack.chunks[i].blocks) {
            block.columns = pack.columns.data() + at;
            block.weights = pack.weights.data() + 4 * at;
            at += num_blocks(block);
        }
    }
    return pack;
}

void unpack_block(const BlockPack& pack, const CsrOutput& out) {
    unpack_chunks(pack, out,
                  [](const BlockChunk&, const BlockStrips& block, auto&& visit) { for_each_nonzero(block, visit); });
}

}  // namespace sparseinf
