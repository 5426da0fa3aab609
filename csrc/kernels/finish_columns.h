// Integer sums of a few columns, each column's one after the other, into rows of y: what a matrix-vector epilogue does
// for one column, with what belongs to the rows of the weight loaded once for all of them.
#pragma once

#include <cstdint>

#include "few_columns_args.h"
#include "panels.h"

namespace {

template <class Wide, class Write>
SPARSEINF_INLINE void finish_columns(const UnpackArgs& args, int64_t sums_stride, const Write& write) {
    // As in unpack_columns: no activation is a clip at the infinities, no bias one of -0.
    const bool has_clip = args.epilogue.activation == Activation::kClip;
    const bool is_plain = args.residual_rows == nullptr && (has_clip || args.epilogue.activation == Activation::kNone);
    const Wide low = Wide::broadcast(has_clip ? args.epilogue.low : -__builtin_inff());
    const Wide high = Wide::broadcast(has_clip ? args.epilogue.high : __builtin_inff());
    const Dequantization& scales = *args.dequantization;
    int32_t m = 0;
    for (; is_plain && m + Wide::kWidth <= args.num_features; m += Wide::kWidth) {
        const Wide row_scales = Wide::load(scales.row_scales + m), row_sums = Wide::load(scales.row_sums + m);
        const Wide bias = args.bias == nullptr ? Wide::broadcast(-0.0f) : Wide::load(args.bias + m);
        const float* sums = args.sums.main + m;
        for (int32_t n = 0; n < args.num_columns; ++n, sums += sums_stride) {
            const Wide integers = subtract_product(Wide::load(sums), scales.column_zeros[n], row_sums);
            const Wide scale = Wide::broadcast(scales.column_scales[n]) * row_scales;
            write(at_most(high, at_least(low, float_of_integer(integers) * scale + bias)), n, m);
        }
    }
    for (; m < args.num_features; m += Wide::kWidth) {
        const int count = args.num_features - m < Wide::kWidth ? args.num_features - m : Wide::kWidth;
        for (int32_t n = 0; n < args.num_columns; ++n) {
            Wide tile[1] = {Wide::load(args.sums.main + n * sums_stride + m)};
            dequantize_tile(scales, tile, n, m, count);
            finish_tile(args, tile, n, 1, m, count);
        }
    }
}

template <class Wide>
void finish_columns(const UnpackArgs& args, int64_t sums_stride) noexcept {
    if (args.requantization != nullptr) {
        finish_columns<Wide>(args, sums_stride, WriteBytes<Wide>(args));
    } else {
        finish_columns<Wide>(args, sums_stride, WriteFloats<Wide>(args));
    }
}

}  // namespace
