#include "ops/matrix_product.h"

#include <algorithm>
#include <array>

#include "common/aligned_buffer.h"
#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/linear_call.h"
#include "ops/panel_split.h"

namespace sparseinf {
namespace {

// Strips of a chunk of rows are made once, and of each of their blocks all panels of b pass by. Zen 4, one thread, of
// OpenBLAS's speed: 12 x (128x64 @ 64x128) 0.97, 12 x (128x128 @ 128x64) 1.1, 1024x1024 @ 1024x1024 0.94; there 0.79
// with a quarter of these elements, since panels are made anew for every chunk. The peak of this core is 118 GFLOP/s,
// of which attention reaches 91 to 99.
constexpr int64_t kMostChunkElements = int64_t{1} << 18;
constexpr int64_t kMostChunkRows = 256;
constexpr int64_t kDepthOfBlock = 512;

// strips[row / 4][k][row % 4], rows past the last are zero.
void make_strips(const StridedMatrix& a, int64_t num_rows, int64_t depth, float* strips) {
    for (int64_t row = 0; row < num_rows; row += 4, strips += 4 * depth) {
        const float* from = a.data + row * a.row_stride;
        if (num_rows - row < 4) {
            std::fill_n(strips, 4 * depth, 0.0f);
            for (int64_t i = 0; i < num_rows - row; ++i) {
                for (int64_t k = 0; k < depth; ++k) strips[4 * k + i] = from[i * a.row_stride + k * a.column_stride];
            }
        } else if (a.column_stride == 1) {
            const float *r0 = from, *r1 = r0 + a.row_stride, *r2 = r1 + a.row_stride, *r3 = r2 + a.row_stride;
            for (int64_t k = 0; k < depth; ++k) {
                strips[4 * k] = r0[k];
                strips[4 * k + 1] = r1[k];
                strips[4 * k + 2] = r2[k];
                strips[4 * k + 3] = r3[k];
            }
        } else {
            for (int64_t k = 0; k < depth; ++k) {
                for (int64_t i = 0; i < 4; ++i) strips[4 * k + i] = from[i * a.row_stride + k * a.column_stride];
            }
        }
    }
}

// Where a has as few rows as this and rows of b lie in one piece, b is read where it is: a panel would be made for a
// few multiplications.
constexpr int64_t kFewRows = 2;
constexpr int64_t kColumnsOfUnit = 512;

// y[i] += sum over k of a[k] b[k][i]; four rows of b pass by y at a time.
void add_row_times_matrix(const StridedMatrix& a, const StridedMatrix& b, int64_t depth, int64_t count, float* y) {
    int64_t k = 0;
    for (; k + 4 <= depth; k += 4) {
        const float *b0 = b.data + k * b.row_stride, *b1 = b0 + b.row_stride, *b2 = b1 + b.row_stride;
        const float* b3 = b2 + b.row_stride;
        const float* factors = a.data + k * a.column_stride;
        const float a0 = factors[0], a1 = factors[a.column_stride], a2 = factors[2 * a.column_stride];
        const float a3 = factors[3 * a.column_stride];
        for (int64_t i = 0; i < count; ++i) y[i] = y[i] + a0 * b0[i] + a1 * b1[i] + a2 * b2[i] + a3 * b3[i];
    }
    for (; k < depth; ++k) {
        const float factor = a.data[k * a.column_stride];
        const float* row = b.data + k * b.row_stride;
        for (int64_t i = 0; i < count; ++i) y[i] += factor * row[i];
    }
}

void multiply_few_rows(const ProductShape& shape, std::span<const MatrixProduct> products, int num_threads) {
    const int64_t num_blocks = (shape.columns + kColumnsOfUnit - 1) / kColumnsOfUnit;
    parallel_for(static_cast<int64_t>(products.size()) * num_blocks, num_threads, [&](int, int64_t unit) {
        const MatrixProduct& product = products[static_cast<size_t>(unit / num_blocks)];
        const int64_t first = unit % num_blocks * kColumnsOfUnit;
        const int64_t count = std::min(kColumnsOfUnit, shape.columns - first);
        const StridedMatrix b{product.b.data + first, product.b.row_stride, 1};
        for (int64_t row = 0; row < shape.rows; ++row) {
            float* y = product.y + row * product.y_stride + first;
            std::fill_n(y, count, 0.0f);
            const StridedMatrix a{product.a.data + row * product.a.row_stride, product.a.row_stride,
                                  product.a.column_stride};
            add_row_times_matrix(a, b, shape.depth, count, y);
        }
    });
}

// How one product is cut: chunks of rows, and for each of them groups of panels, which are the units of work.
class ProductRun {
public:
    ProductRun(const KernelTable& kernels, const ProductShape& shape, int64_t num_products, int num_threads)
        : kernels_(kernels), shape_(shape), split_(split_of(kernels, shape.columns)) {
        const int64_t fitting = kMostChunkElements / std::max<int64_t>(1, shape.depth);
        const int64_t wanted = (num_threads + num_products - 1) / num_products;
        const int64_t a_thread = (shape.rows + wanted - 1) / wanted;
        chunk_rows_ = round_up(std::clamp(std::min(fitting, a_thread), int64_t{16}, kMostChunkRows), 4);
        num_chunks_ = (shape.rows + chunk_rows_ - 1) / chunk_rows_;
        num_groups_ = std::min(split_.count(), (wanted + num_chunks_ - 1) / num_chunks_);
        strips_size_ = round_up(std::min(chunk_rows_, round_up(shape.rows, 4)) * shape.depth, 16);
        panel_size_ = round_up(shape.depth * panel_width(), 16);
        sums_size_ = round_up(chunk_rows_ * panel_width(), 16);
    }

