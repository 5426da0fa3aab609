#include "pack/csr_pack.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>

#include "pack/chunk_blocks.h"
#include "pack/row_chunks.h"
#include "pack/row_pairs.h"

namespace sparseinf {
namespace {

bool same_trip_counts(const PairedRows& a, const PairedRows& b) {
    return a.num_shared == b.num_shared && a.num_single == b.num_single && a.num_rest == b.num_rest;
}

// Rows a chunk. More rows make longer runs, but 1024 rows of 64 accumulators already take 256 KB of the L2 cache.
constexpr int64_t kChunkRows = 1024;

int32_t choose_block_columns(const CsrView& matrix, int panel_columns) {
    const double density =
        static_cast<double>(matrix.num_nonzeros()) /
        std::max(1.0, static_cast<double>(matrix.num_rows) * static_cast<double>(matrix.num_columns));
    // 32 KB of x: fewer columns would load and store the accumulators more often, more would miss the L1 cache. But a
    // row should find about 14 nonzeros in a block, even if its x then comes from the L2 cache. Zen 4, one thread,
    // 512x2048x196, dense-equivalent GFLOP/s at 96 / 128 / 170 / 256 / 512 columns: 50 %: 163 / 161 / 147 / 124 / -,
    // 90 %: 512 / 549 / 538 / 511 / -, 98 %: - / 955 / - / 1069 / 1108; 2048x512x256 behaves alike.
    const int64_t in_cache = 8192 / panel_columns;
    const int64_t for_work = static_cast<int64_t>(14 / std::max(density, 1e-9));
    const int64_t columns = std::max(in_cache, std::min<int64_t>(for_work, 4096));
    return static_cast<int32_t>(std::clamp<int64_t>(columns, 64, 65536));
}

template <class T>
AlignedBuffer<T> copy_of(const T* data, int64_t size) {
    AlignedBuffer<T> copy(size);
    std::copy_n(data, size, copy.data());
    return copy;
}

// Packs one chunk. Kept between chunks by its thread: the working arrays keep their memory.
class ChunkPacker {
public:
    ChunkPacker(const CsrView& matrix, int32_t block_columns, const KernelTable& kernels)
        : blocks_(matrix, block_columns, kernels.cut_row),
          pairs_(block_columns, kernels),
          kernels_(kernels),
          scratch_(write_pairs_scratch(pairs_.num_words())) {}

