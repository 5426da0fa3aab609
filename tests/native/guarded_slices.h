// A chunk's streams for the kernels that look x up, each in an array of exactly its size.
#pragma once

#include <cstdint>

#include "guarded_array.h"
#include "pack/lookup_pack.h"

namespace testing {

template <class Steps>
struct GuardedSlices {
    GuardedSlices(const sparseinf::LookupChunk<Steps>& chunk, Side side)
        : num_steps(chunk.num_steps, side),
          rows(chunk.rows, side),
          advances(chunk.advances, side),
          steps(chunk.steps, num_windows(chunk) * Steps::kWindowSteps / Steps::kNumSteps, side) {}

    sparseinf::LookupSlices<Steps> slices() const {
        return {num_steps.data(), rows.size() == 0 ? nullptr : rows.data(), advances.data(), steps.data(),
                static_cast<int32_t>(num_steps.size())};
    }

    static int64_t num_windows(const sparseinf::LookupChunk<Steps>& chunk) {
        return static_cast<int64_t>(chunk.advances.size());
    }

    GuardedArray<uint32_t> num_steps;
    GuardedArray<uint16_t> rows;
    GuardedArray<uint8_t> advances;
    GuardedArray<Steps> steps;
};

}  // namespace testing
