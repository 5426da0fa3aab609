// The name of an instruction-set level as an argument.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "dispatch/isa.h"

namespace sparseinf {

inline Isa isa_argument(const std::string& name) {
    if (const auto isa = find_available_isa(name)) return *isa;
    throw pybind11::value_error("isa is '" + name + "', which this machine does not have");
}

}  // namespace sparseinf
