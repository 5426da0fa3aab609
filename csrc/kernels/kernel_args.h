// What a kernel is given: plain structs and function types, shared by the kernels and by those who call them.
// No standard-library types: files that are compiled for one instruction set include this header.
//
// Panels. Activations of T columns (rows of the user's x) are held as
//
//     main[feature][T_main]      T_main = num_wide * vector width of the level
//     tail[feature][T_tail]      T_tail = half a vector, or nothing
//
// so that a column count which is no multiple of the vector costs half a vector, not a whole one.
#pragma once

#include <cstdint>

#include "lookup_args.h"
#include "packing_args.h"

namespace sparseinf {

// The widest panel of any level, in vectors.
inline constexpr int kMaxWide = 6;
inline constexpr int kMaxPanelColumns = 16 * kMaxWide;

struct Panel {
    float* main = nullptr;
    float* tail = nullptr;
};

struct ConstPanel {
    const float* main = nullptr;
    const float* tail = nullptr;
};

// A run of row pairs of one K block that share all three trip counts:
//   num_shared   columns in which both rows have a nonzero: x is loaded once for both
//   num_single   columns of the first row and as many others of the second, taken in step
//   num_rest     columns that only the first row still has
struct CsrRun {
    uint32_t num_pairs;
    uint32_t num_shared;
    uint32_t num_single;
    uint32_t num_rest;
};

// One K block of one row chunk of a CSR matrix, in the order in which the kernel reads it. Streams:
//   rows     2 a pair                        row inside the chunk
//   columns  shared, 2 * single, rest a pair column inside the K block
//   values   2 * shared, 2 * single, rest    first row's value, second row's value, ...
struct CsrBlock {
    const CsrRun* runs;
    const uint16_t* rows;
    const uint16_t* columns;
    const float* values;
    int32_t num_runs;
};

struct SpmmCsrArgs {
    CsrBlock block;
    ConstPanel x;     // the K block's rows of the panel
    Panel y;          // the chunk's rows of the accumulator panel
    bool accumulate;  // false: y is overwritten (first K block), true: added to
};

// Dense weights as 4x1 blocks with every block present: weights[strip][column][4], strip = 4 output rows.
struct SpmmDenseArgs {
    const float* weights;  // first strip, first column of the K block
    int64_t strip_stride;  // elements from one strip to the next
    int32_t num_strips;
    int32_t num_columns;  // of the K block
    ConstPanel x;
    Panel y;
    bool accumulate;
};

// Strips of four rows that have equally many 4x1 blocks in one K block.
struct BlockRun {
    uint32_t num_strips;
    uint32_t num_blocks;
};

// One K block of one row chunk of a matrix in 4x1 blocks. Streams:
//   strips   [strip]            strip inside the chunk: rows 4 * strip to 4 * strip + 3
//   columns  [strip][block]     column inside the K block
//   weights  [strip][block][4]  one a row
struct BlockStrips {
    const BlockRun* runs;
    const uint16_t* strips;
    const uint16_t* columns;
    const float* weights;
    int32_t num_runs;
};

struct SpmmBlockArgs {
    BlockStrips block;
    ConstPanel x;     // the K block's rows of the panel
    Panel y;          // the chunk's rows of the accumulator panel
    bool accumulate;  // false: y is overwritten (first K block), true: added to
};

struct GemvBlockArgs {
    BlockStrips block;
    const float* x;  // the K block's features
    float* y;        // the chunk's sums
    bool accumulate;
};

// CSR rows as bitmaps: 16 columns a mask. Rows come in fours, and the values lie in the order in which the masks
// name them, so that weights are two forward streams.
//   masks[row / 4][column / 16][row % 4]
struct GemvBitmapArgs {
    const uint16_t* masks;
    const float* values;          // readable for 16 elements past its end
    const int64_t* quad_offsets;  // where each four rows' values start
    int32_t num_quads;
    int32_t num_groups;  // groups of 16 columns a row
    const float* x;      // readable for 16 * num_groups elements
    float* y;            // 4 * num_quads elements
};

// Sliced ELLPACK: rows side by side in the lanes of a slice, filled up to the longest of them.
inline constexpr int kSellLanes = 8;

// One nonzero of each lane: the place of its x inside the K block, in bytes of a vector of floats (four times the
// column: addresses in panels are then multiples that the processor forms by itself), and the value. Side by side, so
// that weights are one stream.
struct SellStep {
    uint16_t offsets_bytes[kSellLanes];
    float values[kSellLanes];
};

// The most columns of a K block: the offset of the zero after them must still fit.
inline constexpr int kMaxSellBlockColumns = 65535 / 4;

// Slices of one K block that take equally many steps.
struct SellRun {
    uint32_t num_slices;
    uint32_t num_steps;
};

// One K block of one row chunk. A long row may fill several lanes. Streams:
//   rows   [slice][8]     row inside the chunk
//   steps  [slice][step]
// Lanes that have ended go on with the column after the block's last and the value zero: x is zero there, so that no
// x at a pruned position is ever touched by arithmetic. Lanes without a row have the row after the chunk's last.
struct SellBlock {
    const SellRun* runs;
    const uint16_t* rows;
    const SellStep* steps;
    int32_t num_runs;
};

struct GemvSellArgs {
    SellBlock block;
    const float* x;  // the K block's features, and a zero
    float* y;        // the chunk's sums, and one more: added to
};

struct GemvDenseArgs {
    const float* weights;  // as in SpmmDenseArgs, columns padded to a multiple of 4 with zeros
    int64_t strip_stride;
    int32_t num_strips;
    int32_t num_columns;  // a multiple of 4
    const float* x;       // num_columns elements
    float* y;             // 4 * num_strips elements
};

// A panel of at most kMaxWideSell vectors.
inline constexpr int kMaxWideSell = 2;

struct SpmmSellArgs {
    SellBlock block;
    ConstPanel x;  // the K block's rows of the panel, and one of zeros
    Panel y;       // the chunk's rows of the accumulator panel, and one more: added to
};

enum class Activation : int32_t {
    kNone,
    kClip,  // relu, relu6 and clip: [low, high]
    kGelu,
    kGeluTanh,
    kSilu,
    kHardswish,
    kHardsigmoid,
    kSigmoid,
    kTanh,
    kLeakyRelu,
};

// What happens to a finished sum s of output feature m and column n: activation(s + bias[m] + residual[n][m]).
struct Epilogue {
    Activation activation = Activation::kNone;
    float low = 0.0f;    // clip
    float high = 0.0f;   // clip
    float slope = 0.0f;  // leaky relu
};

// Turns rows of x into a panel slice: out[k][n] = rows[n][k], columns past num_columns are zero.
struct PackArgs {
    const char* const* rows;  // one a column of the panel, at the slice's first feature
    int64_t stride_bytes;     // from one feature to the next
    int32_t num_columns;
    int32_t num_features;
    Panel out;
};

// What makes sums of an int8 layer floats: sum s of output feature m and column n stands for
//
//     (s - column_zeros[n] * row_sums[m]) * (column_scales[n] * row_scales[m])
//
// where row_sums are those of the weights: x - zero is never made, only x.
struct Dequantization {
    const float* column_scales;   // one a column of the panel, those that only fill it up included
    const int32_t* column_zeros;  // likewise
    const float* row_scales;      // at the chunk's first feature
    const int32_t* row_sums;      // likewise
};

// What makes 8 bits of an int8 layer's finished y, for a next such layer: clamp(rint(y * inverse_scale) + zero, 0,
// 255). NaN becomes 0.
struct Requantization {
    float inverse_scale;
    int32_t zero;
};

// Turns accumulators back into rows of y, through the epilogue: rows[n][m] = epilogue(sums[m][n]).
struct UnpackArgs {
    ConstPanel sums;                       // int32 where there is a dequantization
    const Dequantization* dequantization;  // or nullptr
    const Requantization* requantization;  // or nullptr; only with a dequantization
    char* const* rows;                     // one a column, at the chunk's first feature: of uint8 where they are made
    const char* const* residual_rows;      // likewise, or nullptr
    int64_t residual_stride_bytes;         // from one feature to the next
    const float* bias;                     // at the chunk's first feature, or nullptr
    int32_t num_columns;
    int32_t num_features;
    Epilogue epilogue;
};

using SpmmCsrKernel = void (*)(const SpmmCsrArgs&) noexcept;
using SpmmDenseKernel = void (*)(const SpmmDenseArgs&) noexcept;
using SpmmBlockKernel = void (*)(const SpmmBlockArgs&) noexcept;
using GemvBlockKernel = void (*)(const GemvBlockArgs&) noexcept;
using GemvBitmapKernel = void (*)(const GemvBitmapArgs&) noexcept;
using SpmmSellKernel = void (*)(const SpmmSellArgs&) noexcept;
using GemvSellKernel = void (*)(const GemvSellArgs&) noexcept;
using GemvDenseKernel = void (*)(const GemvDenseArgs&) noexcept;
using PackKernel = void (*)(const PackArgs&, int num_wide, bool has_half) noexcept;
using UnpackKernel = void (*)(const UnpackArgs&, int num_wide, bool has_half) noexcept;

using FinishKernel = void (*)(const UnpackArgs&) noexcept;

// Keeps every multiplier busy for `iterations` rounds; returns the operations done.
using PeakKernel = int64_t (*)(int64_t iterations) noexcept;
// Reads `count` floats (a multiple of 64) and returns a value that depends on all of them.
using ReadKernel = float (*)(const float* data, int64_t count) noexcept;

// All kernels of one instruction-set level. A panel kernel is found by [num_wide][has_half].
struct KernelTable {
    int vector_width;  // columns a wide vector; half of it is the tail
    int max_wide_csr;  // vectors in the widest panel
    int max_wide_dense;
    SpmmCsrKernel spmm_csr[kMaxWide + 1][2];
    SpmmDenseKernel spmm_dense[kMaxWide + 1][2];
    SpmmBlockKernel spmm_block[kMaxWide + 1][2];  // as wide as dense
    SpmmSellKernel spmm_sell[kMaxWideSell + 1][2];
    int max_lookup_columns;                           // columns of x that spmm_lookup takes at a time
    SpmmLookupKernel spmm_lookup[kMaxLookupColumns];  // by columns - 1
    SpmmCsrKernel gemv_csr;                           // spmm_csr on a panel of one column: x and y are plain vectors
    GemvBlockKernel gemv_block;
    GemvBitmapKernel gemv_bitmap;
    GemvSellKernel gemv_sell;
    GemvDenseKernel gemv_dense;
    PackKernel pack;
    UnpackKernel unpack;
    FinishKernel finish_vector;
    CutRowKernel cut_row;
    MarkColumnsKernel mark_columns;
    PairRowsKernel pair_rows;
    WritePairsKernel write_pairs;
    WriteQuadsKernel write_quads;
    PeakKernel peak;
    ReadKernel read;
};

}  // namespace sparseinf
