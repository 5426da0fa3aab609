// Normalization by mean and variance: over the last dimensions, over groups of channels, or by those of training.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/moments.h"
#include "ops/operation_table.h"
#include "ops/ranges.h"

namespace sparseinf {
namespace {

// Calls body(row) for each.
template <class Body>
void for_each_row(int64_t num_rows, int64_t row_elements, int num_threads, Body&& body) {
    for_ranges(num_rows, results_of_range(row_elements), num_threads, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) body(row);
    });
}

// x, scale, perhaps bias -> y, perhaps mean and 1 / deviation. Attributes: axis, epsilon.
class LayerNormalization final : public Operation {
public:
    explicit LayerNormalization(const Attributes& attributes)
        : axis_(attributes.integer("axis")), epsilon_(attributes.number("epsilon")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), scale = step.at(1);
        const Tensor bias = step.input(2) != nullptr ? step.at(2) : Tensor{};
        const int axis = checked_axis(axis_, x.shape.rank());
        check_fits(x, scale, "scale");
        if (step.input(2) != nullptr) check_fits(x, bias, "bias");
        const int64_t size = x.shape.size_from(axis), num_rows = x.shape.size_before(axis);
        Shape reduced = x.shape;
        for (int d = axis; d < reduced.rank(); ++d) reduced[d] = 1;
        float* means = step.has_output(1) ? step.output(1, x.type, reduced).as<float>() : nullptr;
        float* inverses = step.has_output(2) ? step.output(2, x.type, reduced).as<float>() : nullptr;
        Tensor& y = step.output_over(0, 0, x.type, x.shape);
        const bool is_plain = scale.size() == size && (step.input(2) == nullptr || bias.size() == size);
        const float* factors = is_plain ? scale.as<float>() : nullptr;
        const float* offsets = is_plain && step.input(2) != nullptr ? bias.as<float>() : nullptr;
        if (x.size() == 0 && means == nullptr && inverses == nullptr) return;
        float* const to = y.as<float>();
        for_each_row(num_rows, size, step.num_threads(), [&](int64_t row) {
            const float* from = x.as<float>() + row * size;
            const Moments moments = moments_of(from, size);
            const float inverse = 1.0f / std::sqrt(moments.variance + epsilon_);
            if (means != nullptr) means[row] = moments.mean;
            if (inverses != nullptr) inverses[row] = inverse;
            write_row(from, size, moments.mean, inverse, factors, offsets, to + row * size);
        });
        if (is_plain) return;
        apply(y, scale, [](float value, float factor) { return value * factor; });
        if (step.input(2) != nullptr) apply(y, bias, [](float value, float offset) { return value + offset; });
    }

private:
    static void check_fits(const Tensor& x, const Tensor& other, const char* name) {
        if (broadcast_shape({&x.shape, &other.shape}) == x.shape) return;
        throw OperationError(std::string(name) + " of shape " + text_of(other.shape) + " comes to x of shape " +
                             text_of(x.shape));
    }

    static void write_row(const float* x, int64_t size, float mean, float inverse, const float* factors,
                          const float* offsets, float* y) {
        if (factors == nullptr) {
            normalize(x, size, mean, inverse, 0.0f, y);
        } else if (offsets == nullptr) {
            for (int64_t i = 0; i < size; ++i) y[i] = (x[i] - mean) * inverse * factors[i];
        } else {
            for (int64_t i = 0; i < size; ++i) y[i] = (x[i] - mean) * inverse * factors[i] + offsets[i];
        }
    }

    template <class Function>
    static void apply(Tensor& y, const Tensor& other, Function&& function) {
        float* to = y.as<float>();
        const BroadcastWalk<2> walk(y.shape, {&y.shape, &other.shape});
        walk.for_each_run([&](const auto& at, int64_t count, const auto& strides) {
            const float* from = other.as<float>() + at[1];
            for (int64_t i = 0; i < count; ++i) to[at[0] + i] = function(to[at[0] + i], from[i * strides[1]]);
        });
    }

    int64_t axis_;
    float epsilon_;
};

