// Rows of float activations into uint8.
#pragma once

#include <cstdint>

#include "int8_args.h"
#include "panels.h"

namespace {

// x - x is zero, or NaN where x is not finite; once NaN, `strange` stays so.
template <class Wide>
Range range(const RangeArgs& args) noexcept {
    Wide low = Wide::zero(), high = Wide::zero(), strange = Wide::zero();
    for (int64_t k = 0; k < args.count; k += Wide::kWidth) {
        const int count = args.count - k < Wide::kWidth ? static_cast<int>(args.count - k) : Wide::kWidth;
        const Wide x = load_features<Wide>(args.row + k * args.stride_bytes, args.stride_bytes, count);
        low = at_most(x, low);
        high = at_least(x, high);
        strange = strange + (x - x);
    }
    float lows[Wide::kWidth], highs[Wide::kWidth];
    low.store(lows);
    high.store(highs);
    Range found{lows[0], highs[0]};
    for (int i = 1; i < Wide::kWidth; ++i) {
        found.low = lows[i] < found.low ? lows[i] : found.low;
        found.high = highs[i] > found.high ? highs[i] : found.high;
    }
    const float nan_or_zero = sum(strange);
    return {found.low + nan_or_zero, found.high + nan_or_zero};
}

template <class Wide>
void quantize(const QuantizeArgs& args) noexcept {
    const Wide inverse_scale = Wide::broadcast(args.inverse_scale), zero = Wide::broadcast(args.zero);
    for (int64_t k = 0; k < args.count; k += Wide::kWidth) {
        const int count = args.count - k < Wide::kWidth ? static_cast<int>(args.count - k) : Wide::kWidth;
        const Wide x = load_features<Wide>(args.row + k * args.stride_bytes, args.stride_bytes, count);
        const Wide rounded = round_to_integer(x * inverse_scale) + zero;
        store_bytes(at_most(Wide::broadcast(255.0f), at_least(Wide::zero(), rounded)), args.out + k, count);
    }
}

}  // namespace
