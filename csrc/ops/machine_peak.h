// Measures what this machine can do at best, with one thread.
#pragma once

#include <cstdint>

#include "dispatch/isa.h"

namespace sparseinf {

// Multiply-adds of float32 with nothing to wait for, in GFLOP/s.
double measure_peak_gflops(Isa isa);

// Likewise products of int8 added up in 32 bits, in 10^9 operations a second.
double measure_int8_peak_gops(Isa isa);

// Reading the same `nbytes` again and again, in GB/s: from whichever cache they fit, or from memory.
double measure_read_gbps(Isa isa, int64_t nbytes);

}  // namespace sparseinf
