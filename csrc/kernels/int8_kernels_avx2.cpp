// The int8 kernels of level avx2: AVX2 and FMA.
#include "dot_widening.h"
#include "lanes_avx2.h"
#include "rearrange_avx2.h"
#include "vec_avx2.h"
// The bodies below are written over the vectors above.
#include "few_columns_table.h"
#include "int8_kernel_table.h"

namespace sparseinf {

extern const Int8KernelTable kInt8KernelsAvx2;
constexpr Int8KernelTable kInt8KernelsAvx2 = with_few_columns<Vec8, Window, 4, Expansion>(
    make_int8_kernel_table<Vec8, Lanes8, Lanes4, Lanes8, 2, 16, Bytes16, Bytes32>());

}  // namespace sparseinf
