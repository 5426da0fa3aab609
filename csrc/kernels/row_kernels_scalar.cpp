// The kernels on single rows of level scalar.
#include "vec_portable.h"
// The bodies below are written over the vectors above.
#include "softmax_row.h"

namespace sparseinf {

extern const RowKernelTable kRowKernelsScalar;
constexpr RowKernelTable kRowKernelsScalar = make_row_kernel_table<VecPortable>();

}  // namespace sparseinf
