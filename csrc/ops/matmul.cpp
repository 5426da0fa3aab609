// Products of two arrays: MatMul, as NumPy's, and Gemm, y = alpha A B + beta C.
#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "ops/broadcast.h"
#include "ops/matrix_product.h"
#include "ops/operation_kernels.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// Whole numbers wrap around, as NumPy's do. y: (rows, columns), a and b by strides.
template <class T>
void multiply_integers(const ProductShape& shape, const T* a, int64_t a_row, int64_t a_column, const T* b,
                       int64_t b_row, int64_t b_column, T* y) {
    using Unsigned = std::make_unsigned_t<T>;
    std::fill_n(y, shape.rows * shape.columns, T{0});
    for (int64_t i = 0; i < shape.rows; ++i, y += shape.columns) {
        for (int64_t k = 0; k < shape.depth; ++k) {
            const auto factor = static_cast<Unsigned>(a[i * a_row + k * a_column]);
            const T* row = b + k * b_row;
            for (int64_t j = 0; j < shape.columns; ++j) {
                y[j] = static_cast<T>(static_cast<Unsigned>(y[j]) + factor * static_cast<Unsigned>(row[j * b_column]));
            }
        }
    }
}

// Calls compute(zero) with the type of whole numbers that products are made of.
template <class Compute>
void visit_integers(ElementType type, Compute&& compute) {
    if (type == ElementType::kInt64) {
        compute(int64_t{});
    } else if (type == ElementType::kInt32) {
        compute(int32_t{});
    } else {
        throw OperationError("products are of float32, int64 or int32");
    }
}

void refuse_product(const Tensor& a, const Tensor& b) {
    throw OperationError("arrays of shapes " + text_of(a.shape) + " and " + text_of(b.shape) +
                         " have no matrix product");
}

// a (..., rows, depth), b (..., depth, columns) -> (..., rows, columns), broadcast over what comes before; an array of
// one dimension is a row on the left, a column on the right, and y lacks that dimension. Attribute: isa.
class MatMul final : public Operation {
public:
    explicit MatMul(const Attributes& attributes) : kernels_(kernels_of(attributes)) {}

    void run(StepContext& step) const override {
        const Tensor a = step.at(0), b = step.at(1);
        const int a_rank = a.shape.rank(), b_rank = b.shape.rank();
        if (a_rank == 0 || b_rank == 0) refuse_product(a, b);
        ProductShape shape{a_rank > 1 ? a.shape[a_rank - 2] : 1, b_rank > 1 ? b.shape[b_rank - 1] : 1,
                           a.shape[a_rank - 1]};
        if (shape.depth != b.shape[b_rank > 1 ? b_rank - 2 : 0]) refuse_product(a, b);
        const Shape a_batch = batch_of(a.shape), b_batch = batch_of(b.shape);
        const Shape batch = broadcast_shape({&a_batch, &b_batch});
        Shape y_shape = batch;
        if (y_shape.rank() + (a_rank > 1) + (b_rank > 1) > kMaxRank) refuse_product(a, b);
        if (a_rank > 1) y_shape.append(shape.rows);
        if (b_rank > 1) y_shape.append(shape.columns);
        Tensor& y = step.output(0, a.type, y_shape);
        if (y.size() == 0) return;

        const std::vector<Place> places = places_of(batch, a_batch, b_batch);
        if (a.type != ElementType::kFloat32) {
            visit_integers(a.type, [&](auto zero) {
                using T = decltype(zero);
                for (size_t i = 0; i < places.size(); ++i) {
                    const auto y_at = static_cast<int64_t>(i) * shape.rows * shape.columns;
                    multiply_integers(shape, a.as<T>() + places[i].a * shape.rows * shape.depth, shape.depth, 1,
                                      b.as<T>() + places[i].b * shape.depth * shape.columns, shape.columns, 1,
                                      y.as<T>() + y_at);
                }
            });
            return;
        }
        int64_t num_products = static_cast<int64_t>(places.size());
        if (b_batch.size() == 1 && a_batch.size() == num_products) {  // one product of all rows
            shape.rows *= num_products;
            num_products = 1;
        }
        std::vector<MatrixProduct> products;
        products.reserve(static_cast<size_t>(num_products));
        for (int64_t i = 0; i < num_products; ++i) {
            const Place& place = places[static_cast<size_t>(i)];
            products.push_back({{a.as<float>() + place.a * shape.rows * shape.depth, shape.depth, 1},
                                {b.as<float>() + place.b * shape.depth * shape.columns, shape.columns, 1},
                                y.as<float>() + i * shape.rows * shape.columns,
                                shape.columns});
        }
        multiply(kernels_, shape, products, step.num_threads());
    }

private:
    // Which matrix of each array a product takes.
    struct Place {
        int64_t a, b;
    };

