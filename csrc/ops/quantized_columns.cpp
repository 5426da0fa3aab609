#include "ops/quantized_columns.h"

#include <algorithm>
#include <cstring>

#include "common/thread_pool.h"

namespace sparseinf {

ActivationScale quantize_column(const LinearCall& call, const LinearLayer& layer, int64_t n, int64_t size,
                                uint8_t* to) {
    const Int8Layer& int8 = *layer.int8;
    const char* row = call.x.row(n);
    const int64_t stride_bytes = call.x.feature_stride_bytes(), num_features = layer.in_features;
    std::fill(to + num_features, to + size, uint8_t{0});
    if (call.x_is_quantized) {
        if (stride_bytes == 1) {
            std::memcpy(to, row, static_cast<size_t>(num_features));
        } else {
            for (int64_t k = 0; k < num_features; ++k) to[k] = static_cast<uint8_t>(row[k * stride_bytes]);
        }
        return int8.activations.fixed;
    }
    ActivationScale scale = int8.activations.fixed;
    if (int8.activations.scales == ActivationScales::kTensor) {
        scale = int8.activations.scale_of(call.x_range);
    } else if (int8.activations.scales == ActivationScales::kColumn) {
        scale = int8.activations.scale_of(int8.kernels.range({row, stride_bytes, num_features}));
    }
    int8.kernels.quantize({row, stride_bytes, num_features, scale.inverse, scale.zero, to});
    return scale;
}

void QuantizedColumns::quantize(const LinearCall& call, const LinearLayer& layer, int64_t first, int64_t count,
                                int num_threads) {
    first_ = first;
    parallel_for(count, num_threads, [&](int, int64_t n) {
        const ActivationScale scale = quantize_column(call, layer, first + n, size_, features_ + n * stride_);
        scales_[static_cast<size_t>(n)] = scale.scale;
        zeros_[static_cast<size_t>(n)] = scale.zero;
    });
}

void QuantizedColumns::finish(const LinearCall& call, const LinearLayer& layer, int64_t first, int64_t count,
                              const int32_t* row_sums, const Sums& sums) const {
    const Dequantization dequantization{scales_.data() + first, zeros_.data() + first,
                                        layer.int8->row_scales + sums.first_row, row_sums + sums.first_row};
    const RowPointers rows(call, layer, first_ + first, count, sums.first_row);
    auto args = rows.arguments(call, layer, sums.first_row);
    args.sums = {reinterpret_cast<const float*>(sums.data), nullptr};
    args.dequantization = &dequantization;
    args.num_columns = static_cast<int32_t>(count);
    args.num_features = static_cast<int32_t>(sums.num_rows);
    layer.int8->kernels.finish_columns(args, sums.stride);
}

}  // namespace sparseinf
