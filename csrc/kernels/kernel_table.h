// Fills a level's table from the kernel bodies: included once by each kernels_<level>.cpp.
#pragma once

#include "cut_row.h"
#include "gemv_bitmap.h"
#include "gemv_block.h"
#include "gemv_dense.h"
#include "gemv_sell.h"
#include "kernel_args.h"
#include "machine_peak.h"
#include "pair_rows.h"
#include "panels.h"
#include "spmm_block.h"
#include "spmm_csr.h"
#include "spmm_dense.h"
#include "spmm_lookup.h"
#include "spmm_sell.h"
#include "vec1.h"
#include "write_pairs.h"
#include "write_quads.h"

namespace {

// kCsrWide, kDenseWide: vectors in the widest panel of each family; more would spill accumulators. A panel as wide
// as the widest has no tail.
template <class Wide, class Half, int kCsrWide, int kDenseWide, int kRegisters, int kNumWide, bool kHasHalf>
constexpr void add_panel_kernels(KernelTable& table) {
    if constexpr (kNumWide > 0 || kHasHalf) {
        constexpr int kVectors = kNumWide + kHasHalf;
        if constexpr (kVectors <= kCsrWide) {
            table.spmm_csr[kNumWide][kHasHalf] = spmm_csr<Wide, Half, kNumWide, kHasHalf>;
        }
        if constexpr (kVectors <= kDenseWide) {
            table.spmm_dense[kNumWide][kHasHalf] = spmm_dense<Wide, Half, kNumWide, kHasHalf, kRegisters>;
            table.spmm_block[kNumWide][kHasHalf] = spmm_block<Wide, Half, kNumWide, kHasHalf, kRegisters>;
        }
    }
    if constexpr (kNumWide + kHasHalf > 0 && kNumWide + kHasHalf <= kMaxWideSell) {
        table.spmm_sell[kNumWide][kHasHalf] = spmm_sell<Wide, Half, kNumWide, kHasHalf>;
    }
    if constexpr (!kHasHalf) {
        add_panel_kernels<Wide, Half, kCsrWide, kDenseWide, kRegisters, kNumWide, true>(table);
    } else if constexpr (kNumWide < kMaxWide) {
        add_panel_kernels<Wide, Half, kCsrWide, kDenseWide, kRegisters, kNumWide + 1, false>(table);
    }
}

template <class Wide, class Half, int kCsrWide, int kDenseWide, int kRegisters>
constexpr KernelTable make_kernel_table() {
    KernelTable table{};
    table.vector_width = Wide::kWidth;
    table.max_wide_csr = kCsrWide;
    table.max_wide_dense = kDenseWide;
    table.gemv_csr = spmm_csr<Vec1, Half, 1, false>;
    table.gemv_block = gemv_block<Quad>;
    table.gemv_bitmap = gemv_bitmap<Wide>;
    table.gemv_sell = gemv_sell<Quad>;
    table.gemv_dense = gemv_dense<Wide>;
    table.pack = pack<Wide, Half>;
    table.unpack = unpack<Wide, Half>;
    table.finish_vector = finish_vector<Wide>;
    table.cut_row = cut_row<Wide>;
    table.mark_columns = mark_columns<Wide>;
    table.pair_rows = pair_rows;
    table.write_pairs = write_pairs<Wide>;
    table.write_quads = write_quads<Wide>;
    table.peak = peak_multiply_add<Wide>;
    table.read = read_all<Wide>;
    add_panel_kernels<Wide, Half, kCsrWide, kDenseWide, kRegisters, 0, false>(table);
    return table;
}

template <class Window, int kColumns>
constexpr void add_lookup_kernels(KernelTable& table) {
    table.spmm_lookup[kColumns - 1] = spmm_lookup<Window, kColumns, LookupSteps>;
    if constexpr (kColumns > 1) add_lookup_kernels<Window, kColumns - 1>(table);
}

// kMaxColumns: of x at a time; more would spill sums.
template <class Window, int kMaxColumns>
constexpr KernelTable with_lookup(KernelTable table) {
    static_assert(kMaxColumns <= kMaxLookupColumns);
    table.max_lookup_columns = kMaxColumns;
    add_lookup_kernels<Window, kMaxColumns>(table);
    return table;
}

}  // namespace
