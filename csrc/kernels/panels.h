// Rows of x into panels, and accumulator panels back into rows of y through the epilogue.
//
// Both are transpositions of square tiles in registers. x may have any strides, also ones that are no multiple of
// four bytes; y is written in whole rows of features.
#pragma once

#include <cstdint>

#include "activation.h"
#include "kernel_args.h"
#include "row_sums.h"

namespace {

SPARSEINF_INLINE float load_float(const char* p) {
    float value;
    __builtin_memcpy(&value, p, sizeof value);
    return value;
}

// `count` features of one row, `stride_bytes` apart, the rest zero.
template <class V>
SPARSEINF_INLINE V load_features(const char* p, int64_t stride_bytes, int count) {
    if (stride_bytes == sizeof(float)) return count == V::kWidth ? V::load(p) : V::load_partial(p, count);
    float lanes[V::kWidth] = {};
    for (int i = 0; i < count; ++i) lanes[i] = load_float(p + i * stride_bytes);
    return V::load(lanes);
}

// A square in registers.
template <class V>
SPARSEINF_INLINE void transpose(V (&tile)[V::kWidth]) {
    using Half = typename V::Half;
    Half low[V::kWidth], high[V::kWidth];
    for (int i = 0; i < V::kWidth; ++i) {
        low[i] = low_half(tile[i]);
        high[i] = high_half(tile[i]);
    }
    V left[Half::kWidth], right[Half::kWidth];
    transpose(low, left);
    transpose(high, right);
    for (int i = 0; i < Half::kWidth; ++i) {
        tile[i] = left[i];
        tile[i + Half::kWidth] = right[i];
    }
}

// How many features of a row lie before the next multiple of a vector's bytes in memory; a whole vector where that is
// out of reach. Tiles that start there touch each cache line once. Elsewhere each line is touched by two tiles, and
// where rows lie a multiple of 4 KB apart it is evicted in between, since all of them fall into one set of the L1
// cache. Zen 4, 64 rows of 1024 features, 16 bytes off: pack 21.7 -> 17.4 us, unpack 31.7 -> 21.9 us.
template <class V>
SPARSEINF_INLINE int features_to_border(const void* row, int64_t stride_bytes) {
    const auto bytes = static_cast<int>(reinterpret_cast<uintptr_t>(row) % sizeof(V));
    const bool is_reachable = stride_bytes == sizeof(float) && bytes % sizeof(float) == 0;
    return V::kWidth - (is_reachable ? bytes / static_cast<int>(sizeof(float)) : 0);
}

// Columns [first, first + V::kWidth) of the panel into out[feature * out_stride + 0..].
template <class V>
SPARSEINF_INLINE void pack_columns(const PackArgs& args, int first, float* out, int64_t out_stride) {
    constexpr int kWidth = V::kWidth;
    const int num_columns = args.num_columns - first < kWidth ? args.num_columns - first : kWidth;
    const char* const* rows = args.rows + first;

    bool columns_are_adjacent = num_columns > 0;  // x is stored feature by feature: copy, do not transpose
    for (int n = 1; n < num_columns; ++n) columns_are_adjacent &= rows[n] - rows[n - 1] == sizeof(float);
    if (columns_are_adjacent && args.stride_bytes != sizeof(float)) {
        for (int64_t k = 0; k < args.num_features; ++k) {
            V::load_partial(rows[0] + k * args.stride_bytes, num_columns).store(out + k * out_stride);
        }
        return;
    }
    const bool is_contiguous = args.stride_bytes == sizeof(float);
    int step = num_columns > 0 ? features_to_border<V>(rows[0], args.stride_bytes) : kWidth;
    for (int32_t k = 0; k < args.num_features; k += step, step = kWidth) {
        const int num_features = args.num_features - k < step ? args.num_features - k : step;
        V tile[kWidth];
        if (is_contiguous && num_columns == kWidth && num_features == kWidth) {
            for (int n = 0; n < kWidth; ++n) tile[n] = V::load(rows[n] + k * int64_t{sizeof(float)});
            transpose(tile);
            for (int i = 0; i < kWidth; ++i) tile[i].store(out + (k + i) * out_stride);
            continue;
        }
        for (int n = 0; n < kWidth; ++n) {
            tile[n] = n < num_columns
                          ? load_features<V>(rows[n] + k * args.stride_bytes, args.stride_bytes, num_features)
                          : V::zero();
        }
        transpose(tile);
        for (int i = 0; i < num_features; ++i) tile[i].store(out + (k + i) * out_stride);
    }
}

template <class Wide, class Half>
void pack(const PackArgs& args, int num_wide, bool has_half) noexcept {
    const int64_t main_stride = num_wide * Wide::kWidth;
    for (int j = 0; j < num_wide; ++j) {
        pack_columns<Wide>(args, j * Wide::kWidth, args.out.main + j * Wide::kWidth, main_stride);
    }
    if (has_half) pack_columns<Half>(args, num_wide * Wide::kWidth, args.out.tail, Half::kWidth);
}

// Integer sums of some features of a column into floats (kernel_args.h).
template <class Wide>
SPARSEINF_INLINE Wide dequantize(Wide sums, float column_scale, int32_t column_zero, Wide row_scales, Wide row_sums) {
    return float_of_integer(subtract_product(sums, column_zero, row_sums)) *
           (Wide::broadcast(column_scale) * row_scales);
}

// Likewise, features [m, m + count) of some columns.
template <class Wide, int kCount>
SPARSEINF_INLINE void dequantize_tile(const Dequantization& scales, Wide (&sums)[kCount], int first_column, int32_t m,
                                      int count) {
    const Wide row_scales = Wide::load_partial(scales.row_scales + m, count);
    const Wide row_sums = Wide::load_partial(scales.row_sums + m, count);
    for (int n = 0; n < kCount; ++n) {
        const int column = first_column + n;
        sums[n] = dequantize(sums[n], scales.column_scales[column], scales.column_zeros[column], row_scales, row_sums);
    }
}

// Writes finished features [m, m + count) of a column to its row of y, as they are or in 8 bits.
template <class Wide>
struct WriteFloats {
    explicit WriteFloats(const UnpackArgs& args) : rows(args.rows) {}

