// The packs: what weights become for one processor and one range of columns.
#pragma once

#include <variant>

#include "pack/bitmap_pack.h"
#include "pack/block_pack.h"
#include "pack/csr_pack.h"
#include "pack/dense_pack.h"
#include "pack/sell_pack.h"

namespace sparseinf {

struct Pack {
    std::variant<DensePack, CsrPack, BitmapPack, SellPack, BlockPack> form;
};

}  // namespace sparseinf
