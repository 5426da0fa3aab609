// The arrays of a call: what is asked of each before its memory is touched.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>

#include "ops/strided_rows.h"

namespace sparseinf {

// What a layer's x or y consists of.
enum class Elements { kFloat32, kUint8 };

// Throws py::type_error, with the argument's name, unless the object is a plain NumPy array of such elements.
pybind11::array array_of(Elements elements, pybind11::handle object, const char* name);

// Whether it is a NumPy array of uint8.
bool is_uint8_array(pybind11::handle object);

// The shape of y: that of x, with out_features at the end.
class OutShape {
public:
    OutShape(const pybind11::array& x, int64_t out_features);

    pybind11::array new_array(Elements elements) const;
    // Throws py::value_error, with the argument's name, unless the array has this shape.
    void require(const pybind11::array& array, const char* name) const;

private:
    pybind11::ssize_t ndim_;
    pybind11::ssize_t sizes_[StridedRows::kMaxDimensions];
};

// Both throw py::type_error or py::value_error for whatever y cannot be written to, or a residual be read from.
pybind11::array checked_out(Elements elements, pybind11::handle object, const OutShape& shape,
                            const pybind11::array& x);
pybind11::array checked_residual(pybind11::handle object, const OutShape& shape, const pybind11::array& out);

// "(2, 96)"
std::string shape_text(const pybind11::ssize_t* shape, pybind11::ssize_t ndim);

// As many rows as all dimensions but the last one make.
StridedRows strided_rows(const pybind11::array& array);

}  // namespace sparseinf
