// int8 layers one column at a time.
#include <algorithm>

#include "common/aligned_buffer.h"
#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/int8_layers.h"

namespace sparseinf {
namespace {

// Strips a unit of work: units begin at multiples of sixteen rows.
constexpr int64_t kUnitStrips = 64;

// One column of x, quantized.
struct QuantizedColumn {
    ActivationScale scale;
    const uint8_t* features;  // filled up with zeros to `size`

    QuantizedColumn(const LinearCall& call, const LinearLayer& layer, int64_t column, int64_t size, uint8_t* to)
        : scale(layer.int8->activations.fixed), features(to) {
        const Int8Layer& int8 = *layer.int8;
        const char* row = call.x.row(column);
        const int64_t stride_bytes = call.x.feature_stride_bytes();
        if (int8.activations.scales != ActivationScales::kStatic) {
            const bool is_tensor = int8.activations.scales == ActivationScales::kTensor;
            scale = int8.activations.scale_of(is_tensor ? call.x_range
                                                        : int8.kernels.range({row, stride_bytes, layer.in_features}));
        }
        int8.kernels.quantize({row, stride_bytes, layer.in_features, scale.inverse, scale.zero, to});
        std::fill(to + layer.in_features, to + size, uint8_t{0});
    }
};

}  // namespace

void run_on_columns(const DenseInt8Pack& pack, const LinearLayer& layer, const LinearCall& call) {
    const DensePack& quads = pack.quads;
    const int num_threads = useful_threads(call.num_threads, pack.num_rows * pack.num_columns, 1);
    const int64_t x_size = round_up(quads.strip_stride, kCacheLineBytes);  // four bytes a quad, four quads a strip
    const int64_t sums_size = round_up(4 * quads.num_strips, 16);
    Scratch scratch(x_size + sums_size * static_cast<int64_t>(sizeof(float)));
    auto* x = reinterpret_cast<uint8_t*>(scratch.data());
    auto* sums = reinterpret_cast<float*>(scratch.data() + x_size);
    const int64_t num_units = (quads.num_strips + kUnitStrips - 1) / kUnitStrips;
    for (int64_t column = 0; column < call.num_columns; ++column) {
        const QuantizedColumn quantized(call, layer, column, quads.strip_stride, x);
        parallel_for(num_units, num_threads, [&](int, int64_t unit) {
            const int64_t strip = unit * kUnitStrips, first_row = 4 * strip;
            const auto num_strips = static_cast<int32_t>(std::min(kUnitStrips, quads.num_strips - strip));
            layer.int8->kernels.gemv_dense({quads.weights.data() + strip * quads.strip_stride, quads.strip_stride,
                                            num_strips, static_cast<int32_t>(quads.strip_stride / 4),
                                            reinterpret_cast<const float*>(quantized.features), sums + first_row});
            const Dequantization dequantization{&quantized.scale.scale, &quantized.scale.zero,
                                                layer.int8->row_scales + first_row, pack.row_sums.data() + first_row};
            const RowPointers rows(call, layer, column, 1, first_row);
            auto args = rows.arguments(call, layer, first_row);
            args.sums = {sums + first_row, nullptr};
            args.dequantization = &dequantization;
            args.num_columns = 1;
            args.num_features = static_cast<int32_t>(std::min(4 * kUnitStrips, pack.num_rows - first_row));
            layer.kernels.finish_vector(args);
        });
    }
}

}  // namespace sparseinf
