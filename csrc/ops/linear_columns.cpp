#include "ops/linear_columns.h"

#include <algorithm>

#include "common/aligned_buffer.h"
#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/feature_blocks.h"

namespace sparseinf {
namespace {

// A family of matrix-vector kernels: how a pack's rows are cut into units, and how one unit is computed.
// Units begin at multiples of sixteen rows: the epilogue of one must not read the sums of the next.
class QuadUnits {
public:
    QuadUnits(int64_t num_quads, int num_threads)
        : num_quads_(num_quads),
          // Several units a thread, so that uneven rows even out.
          count_(num_threads == 1 ? 1 : std::clamp<int64_t>(num_quads / 16, 1, 8 * num_threads)) {}

    int64_t num_units() const { return count_; }
    int64_t first_row(int64_t unit) const { return 4 * first_quad(unit); }
    int64_t sums_at(int64_t unit) const { return first_row(unit); }
    int64_t sums_size() const { return round_up(4 * num_quads_, 16); }

protected:
    int64_t first_quad(int64_t unit) const { return unit == count_ ? num_quads_ : num_quads_ * unit / count_ / 4 * 4; }
    int32_t num_quads(int64_t unit) const { return static_cast<int32_t>(first_quad(unit + 1) - first_quad(unit)); }

private:
    int64_t num_quads_;
    int64_t count_;
};

struct BitmapRows : QuadUnits {
    BitmapRows(const BitmapPack& p, int num_threads) : QuadUnits(p.num_quads, num_threads), pack(p) {}

    const BitmapPack& pack;

    FeatureBlocks x_layout() const { return {pack.num_columns, pack.num_columns, 16 * pack.num_groups}; }
    void compute(const KernelTable& kernels, int64_t unit, const float* x, float* sums) const {
        const int64_t first = first_quad(unit);
        kernels.gemv_bitmap({pack.masks.data() + first * pack.num_groups * 4, pack.values.data(),
                             pack.quad_offsets.data() + first, num_quads(unit), static_cast<int32_t>(pack.num_groups),
                             x, sums});
    }
};

struct DenseRows : QuadUnits {
    DenseRows(const DensePack& p, int num_threads) : QuadUnits(p.num_strips, num_threads), pack(p) {}

    const DensePack& pack;

    FeatureBlocks x_layout() const { return {pack.num_columns, pack.num_columns, pack.strip_stride / 4}; }
    void compute(const KernelTable& kernels, int64_t unit, const float* x, float* sums) const {
        kernels.gemv_dense({pack.weights.data() + first_quad(unit) * pack.strip_stride, pack.strip_stride,
                            num_quads(unit), static_cast<int32_t>(pack.strip_stride / 4), x, sums});
    }
};

// Units are the pack's chunks; each one's sums are followed by the row that stands in where there is none.
template <class Pack>
struct ChunkUnits {
    const Pack& pack;

    int64_t num_units() const { return static_cast<int64_t>(pack.chunks.size()); }
    int64_t first_row(int64_t unit) const {
        return unit == num_units() ? pack.num_rows : pack.chunks[static_cast<size_t>(unit)].first_row;
    }
    int64_t sums_at(int64_t unit) const { return first_row(unit) + 16 * unit; }
    int64_t sums_size() const { return round_up(pack.num_rows, 16) + 16 * num_units(); }
};

struct CsrRows : ChunkUnits<CsrPack> {
    FeatureBlocks x_layout() const { return FeatureBlocks::contiguous(pack.num_columns); }
    void compute(const KernelTable& kernels, int64_t unit, const float* x, float* sums) const {
        int64_t column = 0;
        for (const auto& block : pack.chunks[static_cast<size_t>(unit)].blocks) {
            kernels.gemv_csr({block, {x + column, nullptr}, {sums, nullptr}, column > 0});
            column += pack.block_columns;
        }
    }
};

struct StripRows : ChunkUnits<BlockPack> {
    FeatureBlocks x_layout() const { return FeatureBlocks::contiguous(pack.num_columns); }
    void compute(const KernelTable& kernels, int64_t unit, const float* x, float* sums) const {
        int64_t column = 0;
        for (const auto& block : pack.chunks[static_cast<size_t>(unit)].blocks) {
            kernels.gemv_block({block, x + column, sums, column > 0});
            column += pack.block_columns;
        }
    }
};

struct SellRows : ChunkUnits<SellPack> {
    FeatureBlocks x_layout() const { return {pack.num_columns, pack.block_columns, pack.block_columns + 1}; }
    void compute(const KernelTable& kernels, int64_t unit, const float* x, float* sums) const {
        const SellChunk& chunk = pack.chunks[static_cast<size_t>(unit)];
        std::fill_n(sums, chunk.num_rows, 0.0f);
        for (const auto& block : chunk.blocks) {
            kernels.gemv_sell({block, x, sums});
            x += pack.block_columns + 1;
        }
    }
};

template <class Rows>
void run_columns(const Rows& rows, const LinearLayer& layer, const LinearCall& call, int num_threads) {
    const FeatureBlocks layout = rows.x_layout();
    const int64_t x_size = round_up(layout.size(), 16);
    Scratch scratch((x_size + rows.sums_size()) * static_cast<int64_t>(sizeof(float)));
    auto* copy = reinterpret_cast<float*>(scratch.data());
    float* sums = copy + x_size;
    for (int64_t column = 0; column < call.num_columns; ++column) {
        const float* x = features_in_blocks(call.x, column, layout, copy);
        parallel_for(rows.num_units(), num_threads, [&](int, int64_t unit) {
            const int64_t first = rows.first_row(unit);
            const int64_t end = std::min(rows.first_row(unit + 1), layer.out_features);
            if (first == end) return;
            float* unit_sums = sums + rows.sums_at(unit);
            rows.compute(layer.kernels, unit, x, unit_sums);
            const RowPointers pointers(call, layer, column, 1, first);
            auto args = pointers.arguments(call, layer, first);
            args.sums = {unit_sums, nullptr};
            args.num_columns = 1;
            args.num_features = static_cast<int32_t>(end - first);
            layer.kernels.finish_vector(args);
        });
    }
}

}  // namespace

void run_on_columns(const BitmapPack& pack, const LinearLayer& layer, const LinearCall& call) {
    const int num_threads = useful_threads(call.num_threads, pack.num_nonzeros, 1);
    run_columns(BitmapRows(pack, num_threads), layer, call, num_threads);
}

void run_on_columns(const CsrPack& pack, const LinearLayer& layer, const LinearCall& call) {
    run_columns(CsrRows{{pack}}, layer, call, useful_threads(call.num_threads, pack.num_nonzeros, 1));
}

void run_on_columns(const BlockPack& pack, const LinearLayer& layer, const LinearCall& call) {
    run_columns(StripRows{{pack}}, layer, call, useful_threads(call.num_threads, pack.weights.size(), 1));
}

void run_on_columns(const SellPack& pack, const LinearLayer& layer, const LinearCall& call) {
    run_columns(SellRows{{pack}}, layer, call, useful_threads(call.num_threads, pack.num_nonzeros, 1));
}

void run_on_columns(const DensePack& pack, const LinearLayer& layer, const LinearCall& call) {
    const int num_threads = useful_threads(call.num_threads, pack.num_rows * pack.num_columns, 1);
    run_columns(DenseRows(pack, num_threads), layer, call, num_threads);
}

}  // namespace sparseinf
