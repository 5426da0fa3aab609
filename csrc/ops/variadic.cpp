// Operations on any number of arrays, element by element, broadcast to a common shape.
#include "ops/arithmetic.h"
#include "ops/binary_operation.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// Function: a template over the type of the elements; with kDivides by the number of arrays in the end.
template <class Function, bool kDivides>
class Variadic final : public Operation {
public:
    explicit Variadic(const Attributes&) {}

    void run(StepContext& step) const override {
        const int count = step.num_inputs();
        if (count == 1) return step.output_is_input(0, 0, step.at(0).shape);
        const Tensor first = step.at(0);
        Shape common = first.shape;
        for (int i = 1; i < count; ++i) common = broadcast_shape({&common, &step.at(i).shape});
        Tensor& y = count == 2 && first.shape == common ? step.output_over(0, 0, first.type, common)
                                                        : step.output(0, first.type, common);
        visit_type(first.type, [&](auto zero) {
            using T = decltype(zero);
            combine<T>(first, step.at(1), y);
            for (int i = 2; i < count; ++i) combine<T>(y, step.at(i), y);
            if constexpr (kDivides) {
                for (int64_t i = 0; i < y.size(); ++i) y.as<T>()[i] = static_cast<T>(y.as<T>()[i] / count);
            }
        });
    }

private:
    template <class T>
    static void combine(const Tensor& a, const Tensor& b, Tensor& y) {
        apply_to_pairs<T, T, T>(a, b, y, [](T left, T right) { return Function::template apply<T>(left, right); });
    }
};

constexpr OperationMaker kOperations[] = {
    {"Min", make<Variadic<Minimum, false>>},
    {"Max", make<Variadic<Maximum, false>>},
    {"Sum", make<Variadic<Add, false>>},
    {"Mean", make<Variadic<Add, true>>},
};

}  // namespace

std::span<const OperationMaker> variadic_operations() { return kOperations; }

}  // namespace sparseinf
