// Convolutions whose weights are an input: Conv and ConvTranspose. Those with constant weights are layers, which
// convolution_layer.cpp runs.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/image_columns.h"
#include "ops/matrix_product.h"
#include "ops/operation_kernels.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// Gathered elements of x between two visits to the weights: half of an L2 cache.
constexpr int64_t kGatheredElements = int64_t{1} << 17;

std::vector<int64_t> kernel_of(const Shape& weight) {
    std::vector<int64_t> kernel;
    for (int d = 2; d < weight.rank(); ++d) kernel.push_back(weight[d]);
    return kernel;
}

// x, weight, perhaps a bias, of a convolution in `group` groups.
void check_inputs(const Tensor& x, const Tensor& weight, const Tensor* bias, int64_t group, bool is_transposed) {
    const bool has_ranks = x.shape.rank() >= 2 && x.shape.rank() == weight.shape.rank();
    const int64_t channels = has_ranks ? x.shape[1] : 0;
    const int64_t weight_inputs = !has_ranks ? 0 : is_transposed ? weight.shape[0] : weight.shape[1] * group;
    const int64_t outputs = !has_ranks ? 0 : is_transposed ? weight.shape[1] * group : weight.shape[0];
    if (!has_ranks || group < 1 || channels != weight_inputs || channels % group != 0 || outputs % group != 0) {
        throw OperationError("x of shape " + text_of(x.shape) + " comes to a convolution with weights of shape " +
                             text_of(weight.shape) + " in " + std::to_string(group) + " groups");
    }
    if (bias != nullptr && bias->size() != outputs) {
        throw OperationError("a bias of shape " + text_of(bias->shape) + " comes to a convolution with " +
                             std::to_string(outputs) + " output channels");
    }
}

// x (n, channels, ...), weight (outputs, channels / group, ...), perhaps bias (outputs). Attributes: isa, group, and
// those of windows.
class Conv final : public Operation {
public:
    explicit Conv(const Attributes& attributes)
        : kernels_(kernels_of(attributes)), group_(attributes.integer("group")), window_(attributes) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), weight = step.at(1);
        check_inputs(x, weight, step.input(2), group_, false);
        const float* bias = step.input(2) != nullptr ? step.at(2).as<float>() : nullptr;
        const Window window = window_.of(x.shape, kernel_of(weight.shape));
        const int64_t outputs = weight.shape[0];
        Tensor& y = step.output(0, x.type, shape_of_places(x.shape, outputs, window));
        if (y.size() == 0) return;
        if (weight.shape[1] == 1) {
            run_depthwise(x, weight, bias, window, step.num_threads(), y);
            return;
        }
        const int64_t group_outputs = outputs / group_, depth = weight.shape.size_from(1);
        for (int64_t i = 0; i < x.shape[0] * group_; ++i) {
            const float* image = x.as<float>() + i * weight.shape[1] * window.num_inputs();
            const float* weights = weight.as<float>() + i % group_ * group_outputs * depth;
            float* planes = y.as<float>() + i * group_outputs * window.num_places();
            run_image(window, image, weights, group_outputs, depth, step.num_threads(), planes);
            if (bias != nullptr)
                add_bias(bias + i % group_ * group_outputs, group_outputs, window.num_places(), planes);
        }
    }

private:
    // One image's channels of one group.
    void run_image(const Window& window, const float* image, const float* weights, int64_t outputs, int64_t depth,
                   int num_threads, float* planes) const {
        const int64_t num_places = window.num_places();
        const StridedMatrix a{weights, depth, 1};
        if (window.is_point()) {
            const MatrixProduct product{a, {image, num_places, 1}, planes, num_places};
            multiply(kernels_, {outputs, num_places, depth}, {&product, 1}, num_threads);
            return;
        }
        const int64_t fitting = std::max<int64_t>(kMaxPanelColumns, kGatheredElements / std::max<int64_t>(1, depth));
        const int64_t most = std::min(num_places, fitting);
        Scratch scratch(most * depth * static_cast<int64_t>(sizeof(float)));
        auto* const gathered = reinterpret_cast<float*>(scratch.data());
        for (int64_t first = 0; first < num_places; first += most) {
            const int64_t count = std::min(most, num_places - first);
            parallel_for(depth, num_threads, [&](int, int64_t row) {
                gather_columns(window, image, row, row + 1, first, count, gathered + row * count);
            });
            const MatrixProduct product{a, {gathered, count, 1}, planes + first, num_places};
            multiply(kernels_, {outputs, count, depth}, {&product, 1}, num_threads);
        }
    }

    static void add_bias(const float* bias, int64_t outputs, int64_t num_places, float* planes) {
        for (int64_t m = 0; m < outputs; ++m, planes += num_places) {
            for (int64_t i = 0; i < num_places; ++i) planes[i] += bias[m];
        }
    }

    // Each output reads one channel.
    static void run_depthwise(const Tensor& x, const Tensor& weight, const float* bias, const Window& window,
                              int num_threads, Tensor& y) {
        const int64_t outputs = weight.shape[0], channels = x.shape[1], stride = window.width().stride;
        parallel_for(x.shape[0] * outputs, num_threads, [&](int, int64_t plane) {
            const int64_t m = plane % outputs, channel = m / (outputs / channels);
            const float* from = x.as<float>() + (plane / outputs * channels + channel) * window.num_inputs();
            const float* taps = weight.as<float>() + m * window.num_taps();
            float* to = y.as<float>() + plane * window.num_places();
            std::fill_n(to, window.num_places(), bias != nullptr ? bias[m] : 0.0f);
            for_each_tap(window, [&](int64_t tap, int64_t element, int64_t place, int64_t count) {
                const float factor = taps[tap];
                const float* row = from + element;
                if (stride == 1) {
                    for (int64_t i = 0; i < count; ++i) to[place + i] += factor * row[i];
                } else {
                    for (int64_t i = 0; i < count; ++i) to[place + i] += factor * row[i * stride];
                }
            });
        });
    }

    const KernelTable& kernels_;
    int64_t group_;
    WindowAttributes window_;
};

