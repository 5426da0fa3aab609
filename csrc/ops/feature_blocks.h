// How the features of x lie where a kernel reads them.
#pragma once

#include <cstdint>

#include "common/aligned_buffer.h"
#include "ops/strided_rows.h"

namespace sparseinf {

// In blocks, each filled up with zeros.
struct FeatureBlocks {
    int64_t num_features;
    int64_t block_features;
    int64_t stride;  // features from one block to the next

    static FeatureBlocks contiguous(int64_t num_features) { return {num_features, num_features, num_features}; }

    int64_t num_blocks() const {
        return block_features == 0 ? 0 : (num_features + block_features - 1) / block_features;
    }
    int64_t size() const { return num_blocks() * stride; }
};

// A column of floats as the kernels read it: contiguous, aligned, in blocks. In place where it already is.
const float* features_in_blocks(const StridedRows& x, int64_t column, const FeatureBlocks& layout, float* copy);

// Bytes from one column to the next where they lie one after the other: an odd number of cache lines. So they begin in
// different sets of the L1 cache; kernels go through all of them side by side.
constexpr int64_t column_stride_bytes(int64_t bytes) {
    return ((bytes + kCacheLineBytes - 1) / kCacheLineBytes | 1) * kCacheLineBytes;
}

}  // namespace sparseinf
