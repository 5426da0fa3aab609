// The int8 kernels of level scalar: any processor.
#include "lanes_portable.h"
#include "rearrange_portable.h"
#include "vec_portable.h"
// The bodies below are written over the vectors above.
#include "few_columns_table.h"
#include "int8_kernel_table.h"

namespace sparseinf {

extern const Int8KernelTable kInt8KernelsScalar;
constexpr Int8KernelTable kInt8KernelsScalar = with_few_columns<VecPortable, Window, 4, Expansion>(
    make_int8_kernel_table<VecPortable, Lanes4, Lanes2, Lanes4, 2, 16, Bytes16>());

}  // namespace sparseinf
