// Rows of float activations into uint8.
//
// Four vectors a step: that fills a register with bytes, and in four chains the extremes of a row wait for memory only.
#pragma once

#include <cstdint>

#include "int8_args.h"
#include "panels.h"

namespace {

constexpr int kVectorsAStep = 4;

// Calls visit(vectors, k) for every four vectors of a row, k the first one's first feature; what the last ones have
// past the row's end is zero.
template <class Wide, class Visit>
SPARSEINF_INLINE void for_each_step(const char* row, int64_t stride_bytes, int64_t count, Visit&& visit) {
    constexpr int64_t kStep = kVectorsAStep * Wide::kWidth;
    const bool is_contiguous = stride_bytes == sizeof(float);
    int64_t k = 0;
    const auto visit_floats = [&](const char* floats) {
        Wide x[kVectorsAStep];
        for (int j = 0; j < kVectorsAStep; ++j) x[j] = Wide::load(floats + j * sizeof(Wide));
        visit(x, k);
    };
    if (is_contiguous) {
        for (; k + kStep <= count; k += kStep) visit_floats(row + k * int64_t{sizeof(float)});
    }
    for (; k < count; k += kStep) {
        const int64_t left = count - k < kStep ? count - k : kStep;
        float floats[kStep] = {};
        const char* from = row + k * stride_bytes;
        if (is_contiguous) {
            __builtin_memcpy(floats, from, static_cast<uint64_t>(left) * sizeof(float));
        } else {
            for (int64_t i = 0; i < left; ++i) floats[i] = load_float(from + i * stride_bytes);
        }
        visit_floats(reinterpret_cast<const char*>(floats));
    }
}

// 0 * x is zero, or NaN where x is not finite; once NaN, `strange` stays so.
template <class Wide>
Range range(const RangeArgs& args) noexcept {
    Wide low[kVectorsAStep], high[kVectorsAStep], strange[kVectorsAStep];
    for (int j = 0; j < kVectorsAStep; ++j) low[j] = high[j] = strange[j] = Wide::zero();
    for_each_step<Wide>(args.row, args.stride_bytes, args.count, [&](const Wide(&x)[kVectorsAStep], int64_t) {
        for (int j = 0; j < kVectorsAStep; ++j) {
            low[j] = at_most(x[j], low[j]);
            high[j] = at_least(x[j], high[j]);
            strange[j] = multiply_add(x[j], Wide::zero(), strange[j]);
        }
    });
    float lows[Wide::kWidth], highs[Wide::kWidth];
    at_most(at_most(low[0], low[1]), at_most(low[2], low[3])).store(lows);
    at_least(at_least(high[0], high[1]), at_least(high[2], high[3])).store(highs);
    for (int half = Wide::kWidth / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) {
            lows[i] = lows[i + half] < lows[i] ? lows[i + half] : lows[i];
            highs[i] = highs[i + half] > highs[i] ? highs[i + half] : highs[i];
        }
    }
    const float nan_or_zero = sum((strange[0] + strange[1]) + (strange[2] + strange[3]));
    return {lows[0] + nan_or_zero, highs[0] + nan_or_zero};
}

template <class Wide>
void quantize(const QuantizeArgs& args) noexcept {
    constexpr int64_t kStep = kVectorsAStep * Wide::kWidth;
    const Wide inverse_scale = Wide::broadcast(args.inverse_scale);
    const Wide least = Wide::broadcast(-1024.0f);  // less is 0 just the same
    const int32_t zero = args.zero;
    const int64_t count = args.count;
    uint8_t* const out = args.out;
    // The next row, where rows follow each other, is fetched on the way. Zen 4, range and quantization of 384 rows of
    // 768 floats from the L3 cache: 32.4 -> 30.4 us.
    const char* const next = args.row + count * args.stride_bytes;
    for_each_step<Wide>(args.row, args.stride_bytes, count, [&](const Wide(&x)[kVectorsAStep], int64_t k) {
        for (int j = 0; j < kVectorsAStep; ++j) __builtin_prefetch(next + (k + j * Wide::kWidth) * sizeof(float));
        Wide scaled[kVectorsAStep];
        for (int j = 0; j < kVectorsAStep; ++j) scaled[j] = at_least(least, x[j] * inverse_scale);
        if (count - k >= kStep) {
            store_bytes(scaled, zero, out + k);
        } else {
            uint8_t bytes[kStep];
            store_bytes(scaled, zero, bytes);
            __builtin_memcpy(out + k, bytes, static_cast<uint64_t>(count - k));
        }
    });
}

}  // namespace
