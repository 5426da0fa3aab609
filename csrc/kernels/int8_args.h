// What an int8 kernel is given.
//
// Activations are uint8, four neighbouring features of a column in one 32-bit lane, a "quad": sums of four products are
// what processors have instructions for. A panel of quads is laid out like one of floats (kernel_args.h),
//
//     main[feature / 4][T_main][4]    tail[feature / 4][T_tail][4]
//
// so that dense weights, four int8 of a row to a lane, run on the bodies of the float kernels: the arguments of these
// say float where a lane is meant. Unstructured weights take any four features of a row, from panels of bytes
//
//     bytes[feature][T]               T = 16, 32 or 64
//
// or, where there are few columns, from panels of copies, each byte four times
//
//     copies[feature][T][4]           T = 1 or 8
#pragma once

#include <cstdint>

#include "few_columns_args.h"
#include "kernel_args.h"

namespace sparseinf {

inline constexpr int kMaxByteColumns = 64;
inline constexpr int kNumByteWidths = 3;  // 16, 32 and 64 columns
inline constexpr int kCopiedColumns = 8;

// A run of row pairs of one K block that share all three trip counts, each of quads of nonzeros:
//   num_shared   of columns in which both rows have a nonzero: x is brought into order once for both
//   num_single   of the first row and as many of the second, in turn
//   num_rest     that only the first row still has
struct QuadRun {
    uint32_t num_pairs;
    uint32_t num_shared;
    uint32_t num_single;
    uint32_t num_rest;
};

// Of one pair: how many elements its streams have.
constexpr int64_t num_offsets(const QuadRun& run) {
    return 4 * (int64_t{run.num_shared} + 2 * int64_t{run.num_single} + run.num_rest);
}
constexpr int64_t num_weights(const QuadRun& run) {
    return 4 * (2 * (int64_t{run.num_shared} + run.num_single) + run.num_rest);
}

// A pair whose trip counts count nonzeros, those that are shared in whole quads.
constexpr QuadRun quads_of(const PairedRows& pair) {
    const uint32_t num_single = (pair.num_single + 3) / 4;
    return {1, pair.num_shared / 4, num_single, (pair.num_single + pair.num_rest + 3) / 4 - num_single};
}

// Where a column's x lies in a panel of bytes, in eighths of a feature's bytes: the processor's own addresses multiply
// by up to eight.
inline constexpr int kQuadOffsetsAColumn = 8;
inline constexpr int kMaxQuadBlockColumns = 65536 / kQuadOffsetsAColumn;

// One K block of one row chunk of an int8 matrix, nonzeros of a row in fours. Streams:
//   rows     2 a pair                                   row inside the chunk
//   offsets  4 a quad: shared, 2 * single, rest a pair  kQuadOffsetsAColumn * column inside the K block
//   weights  4 a quad: 2 * shared, 2 * single, rest     first row's, second row's, ...; quads are filled up with zeros
struct QuadBlock {
    const QuadRun* runs;
    const uint16_t* rows;
    const uint16_t* offsets;
    const int8_t* weights;
    int32_t num_runs;
};

struct SpmmQuadsArgs {
    QuadBlock block;
    const uint8_t* x;  // the K block's features of a panel of bytes
    int32_t* y;        // the chunk's sums: [row][T], and one row more, for partners that do not exist
    bool accumulate;   // false: y is overwritten (first K block), true: added to
};

// Strips of four rows that have equally many quads of 4x1 blocks in one K block.
struct StripRun {
    uint32_t num_strips;
    uint32_t num_quads;
};

// One K block of one row chunk of an int8 matrix in 4x1 blocks, the blocks of a strip in fours. Streams:
//   strips   [strip]                strip inside the chunk: rows 4 * strip to 4 * strip + 3
//   offsets  [strip][quad][4]       four times the column inside the K block: addresses in panels are then multiples
//                                   that the processor forms by itself
//   weights  [strip][quad][row][4]  quads are filled up with zeros
struct BlockQuads {
    const StripRun* runs;
    const uint16_t* strips;
    const uint16_t* offsets;
    const int8_t* weights;
    int32_t num_runs;
};

struct SpmmBlockQuadsArgs {
    BlockQuads block;
    const uint8_t* x;  // the K block's features of a panel of bytes or copies
    int32_t* y;        // the chunk's sums: [row][T]
    bool accumulate;   // false: y is overwritten (first K block), true: added to
};

// The least and the largest of `count` floats and zero. NaN in both if any is NaN or infinite.
struct RangeArgs {
    const char* row;
    int64_t stride_bytes;
    int64_t count;
};
struct Range {
    float low;
    float high;
};

// out[k] = clamp(rint(row[k] * inverse_scale) + zero, 0, 255); NaN gives any value.
struct QuantizeArgs {
    const char* row;
    int64_t stride_bytes;
    int64_t count;
    float inverse_scale;
    int32_t zero;
    uint8_t* out;
};

using SpmmQuadsKernel = void (*)(const SpmmQuadsArgs&) noexcept;
using SpmmBlockQuadsKernel = void (*)(const SpmmBlockQuadsArgs&) noexcept;
using RangeKernel = Range (*)(const RangeArgs&) noexcept;
using QuantizeKernel = void (*)(const QuantizeArgs&) noexcept;
// Turns a panel of quads into one of bytes, in place: [feature / 4][T][4] -> [feature][T].
using SplitQuadsKernel = void (*)(uint8_t* panel, int64_t num_quads) noexcept;
// Turns a panel of quads into one of copies: [feature / 4][T][4] -> [feature][T][4].
using CopyBytesKernel = void (*)(const uint8_t* quads, int64_t num_quads, uint8_t* copies) noexcept;

// All int8 kernels of one instruction-set level. All levels give the same integers.
struct Int8KernelTable {
    int max_wide_dense;    // vectors in the widest panel of quads
    int max_byte_columns;  // the widest panel of bytes
    SpmmDenseKernel spmm_dense[kMaxWide + 1][2];
    GemvDenseKernel gemv_dense;
    SpmmQuadsKernel spmm_quads[kNumByteWidths];             // by log2(T / 16)
    SpmmBlockQuadsKernel spmm_block_quads[kNumByteWidths];  // likewise
    SpmmBlockQuadsKernel spmm_block_copies;
    SpmmBlockQuadsKernel gemv_block_copies;
    CopyBytesKernel copy_bytes;
    CopyBytesKernel copy_column;  // T = 1
    SplitQuadsKernel split_quads[kNumByteWidths];
    int max_lookup_columns;  // columns of x that spmm_lookup takes at a time
    SpmmLookupInt8Kernel spmm_lookup[kNumLookupInt8Windows][kMaxLookupInt8Columns];  // by window (64, 128), columns - 1
    GemvBitmapInt8Kernel gemv_bitmap;
    FinishColumnsKernel finish_columns;
    RangeKernel range;
    QuantizeKernel quantize;
    PeakKernel peak;
};

}  // namespace sparseinf
