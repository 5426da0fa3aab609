// Convolutions with constant weights as layers with packed weights: a place of the window is a column of the layer,
// what it reads is the column's features, the output channels are the layer's output features.
//
//     y[n][m][place] = activation(sum over (c, tap) of weight[m][(c, tap)] * x[n][c][element(place, tap)] + bias[m]
//                                 + residual[n][m][place])
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/image_columns.h"
#include "ops/linear_call.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// What is gathered of x, and the layer's y before it is turned to planes, between two steps: half of an L2 cache.
constexpr int64_t kGatheredElements = int64_t{1} << 17;
// Columns of y that are turned at once: a cache line of each plane.
constexpr int64_t kTurnedPlaces = 16;

// Attributes: layer, kernel_shape, and those of windows.
class ConvolutionLayer final : public Operation {
public:
    explicit ConvolutionLayer(const Attributes& attributes)
        : layer_(attributes.get<std::shared_ptr<const Linear>>("layer")),
          kernel_(attributes.integers("kernel_shape")),
          window_(attributes) {
        if (layer_->requantizes()) throw std::invalid_argument("a convolution's layer leaves floats");
    }

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const Window window = checked_window(x);
        const int64_t outputs = layer_->out_features(), num_places = window.num_places();
        const Shape shape = shape_of_places(x.shape, outputs, window);
        const Tensor residual = step.input(1) != nullptr ? step.at(1) : Tensor{};
        if (step.input(1) != nullptr && !(residual.shape == shape)) {
            throw OperationError("a residual of shape " + text_of(residual.shape) +
                                 " comes to a convolution whose y is " + text_of(shape));
        }
        const Tensor y =
            step.input(1) != nullptr ? step.output_over(0, 1, x.type, shape) : step.output(0, x.type, shape);
        if (y.size() == 0) return;
        const Range range = range_of(x);
        const int64_t features = layer_->in_features();
        const int64_t widest = std::max(features, outputs);
        const int64_t fitting = std::max<int64_t>(kMaxPanelColumns, kGatheredElements / std::max<int64_t>(1, widest));
        const int64_t most = std::min(num_places, fitting);
        const bool is_point = window.is_point();
        Scratch scratch(most * (outputs + (is_point ? 0 : features)) * static_cast<int64_t>(sizeof(float)));
        auto* const sums = reinterpret_cast<float*>(scratch.data());
        float* const gathered = sums + most * outputs;
        for (int64_t image = 0; image < x.shape[0]; ++image) {
            const float* from = x.as<float>() + image * x.shape[1] * window.num_inputs();
            const int64_t y_at = image * outputs * num_places;
            for (int64_t first = 0; first < num_places; first += most) {
                const int64_t count = std::min(most, num_places - first);
                if (!is_point) {
                    parallel_for(features, step.num_threads(), [&](int, int64_t row) {
                        gather_columns(window, from, row, row + 1, first, count, gathered + row * count);
                    });
                }
                const StridedRows x_rows =
                    is_point ? columns_of(from + first, num_places, count) : columns_of(gathered, count, count);
                const StridedRows residual_rows =
                    residual.data != nullptr ? columns_of(residual.as<float>() + y_at + first, num_places, count)
                                             : x_rows;
                LinearCall call{count, x_rows, residual.data != nullptr ? &residual_rows : nullptr, sums,
                                step.num_threads()};
                call.x_range = range;
                layer_->run(call);
                write_planes(sums, count, outputs, step.num_threads(), num_places,
                             static_cast<float*>(y.data) + y_at + first);
            }
        }
    }

private:
    // Rows of a layer's x or residual that lie as planes: feature by feature.
    static StridedRows columns_of(const float* data, int64_t plane_elements, int64_t count) {
        constexpr int64_t kBytes = sizeof(float);
        StridedRows rows(data, plane_elements * kBytes);
        rows.add_dimension(count, kBytes);
        return rows;
    }

    // planes[m * stride + i] = sums[i * outputs + m]
    static void write_planes(const float* sums, int64_t count, int64_t outputs, int num_threads, int64_t stride,
                             float* planes) {
        const int64_t num_units = (count + kTurnedPlaces - 1) / kTurnedPlaces;
        parallel_for(num_units, num_threads, [&](int, int64_t unit) {
            const int64_t first = unit * kTurnedPlaces, end = std::min(count, first + kTurnedPlaces);
            for (int64_t m = 0; m < outputs; ++m) {
                for (int64_t i = first; i < end; ++i) planes[m * stride + i] = sums[i * outputs + m];
            }
        });
    }

    Window checked_window(const Tensor& x) const {
        if (x.type != ElementType::kFloat32 || x.shape.rank() < 2) {
            throw OperationError("x of shape " + text_of(x.shape) + " comes to a convolution");
        }
        const Window window = window_.of(x.shape, kernel_);
        if (x.shape[1] * window.num_taps() != layer_->in_features()) {
            throw OperationError("x of shape " + text_of(x.shape) + " comes to a convolution of " +
                                 std::to_string(layer_->in_features() / window.num_taps()) + " channels");
        }
        return window;
    }

    // Of all x and the zeros that pad it, where an int8 layer has one scale for a call: all places share it.
    Range range_of(const Tensor& x) const {
        if (!layer_->has_one_scale()) return {};
        Range range{0.0f, 0.0f};
        bool is_finite = true;
        const float* values = x.as<float>();
        for (int64_t i = 0; i < x.size(); ++i) {
            range = {std::min(range.low, values[i]), std::max(range.high, values[i])};
            is_finite = is_finite && std::isfinite(values[i]);
        }
        if (!is_finite || !layer_->has_scale_for(range)) {
            throw OperationError("x of an int8 layer with one scale has no finite range in float32");
        }
        return range;
    }

    std::shared_ptr<const Linear> layer_;
    std::vector<int64_t> kernel_;
    WindowAttributes window_;
};

constexpr OperationMaker kOperations[] = {{"Convolution", make<ConvolutionLayer>}};

}  // namespace

std::span<const OperationMaker> convolution_layer_operations() { return kOperations; }

}  // namespace sparseinf
