#include "pack/dense_int8_pack.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "common/thread_pool.h"

namespace sparseinf {

DenseInt8Pack pack_dense_int8(const int8_t* weights, int64_t num_rows, int64_t num_columns, int num_threads) {
    const int64_t num_quads = (num_columns + 3) / 4;
    DenseInt8Pack pack;
    pack.num_rows = num_rows;
    pack.num_columns = num_columns;
    pack.row_sums = AlignedBuffer<int32_t>(num_rows);
    // Rows filled up to whole quads, whose bits stand for floats from here on.
    AlignedBuffer<float> rows(num_rows * num_quads);
    parallel_for(num_rows, num_threads, [&](int, int64_t row) {
        const int8_t* from = weights + row * num_columns;
        auto* to = reinterpret_cast<int8_t*>(rows.data() + row * num_quads);
        std::copy_n(from, num_columns, to);
        std::fill(to + num_columns, to + 4 * num_quads, int8_t{0});
        pack.row_sums[row] = std::accumulate(from, from + num_columns, int32_t{0});
    });
    pack.quads = pack_dense(rows.data(), num_rows, num_quads, num_threads);
    return pack;
}

void unpack_dense_int8(const DenseInt8Pack& pack, int8_t* weights) {
    for (int64_t row = 0; row < pack.num_rows; ++row) {
        const float* in = pack.quads.weights.data() + row / 4 * pack.quads.strip_stride + row % 4;
        for (int64_t column = 0; column < pack.num_columns; column += 4) {
            std::memcpy(weights + row * pack.num_columns + column, in + column,
                        static_cast<size_t>(std::min<int64_t>(4, pack.num_columns - column)));
        }
    }
}

}  // namespace sparseinf
