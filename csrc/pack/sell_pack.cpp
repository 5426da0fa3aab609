#include "pack/sell_pack.h"

#include <algorithm>
#include <memory>

#include "pack/chunk_blocks.h"
#include "pack/counting_sort.h"
#include "pack/row_chunks.h"

namespace sparseinf {
namespace {

// Rows a chunk: enough for rows of like length to find each other, few enough to share out.
constexpr int64_t kChunkRows = 512;

uint16_t offset_of(uint16_t column) { return static_cast<uint16_t>(column * sizeof(float)); }

// Part of a row's nonzeros in a K block: what fills a lane.
struct Piece {
    uint32_t row;
    uint32_t begin;
    uint32_t size;
};

int32_t choose_block_columns(const CsrView& matrix) {
    const double density =
        static_cast<double>(matrix.num_nonzeros()) /
        std::max(1.0, static_cast<double>(matrix.num_rows) * static_cast<double>(matrix.num_columns));
    // For eight columns 16 KB of x, or more where a row would find fewer than 20 nonzeros; K blocks of equal size. Zen
    // 4, 4096x4096 from memory, 8 columns at 80 %, 16 and 1 columns at 90 %, us: 6144 columns 1981, 1211, 409; at least
    // 1024 columns or 50 nonzeros 1045, 1235, 411; 512 or 20 999, 796, 426.
    const int64_t for_work = static_cast<int64_t>(std::min(20 / std::max(density, 1e-9), double{kMaxSellBlockColumns}));
    const int64_t most = std::max<int64_t>(512, for_work);
    const int64_t num_blocks = std::max<int64_t>(1, (matrix.num_columns + most - 1) / most);
    return static_cast<int32_t>(std::max<int64_t>(1, (matrix.num_columns + num_blocks - 1) / num_blocks));
}

// Packs one chunk. Kept between chunks by its thread: the working arrays keep their memory.
class ChunkPacker {
public:
    // Cutting rows is a small part of this: any level's kernel will do.
    ChunkPacker(const CsrView& matrix, int32_t block_columns, const KernelTable& kernels)
        : blocks_(matrix, block_columns, kernels.cut_row), block_columns_(static_cast<uint16_t>(block_columns)) {}

    // Appends to `steps`; the chunk's blocks do not point to them yet.
    void pack(SellChunk& chunk, std::vector<SellStep>& steps) {
        blocks_.begin_chunk(chunk.first_row, chunk.num_rows);
        struct Offsets {
            size_t runs, rows, steps;
        };
        std::vector<Offsets> offsets{{0, 0, 0}};
        for (int64_t block = 0; block < blocks_.num_used_blocks(); ++block) {
            blocks_.open(block);
            cut_rows(static_cast<uint32_t>(chunk.num_rows));
            for (size_t first = 0; first < pieces_.size(); first += kSellLanes) {
                const uint32_t num_steps = pieces_[first].size;
                if (chunk.runs.size() == offsets.back().runs || chunk.runs.back().num_steps != num_steps) {
                    chunk.runs.push_back({0, num_steps});
                }
                ++chunk.runs.back().num_slices;
                write_slice(first, chunk, steps);
            }
            offsets.push_back({chunk.runs.size(), chunk.rows.size(), steps.size()});
        }
        for (size_t block = 0; block + 1 < offsets.size(); ++block) {
            const Offsets& at = offsets[block];
            chunk.blocks.push_back({chunk.runs.data() + at.runs, chunk.rows.data() + at.rows, nullptr,
                                    static_cast<int32_t>(offsets[block + 1].runs - at.runs)});
        }
    }

private:
    // pieces_: the block's rows, longest first; those so long that a slice would wait for them, in several of equal
    // size, which then follow each other in the order of their columns.
    void cut_rows(uint32_t num_rows) {
        uint32_t num_nonzeros = 0;
        for (uint32_t row = 0; row < num_rows; ++row) num_nonzeros += blocks_.segment(row).size;
        // A lane more costs about four nonzeros (its sum is added to y), so 32 make pieces worth while; few rows must
        // fill a few slices.
        const uint32_t longest = std::clamp<uint32_t>(num_nonzeros / (4 * kSellLanes), 32, 512);
        pieces_.clear();
        for (uint32_t row = 0; row < num_rows; ++row) {
            const uint32_t size = blocks_.segment(row).size;
            const uint32_t num_pieces = (size + longest - 1) / longest;
            for (uint32_t i = 0, begin = 0; i < num_pieces; ++i) {
                const uint32_t piece_size = size / num_pieces + (i < size % num_pieces ? 1 : 0);
                pieces_.push_back({row, begin, piece_size});
                begin += piece_size;
            }
        }
        sort_by_falling(pieces_, other_pieces_, positions_, [](const Piece& piece) { return piece.size; });
    }