// x (n, channels, ...), weight (channels, outputs / group, ...), perhaps bias (outputs): each element of x adds its
// window of weights to y. That is a window which slides over y, and whose places are the elements of x. Attributes:
// group, strides, dilations, pads, auto_pad, output_padding, output_shape.
class ConvTranspose final : public Operation {
public:
    explicit ConvTranspose(const Attributes& attributes)
        : group_(attributes.integer("group")),
          strides_(attributes.integers("strides")),
          dilations_(attributes.integers("dilations")),
          pads_(attributes.integers("pads")),
          output_padding_(attributes.integers("output_padding")),
          output_shape_(attributes.integers("output_shape")),
          auto_pad_(attributes.text("auto_pad")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), weight = step.at(1);
        check_inputs(x, weight, step.input(2), group_, true);
        const float* bias = step.input(2) != nullptr ? step.at(2).as<float>() : nullptr;
        const Window window = window_over_y(x.shape, weight.shape);
        const int64_t channels = x.shape[1], group_outputs = weight.shape[1], outputs = group_outputs * group_;
        Shape shape{x.shape[0], outputs};
        for (int d = 2; d < x.shape.rank(); ++d) {
            shape.append(window.dimensions[static_cast<size_t>(kSpatial - x.shape.rank() + d)].in);
        }
        Tensor& y = step.output(0, x.type, shape);
        if (y.size() == 0) return;
        const int64_t group_channels = channels / group_, stride = window.width().stride;
        parallel_for(x.shape[0] * outputs, step.num_threads(), [&](int, int64_t plane) {
            const int64_t m = plane % outputs, first = m / group_outputs * group_channels;
            float* to = y.as<float>() + plane * window.num_inputs();
            std::fill_n(to, window.num_inputs(), bias != nullptr ? bias[m] : 0.0f);
            for (int64_t channel = first; channel < first + group_channels; ++channel) {
                const float* from = x.as<float>() + (plane / outputs * channels + channel) * window.num_places();
                const float* taps =
                    weight.as<float>() + (channel * group_outputs + m % group_outputs) * window.num_taps();
                for_each_tap(window, [&](int64_t tap, int64_t element, int64_t place, int64_t count) {
                    const float factor = taps[tap];
                    for (int64_t i = 0; i < count; ++i) to[element + i * stride] += factor * from[place + i];
                });
            }
        });
    }

private:
    Window window_over_y(const Shape& x, const Shape& weight) const {
        const auto count = static_cast<size_t>(x.rank() - 2);
        const auto fits = [](const std::vector<int64_t>& values, size_t wanted) {
            return values.empty() || values.size() == wanted;
        };
        if (count > kSpatial || !fits(strides_, count) || !fits(dilations_, count) || !fits(pads_, 2 * count) ||
            !fits(output_padding_, count) || !fits(output_shape_, count)) {
            throw OperationError("a window of other dimensions comes to x of shape " + text_of(x));
        }
        check_window_extents(x, kernel_of(weight));
        check_window_extents(x, output_shape_);
        Window window;
        for (size_t i = 0; i < count; ++i) {
            WindowDimension& d = window.dimensions[kSpatial - count + i];
            const int at = static_cast<int>(i) + 2;
            d.out = x[at];
            d.kernel = weight[at];
            if (!strides_.empty()) d.stride = strides_[i];
            if (!dilations_.empty()) d.dilation = dilations_[i];
            const int64_t more = output_padding_.empty() ? 0 : output_padding_[i];
            const int64_t all = (d.out - 1) * d.stride + more + (d.kernel - 1) * d.dilation + 1;
            const bool is_same = auto_pad_ == "SAME_UPPER" || auto_pad_ == "SAME_LOWER";
            if (!output_shape_.empty() || is_same) {
                d.in = output_shape_.empty() ? d.out * d.stride : output_shape_[i];
                const int64_t padding = std::max<int64_t>(0, all - d.in);
                d.pad_before = auto_pad_ == "SAME_UPPER" ? padding / 2 : padding - padding / 2;
            } else {
                const bool has_pads = !pads_.empty() && auto_pad_ != "VALID";
                d.pad_before = has_pads ? pads_[i] : 0;
                d.in = all - d.pad_before - (has_pads ? pads_[i + count] : 0);
            }
            if (d.in < 0) throw OperationError("the padding is more than what x of shape " + text_of(x) + " becomes");
        }
        return window;
    }

    int64_t group_;
    std::vector<int64_t> strides_, dilations_, pads_, output_padding_, output_shape_;
    std::string auto_pad_;
};

constexpr OperationMaker kOperations[] = {{"Conv", make<Conv>}, {"ConvTranspose", make<ConvTranspose>}};

}  // namespace

std::span<const OperationMaker> convolution_operations() { return kOperations; }

}  // namespace sparseinf
