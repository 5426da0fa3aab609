#include "bindings/array_arguments.h"

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>

namespace py = pybind11;

namespace sparseinf {
namespace {

// First and one past the last byte that the array's elements touch.
std::pair<const char*, const char*> byte_bounds(const py::array& array) {
    const char* low = static_cast<const char*>(array.data());
    const char* high = low;
    for (py::ssize_t i = 0; i < array.ndim(); ++i) {
        if (array.shape(i) == 0) return {low, low};
        const py::ssize_t extent = (array.shape(i) - 1) * array.strides(i);
        (extent < 0 ? low : high) += extent;
    }
    return {low, high + array.itemsize()};
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

const char* name_of(Elements elements) { return elements == Elements::kFloat32 ? "float32" : "uint8"; }

py::dtype dtype_of(Elements elements) {
    return elements == Elements::kFloat32 ? py::dtype::of<float>() : py::dtype::of<uint8_t>();
}

bool has_elements(const py::array& array, Elements elements) {
    const py::dtype dtype = dtype_of(elements);
    return dtype.is(array.dtype()) || array.dtype().equal(dtype);
}

}  // namespace

std::string shape_text(const py::ssize_t* shape, py::ssize_t ndim) {
    std::ostringstream text;
    text << "(";
    for (py::ssize_t i = 0; i < ndim; ++i) text << shape[i] << (i + 1 < ndim ? ", " : ndim == 1 ? "," : "");
    text << ")";
    return text.str();
}

bool is_uint8_array(py::handle object) {
    return py::isinstance<py::array>(object) &&
           has_elements(py::reinterpret_borrow<py::array>(object), Elements::kUint8);
}

py::array array_of(Elements elements, py::handle object, const char* name) {
    const std::string dtype = name_of(elements);
    if (!py::isinstance<py::array>(object)) {
        throw py::type_error(std::string(name) + " must be a NumPy array of dtype " + dtype + ", but is of type " +
                             std::string(py::str(py::type::handle_of(object).attr("__name__"))) +
                             "; convert it with np.asarray(" + name + ", dtype=np." + dtype + ")");
    }
    // NumPy's own class has no masks, and looking for one in vain would make an exception in every call.
    const bool is_plain = Py_TYPE(object.ptr()) == py::detail::npy_api::get().PyArray_Type_;
    if (!is_plain && py::hasattr(object, "mask")) {
        throw py::type_error(std::string(name) + " is a masked array, but masks are not looked at; give " + name +
                             ".filled(0) or another plain array");
    }
    auto array = py::reinterpret_borrow<py::array>(object);
    if (!has_elements(array, elements)) {
        throw py::type_error(std::string(name) + " must have dtype " + dtype + ", but has dtype " +
                             std::string(py::str(array.dtype())) + "; convert it with " + name + ".astype(np." + dtype +
                             ")");
    }
    return array;
}

OutShape::OutShape(const py::array& x, int64_t out_features) : ndim_(x.ndim()) {
    std::copy_n(x.shape(), ndim_, sizes_);
    sizes_[ndim_ - 1] = out_features;
}

py::array OutShape::new_array(Elements elements) const {
    // py::array's constructors compute strides, in memory of their own, that NumPy computes again.
    const auto& numpy = py::detail::npy_api::get();
    PyObject* array = numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, dtype_of(elements).release().ptr(),
                                                  static_cast<int>(ndim_), sizes_, nullptr, nullptr, 0, nullptr);
    if (array == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::array>(array);
}

void OutShape::require(const py::array& array, const char* name) const {
    if (array.ndim() == ndim_ && std::equal(sizes_, sizes_ + ndim_, array.shape())) return;
    throw py::value_error(std::string(name) + " must have shape " + shape_text(sizes_, ndim_) + ", but has shape " +
                          shape_text(array.shape(), array.ndim()));
}

py::array checked_out(Elements elements, py::handle object, const OutShape& shape, const py::array& x) {
    py::array out = array_of(elements, object, "out");
    shape.require(out, "out");
    const auto alignment = static_cast<uintptr_t>(out.itemsize());
    if (!(out.flags() & py::array::c_style) || reinterpret_cast<uintptr_t>(out.data()) % alignment != 0) {
        throw py::value_error("out must be C-contiguous and aligned; make one with np.empty(shape, np." +
                              std::string(name_of(elements)) + ")");
    }
    if (!out.writeable()) throw py::value_error("out must be writeable, but it is read-only");
    if (share_memory(out, x)) throw py::value_error("out overlaps x in memory; give an array of its own, or none");
    return out;
}

py::array checked_residual(py::handle object, const OutShape& shape, const py::array& out) {
    py::array residual = array_of(Elements::kFloat32, object, "residual");
    shape.require(residual, "residual");
    // The very same elements are fine: each is read before it is written.
    const bool is_out = residual.data() == out.data() && (residual.flags() & py::array::c_style) &&
                        residual.itemsize() == out.itemsize();
    if (!is_out && share_memory(residual, out)) {
        throw py::value_error("residual overlaps out in memory without being the same array; copy one of them");
    }
    return residual;
}

StridedRows strided_rows(const py::array& array) {
    const py::ssize_t last = array.ndim() - 1;
    StridedRows rows(array.data(), array.shape(last) == 1 ? array.itemsize() : array.strides(last));
    for (py::ssize_t i = 0; i < last; ++i) rows.add_dimension(array.shape(i), array.strides(i));
    return rows;
}

}  // namespace sparseinf
