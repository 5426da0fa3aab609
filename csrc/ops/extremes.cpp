// Operations that find the largest or smallest elements along an axis. What is no number comes before all others where
// the largest are wanted, and where the smallest are wanted ArgMin's first and TopK's last, as in NumPy.
#include <algorithm>
#include <numeric>

#include "ops/axes.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

template <bool kLargest, class T>
bool is_better(T a, T b) {
    return (kLargest ? a > b : a < b) || (a != a && b == b);
}

// x; attributes axis, keepdims, select_last_index.
template <bool kLargest>
class ArgumentOfExtreme final : public Operation {
public:
    explicit ArgumentOfExtreme(const Attributes& attributes)
        : axis_(attributes.integer("axis")),
          keeps_dimension_(attributes.integer("keepdims") != 0),
          takes_last_(attributes.integer("select_last_index") != 0) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const int axis = checked_axis(axis_, x.shape.rank());
        Shape y_shape;
        for (int d = 0; d < x.shape.rank(); ++d) {
            if (d != axis || keeps_dimension_) y_shape.append(d == axis ? 1 : x.shape[d]);
        }
        const int64_t extent = x.shape[axis], after = x.shape.size_from(axis + 1);
        Tensor& y = step.output(0, ElementType::kInt64, y_shape);
        if (y.size() == 0) return;
        if (extent == 0) throw OperationError("nothing is the largest or smallest along an extent of 0");
        visit_type(x.type, [&](auto zero) {
            using T = decltype(zero);
            for (int64_t outer = 0; outer < x.shape.size_before(axis); ++outer) {
                find(x.as<T>() + outer * extent * after, extent, after, y.as<int64_t>() + outer * after);
            }
        });
    }

private:
    template <class T>
    void find(const T* x, int64_t extent, int64_t after, int64_t* found) const {
        std::fill(found, found + after, int64_t{0});
        for (int64_t i = 1; i < extent; ++i) {
            for (int64_t j = 0; j < after; ++j) {
                const T element = x[i * after + j], best = x[found[j] * after + j];
                if (takes_last_ ? !is_better<kLargest>(best, element) : is_better<kLargest>(element, best)) {
                    found[j] = i;
                }
            }
        }
    }

    int64_t axis_;
    bool keeps_dimension_, takes_last_;
};

// x, k -> values, positions, best first; of equal elements the first. Attributes axis, largest.
class TopK final : public Operation {
public:
    explicit TopK(const Attributes& attributes)
        : axis_(attributes.integer("axis")), takes_largest_(attributes.integer("largest") != 0) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const int axis = checked_axis(axis_, x.shape.rank());
        const int64_t k = integer_of(step.at(1), "k"), extent = x.shape[axis];
        if (k < 0 || k > extent) {
            throw OperationError("the best " + std::to_string(k) + " of " + std::to_string(extent) +
                                 " elements are asked for");
        }
        Shape y_shape = x.shape;
        y_shape[axis] = k;
        Tensor values = step.output(0, x.type, y_shape);
        Tensor positions = step.output(1, ElementType::kInt64, y_shape);
        const int64_t after = x.shape.size_from(axis + 1);
        visit_type(x.type, [&](auto zero) {
            using T = decltype(zero);
            std::vector<int64_t> order(static_cast<size_t>(y_shape.size() > 0 ? extent : 0));
            for (int64_t line = 0; line < (y_shape.size() > 0 ? y_shape.size() / k : 0); ++line) {
                const int64_t outer = line / after, inner = line % after;
                const T* from = x.as<T>() + outer * extent * after + inner;
                const int64_t to = outer * k * after + inner;
                find(from, after, k, order);
                for (int64_t i = 0; i < k; ++i) {
                    values.as<T>()[to + i * after] = from[order[static_cast<size_t>(i)] * after];
                    positions.as<int64_t>()[to + i * after] = order[static_cast<size_t>(i)];
                }
            }
        });
    }

private:
    template <class T>
    void find(const T* x, int64_t stride, int64_t k, std::vector<int64_t>& order) const {
        std::iota(order.begin(), order.end(), int64_t{0});
        const auto sort = [&](auto&& comes_first) {
            std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
                const T left = x[a * stride], right = x[b * stride];
                return comes_first(left, right) || (!comes_first(right, left) && a < b);
            });
        };
        if (takes_largest_) {
            sort([](T a, T b) { return a > b || (a != a && b == b); });
        } else {
            sort([](T a, T b) { return a < b || (a == a && b != b); });
        }
    }

    int64_t axis_;
    bool takes_largest_;
};

constexpr OperationMaker kOperations[] = {
    {"ArgMax", make<ArgumentOfExtreme<true>>},
    {"ArgMin", make<ArgumentOfExtreme<false>>},
    {"TopK", make<TopK>},
};

}  // namespace

std::span<const OperationMaker> extreme_operations() { return kOperations; }

}  // namespace sparseinf