    char* const* rows;

    SPARSEINF_INLINE void operator()(Wide y, int column, int32_t m) const {
        y.store(reinterpret_cast<float*>(rows[column]) + m);
    }
    SPARSEINF_INLINE void operator()(Wide y, int column, int32_t m, int count) const {
        y.store_partial(reinterpret_cast<float*>(rows[column]) + m, count);
    }
};
template <class Wide>
struct WriteBytes {
    explicit WriteBytes(const UnpackArgs& args)
        : rows(args.rows),
          inverse_scale(Wide::broadcast(args.requantization->inverse_scale)),
          zero(args.requantization->zero) {}

    char* const* rows;
    Wide inverse_scale;
    int32_t zero;

    SPARSEINF_INLINE void operator()(Wide y, int column, int32_t m, int count = Wide::kWidth) const {
        // Less than -1024 is 0 just the same. The bound comes second: it is what NaN gives.
        const Wide scaled = at_least(y * inverse_scale, Wide::broadcast(-1024.0f));
        store_bytes(scaled, zero, reinterpret_cast<uint8_t*>(rows[column]) + m, count);
    }
};

// sums -> y for features [m, m + count) of some columns.
template <class Wide, int kCount>
SPARSEINF_INLINE void finish_tile(const UnpackArgs& args, Wide (&sums)[kCount], int first_column, int num_columns,
                                  int32_t m, int count) {
    if (args.bias != nullptr) {
        const Wide bias = Wide::load_partial(args.bias + m, count);
        for (int n = 0; n < kCount; ++n) sums[n] = sums[n] + bias;
    }
    if (args.residual_rows != nullptr) {
        for (int n = 0; n < num_columns; ++n) {
            const char* row = args.residual_rows[first_column + n] + m * args.residual_stride_bytes;
            sums[n] = sums[n] + load_features<Wide>(row, args.residual_stride_bytes, count);
        }
    }
    activate(sums, args.epilogue);
    const auto write_all = [&](const auto& write) {
        for (int n = 0; n < num_columns; ++n) {
            if (count == Wide::kWidth) {
                write(sums[n], first_column + n, m);
            } else {
                write(sums[n], first_column + n, m, count);
            }
        }
    };
    if (args.requantization != nullptr) {
        write_all(WriteBytes<Wide>(args));
    } else {
        write_all(WriteFloats<Wide>(args));
    }
}

// sums[feature * stride + 0..] of Wide::kWidth features and Half::kWidth columns, a vector a column.
template <class Wide, class Half>
SPARSEINF_INLINE void load_sums(const float* sums, int64_t stride, Wide (&tile)[Half::kWidth]) {
    Half rows[Wide::kWidth];
    for (int i = 0; i < Wide::kWidth; i += 4, sums += 4 * stride) {
        for (int j = 0; j < 4; ++j) rows[i + j] = Half::load(sums + j * stride);
        asm("" : "+r"(sums));  // or else all addresses are computed first, and spilled
    }
    transpose(rows, tile);
}

// The whole tiles from feature m on, of the commonest layers: they never leave the registers. Returns where they end.
// No activation is a clip at the infinities, no bias one of -0: both change no bit. Zen 4, 64 rows of 768 features:
// 6.2 us, through memory 8.9 us; integer sums 7.2 us. A third slower where rows of y lie a multiple of 4 KB apart:
// eight of their lines and one of the sums are more than a set of the L1 cache holds.
template <class Wide, class Half, bool kDequantize, class Write>
SPARSEINF_INLINE int32_t unpack_whole_tiles(const UnpackArgs& args, int first, const float* sums, int64_t stride,
                                            int32_t m) {
    const bool has_clip = args.epilogue.activation == Activation::kClip;
    const Wide low = Wide::broadcast(has_clip ? args.epilogue.low : -__builtin_inff());
    const Wide high = Wide::broadcast(has_clip ? args.epilogue.high : __builtin_inff());
    const Dequantization scales = kDequantize ? *args.dequantization : Dequantization{};
    const float* const bias = args.bias;
    Write write(args);
    write.rows += first;
    const float* column_scales = scales.column_scales + first;
    const int32_t* column_zeros = scales.column_zeros + first;
    asm("" : "+r"(write.rows), "+r"(column_scales), "+r"(column_zeros));  // or else each column takes three registers
    const int32_t num_features = args.num_features;
    for (; m + Wide::kWidth <= num_features; m += Wide::kWidth) {
        Wide tile[Half::kWidth];
        load_sums<Wide, Half>(sums + m * stride, stride, tile);
        Wide row_scales, row_sums;
        if constexpr (kDequantize) {
            row_scales = Wide::load(scales.row_scales + m);
            row_sums = Wide::load(scales.row_sums + m);
        }
        const Wide some_bias = bias == nullptr ? Wide::broadcast(-0.0f) : Wide::load(bias + m);
        for (int n = 0; n < Half::kWidth; ++n) {
            Wide y = tile[n];
            if constexpr (kDequantize) {
                y = dequantize(y, column_scales[n], column_zeros[n], row_scales, row_sums);
            }
            write(at_most(high, at_least(low, y + some_bias)), n, m);
        }
    }
    return m;
}

// Columns [first, first + Half::kWidth) from sums[feature * stride + 0..] to their rows of y: squares would be as many
// instructions, but touch twice as many rows of y at a time. Sums are readable for fifteen features past the last.
template <class Wide, class Half>
SPARSEINF_INLINE void unpack_columns(const UnpackArgs& args, int first, const float* sums, int64_t stride) {
    const int num_columns = args.num_columns - first < Half::kWidth ? args.num_columns - first : Half::kWidth;
    if (num_columns <= 0) return;
    const Activation activation = args.epilogue.activation;
    const bool is_plain = num_columns == Half::kWidth && args.residual_rows == nullptr &&
                          (activation == Activation::kClip || activation == Activation::kNone);
    int step =
        args.requantization != nullptr ? Wide::kWidth : features_to_border<Wide>(args.rows[first], sizeof(float));
    int32_t m = 0;
    while (m < args.num_features) {
        if (is_plain && step == Wide::kWidth) {
            using Floats = WriteFloats<Wide>;
            using Bytes = WriteBytes<Wide>;
            m = args.dequantization == nullptr
                    ? unpack_whole_tiles<Wide, Half, false, Floats>(args, first, sums, stride, m)
                : args.requantization == nullptr
                    ? unpack_whole_tiles<Wide, Half, true, Floats>(args, first, sums, stride, m)
                    : unpack_whole_tiles<Wide, Half, true, Bytes>(args, first, sums, stride, m);
            if (m == args.num_features) break;
        }
        const int count = args.num_features - m < step ? args.num_features - m : step;
        Wide tile[Half::kWidth];
        load_sums<Wide, Half>(sums + m * stride, stride, tile);
        if (args.dequantization != nullptr) dequantize_tile(*args.dequantization, tile, first, m, count);
        Wide sums_in_memory[Half::kWidth];
        for (int n = 0; n < Half::kWidth; ++n) sums_in_memory[n] = tile[n];
        finish_tile(args, sums_in_memory, first, num_columns, m, count);
        m += count;
        step = Wide::kWidth;
    }
}

template <class Wide, class Half>
void unpack(const UnpackArgs& args, int num_wide, bool has_half) noexcept {
    const int num_main = num_wide * Wide::kWidth;
    for (int column = 0; column < num_main; column += Half::kWidth) {
        unpack_columns<Wide, Half>(args, column, args.sums.main + column, num_main);
    }
    if (has_half) unpack_columns<Wide, Half>(args, num_main, args.sums.tail, Half::kWidth);
}

// One column whose sums lie one after the other (what the matrix-vector kernels leave).
template <class Wide>
void finish_vector(const UnpackArgs& args) noexcept {
    for (int32_t m = 0; m < args.num_features; m += Wide::kWidth) {
        const int count = args.num_features - m < Wide::kWidth ? args.num_features - m : Wide::kWidth;
        Wide tile[1] = {Wide::load(args.sums.main + m)};
        if (args.dequantization != nullptr) dequantize_tile(*args.dequantization, tile, 0, m, count);
        finish_tile(args, tile, 0, 1, m, count);
    }
}

}  // namespace
