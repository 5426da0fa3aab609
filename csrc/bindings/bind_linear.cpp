// Linear layers: the wall where a user's wrong arrays become errors. Behind it everything is checked data.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/array_arguments.h"
#include "bindings/bindings.h"
#include "bindings/isa_argument.h"
#include "ops/linear.h"

namespace py = pybind11;

namespace sparseinf {
namespace {

using FloatArray = py::array_t<float, py::array::c_style>;

class BoundLinear {
public:
    BoundLinear(int64_t out_features, int64_t in_features, const std::string& isa,
                const std::vector<std::pair<int64_t, std::shared_ptr<Pack>>>& plans,
                const std::optional<FloatArray>& bias, const Epilogue& epilogue, int num_threads,
                const std::optional<FloatArray>& row_scales, const std::optional<ActivationQuantization>& activations,
                const std::optional<ActivationQuantization>& output)
        : num_threads_(num_threads),
          linear_(out_features, in_features, isa_argument(isa),
                  checked_plans(plans, out_features, in_features, row_scales.has_value()),
                  copy_features(bias, out_features, "bias"), epilogue,
                  int8_scales(row_scales, out_features, activations, output)) {}

    py::object call(py::handle x_object, py::handle out_object, py::handle residual_object) const {
        const py::array x = checked_x(x_object);
        const OutShape shape(x, linear_.out_features());
        int64_t num_columns = 1;
        for (py::ssize_t i = 0; i < x.ndim() - 1; ++i) num_columns *= x.shape(i);

        const Elements y_elements = linear_.requantizes() ? Elements::kUint8 : Elements::kFloat32;
        py::array out =
            out_object.is_none() ? shape.new_array(y_elements) : checked_out(y_elements, out_object, shape, x);
        std::optional<StridedRows> residual_rows;
        if (!residual_object.is_none()) residual_rows = strided_rows(checked_residual(residual_object, shape, out));
        LinearCall call{num_columns, strided_rows(x), residual_rows ? &*residual_rows : nullptr, out.mutable_data(),
                        num_threads_};
        call.x_is_quantized = x.itemsize() == 1;
        if (linear_.has_one_scale() && !call.x_is_quantized) call.x_range = checked_range(call);
        if (linear_.num_operations(num_columns) < kOperationsWithGil) {
            linear_.run(call);
        } else {
            const py::gil_scoped_release release;
            linear_.run(call);
        }
        return out;
    }

private:
    // Calls below this keep the interpreter lock: they take at most some 4 us, and giving the lock away and taking it
    // back costs 45 ns where nobody wants it (Zen 4; 12 % of a call on 64x64 at 90 %), a switch of threads where
    // somebody does.
    static constexpr double kOperationsWithGil = 1 << 17;

    Range checked_range(const LinearCall& call) const {
        const Range range = linear_.range_of_x(call);
        if (!std::isfinite(range.low) || !std::isfinite(range.high)) {
            throw py::value_error(
                "x has a NaN or an infinity, but this int8 layer has one scale for all x of a call, which neither "
                "fits; remove it, or load with activation_scales='column' and without calibration: each row of x then "
                "has a scale of its own");
        }
        if (!linear_.has_scale_for(range)) {
            throw py::value_error(
                "x reaches from " + number_text(range.low) + " to " + number_text(range.high) +
                ", further than float32 can tell, but this int8 layer has one scale for all x of a call; scale x down, "
                "or load with activation_dtype='int8', whose scale needs no more than the largest absolute value");
        }
        return range;
    }

    static std::string number_text(float number) { return py::str("{:g}").format(number); }

    py::array checked_x(py::handle object) const {
        const bool is_quantized = linear_.takes_quantized() && is_uint8_array(object);
        py::array x = array_of(is_quantized ? Elements::kUint8 : Elements::kFloat32, object, "x");
        if (x.ndim() == 0) {
            throw py::value_error("x must have at least one dimension, the last of size in_features = " +
                                  std::to_string(linear_.in_features()) + ", but it is a scalar");
        }
        const py::ssize_t num_features = x.shape(x.ndim() - 1);
        if (num_features != linear_.in_features()) {
            throw py::value_error(
                "x has " + std::to_string(num_features) +
                " columns, but this layer has in_features = " + std::to_string(linear_.in_features()) +
                " (x has shape " + shape_text(x.shape(), x.ndim()) + ", its last dimension must be in_features)");
        }
        return x;
    }

    static std::vector<Linear::Plan> checked_plans(const std::vector<std::pair<int64_t, std::shared_ptr<Pack>>>& plans,
                                                   int64_t out_features, int64_t in_features, bool is_int8) {
        std::vector<Linear::Plan> checked;
        for (const auto& [first, pack] : plans) {
            const auto [rows, columns] =
                std::visit([](const auto& p) { return std::pair(p.num_rows, p.num_columns); }, pack->form);
            if (rows != out_features || columns != in_features)
                throw py::value_error("a pack's shape is not the layer's");
            if (pack->is_int8() != is_int8) throw py::value_error("int8 packs need row_scales, and others have none");
            if (first < 1 || first <= (checked.empty() ? 0 : checked.back().first_num_columns)) {
                throw py::value_error("plans must ascend from one column");
            }
            checked.push_back({first, pack});
        }
        if (checked.empty() || checked[0].first_num_columns != 1)
            throw py::value_error("plans must ascend from one column");
        return checked;
    }

