// Instruction-set levels. A level is the exact set of processor features that its kernels may use.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "kernels/int8_args.h"
#include "kernels/kernel_args.h"
#include "kernels/row_kernel_args.h"

namespace sparseinf {

enum class Isa { kScalar, kAvx2, kAvx512, kAvx512Vnni, kAvx512Vbmi };  // each has all that the one before has

std::string_view name_of(Isa isa);

// The levels that this processor and operating system run, lowest first.
const std::vector<Isa>& available_isas();

// The level of that name, if this machine has it.
std::optional<Isa> find_available_isa(std::string_view name);

// The level whose float kernels run where `isa` is the highest allowed: those above avx512 have none of their own.
Isa float_isa(Isa isa);

// isa must be available.
const KernelTable& kernels_for(Isa isa);
const Int8KernelTable& int8_kernels_for(Isa isa);
const RowKernelTable& row_kernels_for(Isa isa);

}  // namespace sparseinf