    void write_slice(size_t first, SellChunk& chunk, std::vector<SellStep>& steps) {
        SellStep empty{};
        std::fill_n(empty.offsets_bytes, kSellLanes, offset_of(block_columns_));
        const size_t at = steps.size();
        steps.resize(at + pieces_[first].size, empty);
        for (size_t lane = 0; lane < kSellLanes; ++lane) {
            if (first + lane >= pieces_.size()) {
                chunk.rows.push_back(static_cast<uint16_t>(chunk.num_rows));
                continue;
            }
            const Piece& piece = pieces_[first + lane];
            const Segment nonzeros = blocks_.segment(piece.row);
            chunk.rows.push_back(static_cast<uint16_t>(piece.row));
            for (uint32_t i = 0; i < piece.size; ++i) {
                steps[at + i].offsets_bytes[lane] = offset_of(nonzeros.columns[piece.begin + i]);
                steps[at + i].values[lane] = nonzeros.values[piece.begin + i];
            }
        }
    }

    ChunkBlocks blocks_;
    uint16_t block_columns_;
    std::vector<Piece> pieces_;
    std::vector<Piece> other_pieces_;
    std::vector<uint32_t> positions_;  // of the counting sort
};

int64_t num_steps(const SellBlock& block) {
    int64_t sum = 0;
    for (int32_t r = 0; r < block.num_runs; ++r) sum += int64_t{block.runs[r].num_slices} * block.runs[r].num_steps;
    return sum;
}

// Calls visit(row, column, value) for each nonzero of the block, those of a row in the order of their columns.
template <class Visit>
void for_each_nonzero(const SellBlock& block, int32_t num_rows, int32_t block_columns, Visit&& visit) {
    const uint16_t* rows = block.rows;
    const SellStep* steps = block.steps;
    for (int32_t r = 0; r < block.num_runs; ++r) {
        const SellRun& run = block.runs[r];
        for (uint32_t slice = 0; slice < run.num_slices; ++slice) {
            for (int lane = 0; lane < kSellLanes; ++lane) {
                if (rows[lane] == num_rows) continue;
                for (uint32_t i = 0; i < run.num_steps; ++i) {
                    const auto column = static_cast<uint16_t>(steps[i].offsets_bytes[lane] / sizeof(float));
                    if (column == block_columns) break;
                    visit(rows[lane], column, steps[i].values[lane]);
                }
            }
            rows += kSellLanes;
            steps += run.num_steps;
        }
    }
}

}  // namespace

int64_t SellPack::nbytes() const {
    int64_t sum = steps.nbytes();
    for (const auto& chunk : chunks) {
        sum += static_cast<int64_t>(chunk.blocks.size() * sizeof(SellBlock) + chunk.runs.size() * sizeof(SellRun) +
                                    chunk.rows.size() * sizeof(uint16_t));
    }
    return sum;
}

SellPack pack_sell(const CsrView& matrix, const KernelTable& kernels, int num_threads) {
    SellPack pack;
    pack.num_rows = matrix.num_rows;
    pack.num_columns = matrix.num_columns;
    pack.num_nonzeros = matrix.num_nonzeros();
    pack.block_columns = choose_block_columns(matrix);
    pack.chunks = cut_into_chunks<SellChunk>(matrix, kChunkRows);
    std::vector<std::vector<SellStep>> steps(pack.chunks.size());
    pack_chunks(
        static_cast<int64_t>(pack.chunks.size()), num_threads,
        [&] { return std::make_unique<ChunkPacker>(matrix, pack.block_columns, kernels); },
        [&](ChunkPacker& packer, size_t i) { packer.pack(pack.chunks[i], steps[i]); });
    std::vector<int64_t> starts;
    pack.steps = join_chunks(steps, starts, num_threads);
    for (size_t i = 0; i < pack.chunks.size(); ++i) {
        const SellStep* at = pack.steps.data() + starts[i];
        for (auto& block : pack.chunks[i].blocks) {
            block.steps = at;
            at += num_steps(block);
        }
    }
    return pack;
}

void unpack_sell(const SellPack& pack, const CsrOutput& out) {
    unpack_chunks(pack, out, [&](const SellChunk& chunk, const SellBlock& block, auto&& visit) {
        for_each_nonzero(block, chunk.num_rows, pack.block_columns, visit);
    });
}

}  // namespace sparseinf