    static AlignedBuffer<float> copy_features(const std::optional<FloatArray>& array, int64_t out_features,
                                              const char* name) {
        if (!array) return {};
        if (array->ndim() != 1 || array->shape(0) != out_features)
            throw py::value_error(std::string(name) + " must have out_features elements");
        AlignedBuffer<float> copy(out_features);
        std::copy_n(array->data(), out_features, copy.data());
        return copy;
    }

    static std::optional<Int8Scales> int8_scales(const std::optional<FloatArray>& row_scales, int64_t out_features,
                                                 const std::optional<ActivationQuantization>& activations,
                                                 const std::optional<ActivationQuantization>& output) {
        if (!row_scales) {
            if (output) throw py::value_error("only an int8 layer has an output quantization");
            return std::nullopt;
        }
        Int8Scales scales{activations.value_or(ActivationQuantization{}),
                          copy_features(row_scales, out_features, "row_scales")};
        if (output) {
            if (output->scales != ActivationScales::kStatic) throw py::value_error("output needs a static scale");
            scales.requantization = {output->fixed.inverse, output->fixed.zero};
        }
        return scales;
    }

    int num_threads_;
    Linear linear_;
};

// Linear.__call__, which CPython calls with the arguments as they lie on its stack. Zen 4: a whole call on a layer
// without rows takes 60 ns with out=, 100 ns without; pybind11's dispatch alone takes 160 ns for two arguments.
PyObject* call_linear(PyObject* self, PyObject* const* arguments, Py_ssize_t count) noexcept {
    try {
        const BoundLinear* linear =
            reinterpret_cast<py::detail::instance*>(self)->get_value_and_holder().value_ptr<BoundLinear>();
        if (linear == nullptr) throw py::type_error("Linear.__init__() was never called");
        if (count < 1 || count > 3) {
            throw py::type_error("a Linear takes x, out and residual, but " + std::to_string(count) +
                                 " arguments came");
        }
        return linear->call(arguments[0], count > 1 ? arguments[1] : Py_None, count > 2 ? arguments[2] : Py_None)
            .release()
            .ptr();
    } catch (...) {
        py::detail::try_translate_exceptions();
        return nullptr;
    }
}

PyMethodDef call_method = {
    "__call__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call_linear)), METH_FASTCALL,
    "__call__(self, x, out=None, residual=None, /)\n\nCompute activation(x @ weight.T + bias + residual)."};

Epilogue make_epilogue(const std::string& activation, float low, float high, float slope) {
    static const std::pair<const char*, Activation> kNames[] = {
        {"none", Activation::kNone},
        {"clip", Activation::kClip},
        {"gelu", Activation::kGelu},
        {"gelu_tanh", Activation::kGeluTanh},
        {"silu", Activation::kSilu},
        {"hardswish", Activation::kHardswish},
        {"hardsigmoid", Activation::kHardsigmoid},
        {"sigmoid", Activation::kSigmoid},
        {"tanh", Activation::kTanh},
        {"leaky_relu", Activation::kLeakyRelu},
    };
    for (const auto& [name, value] : kNames) {
        if (activation == name) return {value, low, high, slope};
    }
    throw py::value_error("unknown activation '" + activation + "'");
}

ActivationQuantization make_activations(const std::string& scales, const std::string& dtype, float scale,
                                        int zero_point) {
    ActivationQuantization made;
    if (dtype != "uint8" && dtype != "int8") throw py::value_error("unknown activation dtype '" + dtype + "'");
    made.is_symmetric = dtype == "int8";
    if (scales == "static") {
        made.scales = ActivationScales::kStatic;
        made.fixed = {scale, scale == 0 ? 0 : 1 / scale, zero_point};
    } else if (scales == "tensor" || scales == "column") {
        made.scales = scales == "tensor" ? ActivationScales::kTensor : ActivationScales::kColumn;
    } else {
        throw py::value_error("unknown activation scales '" + scales + "'");
    }
    return made;
}

}  // namespace

void bind_linear(py::module_& m) {
    py::class_<Epilogue>(m, "Epilogue")
        .def(py::init(&make_epilogue), py::arg("activation") = "none", py::kw_only(), py::arg("low") = 0.0f,
             py::arg("high") = 0.0f, py::arg("slope") = 0.0f);
    py::class_<ActivationQuantization>(m, "ActivationQuantization")
        .def(py::init(&make_activations), py::arg("scales") = "column", py::arg("dtype") = "uint8",
             py::arg("scale") = 0.0f, py::arg("zero_point") = 0);
    m.def("kernel_family", &kernel_family, py::arg("pack"), py::arg("num_columns"));
    py::class_<BoundLinear> linear(m, "Linear", py::is_final());
    linear.def(
        py::init<int64_t, int64_t, const std::string&, const std::vector<std::pair<int64_t, std::shared_ptr<Pack>>>&,
                 const std::optional<FloatArray>&, const Epilogue&, int, const std::optional<FloatArray>&,
                 const std::optional<ActivationQuantization>&, const std::optional<ActivationQuantization>&>(),
        py::arg("out_features"), py::arg("in_features"), py::kw_only(), py::arg("isa"), py::arg("plans"),
        py::arg("bias"), py::arg("epilogue"), py::arg("num_threads"), py::arg("row_scales") = py::none(),
        py::arg("activations") = py::none(), py::arg("output") = py::none());
    PyObject* method = PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(linear.ptr()), &call_method);
    if (method == nullptr) throw py::error_already_set();
    linear.attr("__call__") = py::reinterpret_steal<py::object>(method);
}

}  // namespace sparseinf
