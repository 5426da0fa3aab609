// Fills a level's table of int8 kernels from the kernel bodies: included once by each int8_kernels_<level>.cpp.
#pragma once

#include "block_copies.h"
#include "gemv_dense.h"
#include "int8_args.h"
#include "machine_peak.h"
#include "quantize_rows.h"
#include "spmm_block_quads.h"
#include "spmm_dense.h"
#include "spmm_quads.h"

namespace {

template <class Wide, class Half, int kDenseWide, int kRegisters, int kNumWide, bool kHasHalf>
constexpr void add_int8_panel_kernels(Int8KernelTable& table) {
    if constexpr (kNumWide + kHasHalf > 0 && kNumWide + kHasHalf <= kDenseWide) {
        table.spmm_dense[kNumWide][kHasHalf] = spmm_dense<Wide, Half, kNumWide, kHasHalf, kRegisters>;
    }
    if constexpr (!kHasHalf) {
        add_int8_panel_kernels<Wide, Half, kDenseWide, kRegisters, kNumWide, true>(table);
    } else if constexpr (kNumWide < kMaxWide) {
        add_int8_panel_kernels<Wide, Half, kDenseWide, kRegisters, kNumWide + 1, false>(table);
    }
}

template <class Bytes>
constexpr void add_byte_kernels(Int8KernelTable& table) {
    constexpr int kIndex = Bytes::kColumns / 32;  // 16, 32, 64 -> 0, 1, 2
    table.max_byte_columns = Bytes::kColumns;
    table.spmm_quads[kIndex] = spmm_quads<Bytes>;
    table.spmm_block_quads[kIndex] = spmm_block_quads<Bytes>;
    table.split_quads[kIndex] = split_quads<Bytes>;
}

// Wide: lanes of sums, as many as Float has; Eight: at most eight lanes of them; kDenseWide: vectors in the widest
// panel of quads; Bytes: widths of panels of bytes, ascending.
template <class Float, class Wide, class Half, class Eight, int kDenseWide, int kRegisters, class... Bytes>
constexpr Int8KernelTable make_int8_kernel_table() {
    static_assert(Float::kWidth == Wide::kWidth);
    Int8KernelTable table{};
    (add_byte_kernels<Bytes>(table), ...);
    table.max_wide_dense = kDenseWide;
    table.spmm_block_copies = spmm_block_copies<Eight>;
    table.gemv_block_copies = gemv_block_copies<Lanes4>;
    table.copy_bytes = copy_bytes<kCopiedColumns>;
    table.copy_column = copy_bytes<1>;
    table.gemv_dense = gemv_dense<Wide>;
    table.range = range<Float>;
    table.quantize = quantize<Float>;
    table.peak = peak_dot<Wide>;
    add_int8_panel_kernels<Wide, Half, kDenseWide, kRegisters, 0, false>(table);
    return table;
}

}  // namespace
