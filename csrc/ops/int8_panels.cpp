// int8 layers on panels of columns.
#include <array>
#include <new>
#include <type_traits>
#include <utility>

#include "common/aligned_buffer.h"
#include "ops/int8_layers.h"
#include "ops/quantized_columns.h"
#include "ops/run_panels.h"

namespace sparseinf {
namespace {

// Rows and quads of dense weights between visits to the sums, as for floats.
constexpr int64_t kDenseChunkRows = 512;
constexpr int64_t kDenseBlockQuads = 512;

// Which panels a family reads (int8_args.h).
struct Int8Layout {
    int64_t num_features;
    bool is_bytes;

    int64_t num_quads() const { return (num_features + 3) / 4; }
    // From one quantized column to the next: an odd number of cache lines, so that they fall into different sets.
    int64_t column_bytes() const { return round_up(num_features, 2 * kCacheLineBytes) + kCacheLineBytes; }
};

// One thread's working memory while it runs panels: a panel of x, where its columns' scales come from, and the sums of
// one chunk of rows. It lies at the front of that memory itself.
class Int8Workspace {
public:
    static int64_t bytes(int64_t width, const Int8Layout& layout, int64_t chunk_rows) {
        return kHeaderBytes + width * layout.column_bytes() +
               round_up(4 * width * (layout.num_quads() + chunk_rows) + 4 * kCacheLineBytes, kCacheLineBytes);
    }

    // In `bytes` of memory, on a cache-line boundary, that outlive it.
    static void make(std::byte* memory, const Int8Layout& layout, int64_t chunk_rows) {
        static_assert(std::is_trivially_destructible_v<Int8Workspace>);
        new (memory) Int8Workspace(memory + kHeaderBytes, layout, chunk_rows);
    }
    static Int8Workspace& at(std::byte* memory) { return *std::launder(reinterpret_cast<Int8Workspace*>(memory)); }

    // Lays out, and fills, the panel of columns [first, first + count), if it is not there yet.
    void hold(int64_t panel, const LinearCall& call, const LinearLayer& layer, int64_t first, int64_t count) {
        if (std::exchange(panel_, panel) != panel) fill(call, layer, first, count);
    }

    ConstPanel quads_from(int64_t quad, int vector_width) const {
        return {x.main + quad * shape.num_wide * vector_width, x.tail + quad * (vector_width / 2)};
    }
    const uint8_t* bytes_from(int64_t feature) const {
        return reinterpret_cast<const uint8_t*>(x.main) + feature * num_columns_;
    }
    int byte_width() const { return static_cast<int>(num_columns_ / 32); }  // as the kernel tables count

    // Sums of the rows from first_row on become rows of y.
    void unpack(const LinearLayer& layer, int64_t first_row, const int32_t* row_sums, UnpackArgs& args) const {
        const Dequantization dequantization{scales_.data(), zeros_.data(), layer.int8->row_scales + first_row,
                                            row_sums + first_row};
        args.sums = {sums.main, sums.tail};
        args.dequantization = &dequantization;
        layer.kernels.unpack(args, shape.num_wide, shape.has_half);
    }

    PanelShape shape{};
    Panel x, sums;  // quads or bytes, and int32, in the place of floats

private:
    static constexpr int64_t kHeaderBytes = 1024;

    Int8Workspace(std::byte* memory, const Int8Layout& layout, int64_t chunk_rows)
        : memory_(memory), layout_(layout), chunk_rows_(chunk_rows) {
        static_assert(sizeof(Int8Workspace) <= kHeaderBytes);
    }

    void choose_shape(int64_t count, int vector_width) {
        if (layout_.is_bytes) {
            num_columns_ = count <= 16 ? 16 : count <= 32 ? 32 : 64;
            shape = {static_cast<int>(num_columns_ / vector_width), false};
        } else {
            shape = PanelShape::of(count, vector_width);
            num_columns_ = shape.num_wide * vector_width + (shape.has_half ? vector_width / 2 : 0);
        }
    }

    void fill(const LinearCall& call, const LinearLayer& layer, int64_t first, int64_t count) {
        const int vector_width = layer.kernels.vector_width;
        choose_shape(count, vector_width);
        const int64_t main = shape.num_wide * vector_width, tail = shape.has_half ? vector_width / 2 : 0;
        auto* at = reinterpret_cast<float*>(memory_ + num_columns_ * layout_.column_bytes());
        const auto take = [&at](int64_t size) { return std::exchange(at, at + round_up(size, 16)); };
        x = {take(layout_.num_quads() * main), take(layout_.num_quads() * tail)};
        sums = {take(chunk_rows_ * main), take(chunk_rows_ * tail)};

        // A column at a time: its second visit, which quantizes, finds it in the L1 cache.
        const int64_t column_bytes = layout_.column_bytes();
        std::array<const char*, kMaxPanelColumns> columns;
        scales_.fill(0);
        zeros_.fill(0);
        for (int64_t n = 0; n < count; ++n) {
            const auto i = static_cast<size_t>(n);
            auto* to = reinterpret_cast<uint8_t*>(memory_ + n * column_bytes);
            const ActivationScale scale = quantize_column(call, layer, first + n, 4 * layout_.num_quads(), to);
            scales_[i] = scale.scale;
            zeros_[i] = scale.zero;
            columns[i] = reinterpret_cast<const char*>(to);
        }
        layer.kernels.pack(
            {columns.data(), sizeof(float), static_cast<int32_t>(count), static_cast<int32_t>(layout_.num_quads()), x},
            shape.num_wide, shape.has_half);
        if (layout_.is_bytes) {
            layer.int8->kernels.split_quads[byte_width()](reinterpret_cast<uint8_t*>(x.main), layout_.num_quads());
        }
    }

