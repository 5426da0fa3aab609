// Cast: the same numbers in another type.
#include <cstdint>

#include "ops/conversion.h"
#include "ops/operation_table.h"
#include "ops/ranges.h"
#include "ops/type_names.h"

namespace sparseinf {
namespace {

// Attribute type.
class Cast final : public Operation {
public:
    explicit Cast(const Attributes& attributes) : type_(type_named(attributes.text("type"))) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        if (x.type == type_) return step.output_is_input(0, 0, x.shape);
        Tensor& y = step.output(0, type_, x.shape);
        visit_type(x.type, [&](auto zero_of_x) {
            visit_type(type_, [&](auto zero_of_y) {
                using From = decltype(zero_of_x);
                using To = decltype(zero_of_y);
                const From* from = x.as<From>();
                To* to = y.as<To>();
                for_ranges(x.size(), kElementsOfRange, step.num_threads(), [&](int64_t begin, int64_t end) {
                    for (int64_t i = begin; i < end; ++i) to[i] = converted<To>(from[i]);
                });
            });
        });
    }

private:
    ElementType type_;
};

constexpr OperationMaker kOperations[] = {{"Cast", make<Cast>}};

}  // namespace

std::span<const OperationMaker> conversion_operations() { return kOperations; }

}  // namespace sparseinf
