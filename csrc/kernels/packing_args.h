// What the kernels that pack are given: plain structs, as in kernel_args.h.
#pragma once

#include <cstdint>

namespace sparseinf {

// What is left of a row, to be cut into K blocks; columns then count from their block's first.
struct CutRowArgs {
    const int32_t* columns;  // none below first_column
    const float* values;
    int64_t size;
    int64_t first_column;
    int64_t block_columns;
    int64_t num_blocks;
    // Out. Nonzeros of the blocks follow each other.
    uint16_t* out_columns;  // both writable for kRowRoom elements past the last
    float* out_values;
    int64_t start;    // what the first block's start is called
    uint32_t* sizes;  // of each block's nonzeros; `stride` apart
    int64_t* starts;  // likewise
    int64_t stride;
};

inline constexpr int64_t kRowRoom = 32;

// The nonzeros of one K block of a chunk of rows, and for each row a set of its columns: one bit a column.
struct BlockRows {
    const uint16_t* columns;  // inside the block, ascending in each row
    const float* values;
    const int64_t* starts;  // of each row, into columns and values
    const uint32_t* sizes;  // nonzeros of each row
    uint64_t* marks;        // [row][word]
    int64_t num_words;      // of a row's marks: 64 columns a word
    uint32_t num_rows;
};

// Two rows of a chunk in one K block and their trip counts. second == num_rows: no partner.
struct PairedRows {
    uint32_t first, second;
    uint32_t num_shared, num_single, num_rest;
};

struct PairRowsArgs {
    BlockRows rows;
    const uint32_t* order;  // the rows, those with most nonzeros first
    bool keep_empty;        // also pair rows that have nothing
    uint32_t* next;         // working memory: num_rows
    PairedRows* pairs;      // out: at most num_rows
};

struct WritePairsArgs {
    BlockRows rows;
    const PairedRows* pairs;
    int64_t num_pairs;
    float* scratch;  // working memory: write_pairs_scratch elements
    // Out, in the order of CsrBlock.
    uint16_t* columns;  // writable for kColumnsRoom elements past the last
    float* values;
};

// Pairs as for WritePairsArgs, but each shares a multiple of four columns.
struct WriteQuadsArgs {
    BlockRows rows;
    const PairedRows* pairs;
    int64_t num_pairs;
    // Working memory for one pair: what WritePairsArgs asks for.
    float* scratch;
    uint16_t* columns;
    float* values;
    // Out, in the order of QuadBlock (int8_args.h).
    uint16_t* offsets;
    int8_t* weights;
};

inline constexpr int64_t kColumnsRoom = 32;

// Floats of working memory for writing pairs.
constexpr int64_t write_pairs_scratch(int64_t num_words) { return 6 * (64 * num_words + 16); }

// Returns how many nonzeros were in the blocks.
using CutRowKernel = int64_t (*)(const CutRowArgs&) noexcept;
// Sets the marks of the rows.
using MarkColumnsKernel = void (*)(const BlockRows&, const uint32_t* order) noexcept;
// Makes pairs of rows with (nearly) equal numbers of nonzeros and many common columns; returns how many.
using PairRowsKernel = int64_t (*)(const PairRowsArgs&) noexcept;
// Writes the streams of pairs that lie in the order in which they shall be read.
using WritePairsKernel = void (*)(const WritePairsArgs&) noexcept;
using WriteQuadsKernel = void (*)(const WriteQuadsArgs&) noexcept;

}  // namespace sparseinf
