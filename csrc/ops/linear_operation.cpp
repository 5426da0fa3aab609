// Layers with packed weights, as steps: y = activation(x W^T + bias + residual).
#include <cmath>

#include "ops/linear_call.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

// x (..., in_features), perhaps a residual (..., out_features) -> y (..., out_features). Attribute: layer. x is
// float32, or uint8 where the layer takes that; y is uint8 from a layer that requantizes.
class LinearOperation final : public Operation {
public:
    explicit LinearOperation(const Attributes& attributes)
        : layer_(attributes.get<std::shared_ptr<const Linear>>("layer")) {}

    void run(StepContext& step) const override {
        const Tensor& x = step.at(0);
        const int last = x.shape.rank() - 1;
        if (last < 0 || x.shape[last] != layer_->in_features()) {
            throw OperationError("x of shape " + text_of(x.shape) + " comes to a layer with " +
                                 std::to_string(layer_->in_features()) + " input features");
        }
        Shape shape = x.shape;
        shape[last] = layer_->out_features();
        const int64_t num_columns = x.shape.size_before(last);
        const Tensor* residual = step.input(1);
        if (residual != nullptr && !(residual->shape == shape)) {
            throw OperationError("a residual of shape " + text_of(residual->shape) + " comes to a layer whose y is " +
                                 text_of(shape));
        }
        const StridedRows x_rows = rows_of(x, num_columns, layer_->in_features());
        const StridedRows residual_rows =
            residual != nullptr ? rows_of(*residual, num_columns, layer_->out_features()) : x_rows;
        const ElementType y_type = layer_->requantizes() ? ElementType::kUint8 : ElementType::kFloat32;
        Tensor& y = residual != nullptr && y_type == ElementType::kFloat32 ? step.output_over(0, 1, y_type, shape)
                                                                           : step.output(0, y_type, shape);
        LinearCall call{num_columns, x_rows, residual != nullptr ? &residual_rows : nullptr, y.data,
                        step.num_threads()};
        call.x_is_quantized = x.type == ElementType::kUint8;
        if (layer_->has_one_scale() && !call.x_is_quantized) call.x_range = checked_range(call);
        layer_->run(call);
    }

private:
    static StridedRows rows_of(const Tensor& tensor, int64_t num_rows, int64_t num_features) {
        const int64_t element_bytes = bytes_of(tensor.type);
        StridedRows rows(tensor.data, element_bytes);
        rows.add_dimension(num_rows, num_features * element_bytes);
        return rows;
    }

    Range checked_range(const LinearCall& call) const {
        const Range range = layer_->range_of_x(call);
        if (!std::isfinite(range.low) || !std::isfinite(range.high) || !layer_->has_scale_for(range)) {
            throw OperationError("x of an int8 layer with one scale has no finite range in float32");
        }
        return range;
    }

    std::shared_ptr<const Linear> layer_;
};

constexpr OperationMaker kOperations[] = {{"Linear", make<LinearOperation>}};

}  // namespace

std::span<const OperationMaker> linear_operations() { return kOperations; }

}  // namespace sparseinf
