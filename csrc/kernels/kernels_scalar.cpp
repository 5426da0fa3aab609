// The kernels of level scalar: any processor: what the compiler makes of four-float vectors.
#include "vec_portable.h"
#include "window_portable.h"
// The bodies below are written over the vectors above.
#include "kernel_table.h"

namespace sparseinf {

extern const KernelTable kKernelsScalar;
constexpr KernelTable kKernelsScalar = with_lookup<FloatWindow, 2>(make_kernel_table<VecPortable, Vec2, 4, 2, 16>());

}  // namespace sparseinf
