// The packs: what weights become for one processor and one range of columns.
#pragma once

#include <variant>

#include "pack/bitmap_pack.h"
#include "pack/block_int8_pack.h"
#include "pack/block_pack.h"
#include "pack/csr_pack.h"
#include "pack/dense_int8_pack.h"
#include "pack/dense_pack.h"
#include "pack/lookup_pack.h"
#include "pack/quad_pack.h"
#include "pack/sell_pack.h"

namespace sparseinf {

struct Pack {
    std::variant<DensePack, CsrPack, BitmapPack, SellPack, LookupPack, BlockPack, DenseInt8Pack, QuadPack,
                 BitmapInt8Pack, LookupInt8Pack, BlockInt8Pack>
        form;

    // int8 packs know the sums of their rows: zero points of x are multiplied by them.
    bool is_int8() const {
        return std::visit([](const auto& pack) { return requires { pack.row_sums; }; }, form);
    }
};

}  // namespace sparseinf
