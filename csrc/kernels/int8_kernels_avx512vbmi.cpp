// The int8 kernels of level avx512vbmi: avx512vnni, VBMI, VBMI2 and BITALG.
#include "dot_vnni.h"
#include "lanes_avx512.h"
#include "rearrange_vbmi.h"
#include "vec_avx512.h"
// The bodies below are written over the vectors above.
#include "few_columns_table.h"
#include "int8_kernel_table.h"

namespace sparseinf {

extern const Int8KernelTable kInt8KernelsAvx512Vbmi;
constexpr Int8KernelTable kInt8KernelsAvx512Vbmi = with_few_columns<Vec16, PermutedWindow, 16, Expansion64>(
    make_int8_kernel_table<Vec16, Lanes16, Lanes8, Lanes8, 6, 32, Bytes16InOne, Bytes32, Bytes64>());

}  // namespace sparseinf
