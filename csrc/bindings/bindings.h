// What each binding file adds to the extension module.
#pragma once

#include <pybind11/pybind11.h>

namespace sparseinf {

void bind_codec(pybind11::module_& m);
void bind_machine(pybind11::module_& m);
void bind_pack(pybind11::module_& m);
void bind_linear(pybind11::module_& m);
void bind_program(pybind11::module_& m);

}  // namespace sparseinf
