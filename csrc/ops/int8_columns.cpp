// int8 layers one column at a time.
#include <algorithm>

#include "common/aligned_buffer.h"
#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/int8_layers.h"
#include "ops/quantized_columns.h"

namespace sparseinf {
namespace {

// Fours of rows a unit of work: units begin at multiples of sixteen rows.
constexpr int64_t kUnitQuads = 64;

// compute(first quad, quads, x, sums) makes the sums of four rows a quad.
template <class Pack, class Compute>
void run_quads(const Pack& pack, int64_t num_quads, int64_t num_features, int num_threads, const LinearLayer& layer,
               const LinearCall& call, Compute&& compute) {
    const int64_t x_size = column_stride_bytes(num_features);
    const int64_t sums_size = round_up(4 * num_quads, 16) * static_cast<int64_t>(sizeof(int32_t));
    Scratch scratch(x_size + sums_size);
    QuantizedColumns x(reinterpret_cast<uint8_t*>(scratch.data()), num_features);
    auto* sums = reinterpret_cast<int32_t*>(scratch.data() + x_size);
    const int64_t num_units = (num_quads + kUnitQuads - 1) / kUnitQuads;
    for (int64_t column = 0; column < call.num_columns; ++column) {
        x.quantize(call, layer, column, 1, 1);
        parallel_for(num_units, num_threads, [&](int, int64_t unit) {
            const int64_t quad = unit * kUnitQuads, first_row = 4 * quad;
            compute(quad, std::min(kUnitQuads, num_quads - quad), x.column(0), sums + first_row);
            x.finish(call, layer, 0, 1, pack.row_sums.data(),
                     {sums + first_row, 0, first_row, std::min(4 * kUnitQuads, pack.num_rows - first_row)});
        });
    }
}

}  // namespace

void run_on_columns(const DenseInt8Pack& pack, const LinearLayer& layer, const LinearCall& call) {
    const DensePack& quads = pack.quads;
    const int num_threads = useful_threads(call.num_threads, pack.num_rows * pack.num_columns, 1);
    run_quads(
        pack, quads.num_strips, quads.strip_stride, num_threads, layer, call,
        [&](int64_t strip, int64_t count, const uint8_t* x, int32_t* sums) {
            layer.int8->kernels.gemv_dense({quads.weights.data() + strip * quads.strip_stride, quads.strip_stride,
                                            static_cast<int32_t>(count), static_cast<int32_t>(quads.strip_stride / 4),
                                            reinterpret_cast<const float*>(x), reinterpret_cast<float*>(sums)});
        });
}

void run_on_columns(const BitmapInt8Pack& pack, const LinearLayer& layer, const LinearCall& call) {
    const int num_threads = useful_threads(call.num_threads, pack.num_nonzeros, 1);
    run_quads(pack, pack.num_quads, pack.num_groups * pack.kGroupColumns, num_threads, layer, call,
              [&](int64_t quad, int64_t count, const uint8_t* x, int32_t* sums) {
                  layer.int8->kernels.gemv_bitmap({pack.masks.data() + quad * pack.num_groups * 4, pack.values.data(),
                                                   pack.quad_offsets.data() + quad, static_cast<int32_t>(count),
                                                   static_cast<int32_t>(pack.num_groups), x, sums});
              });
}

}  // namespace sparseinf
