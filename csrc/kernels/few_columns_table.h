// Adds the kernels for few columns to a level's table of int8 kernels: included once by each int8_kernels_<level>.cpp.
#pragma once

#include "finish_columns.h"
#include "gemv_bitmap_int8.h"
#include "int8_args.h"
#include "spmm_lookup.h"

namespace {

template <template <int> class Window, int kColumns>
constexpr void add_lookup_int8_kernels(Int8KernelTable& table) {
    table.spmm_lookup[0][kColumns - 1] = spmm_lookup<Window<64>, kColumns, LookupInt8Step>;
    table.spmm_lookup[1][kColumns - 1] = spmm_lookup<Window<128>, kColumns, LookupInt8Step>;
    if constexpr (kColumns > 1) add_lookup_int8_kernels<Window, kColumns - 1>(table);
}

// kMaxColumns: of x at a time; more would spill sums.
template <class Float, template <int> class Window, int kMaxColumns, class Expansion>
constexpr Int8KernelTable with_few_columns(Int8KernelTable table) {
    static_assert(kMaxColumns <= kMaxLookupInt8Columns);
    table.max_lookup_columns = kMaxColumns;
    add_lookup_int8_kernels<Window, kMaxColumns>(table);
    table.gemv_bitmap = gemv_bitmap_int8<Expansion>;
    table.finish_columns = finish_columns<Float>;
    return table;
}

}  // namespace
