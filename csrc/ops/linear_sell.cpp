// A linear layer in sliced ELLPACK on narrow panels: few rows of x.
#include <array>
#include <utility>
#include <vector>

#include "common/aligned_buffer.h"
#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/linear_panels.h"
#include "ops/panel_split.h"

namespace sparseinf {
namespace {

// One thread's working memory: a panel of x, each K block followed by a row of zeros, and the sums of one chunk.
class SellWorkspace {
public:
    static int64_t bytes(const SellPack& pack, int64_t width, int64_t chunk_rows) {
        return round_up(
            (x_features(pack) + chunk_rows) * width * static_cast<int64_t>(sizeof(float)) + 4 * kCacheLineBytes,
            kCacheLineBytes);
    }

    SellWorkspace(std::byte* memory, const SellPack& pack, const KernelTable& kernels, int64_t chunk_rows)
        : memory_(reinterpret_cast<float*>(memory)), pack_(pack), kernels_(kernels), chunk_rows_(chunk_rows) {}

    // Lays out, and fills, the panel of columns [first, first + count).
    void pack_x(const LinearCall& call, int64_t first, int64_t count) {
        shape = PanelShape::of(count, kernels_.vector_width);
        main_ = int64_t{shape.num_wide} * kernels_.vector_width;
        tail_ = shape.has_half ? kernels_.vector_width / 2 : 0;
        float* at = memory_;
        const auto take = [&at](int64_t size) { return std::exchange(at, at + round_up(size, 16)); };
        x_ = {take(x_features(pack_) * main_), take(x_features(pack_) * tail_)};
        sums = {take(chunk_rows_ * main_), take(chunk_rows_ * tail_)};

        const int64_t stride_bytes = call.x.feature_stride_bytes();
        std::array<const char*, kMaxPanelColumns> rows;
        for (int64_t block = 0; block < num_blocks(pack_); ++block) {
            const int64_t feature = block * pack_.block_columns;
            for (int64_t n = 0; n < count; ++n) {
                rows[static_cast<size_t>(n)] = call.x.row(first + n) + feature * stride_bytes;
            }
            const int64_t size = std::min<int64_t>(pack_.block_columns, pack_.num_columns - feature);
            const Panel to = from(x_, block * (pack_.block_columns + 1));
            kernels_.pack({rows.data(), stride_bytes, static_cast<int32_t>(count), static_cast<int32_t>(size), to},
                          shape.num_wide, shape.has_half);
            const Panel zeros = from(to, pack_.block_columns);
            std::fill_n(zeros.main, main_, 0.0f);
            std::fill_n(zeros.tail, tail_, 0.0f);
        }
    }

    void compute(const SellChunk& chunk) const {
        std::fill_n(sums.main, (chunk.num_rows + 1) * main_, 0.0f);
        std::fill_n(sums.tail, (chunk.num_rows + 1) * tail_, 0.0f);
        int64_t feature = 0;
        for (const auto& block : chunk.blocks) {
            const Panel x = from(x_, feature);
            kernels_.spmm_sell[shape.num_wide][shape.has_half]({block, {x.main, x.tail}, sums});
            feature += pack_.block_columns + 1;
        }
    }

    PanelShape shape{};
    Panel sums;

private:
    static int64_t num_blocks(const SellPack& pack) {
        return (pack.num_columns + pack.block_columns - 1) / pack.block_columns;
    }
    static int64_t x_features(const SellPack& pack) { return num_blocks(pack) * (pack.block_columns + 1); }
    Panel from(const Panel& panel, int64_t feature) const {
        return {panel.main + feature * main_, panel.tail + feature * tail_};
    }

    float* memory_;
    const SellPack& pack_;
    const KernelTable& kernels_;
    int64_t chunk_rows_;
    int64_t main_ = 0, tail_ = 0;
    Panel x_;
};

}  // namespace

void run_on_panels(const SellPack& pack, const LinearLayer& layer, const LinearCall& call) {
    const KernelTable& kernels = layer.kernels;
    const int num_threads = useful_threads(call.num_threads, pack.num_nonzeros, call.num_columns);
    const auto num_chunks = static_cast<int64_t>(pack.chunks.size());
    const int widest = kMaxWideSell * kernels.vector_width;
    const PanelSplit split(call.num_columns, widest, widest, kernels.vector_width / 2,
                           (num_threads + num_chunks - 1) / num_chunks);
    int64_t chunk_rows = 0;
    for (const auto& chunk : pack.chunks) chunk_rows = std::max(chunk_rows, accumulator_rows(chunk.num_rows));

    const int64_t bytes = SellWorkspace::bytes(pack, round_up(split.width(), kernels.vector_width / 2), chunk_rows);
    Scratch scratch(bytes * num_threads);
    std::vector<int64_t> packed_panel(static_cast<size_t>(num_threads), -1);
    std::vector<SellWorkspace> workspaces;
    for (int slot = 0; slot < num_threads; ++slot) {
        workspaces.emplace_back(scratch.data() + slot * bytes, pack, kernels, chunk_rows);
    }
    parallel_for(split.count() * num_chunks, num_threads, [&](int slot, int64_t unit) {
        const int64_t panel = unit / num_chunks;
        const SellChunk& chunk = pack.chunks[static_cast<size_t>(unit % num_chunks)];
        const int64_t first = split.first(panel), count = split.size(panel);
        auto& work = workspaces[static_cast<size_t>(slot)];
        if (std::exchange(packed_panel[static_cast<size_t>(slot)], panel) != panel) work.pack_x(call, first, count);
        work.compute(chunk);
        const RowPointers rows(call, layer, first, count, chunk.first_row);
        auto args = rows.arguments(call, layer, chunk.first_row);
        args.sums = {work.sums.main, work.sums.tail};
        args.num_columns = static_cast<int32_t>(count);
        args.num_features = chunk.num_rows;
        kernels.unpack(args, work.shape.num_wide, work.shape.has_half);
    });
}

}  // namespace sparseinf
