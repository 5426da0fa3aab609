// Pow: powers of arrays, broadcast to a common shape; the result has the type of what is raised.
#include <cmath>
#include <type_traits>

#include "ops/binary_operation.h"
#include "ops/conversion.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// Integers wrap around; what would lie between 0 and 1 is 0.
template <class T>
T integer_power(T base, int64_t exponent) {
    if (exponent < 0) {
        if (base == T{1}) return T{1};
        if (base == T(-1)) return exponent % 2 == 0 ? T{1} : T(-1);
        return T{0};
    }
    uint64_t power = 1, factor = static_cast<uint64_t>(base);
    for (auto left = static_cast<uint64_t>(exponent); left > 0; left >>= 1) {
        if (left & 1) power *= factor;
        factor *= factor;
    }
    return static_cast<T>(power);
}

template <class X, class E>
X power(X base, E exponent) {
    if constexpr (std::is_same_v<X, float> && std::is_same_v<E, float>) {
        return std::pow(base, exponent);
    } else if constexpr (std::is_integral_v<X> && std::is_integral_v<E>) {
        return integer_power(base, static_cast<int64_t>(exponent));
    } else {
        return converted<X>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
    }
}

// x, exponents.
class Pow final : public Operation {
public:
    explicit Pow(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), exponents = step.at(1);
        const Shape common = broadcast_shape({&x.shape, &exponents.shape});
        Tensor& y = x.shape == common ? step.output_over(0, 0, x.type, common) : step.output(0, x.type, common);
        if (x.type == ElementType::kFloat32 && exponents.size() == 1 && x.shape == common) {
            if (raise_by_products(x, exponents, y)) return;
        }
        visit_type(x.type, [&](auto zero_of_x) {
            visit_type(exponents.type, [&](auto zero_of_exponent) {
                using X = decltype(zero_of_x);
                using E = decltype(zero_of_exponent);
                apply_to_pairs<X, E, X>(x, exponents, y, power<X, E>);
            });
        });
    }

private:
    // The commonest exponents need no logarithm.
    static bool raise_by_products(const Tensor& x, const Tensor& exponents, Tensor& y) {
        double exponent = 0;
        visit_type(exponents.type, [&](auto zero) { exponent = static_cast<double>(*exponents.as<decltype(zero)>()); });
        const float* from = x.as<float>();
        float* to = y.as<float>();
        const int64_t size = y.size();
        if (exponent == 2) {
            for (int64_t i = 0; i < size; ++i) to[i] = from[i] * from[i];
        } else if (exponent == 3) {
            for (int64_t i = 0; i < size; ++i) {
                const double base = from[i];
                to[i] = static_cast<float>(base * base * base);
            }
        } else if (exponent == 0.5) {
            // The power of -infinity is infinity, and that of -0 is 0.
            for (int64_t i = 0; i < size; ++i) to[i] = from[i] == -INFINITY ? INFINITY : std::sqrt(from[i]) + 0.0f;
        } else {
            return false;
        }
        return true;
    }
};

constexpr OperationMaker kOperations[] = {{"Pow", make<Pow>}};

}  // namespace

std::span<const OperationMaker> power_operations() { return kOperations; }

}  // namespace sparseinf