    static Shape batch_of(const Shape& shape) {
        Shape batch;
        for (int d = 0; d < shape.rank() - 2; ++d) batch.append(shape[d]);
        return batch;
    }

    static std::vector<Place> places_of(const Shape& batch, const Shape& a, const Shape& b) {
        std::vector<Place> places;
        places.reserve(static_cast<size_t>(batch.size()));
        const BroadcastWalk<2> walk(batch, {&a, &b});
        walk.for_each_run([&](const auto& at, int64_t count, const auto& strides) {
            for (int64_t i = 0; i < count; ++i) places.push_back({at[0] + i * strides[0], at[1] + i * strides[1]});
        });
        return places;
    }

    const KernelTable& kernels_;
};

// A (rows, depth), B (depth, columns), or their transposes; perhaps C, broadcast to (rows, columns). Attributes: isa,
// trans_a, trans_b, alpha, beta. Whole numbers have no factors but 1.
class Gemm final : public Operation {
public:
    explicit Gemm(const Attributes& attributes)
        : kernels_(kernels_of(attributes)),
          trans_a_(attributes.integer("trans_a") != 0),
          trans_b_(attributes.integer("trans_b") != 0),
          alpha_(attributes.number("alpha")),
          beta_(attributes.number("beta")) {}

    void run(StepContext& step) const override {
        const Tensor a = step.at(0), b = step.at(1);
        if (a.shape.rank() != 2 || b.shape.rank() != 2) refuse_product(a, b);
        const ProductShape shape{a.shape[trans_a_], b.shape[!trans_b_], a.shape[!trans_a_]};
        if (b.shape[trans_b_] != shape.depth) refuse_product(a, b);
        const Shape y_shape{shape.rows, shape.columns};
        const Tensor c = step.input(2) != nullptr ? step.at(2) : Tensor{};
        if (c.data != nullptr && !(broadcast_shape({&y_shape, &c.shape}) == y_shape)) {
            throw OperationError("C of shape " + text_of(c.shape) + " is added to a product of shape " +
                                 text_of(y_shape));
        }
        Tensor& y = step.output(0, a.type, y_shape);
        const int64_t a_row = trans_a_ ? 1 : shape.depth, a_column = trans_a_ ? shape.rows : 1;
        const int64_t b_row = trans_b_ ? 1 : shape.columns, b_column = trans_b_ ? shape.depth : 1;
        if (a.type == ElementType::kFloat32) {
            const MatrixProduct product{
                {a.as<float>(), a_row, a_column}, {b.as<float>(), b_row, b_column}, y.as<float>(), shape.columns};
            multiply(kernels_, shape, {&product, 1}, step.num_threads());
            finish(y, c, [this](float sum, float other) { return alpha_ * sum + beta_ * other; });
            return;
        }
        visit_integers(a.type, [&](auto zero) {
            using T = decltype(zero);
            multiply_integers(shape, a.as<T>(), a_row, a_column, b.as<T>(), b_row, b_column, y.as<T>());
            finish(y, c, [](T sum, T other) {
                using Unsigned = std::make_unsigned_t<T>;
                return static_cast<T>(static_cast<Unsigned>(sum) + static_cast<Unsigned>(other));
            });
        });
    }

private:
    // y = combine(y, c), where c may be left out.
    template <class Combine>
    void finish(Tensor& y, const Tensor& c, Combine&& combine) const {
        using T = decltype(combine(0, 0));
        T* to = y.as<T>();
        if (c.data == nullptr) {
            if (alpha_ == 1.0f) return;
            for (int64_t i = 0; i < y.size(); ++i) to[i] = combine(to[i], T{0});
            return;
        }
        const BroadcastWalk<2> walk(y.shape, {&y.shape, &c.shape});
        walk.for_each_run([&](const auto& at, int64_t count, const auto& strides) {
            const T* other = c.as<T>() + at[1];
            for (int64_t i = 0; i < count; ++i) {
                T& sum = to[at[0] + i];
                sum = combine(sum, other[i * strides[1]]);
            }
        });
    }

    const KernelTable& kernels_;
    bool trans_a_, trans_b_;
    float alpha_, beta_;
};

constexpr OperationMaker kOperations[] = {{"MatMul", make<MatMul>}, {"Gemm", make<Gemm>}};

}  // namespace

std::span<const OperationMaker> matmul_operations() { return kOperations; }

}  // namespace sparseinf
