// How the features of x lie where a kernel reads them.
#pragma once

#include <cstdint>

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

}  // namespace sparseinf