    std::byte* memory_;
    Int8Layout layout_;
    int64_t chunk_rows_;
    int64_t num_columns_ = 0;  // of the panel, those that fill it up included
    int64_t panel_ = -1;
    std::array<float, kMaxPanelColumns> scales_;
    std::array<int32_t, kMaxPanelColumns> zeros_;
};

// Sparse weights on panels of bytes. kKernels: the kernel of each width.
template <class Pack, auto kKernels>
struct BytePanels {
    const Pack& pack;

    Int8Layout x_layout() const { return {pack.num_columns, true}; }
    int64_t num_weights() const { return pack.num_nonzeros; }
    int64_t num_chunks() const { return static_cast<int64_t>(pack.chunks.size()); }
    int64_t first_row(int64_t chunk) const { return pack.chunks[static_cast<size_t>(chunk)].first_row; }
    int64_t num_rows(int64_t chunk) const { return pack.chunks[static_cast<size_t>(chunk)].num_rows; }
    // Whole panels, and what is left in one that is as narrow as it may be.
    static PanelWidths widths(const LinearLayer& layer) {
        const int64_t most = layer.int8->kernels.max_byte_columns;
        return {most, most, most};
    }
    void compute(int64_t chunk, const LinearLayer& layer, const Int8Workspace& work) const {
        const auto kernel = (layer.int8->kernels.*kKernels)[work.byte_width()];
        int64_t column = 0;
        for (const auto& block : pack.chunks[static_cast<size_t>(chunk)].blocks) {
            kernel({block, work.bytes_from(column), reinterpret_cast<int32_t*>(work.sums.main), column > 0});
            column += pack.block_columns;
        }
    }
    void unpack(const Int8Workspace& work, const LinearLayer& layer, int64_t first_row, UnpackArgs& args) const {
        work.unpack(layer, first_row, pack.row_sums.data(), args);
    }
};

using QuadPanels = BytePanels<QuadPack, &Int8KernelTable::spmm_quads>;
using BlockInt8Panels = BytePanels<BlockInt8Pack, &Int8KernelTable::spmm_block_quads>;

struct DenseInt8Panels {
    const DenseInt8Pack& pack;

    Int8Layout x_layout() const { return {pack.num_columns, false}; }
    int64_t num_weights() const { return pack.num_rows * pack.num_columns; }
    int64_t num_chunks() const { return std::max<int64_t>(1, (pack.num_rows + kDenseChunkRows - 1) / kDenseChunkRows); }
    int64_t first_row(int64_t chunk) const { return chunk * kDenseChunkRows; }
    int64_t num_rows(int64_t chunk) const { return std::min(kDenseChunkRows, pack.num_rows - first_row(chunk)); }
    static PanelWidths widths(const LinearLayer& layer) {
        const int64_t width = layer.kernels.vector_width, most = layer.int8->kernels.max_wide_dense * width;
        return {most, most, width / 2};
    }
    void compute(int64_t chunk, const LinearLayer& layer, const Int8Workspace& work) const {
        const auto kernel = layer.int8->kernels.spmm_dense[work.shape.num_wide][work.shape.has_half];
        const float* weights = pack.quads.weights.data() + first_row(chunk) / 4 * pack.quads.strip_stride;
        const auto num_strips = static_cast<int32_t>((num_rows(chunk) + 3) / 4);
        int64_t quad = 0;
        do {
            const auto count = static_cast<int32_t>(std::min(kDenseBlockQuads, pack.quads.num_columns - quad));
            kernel({weights + 4 * quad, pack.quads.strip_stride, num_strips, count,
                    work.quads_from(quad, layer.kernels.vector_width), work.sums, quad > 0});
            quad += count;
        } while (quad < pack.quads.num_columns);
    }
    void unpack(const Int8Workspace& work, const LinearLayer& layer, int64_t first_row, UnpackArgs& args) const {
        work.unpack(layer, first_row, pack.row_sums.data(), args);
    }
};

}  // namespace

void run_on_panels(const QuadPack& pack, const LinearLayer& layer, const LinearCall& call) {
    run_panels<Int8Workspace>(QuadPanels{pack}, layer, call);
}

void run_on_panels(const BlockInt8Pack& pack, const LinearLayer& layer, const LinearCall& call) {
    run_panels<Int8Workspace>(BlockInt8Panels{pack}, layer, call);
}

void run_on_panels(const DenseInt8Pack& pack, const LinearLayer& layer, const LinearCall& call) {
    run_panels<Int8Workspace>(DenseInt8Panels{pack}, layer, call);
}

}  // namespace sparseinf
