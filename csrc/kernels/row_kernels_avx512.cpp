// The kernels on single rows of level avx512.
#include "vec_avx512.h"
// The bodies below are written over the vectors above.
#include "softmax_row.h"

namespace sparseinf {

extern const RowKernelTable kRowKernelsAvx512;
constexpr RowKernelTable kRowKernelsAvx512 = make_row_kernel_table<Vec16>();

}  // namespace sparseinf
