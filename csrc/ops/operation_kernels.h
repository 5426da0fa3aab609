// The float kernels of an operation: those of the level that it was compiled for.
#pragma once

#include <stdexcept>

#include "dispatch/isa.h"
#include "ops/attributes.h"

namespace sparseinf {

// Attribute: isa. Throws std::invalid_argument if this machine does not have it.
inline Isa isa_of(const Attributes& attributes) {
    const auto isa = find_available_isa(attributes.text("isa"));
    if (!isa) throw std::invalid_argument("attribute isa is no level of this machine");
    return *isa;
}

inline const KernelTable& kernels_of(const Attributes& attributes) { return kernels_for(isa_of(attributes)); }

}  // namespace sparseinf
