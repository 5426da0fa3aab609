#include "ops/activation_quantization.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sparseinf {

ActivationScale ActivationQuantization::scale_of(Range range) const {
    const float extent = is_symmetric ? std::max(-range.low, range.high) : range.high - range.low;
    const float levels = is_symmetric ? 127.0f : 255.0f;
    const int32_t middle = is_symmetric ? 128 : 0;
    if (!std::isfinite(extent)) return {std::numeric_limits<float>::quiet_NaN(), 0, middle};
    const float scale = extent / levels, inverse = levels / extent;
    if (!std::isfinite(inverse)) return {0, 0, middle};
    return {scale, inverse, is_symmetric ? middle : static_cast<int32_t>(std::nearbyint(-range.low / scale))};
}

Range range_of(const StridedRows& x, int64_t num_columns, int64_t num_features, RangeKernel kernel) {
    Range all{0, 0};
    for (int64_t n = 0; n < num_columns; ++n) {
        const Range row = kernel({x.row(n), x.feature_stride_bytes(), num_features});
        if (std::isnan(row.low)) return row;
        all = {std::min(all.low, row.low), std::max(all.high, row.high)};
    }
    return all;
}

}  // namespace sparseinf
