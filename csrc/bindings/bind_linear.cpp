// Linear layers: the wall where a user's wrong arrays become errors. Behind it everything is checked data.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/isa_argument.h"
#include "ops/linear.h"

namespace py = pybind11;

namespace sparseinf {
namespace {

std::string shape_text(const py::ssize_t* shape, py::ssize_t ndim) {
    std::ostringstream text;
    text << "(";
    for (py::ssize_t i = 0; i < ndim; ++i) text << shape[i] << (i + 1 < ndim ? ", " : ndim == 1 ? "," : "");
    text << ")";
    return text.str();
}

py::array float32_array(const py::handle& object, const char* name) {
    if (!py::isinstance<py::array>(object)) {
        throw py::type_error(std::string(name) + " must be a NumPy array of dtype float32, but is of type " +
                             std::string(py::str(py::type::handle_of(object).attr("__name__"))) +
                             "; convert it with np.asarray(" + name + ", dtype=np.float32)");
    }
    if (py::hasattr(object, "mask")) {
        throw py::type_error(std::string(name) + " is a masked array, but masks are not looked at; give " + name +
                             ".filled(0) or another plain array");
    }
    auto array = py::reinterpret_borrow<py::array>(object);
    if (!py::dtype::of<float>().is(array.dtype()) && !array.dtype().equal(py::dtype::of<float>())) {
        throw py::type_error(std::string(name) + " must have dtype float32, but has dtype " +
                             std::string(py::str(array.dtype())) + "; convert it with " + name + ".astype(np.float32)");
    }
    return array;
}

// First and one past the last byte that the array's elements touch.
std::pair<const char*, const char*> byte_bounds(const py::array& array) {
    const char* low = static_cast<const char*>(array.data());
    const char* high = low;
    for (py::ssize_t i = 0; i < array.ndim(); ++i) {
        if (array.shape(i) == 0) return {low, low};
        const py::ssize_t extent = (array.shape(i) - 1) * array.strides(i);
        (extent < 0 ? low : high) += extent;
    }
    return {low, high + sizeof(float)};
}

bool share_memory(const py::array& a, const py::array& b) {
    const auto [a_low, a_high] = byte_bounds(a);
    const auto [b_low, b_high] = byte_bounds(b);
    if (a_low == a_high || b_low == b_high || a_high <= b_low || b_high <= a_low) return false;
    // Extents that overlap may still interleave without a common element. NumPy can tell; where that would take it too
    // long, they count as overlapping.
    try {
        return py::module_::import("numpy").attr("shares_memory")(a, b, py::arg("max_work") = 1000).cast<bool>();
    } catch (const py::error_already_set&) {
        return true;
    }
}

// As many rows as all dimensions but the last one make.
StridedRows strided_rows(const py::array& array) {
    const py::ssize_t last = array.ndim() - 1;
    StridedRows rows(array.data(), array.shape(last) == 1 ? py::ssize_t{sizeof(float)} : array.strides(last));
    for (py::ssize_t i = 0; i < last; ++i) rows.add_dimension(array.shape(i), array.strides(i));
    return rows;
}

class BoundLinear {
public:
    BoundLinear(int64_t out_features, int64_t in_features, const std::string& isa,
                const std::vector<std::pair<int64_t, std::shared_ptr<Pack>>>& plans,
                const std::optional<py::array_t<float, py::array::c_style>>& bias, const Epilogue& epilogue,
                int num_threads)
        : num_threads_(num_threads),
          linear_(out_features, in_features, isa_argument(isa), checked_plans(plans, out_features, in_features),
                  copy_bias(bias, out_features), epilogue) {}

