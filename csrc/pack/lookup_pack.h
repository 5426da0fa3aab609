// CSR weights in the order in which spmm_lookup reads them, float32 and int8.
//
//   matrix  -> chunks of rows: what one thread works on
//   chunk   -> lanes: rows as they come; where they are uneven, long ones cut into several, sorted by their numbers of
//              nonzeros
//   slice   -> sixteen lanes
//   step    -> one nonzero of each lane, or in int8 up to four, all in one window of columns
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/aligned_buffer.h"
#include "kernels/lookup_args.h"
#include "pack/csr_view.h"

namespace sparseinf {

// Of a row that fills several lanes: what lies at `from` belongs to the sum of `row`, too.
struct PartialSum {
    uint16_t row;
    uint16_t from;
};

template <class Steps>
struct LookupChunk {
    int32_t first_row = 0;
    int32_t num_rows = 0;
    std::vector<uint32_t> num_steps;  // of each slice
    // Of each lane: a row inside the chunk, or where a partial sum goes. Empty: lanes are the rows in their order.
    std::vector<uint16_t> rows;
    std::vector<uint8_t> advances;  // of each step
    std::vector<PartialSum> partial_sums;
    const Steps* steps = nullptr;

    // What lanes write: rows, partial sums, and one for those that have no row; or whole slices in order.
    int64_t num_sums() const {
        return std::max<int64_t>(num_rows + static_cast<int64_t>(partial_sums.size()) + 1,
                                 kLookupLanes * static_cast<int64_t>(num_steps.size()));
    }
    LookupSlices<Steps> slices() const {
        return {num_steps.data(), rows.empty() ? nullptr : rows.data(), advances.data(), steps,
                static_cast<int32_t>(num_steps.size())};
    }
};

template <class Steps>
struct LookupStreams {
    int64_t num_rows = 0;
    int64_t num_columns = 0;
    int64_t num_nonzeros = 0;
    int32_t window = 0;  // columns
    std::vector<LookupChunk<Steps>> chunks;
    AlignedBuffer<Steps> steps;  // of all chunks: a large buffer lies on huge pages

    int64_t nbytes() const;
};

struct LookupPack : LookupStreams<LookupSteps> {};

struct LookupInt8Pack : LookupStreams<LookupInt8Step> {
    AlignedBuffer<int32_t> row_sums;

    int64_t nbytes() const { return LookupStreams::nbytes() + row_sums.nbytes(); }
};

// Packs are the same for all levels.
LookupPack pack_lookup(const CsrView& matrix, int num_threads);
void unpack_lookup(const LookupPack& pack, const CsrOutput& out);

// The matrix holds whole numbers from -128 to 127. window: 64 columns where arithmetic is the limit, 128 where memory
// is: lanes are fuller, lookups slower.
LookupInt8Pack pack_lookup_int8(const CsrView& matrix, int32_t window, int num_threads);
void unpack_lookup_int8(const LookupInt8Pack& pack, const CsrOutput& out);

}  // namespace sparseinf
