// Where: each element from one of two arrays, all broadcast to a common shape.
#include <cstdint>

#include "ops/broadcast.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// By bits: a compiler makes no vectors of a choice between two elements.
template <class Bits>
Bits selected(bool first, Bits a, Bits b) {
    const auto mask = static_cast<Bits>(-static_cast<Bits>(first));
    return static_cast<Bits>((a & mask) | (b & ~mask));
}

// Calls visit(Bits{}) with an integer as large as an element.
template <class Visit>
void visit_bits(ElementType type, Visit&& visit) {
    if (bytes_of(type) == 8) return visit(uint64_t{});
    if (bytes_of(type) == 4) return visit(uint32_t{});
    visit(uint8_t{});
}

template <class Bits>
void select_run(const bool* chosen, int64_t chosen_stride, const Bits* a, int64_t a_stride, const Bits* b,
                int64_t b_stride, Bits* y, int64_t count) {
    if (chosen_stride == 1 && a_stride == 0 && b_stride == 1) {  // masking
        const Bits value = *a;
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) y[i] = selected<Bits>(chosen[i], value, b[i]);
    } else if (chosen_stride == 1 && a_stride == 1 && b_stride == 0) {
        const Bits value = *b;
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) y[i] = selected<Bits>(chosen[i], a[i], value);
    } else if (chosen_stride == 1 && a_stride == 1 && b_stride == 1) {
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) y[i] = selected<Bits>(chosen[i], a[i], b[i]);
    } else {
        for (int64_t i = 0; i < count; ++i) y[i] = chosen[i * chosen_stride] ? a[i * a_stride] : b[i * b_stride];
    }
}

// condition, a, b.
class Where final : public Operation {
public:
    explicit Where(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor condition = step.at(0), a = step.at(1), b = step.at(2);
        const Shape common = broadcast_shape({&condition.shape, &a.shape, &b.shape});
        Tensor& y = a.shape == common   ? step.output_over(0, 1, a.type, common)
                    : b.shape == common ? step.output_over(0, 2, a.type, common)
                                        : step.output(0, a.type, common);
        const BroadcastWalk<4> walk(common, {&condition.shape, &a.shape, &b.shape, &common});
        visit_bits(a.type, [&](auto zero) {
            using Bits = decltype(zero);
            walk.for_each_run([&](const auto& at, int64_t count, const auto& strides) {
                select_run(condition.as<bool>() + at[0], strides[0], a.as<Bits>() + at[1], strides[1],
                           b.as<Bits>() + at[2], strides[2], y.as<Bits>() + at[3], count);
            });
        });
    }
};

constexpr OperationMaker kOperations[] = {{"Where", make<Where>}};

}  // namespace

std::span<const OperationMaker> selecting_operations() { return kOperations; }

}  // namespace sparseinf
