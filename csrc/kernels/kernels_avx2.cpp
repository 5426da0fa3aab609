// The kernels of level avx2: AVX2, FMA, F16C and BMI2.
#include "vec_avx2.h"
#include "window_avx2.h"
// The bodies below are written over the vectors above.
#include "kernel_table.h"

namespace sparseinf {

extern const KernelTable kKernelsAvx2;
constexpr KernelTable kKernelsAvx2 = with_lookup<FloatWindow, 4>(make_kernel_table<Vec8, Vec4, 6, 3, 16>());

}  // namespace sparseinf
