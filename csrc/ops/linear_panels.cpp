#include "ops/linear_panels.h"

#include <new>
#include <type_traits>
#include <utility>

#include "common/aligned_buffer.h"
#include "ops/feature_blocks.h"
#include "ops/run_panels.h"

namespace sparseinf {
namespace {

// Rows and columns of dense weights between visits to the accumulators: 512 rows of 96 sums and 512 columns of x take
// 200 KB each of the L2 cache.
constexpr int64_t kDenseChunkRows = 512;
constexpr int64_t kDenseBlockColumns = 512;

// One thread's working memory while it runs panels: a panel of x and the accumulators of one chunk of rows. It lies at
// the front of that memory itself, so that a call makes nothing on the heap.
class PanelWorkspace {
public:
    static int64_t bytes(int64_t width, const FeatureBlocks& features, int64_t chunk_rows) {
        return round_up(
                   (features.size() + chunk_rows) * width * static_cast<int64_t>(sizeof(float)) + 4 * kCacheLineBytes,
                   kCacheLineBytes) +
               kHeaderBytes;
    }

    // In `bytes` of memory, on a cache-line boundary, that outlive it.
    static void make(std::byte* memory, const FeatureBlocks& features, int64_t chunk_rows) {
        static_assert(std::is_trivially_destructible_v<PanelWorkspace> && sizeof(PanelWorkspace) <= kHeaderBytes);
        new (memory) PanelWorkspace(reinterpret_cast<float*>(memory + kHeaderBytes), features, chunk_rows);
    }
    static PanelWorkspace& at(std::byte* memory) { return *std::launder(reinterpret_cast<PanelWorkspace*>(memory)); }

    // Lays out, and fills, the panel of columns [first, first + count), if it is not there yet.
    void hold(int64_t panel, const LinearCall& call, const LinearLayer& layer, int64_t first, int64_t count) {
        if (std::exchange(panel_, panel) != panel) pack(call, layer, first, count);
    }

    ConstPanel x_from(int64_t feature, int vector_width) const {
        return {x.main + feature * shape.num_wide * vector_width, x.tail + feature * (vector_width / 2)};
    }

    PanelShape shape{};
    Panel x, sums;

private:
    static constexpr int64_t kHeaderBytes = 2 * kCacheLineBytes;

    PanelWorkspace(float* memory, const FeatureBlocks& features, int64_t chunk_rows)
        : memory_(memory), features_(features), chunk_rows_(chunk_rows) {}

    void pack(const LinearCall& call, const LinearLayer& layer, int64_t first, int64_t count) {
        const int vector_width = layer.kernels.vector_width;
        shape = PanelShape::of(count, vector_width);
        const int64_t main = shape.num_wide * vector_width, tail = shape.has_half ? vector_width / 2 : 0;
        float* at = memory_;
        const auto take = [&at](int64_t size) { return std::exchange(at, at + round_up(size, 16)); };
        x = {take(features_.size() * main), take(features_.size() * tail)};
        sums = {take(chunk_rows_ * main), take(chunk_rows_ * tail)};

        const int64_t stride_bytes = call.x.feature_stride_bytes();
        std::array<const char*, kMaxPanelColumns> rows;
        for (int64_t block = 0; block < features_.num_blocks(); ++block) {
            const int64_t feature = block * features_.block_features;
            const int64_t size = std::min(features_.block_features, features_.num_features - feature);
            const Panel to{x.main + block * features_.stride * main, x.tail + block * features_.stride * tail};
            for (int64_t n = 0; n < count; ++n) {
                rows[static_cast<size_t>(n)] = call.x.row(first + n) + feature * stride_bytes;
            }
            layer.kernels.pack({rows.data(), stride_bytes, static_cast<int32_t>(count), static_cast<int32_t>(size), to},
                               shape.num_wide, shape.has_half);
            std::fill(to.main + size * main, to.main + features_.stride * main, 0.0f);
            std::fill(to.tail + size * tail, to.tail + features_.stride * tail, 0.0f);
        }
    }

    float* memory_;
    FeatureBlocks features_;
    int64_t chunk_rows_;
    int64_t panel_ = -1;
};

// What all families have in common.
struct FloatPanels {
    static PanelWidths widths_in_vectors(const LinearLayer& layer, int preferred, int widest) {
        const int64_t width = layer.kernels.vector_width;
        return {preferred * width, widest * width, width / 2};
    }
    static void unpack(const PanelWorkspace& work, const LinearLayer& layer, int64_t, UnpackArgs& args) {
        args.sums = {work.sums.main, work.sums.tail};
        layer.kernels.unpack(args, work.shape.num_wide, work.shape.has_half);
    }
};

template <class Pack>
struct ChunkPanels : FloatPanels {
    explicit ChunkPanels(const Pack& p) : pack(p) {}

    const Pack& pack;

    int64_t num_chunks() const { return static_cast<int64_t>(pack.chunks.size()); }
    int64_t first_row(int64_t chunk) const { return pack.chunks[static_cast<size_t>(chunk)].first_row; }
    int64_t num_rows(int64_t chunk) const { return pack.chunks[static_cast<size_t>(chunk)].num_rows; }
    FeatureBlocks x_layout() const { return FeatureBlocks::contiguous(pack.num_columns); }
};

struct CsrPanels : ChunkPanels<CsrPack> {
    using ChunkPanels::ChunkPanels;

