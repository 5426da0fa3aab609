#include "ops/feature_blocks.h"

#include <algorithm>
#include <cstring>

namespace sparseinf {

const float* features_in_blocks(const StridedRows& x, int64_t column, const FeatureBlocks& layout, float* copy) {
    const char* row = x.row(column);
    const int64_t stride_bytes = x.feature_stride_bytes();
    const bool is_aligned = reinterpret_cast<uintptr_t>(row) % alignof(float) == 0;
    const bool is_contiguous = stride_bytes == sizeof(float);
    if (is_aligned && is_contiguous && layout.size() == layout.num_features) return reinterpret_cast<const float*>(row);
    for (int64_t block = 0; block < layout.num_blocks(); ++block) {
        const int64_t first = block * layout.block_features;
        const int64_t count = std::min(layout.block_features, layout.num_features - first);
        const char* from = row + first * stride_bytes;
        float* to = copy + block * layout.stride;
        if (is_contiguous) {
            std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
        } else {
            for (int64_t k = 0; k < count; ++k) std::memcpy(to + k, from + k * stride_bytes, sizeof(float));
        }
        std::fill(to + count, to + layout.stride, 0.0f);
    }
    return copy;
}

}  // namespace sparseinf
