// Linear layers.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/bound_linear.h"

namespace py = pybind11;

namespace sparseinf {
namespace {

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
                 const std::optional<ActivationQuantization>&, const std::optional<ActivationQuantization>&, int64_t>(),
        py::arg("out_features"), py::arg("in_features"), py::kw_only(), py::arg("isa"), py::arg("plans"),
        py::arg("bias"), py::arg("epilogue"), py::arg("num_threads"), py::arg("row_scales") = py::none(),
        py::arg("activations") = py::none(), py::arg("output") = py::none(), py::arg("most_tail_columns") = 0);
    PyObject* method = PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(linear.ptr()), &call_method);
    if (method == nullptr) throw py::error_already_set();
    linear.attr("__call__") = py::reinterpret_steal<py::object>(method);
}

}  // namespace sparseinf
