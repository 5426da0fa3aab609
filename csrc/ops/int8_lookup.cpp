// int8 layers by lookups: a few columns of x at a time, for any number of them.
#include <algorithm>

#include "common/aligned_buffer.h"
#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/int8_layers.h"
#include "ops/quantized_columns.h"

namespace sparseinf {
namespace {

// Packs larger than this come from beyond the L2 cache.
constexpr int64_t kStreamedBytes = int64_t{1} << 20;
// Steps to prefetch ahead from there, for one column and for several. ...
constexpr int64_t kStepsAheadOne = 24;
constexpr int64_t kStepsAhead = 128;

class LookupRows {
public:
    LookupRows(const LookupPack& pack, const LinearLayer& layer)
        : pack_(pack),
          layer_(layer),
          kernels_(layer.int8->kernels.spmm_lookup[pack.window / kMaxLookupWindow]),
          is_streamed_(pack.steps.nbytes() > kStreamedBytes) {}

    // One chunk's rows of a group of columns. sums: [column][a chunk's sums].
    void run(const LinearCall& call, const LookupChunk& chunk, const QuantizedColumns& x, int64_t first, int64_t count,
             int32_t* sums) const {
        const int64_t stride = stride_of(chunk);
        const int64_t steps_ahead = !is_streamed_ ? 0 : count == 1 ? kStepsAheadOne : kStepsAhead;
        kernels_[count - 1]({chunk.slices(), steps_ahead, x.column(first), x.stride(), sums, stride});
        for (int64_t n = 0; n < count; ++n) {
            int32_t* column = sums + n * stride;
            for (const PartialSum& sum : chunk.partial_sums) column[sum.row] += column[sum.from];
        }
        x.finish(call, layer_, first, count, pack_.row_sums.data(), {sums, stride, chunk.first_row, chunk.num_rows});
    }

    // Of the largest chunk's sums, for as many columns as a kernel takes.
    int64_t sums_bytes() const {
        int64_t most = 0;
        for (const auto& chunk : pack_.chunks) most = std::max(most, stride_of(chunk));
        return most * layer_.int8->kernels.max_lookup_columns * static_cast<int64_t>(sizeof(int32_t));
    }

private:
    // The epilogue reads whole vectors.
    static int64_t stride_of(const LookupChunk& chunk) { return round_up(chunk.num_sums(), 16) + 16; }

    const LookupPack& pack_;
    const LinearLayer& layer_;
    const SpmmLookupKernel* kernels_;
    bool is_streamed_;
};

}  // namespace

void run_on_groups(const LookupPack& pack, const LinearLayer& layer, const LinearCall& call) {
    const LookupRows rows(pack, layer);
    const int num_threads = useful_threads(call.num_threads, pack.num_nonzeros, call.num_columns);
    const int64_t num_chunks = static_cast<int64_t>(pack.chunks.size());
    const int64_t most_columns = std::min(call.num_columns, QuantizedColumns::kMaxColumns);
    const int64_t num_features = pack.num_columns + kMaxLookupWindow;
    const int64_t x_bytes = most_columns * QuantizedColumns::stride_of(num_features);
    const int64_t sums_bytes = rows.sums_bytes();
    Scratch scratch(x_bytes + num_threads * sums_bytes);
    QuantizedColumns x(reinterpret_cast<uint8_t*>(scratch.data()), num_features);

    for (int64_t first = 0; first < call.num_columns; first += most_columns) {
        const int64_t count = std::min(most_columns, call.num_columns - first);
        x.quantize(call, layer, first, count, num_threads);
        // Groups of nearly equal sizes; a unit of work is some of them on one chunk, which stays in the cache
        // meanwhile.
        const int64_t most = layer.int8->kernels.max_lookup_columns, num_groups = (count + most - 1) / most;
        const int64_t num_parts = std::min(num_groups, (2 * num_threads + num_chunks - 1) / num_chunks);
        parallel_for(num_parts * num_chunks, num_threads, [&](int slot, int64_t unit) {
            const int64_t part = unit / num_chunks;
            const auto& chunk = pack.chunks[static_cast<size_t>(unit % num_chunks)];
            auto* sums = reinterpret_cast<int32_t*>(scratch.data() + x_bytes + slot * sums_bytes);
            for (int64_t group = num_groups * part / num_parts; group < num_groups * (part + 1) / num_parts; ++group) {
                const int64_t begin = count * group / num_groups, end = count * (group + 1) / num_groups;
                rows.run(call, chunk, x, begin, end - begin, sums);
            }
        });
    }
}

}  // namespace sparseinf