    // values: where the chunk's values go.
    void pack(CsrChunk& chunk, float* values) {
        blocks_.begin_chunk(chunk.first_row, chunk.num_rows);
        // At most: shared columns are written once.
        const int64_t most_columns = blocks_.num_nonzeros() + kColumnsRoom;
        if (packed_columns_.size() < most_columns) packed_columns_ = AlignedBuffer<uint16_t>(most_columns);
        packed_rows_.clear();
        runs_.clear();
        struct Offsets {
            size_t runs, rows;
            int64_t columns, values;
        };
        std::vector<Offsets> offsets{{0, 0, 0, 0}};
        for (int64_t block = 0; block < blocks_.num_used_blocks(); ++block) {
            blocks_.open(block);
            // Only the first block must clear rows that have nothing.
            const BlockRows rows = pairs_.make(blocks_, static_cast<uint32_t>(chunk.num_rows), block == 0);
            // Longest first, equal trip counts side by side. Pairs were made from long rows to short ones: among those
            // with second rows of one length the rest falls already.
            pairs_.sort([](const PairedRows& p) { return std::array{p.num_shared + p.num_single, p.num_shared}; });
            const std::vector<PairedRows>& pairs = pairs_.pairs();
            int64_t column = offsets.back().columns, value = offsets.back().values;
            kernels_.write_pairs({rows, pairs.data(), static_cast<int64_t>(pairs.size()), scratch_.data(),
                                  packed_columns_.data() + column, values + value});
            for (size_t i = 0; i < pairs.size(); ++i) {
                const PairedRows& pair = pairs[i];
                if (i == 0 || !same_trip_counts(pair, pairs[i - 1])) {
                    runs_.push_back({0, pair.num_shared, pair.num_single, pair.num_rest});
                }
                ++runs_.back().num_pairs;
                packed_rows_.push_back(static_cast<uint16_t>(pair.first));
                packed_rows_.push_back(static_cast<uint16_t>(pair.second));
                column += pair.num_shared + 2 * int64_t{pair.num_single} + pair.num_rest;
                value += 2 * (int64_t{pair.num_shared} + pair.num_single) + pair.num_rest;
            }
            offsets.push_back({runs_.size(), packed_rows_.size(), column, value});
        }
        chunk.runs = copy_of(runs_.data(), static_cast<int64_t>(runs_.size()));
        chunk.rows = copy_of(packed_rows_.data(), static_cast<int64_t>(packed_rows_.size()));
        chunk.columns = copy_of(packed_columns_.data(), offsets.back().columns);
        for (size_t block = 0; block + 1 < offsets.size(); ++block) {
            const Offsets& at = offsets[block];
            chunk.blocks.push_back({chunk.runs.data() + at.runs, chunk.rows.data() + at.rows,
                                    chunk.columns.data() + at.columns, values + at.values,
                                    static_cast<int32_t>(offsets[block + 1].runs - at.runs)});
        }
    }

private:
    ChunkBlocks blocks_;
    RowPairs pairs_;
    const KernelTable& kernels_;
    AlignedBuffer<float> scratch_;  // of write_pairs
    std::vector<CsrRun> runs_;
    std::vector<uint16_t> packed_rows_;
    AlignedBuffer<uint16_t> packed_columns_;
};

// Calls visit(run, rows, columns, values) for each pair of the block, the pointers at the pair's first entries.
template <class Visit>
void for_each_pair(const CsrBlock& block, Visit&& visit) {
    const uint16_t* rows = block.rows;
    const uint16_t* columns = block.columns;
    const float* values = block.values;
    for (int32_t r = 0; r < block.num_runs; ++r) {
        const CsrRun& run = block.runs[r];
        for (uint32_t i = 0; i < run.num_pairs; ++i, rows += 2) {
            visit(run, rows, columns, values);
            columns += run.num_shared + 2 * run.num_single + run.num_rest;
            values += 2 * (run.num_shared + run.num_single) + run.num_rest;
        }
    }
}

// Appends one row of a pair (side 0 or 1) to the matrix at `next`: shared and single parts merged by column.
void read_row(const CsrRun& run, uint32_t side, int32_t first_column, const uint16_t* columns, const float* values,
              const CsrOutput& out, int64_t& next) {
    const uint16_t* single_columns = columns + run.num_shared;
    const float* single_values = values + 2 * run.num_shared;
    const uint32_t num_single = run.num_single + (side == 0 ? run.num_rest : 0);
    uint32_t shared = 0, single = 0;
    while (shared < run.num_shared || single < num_single) {
        const uint32_t at = single < run.num_single ? 2 * single + side : run.num_single + single;
        if (single == num_single || (shared < run.num_shared && columns[shared] < single_columns[at])) {
            out.columns[next] = first_column + columns[shared];
            out.values[next] = values[2 * shared + side];
            ++shared;
        } else {
            out.columns[next] = first_column + single_columns[at];
            out.values[next] = single_values[at];
            ++single;
        }
        ++next;
    }
}

}  // namespace

int64_t CsrChunk::nbytes() const { return runs.nbytes() + rows.nbytes() + columns.nbytes(); }

int64_t CsrPack::nbytes() const {
    int64_t sum = values.nbytes();
    for (const auto& chunk : chunks) sum += chunk.nbytes();
    return sum;
}

CsrPack pack_csr(const CsrView& matrix, int panel_columns, const KernelTable& kernels, int num_threads) {
    CsrPack pack;
    pack.num_rows = matrix.num_rows;
    pack.num_columns = matrix.num_columns;
    pack.num_nonzeros = matrix.num_nonzeros();
    pack.block_columns = choose_block_columns(matrix, panel_columns);
    pack.chunks = cut_into_chunks<CsrChunk>(matrix, kChunkRows);
    pack.values = AlignedBuffer<float>(pack.num_nonzeros);
    pack_chunks(
        static_cast<int64_t>(pack.chunks.size()), num_threads,
        [&] { return std::make_unique<ChunkPacker>(matrix, pack.block_columns, kernels); },
        [&](ChunkPacker& packer, size_t i) {
            CsrChunk& chunk = pack.chunks[i];
            packer.pack(chunk, pack.values.data() + matrix.row_offsets[chunk.first_row]);
        });
    return pack;
}

void unpack_csr(const CsrPack& pack, const CsrOutput& out) {
    std::fill_n(out.row_offsets, pack.num_rows + 1, 0);
    for (const auto& chunk : pack.chunks) {
        for (const auto& block : chunk.blocks) {
            for_each_pair(block, [&](const CsrRun& run, const uint16_t* rows, const uint16_t*, const float*) {
                int64_t* counts = out.row_offsets + chunk.first_row + 1;
                counts[rows[0]] += run.num_shared + int64_t{run.num_single} + run.num_rest;
                if (rows[1] < chunk.num_rows) counts[rows[1]] += run.num_shared + run.num_single;
            });
        }
    }
    std::partial_sum(out.row_offsets, out.row_offsets + pack.num_rows + 1, out.row_offsets);

    for (const auto& chunk : pack.chunks) {
        std::vector<int64_t> next(out.row_offsets + chunk.first_row,
                                  out.row_offsets + chunk.first_row + chunk.num_rows);
        int32_t first_column = 0;
        for (const auto& block : chunk.blocks) {
            for_each_pair(block,
                          [&](const CsrRun& run, const uint16_t* rows, const uint16_t* columns, const float* values) {
                              for (uint32_t side = 0; side < 2 && rows[side] < chunk.num_rows; ++side) {
                                  read_row(run, side, first_column, columns, values, out, next[rows[side]]);
                              }
                          });
            first_column += pack.block_columns;
        }
    }
}

}  // namespace sparseinf
