// What the two ways of running a linear layer, on panels and on single columns, have in common.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/kernel_args.h"
#include "ops/activation_quantization.h"
#include "ops/strided_rows.h"

namespace sparseinf {

// One call's arrays, checked by the caller.
struct LinearCall {
    int64_t num_columns;
    StridedRows x;                // float32, or uint8 where an int8 layer's scale is static
    const StridedRows* residual;  // or nullptr
    void* y;                      // (num_columns, out_features), C-contiguous; float32, or uint8 from requantizing
    int num_threads;
    Range x_range{};              // of all x, where an int8 layer has one scale for them
    bool x_is_quantized = false;  // already, by the layer's static scale
};

// What an int8 layer has besides.
struct Int8Layer {
    const Int8KernelTable& kernels;
    const ActivationQuantization& activations;
    const float* row_scales;
    const Requantization* requantization;  // or nullptr
};

struct LinearLayer {
    int64_t out_features;
    int64_t in_features;
    const KernelTable& kernels;
    const float* bias;  // or nullptr
    const Epilogue& epilogue;
    const Int8Layer* int8;  // or nullptr
};

// Where columns [first, first + count) of y, and of the residual, have their rows from feature `feature` on.
class RowPointers {
public:
    RowPointers(const LinearCall& call, const LinearLayer& layer, int64_t first, int64_t count, int64_t feature)
        : requantization_(layer.int8 != nullptr ? layer.int8->requantization : nullptr) {
        const int64_t element_bytes = requantization_ != nullptr ? 1 : sizeof(float);
        for (int64_t n = 0; n < count; ++n) {
            const auto i = static_cast<size_t>(n);
            y_[i] = static_cast<char*>(call.y) + ((first + n) * layer.out_features + feature) * element_bytes;
            if (call.residual != nullptr) {
                residual_[i] = call.residual->row(first + n) + feature * call.residual->feature_stride_bytes();
            }
        }
    }

    UnpackArgs arguments(const LinearCall& call, const LinearLayer& layer, int64_t feature) const {
        UnpackArgs args{};
        args.requantization = requantization_;
        args.rows = y_.data();
        args.residual_rows = call.residual != nullptr ? residual_.data() : nullptr;
        args.residual_stride_bytes = call.residual != nullptr ? call.residual->feature_stride_bytes() : 0;
        args.bias = layer.bias != nullptr ? layer.bias + feature : nullptr;
        args.epilogue = layer.epilogue;
        return args;
    }

private:
    const Requantization* requantization_;
    std::array<char*, kMaxPanelColumns> y_;
    std::array<const char*, kMaxPanelColumns> residual_;
};

// How many threads so much work is worth: waking one costs about as much as a million operations, 15 us.
inline int useful_threads(int num_threads, int64_t num_weights, int64_t num_columns) {
    constexpr double kMinOperationsAThread = 1e6;
    const double operations = 2.0 * static_cast<double>(num_weights) * static_cast<double>(num_columns);
    return static_cast<int>(std::clamp(operations / kMinOperationsAThread, 1.0, static_cast<double>(num_threads)));
}

}  // namespace sparseinf
