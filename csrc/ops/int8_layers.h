// int8 linear layers: x is quantized, the pack's kernel makes exact integer sums, the epilogue makes floats of them.
#pragma once

#include "ops/linear_call.h"
#include "pack/bitmap_pack.h"
#include "pack/block_int8_pack.h"
#include "pack/dense_int8_pack.h"
#include "pack/lookup_pack.h"
#include "pack/quad_pack.h"

namespace sparseinf {

// On panels of columns. All throw std::bad_alloc before anything is written.
void run_on_panels(const DenseInt8Pack& pack, const LinearLayer& layer, const LinearCall& call);
void run_on_panels(const QuadPack& pack, const LinearLayer& layer, const LinearCall& call);
void run_on_panels(const BlockInt8Pack& pack, const LinearLayer& layer, const LinearCall& call);

// One column at a time, by the matrix-vector kernels.
void run_on_columns(const DenseInt8Pack& pack, const LinearLayer& layer, const LinearCall& call);
void run_on_columns(const BitmapInt8Pack& pack, const LinearLayer& layer, const LinearCall& call);

// A few columns at a time.
void run_on_groups(const LookupInt8Pack& pack, const LinearLayer& layer, const LinearCall& call);

// At most kCopiedColumns columns at a time.
void run_on_few_columns(const BlockInt8Pack& pack, const LinearLayer& layer, const LinearCall& call);

}  // namespace sparseinf