void check_channels(const Tensor& x, const Tensor& of_channels) {
    const int64_t channels = x.shape.rank() > 1 ? x.shape[1] : 1;
    if (of_channels.size() != channels) {
        throw OperationError("an array of shape " + text_of(of_channels.shape) + " comes to x of shape " +
                             text_of(x.shape) + ", which needs one number a channel");
    }
}

// x (n, channels, ...), scale and bias of each channel. Attributes: num_groups, 0 for one a channel; epsilon.
class GroupNormalization final : public Operation {
public:
    explicit GroupNormalization(const Attributes& attributes)
        : num_groups_(attributes.integer("num_groups")), epsilon_(attributes.number("epsilon")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), scale = step.at(1), bias = step.at(2);
        if (x.shape.rank() < 2) throw OperationError("x of shape " + text_of(x.shape) + " has no channels");
        check_channels(x, scale);
        check_channels(x, bias);
        const int64_t channels = x.shape[1];
        const int64_t num_groups = num_groups_ == 0 ? channels : num_groups_;
        if (num_groups < 0 || (num_groups > 0 && channels % num_groups != 0)) {
            throw OperationError(std::to_string(channels) + " channels are no " + std::to_string(num_groups) +
                                 " groups of one size");
        }
        float* y = step.output_over(0, 0, x.type, x.shape).as<float>();
        if (x.size() == 0) return;
        const int64_t size = x.shape.size_from(2), group_channels = channels / num_groups;
        const int64_t group_size = size * group_channels;
        for_each_row(x.shape[0] * num_groups, group_size, step.num_threads(), [&](int64_t group) {
            const float* from = x.as<float>() + group * group_size;
            const Moments moments = moments_of(from, group_size);
            const float inverse = 1.0f / std::sqrt(moments.variance + epsilon_);
            for (int64_t i = 0; i < group_channels; ++i) {
                const int64_t channel = group % num_groups * group_channels + i;
                normalize(from + i * size, size, moments.mean, inverse * scale.as<float>()[channel],
                          bias.as<float>()[channel], y + group * group_size + i * size);
            }
        });
    }

private:
    int64_t num_groups_;
    float epsilon_;
};

// x (n, channels, ...), scale, bias, mean, variance of each channel. Attribute: epsilon.
class BatchNormalization final : public Operation {
public:
    explicit BatchNormalization(const Attributes& attributes) : epsilon_(attributes.number("epsilon")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), scale = step.at(1), bias = step.at(2), mean = step.at(3), variance = step.at(4);
        if (x.shape.rank() < 1) throw OperationError("x of shape () has no channels");
        for (int i = 1; i < 5; ++i) check_channels(x, step.at(i));
        float* y = step.output_over(0, 0, x.type, x.shape).as<float>();
        if (x.size() == 0) return;
        const int64_t channels = x.shape.rank() > 1 ? x.shape[1] : 1, size = x.shape.size_from(2);
        for_each_row(x.shape[0] * channels, size, step.num_threads(), [&](int64_t row) {
            const int64_t channel = row % channels;
            const float factor = scale.as<float>()[channel] / std::sqrt(variance.as<float>()[channel] + epsilon_);
            normalize(x.as<float>() + row * size, size, mean.as<float>()[channel], factor, bias.as<float>()[channel],
                      y + row * size);
        });
    }

private:
    float epsilon_;
};

constexpr OperationMaker kOperations[] = {
    {"LayerNormalization", make<LayerNormalization>},
    {"GroupNormalization", make<GroupNormalization>},
    {"BatchNormalization", make<BatchNormalization>},
};

}  // namespace

std::span<const OperationMaker> normalization_operations() { return kOperations; }

}  // namespace sparseinf
