#include "pack/lookup_pack.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "pack/lookup_chunks.h"
#include "pack/row_chunks.h"
#include "pack/row_sums.h"

namespace sparseinf {
namespace {

// Rows a chunk: enough for rows of like length to find each other, few enough that the chunk stays in the L2 cache
// while several groups of columns come to it.
constexpr int64_t kMostChunkRows = 512;
constexpr int64_t kLeastChunkRows = 128;
constexpr int64_t kChunkBytes = int64_t{512} << 10;

template <class Steps>
int64_t choose_chunk_rows(const CsrView& matrix) {
    constexpr auto kNonzeroBytes = static_cast<int64_t>(1 + sizeof(LookupWeight<Steps>));
    const int64_t row_bytes = kNonzeroBytes * matrix.num_nonzeros() / std::max<int64_t>(1, matrix.num_rows) + 1;
    return std::clamp(round_up(kChunkBytes / row_bytes, 16), kLeastChunkRows, kMostChunkRows);
}

// Calls visit(row, column, value) for each nonzero of the chunk.
template <class Steps, class Visit>
void for_each_nonzero(const LookupChunk<Steps>& chunk, Visit&& visit) {
    std::vector<int32_t> row_of(static_cast<size_t>(chunk.num_sums()));
    for (int32_t row = 0; row < chunk.num_rows; ++row) row_of[static_cast<size_t>(row)] = row;
    for (const PartialSum& sum : chunk.partial_sums) row_of[sum.from] = sum.row;
    constexpr size_t kNonzeros = Steps::kNumNonzeros * kLookupLanes;  // of a step
    size_t step = 0;                                                  // of the chunk
    for (size_t slice = 0; slice < chunk.num_steps.size(); ++slice) {
        int32_t begin = 0;
        for (const size_t end = step + chunk.num_steps[slice]; step < end; ++step) {
            if (step % Steps::kWindowSteps == 0) {
                begin += Steps::kWindowAdvance * chunk.advances[step / Steps::kWindowSteps];
            }
            const Steps& steps = chunk.steps[step / Steps::kNumSteps];
            const size_t first = step % Steps::kNumSteps * kNonzeros;
            for (size_t i = 0; i < kNonzeros; ++i) {
                if (steps.weights[first + i] == 0) continue;
                const size_t lane = slice * kLookupLanes + i / Steps::kNumNonzeros;
                visit(chunk.rows.empty() ? static_cast<int32_t>(lane) : row_of[chunk.rows[lane]],
                      begin + steps.columns[first + i], steps.weights[first + i]);
            }
        }
    }
}

template <class Steps>
void pack_streams(const CsrView& matrix, int32_t window, uint32_t scatter_steps, int num_threads,
                  LookupStreams<Steps>& pack) {
    pack.num_rows = matrix.num_rows;
    pack.num_columns = matrix.num_columns;
    pack.num_nonzeros = matrix.num_nonzeros();
    pack.window = window;
    pack.chunks = cut_into_chunks<LookupChunk<Steps>>(matrix, choose_chunk_rows<Steps>(matrix));
    std::vector<std::vector<Steps>> steps(pack.chunks.size());
    pack_chunks(
        static_cast<int64_t>(pack.chunks.size()), num_threads,
        [&] { return std::make_unique<LookupChunkPacker<Steps>>(matrix, window, scatter_steps); },
        [&](LookupChunkPacker<Steps>& packer, size_t i) { packer.pack(pack.chunks[i], steps[i]); });
    std::vector<int64_t> starts;
    pack.steps = join_chunks(steps, starts, num_threads);
    for (size_t i = 0; i < pack.chunks.size(); ++i) pack.chunks[i].steps = pack.steps.data() + starts[i];
}

template <class Steps>
void unpack_streams(const LookupStreams<Steps>& pack, const CsrOutput& out) {
    using Weight = LookupWeight<Steps>;
    std::fill_n(out.row_offsets, pack.num_rows + 1, 0);
    for (const auto& chunk : pack.chunks) {
        for_each_nonzero(chunk, [&](int32_t row, int32_t, Weight) { ++out.row_offsets[chunk.first_row + row + 1]; });
    }
    for (int64_t row = 0; row < pack.num_rows; ++row) out.row_offsets[row + 1] += out.row_offsets[row];
    std::vector<int64_t> next(out.row_offsets, out.row_offsets + pack.num_rows);
    for (const auto& chunk : pack.chunks) {
        for_each_nonzero(chunk, [&](int32_t row, int32_t column, Weight value) {
            const int64_t at = next[static_cast<size_t>(chunk.first_row + row)]++;
            out.columns[at] = column;
            out.values[at] = value;
        });
    }
    // The pieces of a row were visited one after the other.
    std::vector<std::pair<int32_t, float>> row_in_order;
    for (int64_t row = 0; row < pack.num_rows; ++row) {
        int32_t* columns = out.columns + out.row_offsets[row];
        float* values = out.values + out.row_offsets[row];
        const int64_t size = out.row_offsets[row + 1] - out.row_offsets[row];
        if (std::is_sorted(columns, columns + size)) continue;
        row_in_order.clear();
        for (int64_t i = 0; i < size; ++i) row_in_order.emplace_back(columns[i], values[i]);
        std::sort(row_in_order.begin(), row_in_order.end());
        for (const auto& [column, value] : row_in_order) {
            *columns++ = column;
            *values++ = value;
        }
    }
}

}  // namespace

template <class Steps>
int64_t LookupStreams<Steps>::nbytes() const {
    int64_t sum = steps.nbytes();
    for (const auto& chunk : chunks) {
        sum += static_cast<int64_t>(chunk.num_steps.size() * sizeof(uint32_t) + chunk.rows.size() * sizeof(uint16_t) +
                                    chunk.advances.size() + chunk.partial_sums.size() * sizeof(PartialSum));
    }
    return sum;
}
template struct LookupStreams<LookupSteps>;
template struct LookupStreams<LookupInt8Step>;

// Zen 4: scattering takes 16 cycles a column of x. A step takes 3 cycles with one, 8.5 with four; in int8 windows of
// 128 columns run one column at 5 cycles a step, those of 64 eight at 11.
LookupPack pack_lookup(const CsrView& matrix, int num_threads) {
    LookupPack pack;
    pack_streams(matrix, kLookupWindow, 6, num_threads, pack);
    return pack;
}

LookupInt8Pack pack_lookup_int8(const CsrView& matrix, int32_t window, int num_threads) {
    LookupInt8Pack pack;
    pack_streams(matrix, window, window == kMaxLookupInt8Window ? 2 : 10, num_threads, pack);
    pack.row_sums = sum_rows(matrix);
    return pack;
}

void unpack_lookup(const LookupPack& pack, const CsrOutput& out) { unpack_streams(pack, out); }
void unpack_lookup_int8(const LookupInt8Pack& pack, const CsrOutput& out) { unpack_streams(pack, out); }

}  // namespace sparseinf