    int64_t num_units() const { return num_chunks_ * num_groups_; }
    // Floats of one thread.
    int64_t scratch_size() const { return strips_size_ + 2 * panel_size_ + 2 * sums_size_; }

    void run_unit(const MatrixProduct& product, int64_t unit, float* scratch) const {
        const int64_t chunk = unit / num_groups_, group = unit % num_groups_;
        const int64_t first_row = chunk * chunk_rows_;
        const int64_t num_rows = std::min(chunk_rows_, shape_.rows - first_row);
        const StridedMatrix a{product.a.data + first_row * product.a.row_stride, product.a.row_stride,
                              product.a.column_stride};
        make_strips(a, num_rows, shape_.depth, scratch);
        const int64_t end = (group + 1) * split_.count() / num_groups_;
        for (int64_t panel = group * split_.count() / num_groups_; panel < end; ++panel) {
            run_panel(product, panel, first_row, num_rows, scratch);
        }
    }

private:
    static PanelSplit split_of(const KernelTable& kernels, int64_t columns) {
        const int64_t widest = int64_t{kernels.max_wide_dense} * kernels.vector_width;
        return {columns, widest, widest, kernels.vector_width / 2, 1};
    }
    int64_t panel_width() const { return round_up(split_.width(), kernels_.vector_width / 2); }

    void run_panel(const MatrixProduct& product, int64_t panel, int64_t first_row, int64_t num_rows,
                   float* scratch) const {
        const int64_t first = split_.first(panel), count = split_.size(panel);
        const PanelShape panel_shape = PanelShape::of(count, kernels_.vector_width);
        const int64_t main = panel_shape.num_wide * kernels_.vector_width;
        const Panel x{scratch + strips_size_, scratch + strips_size_ + panel_size_};
        Panel sums{x.tail + panel_size_, x.tail + panel_size_ + sums_size_};
        float* y = product.y + first_row * product.y_stride + first;
        // What lies as a panel does is read, or written, where it is.
        const bool is_panel = count == main && product.b.column_stride == 1 && product.b.row_stride == count;
        if (!is_panel) pack(product.b, first, count, panel_shape, x);
        const bool writes_y = count == main && product.y_stride == count && num_rows % 4 == 0;
        if (writes_y) sums.main = y;

        const float* x_main = is_panel ? product.b.data : x.main;
        const int64_t half = kernels_.vector_width / 2;
        const auto kernel = kernels_.spmm_dense[panel_shape.num_wide][panel_shape.has_half];
        const auto num_strips = static_cast<int32_t>((num_rows + 3) / 4);
        int64_t k = 0;
        do {
            const int64_t depth = std::min(kDepthOfBlock, shape_.depth - k);
            kernel({scratch + 4 * k,
                    4 * shape_.depth,
                    num_strips,
                    static_cast<int32_t>(depth),
                    {x_main + k * main, x.tail + k * half},
                    sums,
                    k > 0});
            k += depth;
        } while (k < shape_.depth);
        if (writes_y) return;
        const int64_t from_main = std::min(count, main);
        for (int64_t row = 0; row < num_rows; ++row, y += product.y_stride) {
            std::copy_n(sums.main + row * main, from_main, y);
            std::copy_n(sums.tail + row * half, count - from_main, y + from_main);
        }
    }

    void pack(const StridedMatrix& b, int64_t first, int64_t count, PanelShape panel_shape, const Panel& x) const {
        std::array<const char*, kMaxPanelColumns> columns;
        for (int64_t n = 0; n < count; ++n) {
            columns[static_cast<size_t>(n)] = reinterpret_cast<const char*>(b.data + (first + n) * b.column_stride);
        }
        kernels_.pack({columns.data(), b.row_stride * static_cast<int64_t>(sizeof(float)), static_cast<int32_t>(count),
                       static_cast<int32_t>(shape_.depth), x},
                      panel_shape.num_wide, panel_shape.has_half);
    }

    const KernelTable& kernels_;
    ProductShape shape_;
    PanelSplit split_;
    int64_t chunk_rows_, num_chunks_, num_groups_;
    int64_t strips_size_, panel_size_, sums_size_;
};

}  // namespace

void multiply(const KernelTable& kernels, const ProductShape& shape, std::span<const MatrixProduct> products,
              int num_threads) {
    const auto num_products = static_cast<int64_t>(products.size());
    if (num_products == 0 || shape.rows == 0 || shape.columns == 0) return;
    const int threads = useful_threads(num_threads, shape.rows * shape.depth * num_products, shape.columns);
    if (shape.rows <= kFewRows && products[0].b.column_stride == 1) {
        multiply_few_rows(shape, products, threads);
        return;
    }
    const ProductRun run(kernels, shape, num_products, threads);
    Scratch scratch(threads * run.scratch_size() * static_cast<int64_t>(sizeof(float)));
    auto* const memory = reinterpret_cast<float*>(scratch.data());
    parallel_for(num_products * run.num_units(), threads, [&](int slot, int64_t unit) {
        run.run_unit(products[static_cast<size_t>(unit / run.num_units())], unit % run.num_units(),
                     memory + slot * run.scratch_size());
    });
}

}  // namespace sparseinf
