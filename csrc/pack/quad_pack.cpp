#include "pack/quad_pack.h"

#include <algorithm>
#include <memory>

#include "pack/chunk_blocks.h"
#include "pack/counting_sort.h"
#include "pack/row_chunks.h"
#include "pack/row_sums.h"

namespace sparseinf {
namespace {

// Rows a chunk: their sums over 64 columns take 128 KB.
constexpr int64_t kChunkRows = 512;

int32_t choose_block_columns(const CsrView& matrix) {
    // 24 KB of x over 64 columns; K blocks of equal size.
    const int64_t most = 384;
    const int64_t num_blocks = std::max<int64_t>(1, (matrix.num_columns + most - 1) / most);
    return static_cast<int32_t>(std::max<int64_t>(1, (matrix.num_columns + num_blocks - 1) / num_blocks));
}

uint32_t num_quads_of(uint32_t num_nonzeros) { return (num_nonzeros + 3) / 4; }

struct RowSize {
    uint32_t row;
    uint32_t num_quads;
};

struct Streams {
    std::vector<uint16_t> columns;
    std::vector<int8_t> weights;
};

// Packs one chunk. Kept between chunks by its thread: the working arrays keep their memory.
class ChunkPacker {
public:
    // Cutting rows is a small part of this: any level's kernel will do.
    ChunkPacker(const CsrView& matrix, int32_t block_columns, const KernelTable& kernels)
        : blocks_(matrix, block_columns, kernels.cut_row) {}

    // Appends to the streams; the chunk's blocks do not point to them yet.
    void pack(QuadChunk& chunk, Streams& streams) {
        blocks_.begin_chunk(chunk.first_row, chunk.num_rows);
        struct Offsets {
            size_t runs, rows;
        };
        std::vector<Offsets> offsets{{0, 0}};
        for (int64_t block = 0; block < blocks_.num_used_blocks(); ++block) {
            blocks_.open(block);
            sort_rows(static_cast<uint32_t>(chunk.num_rows), block == 0);
            for (const RowSize& row : rows_) {
                if (chunk.runs.size() == offsets.back().runs || chunk.runs.back().num_quads != row.num_quads) {
                    chunk.runs.push_back({0, row.num_quads});
                }
                ++chunk.runs.back().num_rows;
                chunk.rows.push_back(static_cast<uint16_t>(row.row));
                write_quads(row, streams);
            }
            offsets.push_back({chunk.runs.size(), chunk.rows.size()});
        }
        for (size_t block = 0; block + 1 < offsets.size(); ++block) {
            const Offsets& at = offsets[block];
            chunk.blocks.push_back({chunk.runs.data() + at.runs, chunk.rows.data() + at.rows, nullptr, nullptr,
                                    static_cast<int32_t>(offsets[block + 1].runs - at.runs)});
        }
    }

private:
    // The block's rows, longest first; those without nonzeros only where sums are cleared.
    void sort_rows(uint32_t num_rows, bool with_empty_rows) {
        rows_.clear();
        for (uint32_t row = 0; row < num_rows; ++row) {
            const uint32_t num_quads = num_quads_of(blocks_.segment(row).size);
            if (num_quads > 0 || with_empty_rows) rows_.push_back({row, num_quads});
        }
        sort_by_falling(rows_, other_rows_, positions_, [](const RowSize& row) { return row.num_quads; });
    }

    void write_quads(const RowSize& row, Streams& streams) {
        const Segment nonzeros = blocks_.segment(row.row);
        for (uint32_t i = 0; i < 4 * row.num_quads; ++i) {
            // What fills a quad up has the weight zero; its column only must exist.
            const bool is_nonzero = i < nonzeros.size;
            streams.columns.push_back(nonzeros.columns[is_nonzero ? i : nonzeros.size - 1]);
            streams.weights.push_back(is_nonzero ? static_cast<int8_t>(nonzeros.values[i]) : int8_t{0});
        }
    }

    ChunkBlocks blocks_;
    std::vector<RowSize> rows_;
    std::vector<RowSize> other_rows_;
    std::vector<uint32_t> positions_;  // of the counting sort
};

int64_t num_elements(const QuadBlock& block) {
    int64_t sum = 0;
    for (int32_t r = 0; r < block.num_runs; ++r) sum += int64_t{4} * block.runs[r].num_rows * block.runs[r].num_quads;
    return sum;
}

// Calls visit(row, column, value) for each nonzero of the block, those of a row in the order of their columns.
template <class Visit>
void for_each_nonzero(const QuadBlock& block, Visit&& visit) {
    const uint16_t* rows = block.rows;
    int64_t at = 0;
    for (int32_t r = 0; r < block.num_runs; ++r) {
        const QuadRun& run = block.runs[r];
        for (uint32_t i = 0; i < run.num_rows; ++i) {
            for (const int64_t end = at + int64_t{4} * run.num_quads; at < end; ++at) {
                if (block.weights[at] != 0) visit(rows[i], block.columns[at], static_cast<float>(block.weights[at]));
            }
        }
        rows += run.num_rows;
    }
}

}  // namespace

int64_t QuadPack::nbytes() const {
    int64_t sum = columns.nbytes() + weights.nbytes() + row_sums.nbytes();
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
    std::vector<std::vector<uint16_t>> columns;
    std::vector<std::vector<int8_t>> weights;
    for (auto& stream : streams) {
        columns.push_back(std::move(stream.columns));
        weights.push_back(std::move(stream.weights));
    }
    std::vector<int64_t> starts;
    pack.columns = join_chunks(columns, starts, num_threads);
    pack.weights = join_chunks(weights, starts, num_threads);
    for (size_t i = 0; i < pack.chunks.size(); ++i) {
        int64_t at = starts[i];
        for (auto& block : pack.chunks[i].blocks) {
            block.columns = pack.columns.data() + at;
            block.weights = pack.weights.data() + at;
            at += num_elements(block);
        }
    }
    return pack;
}

void unpack_quads(const QuadPack& pack, const CsrOutput& out) {
    unpack_chunks(pack, out,
                  [](const QuadChunk&, const QuadBlock& block, auto&& visit) { for_each_nonzero(block, visit); });
}

}  // namespace sparseinf
