// The extension module sparseinf.runtime._core.
#include "bindings/bindings.h"

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
    m.doc() = "The compiled part of sparseinf; sparseinf.runtime is its face.";
    sparseinf::bind_codec(m);
    sparseinf::bind_machine(m);
    sparseinf::bind_pack(m);
    sparseinf::bind_linear(m);
    sparseinf::bind_program(m);
}
