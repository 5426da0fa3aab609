// Dense times vector on the 4x1 block layout: y[4 s + i] = sum over k of weights[s][k][i] * x[k].
//
// A vector holds four rows of several columns: eight strips run at once, eight forward streams from memory that
// share each load of x.
#pragma once

#include <cstdint>

#include "kernel_args.h"
#include "row_sums.h"

namespace {

template <class Wide, int kStrips>
SPARSEINF_INLINE void gemv_dense_strips(const GemvDenseArgs& args, int64_t first_strip) {
    constexpr int kColumns = Wide::kWidth / 4;
    const float* weights = args.weights + first_strip * args.strip_stride;
    Wide sums[kStrips];
    for (int s = 0; s < kStrips; ++s) sums[s] = Wide::zero();
    for (int64_t k = 0; k < args.num_columns; k += kColumns) {
        const Wide x = Wide::load_each_4_times(args.x + k);
        for (int s = 0; s < kStrips; ++s) {
            sums[s] = multiply_add(Wide::load(weights + s * args.strip_stride + 4 * k), x, sums[s]);
        }
    }
    for (int s = 0; s < kStrips; ++s) sums[s].store_sum_of_fours(args.y + 4 * (first_strip + s));
}

template <class Wide>
void gemv_dense(const GemvDenseArgs& args) noexcept {
    int64_t strip = 0;
    for (; strip + 8 <= args.num_strips; strip += 8) gemv_dense_strips<Wide, 8>(args, strip);
    for (; strip < args.num_strips; ++strip) gemv_dense_strips<Wide, 1>(args, strip);
}

}  // namespace
