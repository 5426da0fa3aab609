#include "pack/dense_pack.h"

#include <algorithm>

#include "common/thread_pool.h"

namespace sparseinf {

DensePack pack_dense(const float* weights, int64_t num_rows, int64_t num_columns, int num_threads) {
    DensePack pack;
    pack.num_rows = num_rows;
    pack.num_columns = num_columns;
    pack.num_strips = (num_rows + 3) / 4;
    pack.strip_stride = 4 * round_up(num_columns, 4);
    pack.weights = AlignedBuffer<float>(pack.num_strips * pack.strip_stride);
    parallel_for(pack.num_strips, num_threads, [&](int, int64_t strip) {
        float* out = pack.weights.data() + strip * pack.strip_stride;
        const int64_t rows = std::min<int64_t>(4, num_rows - 4 * strip);
        std::fill_n(out, rows < 4 ? pack.strip_stride : 0, 0.0f);
        std::fill(out + 4 * num_columns, out + pack.strip_stride, 0.0f);
        for (int64_t row = 0; row < rows; ++row) {
            const float* in = weights + (4 * strip + row) * num_columns;
            for (int64_t column = 0; column < num_columns; ++column) out[4 * column + row] = in[column];
        }
    });
    return pack;
}

void unpack_dense(const DensePack& pack, float* weights) {
    for (int64_t row = 0; row < pack.num_rows; ++row) {
        const float* in = pack.weights.data() + row / 4 * pack.strip_stride + row % 4;
        for (int64_t column = 0; column < pack.num_columns; ++column) {
            weights[row * pack.num_columns + column] = in[4 * column];
        }
    }
}

}  // namespace sparseinf
