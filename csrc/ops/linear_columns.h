// A linear layer one column at a time, by the matrix-vector kernels: what a single row of x runs.
#pragma once

#include "ops/linear_call.h"
#include "pack/bitmap_pack.h"
#include "pack/block_pack.h"
#include "pack/csr_pack.h"
#include "pack/dense_pack.h"
#include "pack/sell_pack.h"

namespace sparseinf {

// All throw std::bad_alloc before anything is written.
void run_on_columns(const BitmapPack& pack, const LinearLayer& layer, const LinearCall& call);
void run_on_columns(const BlockPack& pack, const LinearLayer& layer, const LinearCall& call);
void run_on_columns(const CsrPack& pack, const LinearLayer& layer, const LinearCall& call);
void run_on_columns(const SellPack& pack, const LinearLayer& layer, const LinearCall& call);
void run_on_columns(const DensePack& pack, const LinearLayer& layer, const LinearCall& call);

}  // namespace sparseinf