    int64_t num_weights() const { return pack.num_nonzeros; }
    static PanelWidths widths(const LinearLayer& layer) {
        return widths_in_vectors(layer, kPreferredWideCsr, layer.kernels.max_wide_csr);
    }

    void compute(int64_t chunk, const LinearLayer& layer, const PanelWorkspace& work) const {
        const KernelTable& kernels = layer.kernels;
        const auto kernel = kernels.spmm_csr[work.shape.num_wide][work.shape.has_half];
        int64_t column = 0;
        for (const auto& block : pack.chunks[static_cast<size_t>(chunk)].blocks) {
            kernel({block, work.x_from(column, kernels.vector_width), work.sums, column > 0});
            column += pack.block_columns;
        }
    }
};

struct BlockPanels : ChunkPanels<BlockPack> {
    using ChunkPanels::ChunkPanels;

    int64_t num_weights() const { return pack.weights.size(); }
    static PanelWidths widths(const LinearLayer& layer) {
        return widths_in_vectors(layer, layer.kernels.max_wide_dense, layer.kernels.max_wide_dense);
    }

    void compute(int64_t chunk, const LinearLayer& layer, const PanelWorkspace& work) const {
        const KernelTable& kernels = layer.kernels;
        const auto kernel = kernels.spmm_block[work.shape.num_wide][work.shape.has_half];
        int64_t column = 0;
        for (const auto& block : pack.chunks[static_cast<size_t>(chunk)].blocks) {
            kernel({block, work.x_from(column, kernels.vector_width), work.sums, column > 0});
            column += pack.block_columns;
        }
    }
};

struct SellPanels : ChunkPanels<SellPack> {
    using ChunkPanels::ChunkPanels;

    int64_t num_weights() const { return pack.num_nonzeros; }
    FeatureBlocks x_layout() const { return {pack.num_columns, pack.block_columns, pack.block_columns + 1}; }
    static PanelWidths widths(const LinearLayer& layer) { return widths_in_vectors(layer, kMaxWideSell, kMaxWideSell); }

    void compute(int64_t chunk, const LinearLayer& layer, const PanelWorkspace& work) const {
        const KernelTable& kernels = layer.kernels;
        const SellChunk& rows = pack.chunks[static_cast<size_t>(chunk)];
        const int64_t main = work.shape.num_wide * kernels.vector_width;
        const int64_t tail = work.shape.has_half ? kernels.vector_width / 2 : 0;
        std::fill_n(work.sums.main, (rows.num_rows + 1) * main, 0.0f);
        std::fill_n(work.sums.tail, (rows.num_rows + 1) * tail, 0.0f);
        int64_t feature = 0;
        for (const auto& block : rows.blocks) {
            kernels.spmm_sell[work.shape.num_wide][work.shape.has_half](
                {block, work.x_from(feature, kernels.vector_width), work.sums});
            feature += pack.block_columns + 1;
        }
    }
};

struct DensePanels : FloatPanels {
    explicit DensePanels(const DensePack& p) : pack(p) {}

    const DensePack& pack;

    FeatureBlocks x_layout() const { return FeatureBlocks::contiguous(pack.num_columns); }

    int64_t num_chunks() const { return std::max<int64_t>(1, (pack.num_rows + kDenseChunkRows - 1) / kDenseChunkRows); }
    int64_t first_row(int64_t chunk) const { return chunk * kDenseChunkRows; }
    int64_t num_rows(int64_t chunk) const { return std::min(kDenseChunkRows, pack.num_rows - first_row(chunk)); }
    int64_t num_weights() const { return pack.num_rows * pack.num_columns; }
    static PanelWidths widths(const LinearLayer& layer) {
        return widths_in_vectors(layer, layer.kernels.max_wide_dense, layer.kernels.max_wide_dense);
    }

    void compute(int64_t chunk, const LinearLayer& layer, const PanelWorkspace& work) const {
        const KernelTable& kernels = layer.kernels;
        const auto kernel = kernels.spmm_dense[work.shape.num_wide][work.shape.has_half];
        const float* weights = pack.weights.data() + first_row(chunk) / 4 * pack.strip_stride;
        const auto num_strips = static_cast<int32_t>((num_rows(chunk) + 3) / 4);
        int64_t column = 0;
        do {
            const auto count = static_cast<int32_t>(std::min(kDenseBlockColumns, pack.num_columns - column));
            kernel({weights + 4 * column, pack.strip_stride, num_strips, count,
                    work.x_from(column, kernels.vector_width), work.sums, column > 0});
            column += count;
        } while (column < pack.num_columns);
    }
};

}  // namespace

void run_on_panels(const CsrPack& pack, const LinearLayer& layer, const LinearCall& call) {
    run_panels<PanelWorkspace>(CsrPanels(pack), layer, call);
}

void run_on_panels(const BlockPack& pack, const LinearLayer& layer, const LinearCall& call) {
    run_panels<PanelWorkspace>(BlockPanels(pack), layer, call);
}

void run_on_panels(const SellPack& pack, const LinearLayer& layer, const LinearCall& call) {
    run_panels<PanelWorkspace>(SellPanels(pack), layer, call);
}

void run_on_panels(const DensePack& pack, const LinearLayer& layer, const LinearCall& call) {
    run_panels<PanelWorkspace>(DensePanels(pack), layer, call);
}

}  // namespace sparseinf