    py::object call(const py::handle& x_object, const py::object& out_object, const py::object& residual_object) const {
        const py::array x = float32_array(x_object, "x");
        if (x.ndim() == 0) {
            throw py::value_error("x must have at least one dimension, the last of size in_features = " +
                                  std::to_string(linear_.in_features()) + ", but it is a scalar");
        }
        const py::ssize_t last = x.ndim() - 1;
        if (x.shape(last) != linear_.in_features()) {
            throw py::value_error(
                "x has " + std::to_string(x.shape(last)) +
                " columns, but this layer has in_features = " + std::to_string(linear_.in_features()) +
                " (x has shape " + shape_text(x.shape(), x.ndim()) + ", its last dimension must be in_features)");
        }
        std::vector<py::ssize_t> shape(x.shape(), x.shape() + x.ndim());
        shape[static_cast<size_t>(last)] = linear_.out_features();
        int64_t num_columns = 1;
        for (py::ssize_t i = 0; i < last; ++i) num_columns *= x.shape(i);

        py::array out =
            out_object.is_none() ? py::array(py::dtype::of<float>(), shape) : checked_out(out_object, shape, x);
        std::optional<py::array> residual;
        std::optional<StridedRows> residual_rows;
        if (!residual_object.is_none()) {
            residual = checked_residual(residual_object, shape, out);
            residual_rows = strided_rows(*residual);
        }
        const LinearCall call{num_columns, strided_rows(x), residual_rows ? &*residual_rows : nullptr,
                              static_cast<float*>(out.mutable_data()), num_threads_};
        {
            const py::gil_scoped_release release;
            linear_.run(call);
        }
        return out_object.is_none() ? py::object(std::move(out)) : out_object;
    }

private:
    static py::array checked_out(const py::object& object, const std::vector<py::ssize_t>& shape, const py::array& x) {
        py::array out = float32_array(object, "out");
        require_shape(out, shape, "out");
        if (!(out.flags() & py::array::c_style) || reinterpret_cast<uintptr_t>(out.data()) % alignof(float) != 0) {
            throw py::value_error("out must be C-contiguous and aligned; make one with np.empty(shape, np.float32)");
        }
        if (!out.writeable()) throw py::value_error("out must be writeable, but it is read-only");
        if (share_memory(out, x)) throw py::value_error("out overlaps x in memory; give an array of its own, or none");
        return out;
    }

    static py::array checked_residual(const py::object& object, const std::vector<py::ssize_t>& shape,
                                      const py::array& out) {
        py::array residual = float32_array(object, "residual");
        require_shape(residual, shape, "residual");
        // The very same elements are fine: each is read before it is written.
        const bool is_out = residual.data() == out.data() && (residual.flags() & py::array::c_style);
        if (!is_out && share_memory(residual, out)) {
            throw py::value_error("residual overlaps out in memory without being the same array; copy one of them");
        }
        return residual;
    }

    static void require_shape(const py::array& array, const std::vector<py::ssize_t>& shape, const char* name) {
        if (array.ndim() == static_cast<py::ssize_t>(shape.size()) &&
            std::equal(shape.begin(), shape.end(), array.shape()))
            return;
        throw py::value_error(std::string(name) + " must have shape " +
                              shape_text(shape.data(), static_cast<py::ssize_t>(shape.size())) + ", but has shape " +
                              shape_text(array.shape(), array.ndim()));
    }

    static std::vector<Linear::Plan> checked_plans(const std::vector<std::pair<int64_t, std::shared_ptr<Pack>>>& plans,
                                                   int64_t out_features, int64_t in_features) {
        std::vector<Linear::Plan> checked;
        for (const auto& [first, pack] : plans) {
            const auto [rows, columns] =
                std::visit([](const auto& p) { return std::pair(p.num_rows, p.num_columns); }, pack->form);
            if (rows != out_features || columns != in_features)
                throw py::value_error("a pack's shape is not the layer's");
            if (first < 1 || first <= (checked.empty() ? 0 : checked.back().first_num_columns)) {
                throw py::value_error("plans must ascend from one column");
            }
            checked.push_back({first, pack});
        }
        if (checked.empty() || checked[0].first_num_columns != 1)
            throw py::value_error("plans must ascend from one column");
        return checked;
    }

    static AlignedBuffer<float> copy_bias(const std::optional<py::array_t<float, py::array::c_style>>& bias,
                                          int64_t out_features) {
        if (!bias) return {};
        if (bias->ndim() != 1 || bias->shape(0) != out_features)
            throw py::value_error("bias must have out_features elements");
        AlignedBuffer<float> copy(out_features);
        std::copy_n(bias->data(), out_features, copy.data());
        return copy;
    }

    int num_threads_;
    Linear linear_;
};

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

}  // namespace

void bind_linear(py::module_& m) {
    py::class_<Epilogue>(m, "Epilogue")
        .def(py::init(&make_epilogue), py::arg("activation") = "none", py::kw_only(), py::arg("low") = 0.0f,
             py::arg("high") = 0.0f, py::arg("slope") = 0.0f);
    m.def("kernel_family", &kernel_family, py::arg("pack"), py::arg("num_columns"));
    py::class_<BoundLinear>(m, "Linear")
        .def(py::init<int64_t, int64_t, const std::string&,
                      const std::vector<std::pair<int64_t, std::shared_ptr<Pack>>>&,
                      const std::optional<py::array_t<float, py::array::c_style>>&, const Epilogue&, int>(),
             py::arg("out_features"), py::arg("in_features"), py::kw_only(), py::arg("isa"), py::arg("plans"),
             py::arg("bias"), py::arg("epilogue"), py::arg("num_threads"))
        .def("__call__", &BoundLinear::call, py::arg("x"), py::arg("out") = py::none(),
             py::arg("residual") = py::none());
}

}  // namespace sparseinf
