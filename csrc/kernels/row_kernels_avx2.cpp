// The kernels on single rows of level avx2.
#include "vec_avx2.h"
// The bodies below are written over the vectors above.
#include "softmax_row.h"

namespace sparseinf {

extern const RowKernelTable kRowKernelsAvx2;
constexpr RowKernelTable kRowKernelsAvx2 = make_row_kernel_table<Vec8>();

}  // namespace sparseinf
