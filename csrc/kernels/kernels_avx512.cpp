// The kernels of level avx512: AVX-512 F, BW, CD, DQ and VL.
#include "packing_avx512.h"
#include "vec_avx512.h"
#include "window_avx512.h"
// The bodies below are written over the vectors above.
#include "kernel_table.h"

namespace sparseinf {

extern const KernelTable kKernelsAvx512;
constexpr KernelTable kKernelsAvx512 = with_lookup<FloatWindow, 4>(make_kernel_table<Vec16, Vec8, 6, 6, 32>());

}  // namespace sparseinf
