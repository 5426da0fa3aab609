#include "pack/csr_pack.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <numeric>

#include "common/thread_pool.h"

namespace sparseinf {
namespace {

// Rows a chunk. More rows make longer runs, but 1024 rows of 64 accumulators already take 256 KB of the L2 cache.
constexpr int64_t kChunkRows = 1024;

// How far down the list of rows with the same count a partner is looked for.
constexpr int kPartnerWindow = 8;

// Two rows of a chunk in one K block and their trip counts. second == num_rows: no partner.
struct Pair {
    uint32_t first, second;
    uint32_t num_shared, num_single, num_rest;

    bool same_trip_counts(const Pair& other) const {
        return num_shared == other.num_shared && num_single == other.num_single && num_rest == other.num_rest;
    }
};

// Longest pairs first, those with equal trip counts side by side.
uint64_t sort_key(const Pair& pair) {
    const auto clamped = [](uint32_t count) { return uint64_t{std::min(count, (1u << 21) - 1)}; };
    return ~(clamped(pair.num_shared + pair.num_single) << 42 | clamped(pair.num_shared) << 21 | clamped(pair.num_rest));
}

int32_t choose_block_columns(const CsrView& matrix, int panel_columns) {
    const double density = static_cast<double>(matrix.num_nonzeros()) /
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

// Chunks end after kChunkRows rows, or sooner where rows are much heavier than the mean; always at a multiple of 16.
std::vector<CsrChunk> cut_into_chunks(const CsrView& matrix) {
    const int64_t num_chunks = std::max<int64_t>(1, (matrix.num_rows + kChunkRows - 1) / kChunkRows);
    const int64_t rows_a_chunk = round_up(std::max<int64_t>(1, (matrix.num_rows + num_chunks - 1) / num_chunks), 16);
    const int64_t heavy = matrix.num_nonzeros() / num_chunks * 5 / 4 + 1;
    std::vector<CsrChunk> chunks;
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

// condition ? a : b, where the compiler must not make it a branch.
uint32_t select(uint32_t condition, uint32_t a, uint32_t b) { return b ^ ((a ^ b) & (0u - condition)); }

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
        : matrix_(matrix),
          kernels_(kernels),
          block_columns_(block_columns),
          num_blocks_(std::max<int64_t>(1, (matrix.num_columns + block_columns - 1) / block_columns)) {}

    void pack(CsrChunk& chunk) {
        sort_into_blocks(chunk);
        chunk.values = AlignedBuffer<float>(starts_.back());
        packed_columns_.resize(static_cast<size_t>(starts_.back()));  // at most: shared ones are written once
        packed_rows_.clear();
        runs_.clear();
        struct Offsets {
            size_t runs, rows;
            int64_t columns, values;
        };
        std::vector<Offsets> offsets{{0, 0, 0, 0}};
        for (int64_t block = 0; block < num_blocks_; ++block) {
            pair_rows(chunk, block);
            int64_t column = offsets.back().columns, value = offsets.back().values;
            for (size_t i = 0; i < pairs_.size(); ++i) {
                const Pair& pair = pairs_[i];
                if (i == 0 || !pair.same_trip_counts(pairs_[i - 1])) {
                    runs_.push_back({0, pair.num_shared, pair.num_single, pair.num_rest});
                }
                ++runs_.back().num_pairs;
                packed_rows_.push_back(static_cast<uint16_t>(pair.first));
                packed_rows_.push_back(static_cast<uint16_t>(pair.second));
                write_pair(chunk, block, pair, packed_columns_.data() + column, chunk.values.data() + value);
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
                                    chunk.columns.data() + at.columns, chunk.values.data() + at.values,
                                    static_cast<int32_t>(offsets[block + 1].runs - at.runs)});
        }
    }

private:
    // Copies the chunk's nonzeros block by block, the rows of each block in order. Read row by row instead, a block
    // would touch each row's cache lines anew: that took 25 ns a nonzero at 8192x8192, 90 %, against 9 now.
    void sort_into_blocks(const CsrChunk& chunk) {
        const int64_t num_rows = chunk.num_rows;
        const int64_t* offsets = matrix_.row_offsets + chunk.first_row;
        starts_.assign(static_cast<size_t>(num_blocks_ * num_rows) + 1, 0);
        const auto for_each_segment = [&](auto visit) {  // visit(block * num_rows + row, first, one past last)
            for (int64_t row = 0; row < num_rows; ++row) {
                int64_t at = offsets[row];
                for (int64_t block = 0; block < num_blocks_ && at < offsets[row + 1]; ++block) {
                    const int64_t first = at, end_column = (block + 1) * block_columns_;
                    while (at < offsets[row + 1] && matrix_.columns[at] < end_column) ++at;
                    visit(static_cast<size_t>(block * num_rows + row), first, at);
                }
            }
        };
        for_each_segment([&](size_t segment, int64_t first, int64_t end) { starts_[segment + 1] = end - first; });
        std::partial_sum(starts_.begin(), starts_.end(), starts_.begin());
        columns_.resize(static_cast<size_t>(starts_.back()));
        values_.resize(static_cast<size_t>(starts_.back()));
        for (int64_t row = 0; row < num_rows; ++row) {
            int64_t from = offsets[row];
            for (int64_t block = 0; block < num_blocks_; ++block) {
                const auto segment = static_cast<size_t>(block * num_rows + row);
                const int64_t first_column = block * block_columns_;
                for (int64_t to = starts_[segment]; to < starts_[segment + 1]; ++to, ++from) {
                    columns_[static_cast<size_t>(to)] = static_cast<uint16_t>(matrix_.columns[from] - first_column);
                    values_[static_cast<size_t>(to)] = matrix_.values[from];
                }
            }
        }
    }
    // The nonzeros of one row in one block.
    struct Segment {
        const uint16_t* columns;
        const float* values;
        uint32_t size;
    };
    Segment segment(const CsrChunk& chunk, int64_t block, uint32_t row) const {
        const auto at = static_cast<size_t>(block * chunk.num_rows + row);
        return {columns_.data() + starts_[at], values_.data() + starts_[at],
                static_cast<uint32_t>(starts_[at + 1] - starts_[at])};
    }

    // pairs_: the block's pairs, in the order of their trip counts.
    void pair_rows(const CsrChunk& chunk, int64_t block) {
        const auto num_rows = static_cast<uint32_t>(chunk.num_rows);
        counts_.resize(num_rows);
        for (uint32_t row = 0; row < num_rows; ++row) counts_[row] = segment(chunk, block, row).size;
        order_by_count();
        mark_columns(chunk, block);

        pairs_.clear();
        for (size_t i = 0; i < order_.size(); ++i) {
            const uint32_t row = order_[i];
            if (row == kTaken) continue;
            if (counts_[row] == 0 && block > 0) break;  // only the first block must clear rows that have nothing
            const size_t partner = find_partner(i);
            if (partner == i) {
                pairs_.push_back({row, num_rows, 0, 0, counts_[row]});
                continue;
            }
            const uint32_t second = order_[partner];
            order_[partner] = kTaken;
            const uint32_t shared = num_common_columns(row, second);
            pairs_.push_back({row, second, shared, counts_[second] - shared, counts_[row] - counts_[second]});
        }
        std::sort(pairs_.begin(), pairs_.end(),
                  [](const Pair& a, const Pair& b) { return sort_key(a) < sort_key(b); });
    }

    // order_: the rows by falling count (counting sort, rows of equal count in their own order).
    void order_by_count() {
        const uint32_t most = counts_.empty() ? 0 : *std::max_element(counts_.begin(), counts_.end());
        first_of_count_.assign(size_t{most} + 2, 0);
        for (const uint32_t n : counts_) ++first_of_count_[most - n + 1];
        std::partial_sum(first_of_count_.begin(), first_of_count_.end(), first_of_count_.begin());
        order_.resize(counts_.size());
        for (uint32_t row = 0; row < counts_.size(); ++row) order_[first_of_count_[most - counts_[row]]++] = row;
    }

    // The row further down the order that shares most columns with row i, among the next few with the largest count
    // that is left. i itself if there is none.
    size_t find_partner(size_t i) const {
        size_t best = i;
        uint32_t best_common = 0;
        int num_seen = 0;
        for (size_t j = i + 1; j < order_.size() && num_seen < kPartnerWindow; ++j) {
            if (order_[j] == kTaken) continue;
            if (best != i && counts_[order_[j]] != counts_[order_[best]]) break;
            const uint32_t common = num_common_columns(order_[i], order_[j]);
            if (best == i || common > best_common) {
                best = j;
                best_common = common;
            }
            ++num_seen;
        }
        return best;
    }

    // One bit a column of the block, for the rows' common columns.
    void mark_columns(const CsrChunk& chunk, int64_t block) {
        words_a_row_ = static_cast<size_t>(block_columns_ + 63) / 64;
        marks_.assign(words_a_row_ * static_cast<size_t>(chunk.num_rows), 0);
        for (uint32_t row = 0; row < static_cast<uint32_t>(chunk.num_rows); ++row) {
            uint64_t* marks = marks_.data() + row * words_a_row_;
            const Segment nonzeros = segment(chunk, block, row);
            for (uint32_t i = 0; i < nonzeros.size; ++i) {
                marks[nonzeros.columns[i] / 64] |= uint64_t{1} << (nonzeros.columns[i] % 64);
            }
        }
    }
    uint32_t num_common_columns(uint32_t a, uint32_t b) const {
        return static_cast<uint32_t>(kernels_.common_bits(marks_.data() + a * words_a_row_, marks_.data() + b * words_a_row_,
                                                          static_cast<int64_t>(words_a_row_)));
    }

    // The columns of both rows go to the shared part, all others to the single part, first row's and second row's in
    // turn, and what the first row has beyond it to the rest. Where a nonzero goes is computed without
    // branches: a merge would mispredict on most of them.
    void write_pair(const CsrChunk& chunk, int64_t block, const Pair& pair, uint16_t* columns, float* values) {
        shared_marks_.resize(words_a_row_);
        const bool has_second = pair.second < static_cast<uint32_t>(chunk.num_rows);
        for (size_t i = 0; i < words_a_row_; ++i) {
            const uint64_t other = has_second ? marks_[pair.second * words_a_row_ + i] : 0;
            shared_marks_[i] = marks_[pair.first * words_a_row_ + i] & other;
        }
        const auto write_row = [&](uint32_t row, uint32_t side) {
            const Segment nonzeros = segment(chunk, block, row);
            uint32_t shared = 0;
            for (uint32_t i = 0; i < nonzeros.size; ++i) {
                const uint16_t column = nonzeros.columns[i];
                const auto is_shared = static_cast<uint32_t>(shared_marks_[column / 64] >> (column % 64) & 1);
                const uint32_t single = i - shared;
                const uint32_t at = select(single < pair.num_single, 2 * single + side, single + pair.num_single);
                columns[select(is_shared, shared, pair.num_shared + at)] = column;
                values[select(is_shared, 2 * shared + side, 2 * pair.num_shared + at)] = nonzeros.values[i];
                shared += is_shared;
            }
        };
        write_row(pair.first, 0);
        if (has_second) write_row(pair.second, 1);
    }

    static constexpr uint32_t kTaken = ~0u;

    const CsrView& matrix_;
    const KernelTable& kernels_;
    const int64_t block_columns_;
    const int64_t num_blocks_;
    size_t words_a_row_ = 0;
    std::vector<int64_t> starts_;  // [block][row]: where the segment lies in the two below
    std::vector<uint16_t> columns_;
    std::vector<float> values_;
    std::vector<uint32_t> order_;
    std::vector<uint32_t> counts_;
    std::vector<uint32_t> first_of_count_;
    std::vector<uint64_t> marks_;         // of the block at hand, words_a_row_ for each row
    std::vector<uint64_t> shared_marks_;  // of the pair at hand
    std::vector<Pair> pairs_;
    std::vector<CsrRun> runs_;
    std::vector<uint16_t> packed_rows_;
    std::vector<uint16_t> packed_columns_;
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

int64_t CsrChunk::nbytes() const { return runs.nbytes() + rows.nbytes() + columns.nbytes() + values.nbytes(); }

int64_t CsrPack::nbytes() const {
    int64_t sum = 0;
    for (const auto& chunk : chunks) sum += chunk.nbytes();
    return sum;
}

CsrPack pack_csr(const CsrView& matrix, int panel_columns, const KernelTable& kernels, int num_threads) {
    CsrPack pack;
    pack.num_rows = matrix.num_rows;
    pack.num_columns = matrix.num_columns;
    pack.num_nonzeros = matrix.num_nonzeros();
    pack.block_columns = choose_block_columns(matrix, panel_columns);
    pack.chunks = cut_into_chunks(matrix);
    const auto num_chunks = static_cast<int64_t>(pack.chunks.size());
    std::atomic<bool> out_of_memory{false};
    std::vector<std::unique_ptr<ChunkPacker>> packers(static_cast<size_t>(std::min<int64_t>(num_threads, num_chunks)));
    for (auto& packer : packers) packer = std::make_unique<ChunkPacker>(matrix, pack.block_columns, kernels);
    parallel_for(num_chunks, num_threads, [&](int slot, int64_t i) {
        try {
            packers[static_cast<size_t>(slot)]->pack(pack.chunks[static_cast<size_t>(i)]);
        } catch (const std::bad_alloc&) {
            out_of_memory = true;
        }
    });
    if (out_of_memory) throw std::bad_alloc();
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
        std::vector<int64_t> next(out.row_offsets + chunk.first_row, out.row_offsets + chunk.first_row + chunk.num_rows);
        int32_t first_column = 0;
        for (const auto& block : chunk.blocks) {
            for_each_pair(block, [&](const CsrRun& run, const uint16_t* rows, const uint16_t* columns, const float* values) {
                for (uint32_t side = 0; side < 2 && rows[side] < chunk.num_rows; ++side) {
                    read_row(run, side, first_column, columns, values, out, next[rows[side]]);
                }
            });
            first_column += pack.block_columns;
        }
    }
}

}  // namespace sparseinf
