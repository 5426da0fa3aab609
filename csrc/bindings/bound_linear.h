// A linear layer as Python holds it: the wall where a user's wrong arrays become errors. Behind it everything is
// checked data.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/array_arguments.h"
#include "bindings/isa_argument.h"
#include "ops/linear.h"

namespace sparseinf {

using FloatArray = pybind11::array_t<float, pybind11::array::c_style>;

class BoundLinear {
public:
    BoundLinear(int64_t out_features, int64_t in_features, const std::string& isa,
                const std::vector<std::pair<int64_t, std::shared_ptr<Pack>>>& plans,
                const std::optional<FloatArray>& bias, const Epilogue& epilogue, int num_threads,
                const std::optional<FloatArray>& row_scales, const std::optional<ActivationQuantization>& activations,
                const std::optional<ActivationQuantization>& output, int64_t most_tail_columns)
        : num_threads_(num_threads),
          linear_(std::make_shared<const Linear>(
              out_features, in_features, isa_argument(isa),
              checked_plans(plans, out_features, in_features, row_scales.has_value(), most_tail_columns),
              copy_features(bias, out_features, "bias"), epilogue,
              int8_scales(row_scales, out_features, activations, output))) {}

    pybind11::object call(pybind11::handle x_object, pybind11::handle out_object,
                          pybind11::handle residual_object) const {
        const pybind11::array x = checked_x(x_object);
        const OutShape shape(x, linear_->out_features());
        int64_t num_columns = 1;
        for (pybind11::ssize_t i = 0; i < x.ndim() - 1; ++i) num_columns *= x.shape(i);

        const Elements y_elements = linear_->requantizes() ? Elements::kUint8 : Elements::kFloat32;
        pybind11::array out =
            out_object.is_none() ? shape.new_array(y_elements) : checked_out(y_elements, out_object, shape, x);
        std::optional<StridedRows> residual_rows;
        if (!residual_object.is_none()) residual_rows = strided_rows(checked_residual(residual_object, shape, out));
        LinearCall call{num_columns, strided_rows(x), residual_rows ? &*residual_rows : nullptr, out.mutable_data(),
                        num_threads_};
        call.x_is_quantized = x.itemsize() == 1;
        if (linear_->has_one_scale() && !call.x_is_quantized) call.x_range = checked_range(call);
        if (linear_->num_operations(num_columns) < kOperationsWithGil) {
            linear_->run(call);
        } else {
            const pybind11::gil_scoped_release release;
            linear_->run(call);
        }
        return out;
    }

    std::shared_ptr<const Linear> linear() const { return linear_; }

private:
    // Calls below this keep the interpreter lock: they take at most some 4 us, and giving the lock away and taking it
    // back costs 45 ns where nobody wants it (Zen 4; 12 % of a call on 64x64 at 90 %), a switch of threads where
    // somebody does.
    static constexpr double kOperationsWithGil = 1 << 17;

    Range checked_range(const LinearCall& call) const {
        const Range range = linear_->range_of_x(call);
        if (!std::isfinite(range.low) || !std::isfinite(range.high)) {
            throw pybind11::value_error(
                "x has a NaN or an infinity, but this int8 layer has one scale for all x of a call, which neither "
                "fits; remove it, or load with activation_scales='column' and without calibration: each row of x then "
                "has a scale of its own");
        }
        if (!linear_->has_scale_for(range)) {
            throw pybind11::value_error(
                "x reaches from " + number_text(range.low) + " to " + number_text(range.high) +
                ", further than float32 can tell, but this int8 layer has one scale for all x of a call; scale x down, "
                "or load with activation_dtype='int8', whose scale needs no more than the largest absolute value");
        }
        return range;
    }

    static std::string number_text(float number) { return pybind11::str("{:g}").format(number); }

    pybind11::array checked_x(pybind11::handle object) const {
        const bool is_quantized = linear_->takes_quantized() && is_uint8_array(object);
        pybind11::array x = array_of(is_quantized ? Elements::kUint8 : Elements::kFloat32, object, "x");
        if (x.ndim() == 0) {
            throw pybind11::value_error("x must have at least one dimension, the last of size in_features = " +
                                        std::to_string(linear_->in_features()) + ", but it is a scalar");
        }
        const pybind11::ssize_t num_features = x.shape(x.ndim() - 1);
        if (num_features != linear_->in_features()) {
            throw pybind11::value_error(
                "x has " + std::to_string(num_features) +
                " columns, but this layer has in_features = " + std::to_string(linear_->in_features()) +
                " (x has shape " + shape_text(x.shape(), x.ndim()) + ", its last dimension must be in_features)");
        }
        return x;
    }

    static std::vector<Linear::Plan> checked_plans(const std::vector<std::pair<int64_t, std::shared_ptr<Pack>>>& plans,
                                                   int64_t out_features, int64_t in_features, bool is_int8,
                                                   int64_t most_tail_columns) {
        std::vector<Linear::Plan> checked;
        for (const auto& [first, pack] : plans) {
            const auto [rows, columns] =
                std::visit([](const auto& p) { return std::pair(p.num_rows, p.num_columns); }, pack->form);
            if (rows != out_features || columns != in_features)
                throw pybind11::value_error("a pack's shape is not the layer's");
            if (pack->is_int8() != is_int8)
                throw pybind11::value_error("int8 packs need row_scales, and others have none");
            if (first < 1 || first <= (checked.empty() ? 0 : checked.back().first_num_columns)) {
                throw pybind11::value_error("plans must ascend from one column");
            }
            checked.push_back({first, pack});
        }
        if (checked.empty() || checked[0].first_num_columns != 1)
            throw pybind11::value_error("plans must ascend from one column");
        if (most_tail_columns < 0 || (is_int8 && most_tail_columns > 0)) {
            throw pybind11::value_error("only float32 layers have tails of columns");
        }
        checked.back().most_tail_columns = most_tail_columns;
        return checked;
    }

    static AlignedBuffer<float> copy_features(const std::optional<FloatArray>& array, int64_t out_features,
                                              const char* name) {
        if (!array) return {};
        if (array->ndim() != 1 || array->shape(0) != out_features)
            throw pybind11::value_error(std::string(name) + " must have out_features elements");
        AlignedBuffer<float> copy(out_features);
        std::copy_n(array->data(), out_features, copy.data());
        return copy;
    }

    static std::optional<Int8Scales> int8_scales(const std::optional<FloatArray>& row_scales, int64_t out_features,
                                                 const std::optional<ActivationQuantization>& activations,
                                                 const std::optional<ActivationQuantization>& output) {
        if (!row_scales) {
            if (output) throw pybind11::value_error("only an int8 layer has an output quantization");
            return std::nullopt;
        }
        Int8Scales scales{activations.value_or(ActivationQuantization{}),
                          copy_features(row_scales, out_features, "row_scales")};
        if (output) {
            if (output->scales != ActivationScales::kStatic) throw pybind11::value_error("output needs a static scale");
            scales.requantization = {output->fixed.inverse, output->fixed.zero};
        }
        return scales;
    }

    int num_threads_;
    std::shared_ptr<const Linear> linear_;
};

}  // namespace sparseinf
