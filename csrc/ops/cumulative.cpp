// CumSum: sums of all elements up to each, along one axis.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "ops/axes.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// x, axis; attributes exclusive (not counting the element itself), reverse (from the end).
class CumulativeSum final : public Operation {
public:
    explicit CumulativeSum(const Attributes& attributes)
        : is_exclusive_(attributes.integer("exclusive") != 0), is_reverse_(attributes.integer("reverse") != 0) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const int axis = checked_axis(integer_of(step.at(1), "axis"), x.shape.rank());
        const int64_t extent = x.shape[axis], after = x.shape.size_from(axis + 1);
        Tensor& y = step.output(0, x.type, x.shape);
        if (y.size() == 0) return;
        visit_type(x.type, [&](auto zero) {
            using T = decltype(zero);
            // Floats are summed up in double: a rounding error of each step would stay in all that follow.
            using Sum = std::conditional_t<std::is_same_v<T, float>, double, uint64_t>;
            std::vector<Sum> sums(static_cast<size_t>(after));
            for (int64_t outer = 0; outer < x.shape.size_before(axis); ++outer) {
                std::fill(sums.begin(), sums.end(), Sum{0});
                for (int64_t i = 0; i < extent; ++i) {
                    const int64_t line = (outer * extent + (is_reverse_ ? extent - 1 - i : i)) * after;
                    add_line(x.as<T>() + line, sums.data(), y.as<T>() + line, after);
                }
            }
        });
    }

private:
    template <class T, class Sum>
    void add_line(const T* x, Sum* sums, T* y, int64_t count) const {
        if (is_exclusive_) {
            for (int64_t i = 0; i < count; ++i) {
                y[i] = static_cast<T>(sums[i]);
                sums[i] += static_cast<Sum>(x[i]);
            }
        } else {
            for (int64_t i = 0; i < count; ++i) {
                sums[i] += static_cast<Sum>(x[i]);
                y[i] = static_cast<T>(sums[i]);
            }
        }
    }

    bool is_exclusive_, is_reverse_;
};

constexpr OperationMaker kOperations[] = {{"CumSum", make<CumulativeSum>}};

}  // namespace

std::span<const OperationMaker> cumulative_operations() { return kOperations; }

}  // namespace sparseinf
