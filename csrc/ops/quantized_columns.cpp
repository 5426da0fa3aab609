#include "ops/quantized_columns.h"

#include <algorithm>

#include "common/thread_pool.h"

namespace sparseinf {

void QuantizedColumns::quantize(const LinearCall& call, const LinearLayer& layer, int64_t first, int64_t count,
                                int num_threads) {
    first_ = first;
    const Int8Layer& int8 = *layer.int8;
    const ActivationQuantization& activations = int8.activations;
    const int64_t stride_bytes = call.x.feature_stride_bytes();
    parallel_for(count, num_threads, [&](int, int64_t n) {
        const char* row = call.x.row(first + n);
        ActivationScale scale = activations.fixed;
        if (activations.scales == ActivationScales::kTensor) {
            scale = activations.scale_of(call.x_range);
        } else if (activations.scales == ActivationScales::kColumn) {
            scale = activations.scale_of(int8.kernels.range({row, stride_bytes, layer.in_features}));
        }
        uint8_t* to = features_ + n * stride_;
        int8.kernels.quantize({row, stride_bytes, layer.in_features, scale.inverse, scale.zero, to});
        std::fill(to + layer.in_features, to + size_, uint8_t{0});
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
