// Normalization of arrays by what they hold along any dimensions: LpNormalization, MeanVarianceNormalization, LRN.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "common/aligned_buffer.h"
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// One number for each index of the dimensions that are not reduced: the sum of function(x, number of another array of
// this kind), in double precision.
class Reduced {
public:
    Reduced(const Tensor& x, const std::vector<int64_t>& axes) : shape_(x.shape) {
        for (const int64_t axis : axes) shape_[checked_axis(axis, x.shape.rank())] = 1;
        count_ = shape_.size() > 0 ? x.size() / shape_.size() : 0;
        values_ = AlignedBuffer<double>(shape_.size());
        std::fill_n(values_.data(), values_.size(), 0.0);
    }

    // Elements that each number is made of.
    int64_t count() const { return count_; }
    double* begin() { return values_.data(); }
    double* end() { return values_.data() + values_.size(); }

    // visit(element of x, the number that belongs to it, its place in x)
    template <class Visit>
    void for_each(const Tensor& x, Visit&& visit) {
        const BroadcastWalk<2> walk(x.shape, {&x.shape, &shape_});
        walk.for_each_run([&](const auto& at, int64_t count, const auto& strides) {
            for (int64_t i = 0; i < count; ++i) {
                visit(x.as<float>()[at[0] + i], values_[at[1] + i * strides[1]], at[0] + i);
            }
        });
    }

private:
    Shape shape_;
    int64_t count_;
    AlignedBuffer<double> values_;
};

// y of an x without elements.
void nothing(StepContext& step, const Tensor& x, const std::vector<int64_t>& axes) {
    for (const int64_t axis : axes) checked_axis(axis, x.shape.rank());
    step.output(0, x.type, x.shape);
}

// x / (sum of |x|^p along the axis)^(1/p), 0 where that is 0. Attributes: axis, p: 1 or 2.
class LpNormalization final : public Operation {
public:
    explicit LpNormalization(const Attributes& attributes)
        : axis_(attributes.integer("axis")), has_squares_(attributes.integer("p") == 2) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        if (x.size() == 0) return nothing(step, x, {axis_});
        Reduced norms(x, {axis_});
        norms.for_each(
            x, [this](double value, double& norm, int64_t) { norm += has_squares_ ? value * value : std::abs(value); });
        if (has_squares_) std::for_each(norms.begin(), norms.end(), [](double& norm) { norm = std::sqrt(norm); });
        float* y = step.output_over(0, 0, x.type, x.shape).as<float>();
        norms.for_each(x, [y](double value, double norm, int64_t at) {
            y[at] = norm == 0.0 ? 0.0f : static_cast<float>(value / norm);
        });
    }

private:
    int64_t axis_;
    bool has_squares_;
};

// (x - mean) / (deviation + 1e-9). Attribute: axes.
class MeanVarianceNormalization final : public Operation {
public:
    explicit MeanVarianceNormalization(const Attributes& attributes) : axes_(attributes.integers("axes")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        if (x.size() == 0) return nothing(step, x, axes_);
        Reduced means(x, axes_), deviations(x, axes_);
        means.for_each(x, [](double value, double& mean, int64_t) { mean += value; });
        const auto count = static_cast<double>(means.count());
        std::for_each(means.begin(), means.end(), [count](double& mean) { mean /= count; });
        float* y = step.output_over(0, 0, x.type, x.shape).as<float>();
        means.for_each(x, [y](double value, double mean, int64_t at) { y[at] = static_cast<float>(value - mean); });
        const Tensor centered{x.type, x.shape, y};
        deviations.for_each(centered, [](double value, double& squares, int64_t) { squares += value * value; });
        std::for_each(deviations.begin(), deviations.end(),
                      [count](double& squares) { squares = std::sqrt(squares / count) + 1e-9; });
        deviations.for_each(centered, [y](double value, double deviation, int64_t at) {
            y[at] = static_cast<float>(value / deviation);
        });
    }

private:
    std::vector<int64_t> axes_;
};

// x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta. Attributes: size, alpha, beta, bias.
class LocalResponseNormalization final : public Operation {
public:
    explicit LocalResponseNormalization(const Attributes& attributes)
        : size_(attributes.integer("size")),
          alpha_(attributes.number("alpha")),
          beta_(attributes.number("beta")),
          bias_(attributes.number("bias")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        if (x.shape.rank() < 2) throw OperationError("x of shape " + text_of(x.shape) + " has no channels");
        float* y = step.output(0, x.type, x.shape).as<float>();
        if (x.size() == 0) return;
        const int64_t channels = x.shape[1], pixels = x.shape.size_from(2);
        const int64_t before = (size_ - 1) / 2, after = size_ - 1 - before;
        AlignedBuffer<float> squares(pixels);
        for (int64_t plane = 0; plane < x.shape[0] * channels; ++plane) {
            const int64_t channel = plane % channels;
            const float* from = x.as<float>() + plane * pixels;
            std::fill_n(squares.data(), pixels, 0.0f);
            const int64_t last = std::min(channels - 1 - channel, after);
            for (int64_t offset = -std::min(channel, before); offset <= last; ++offset) {
                const float* other = from + offset * pixels;
                for (int64_t i = 0; i < pixels; ++i) squares[i] += other[i] * other[i];
            }
            for (int64_t i = 0; i < pixels; ++i) {
                const float base = bias_ + alpha_ / static_cast<float>(size_) * squares[i];
                y[plane * pixels + i] = from[i] / std::pow(base, beta_);
            }
        }
    }

private:
    int64_t size_;
    float alpha_, beta_, bias_;
};

constexpr OperationMaker kOperations[] = {
    {"LpNormalization", make<LpNormalization>},
    {"MeanVarianceNormalization", make<MeanVarianceNormalization>},
    {"LRN", make<LocalResponseNormalization>},
};

}  // namespace

std::span<const OperationMaker> scaling_operations() { return kOperations; }

}  // namespace sparseinf
