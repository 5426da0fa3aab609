// A linear layer on panels of columns: x is turned into panels, the pack's kernel runs on them, y is turned back.
#pragma once

#include "ops/linear_call.h"
#include "pack/block_pack.h"
#include "pack/csr_pack.h"
#include "pack/dense_pack.h"
#include "pack/sell_pack.h"

namespace sparseinf {

// Vectors in the panels that the sparse kernels prefer: choose_block_columns fits as many K into the L1 cache.
inline constexpr int kPreferredWideCsr = 4;

// All throw std::bad_alloc before anything is written.
void run_on_panels(const CsrPack& pack, const LinearLayer& layer, const LinearCall& call);
void run_on_panels(const BlockPack& pack, const LinearLayer& layer, const LinearCall& call);
void run_on_panels(const SellPack& pack, const LinearLayer& layer, const LinearCall& call);
void run_on_panels(const DensePack& pack, const LinearLayer& layer, const LinearCall& call);

}  // namespace sparseinf
