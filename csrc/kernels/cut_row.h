// A row cut into blocks of columns: for packing.
#pragma once

#include <cstdint>

#include "packing_args.h"

namespace {

using namespace sparseinf;

// How many of the next columns lie below limit; these are copied, counted from first_column, and their values. May
// write up to kRowRoom elements, whatever it copies. Never looks at more than `left` of them.
//
// Any level: a segment is copied in whole steps, and what was too much overwritten. A loop to its own end would
// mispredict its exit for nearly every segment.
template <class Wide>
struct RowStep {
    static constexpr int64_t kStep = 16;

    static int64_t copy(const CutRowArgs& args, int64_t at, int32_t first_column, int32_t limit) {
        const int32_t* in_columns = args.columns + at;
        const float* in_values = args.values + at;
        uint16_t* columns = args.out_columns + at;
        float* values = args.out_values + at;
        if (args.size - at < kStep) {
            int64_t count = 0;
            for (; count < args.size - at && in_columns[count] < limit; ++count) {
                columns[count] = static_cast<uint16_t>(in_columns[count] - first_column);
                values[count] = in_values[count];
            }
            return count;
        }
        int32_t num_below = 0;
        for (int64_t i = 0; i < kStep; ++i) {
            num_below += in_columns[i] < limit;
            columns[i] = static_cast<uint16_t>(in_columns[i] - first_column);
        }
        for (int64_t i = 0; i < kStep; ++i) values[i] = in_values[i];
        return num_below;
    }
};

template <class Wide>
int64_t cut_row(const CutRowArgs& args) noexcept {
    using Step = RowStep<Wide>;
    int64_t at = 0;
    for (int64_t block = 0; block < args.num_blocks; ++block) {
        const int64_t start = at;
        const int64_t first_column = args.first_column + block * args.block_columns;
        const int64_t end_column = first_column + args.block_columns;
        const auto limit = static_cast<int32_t>(end_column < INT32_MAX ? end_column : INT32_MAX);
        for (int64_t count = Step::kStep; count == Step::kStep; at += count) {
            count = Step::copy(args, at, static_cast<int32_t>(first_column), limit);
        }
        args.sizes[block * args.stride] = static_cast<uint32_t>(at - start);
        args.starts[block * args.stride] = args.start + start;
    }
    return at;
}

}  // namespace
