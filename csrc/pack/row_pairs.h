// The rows of a K block in pairs that run at once: what packs of pairs have in common.
//
// Partners have (nearly) equal numbers of nonzeros, and many columns in common.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

#include "kernels/kernel_args.h"
#include "pack/chunk_blocks.h"
#include "pack/counting_sort.h"

namespace sparseinf {

class RowPairs {
public:
    // Keeps its memory from one block to the next. kernels: whose bit counting pairs; pairs are the same for all
    // levels.
    RowPairs(int64_t block_columns, const KernelTable& kernels)
        : kernels_(kernels), num_words_((block_columns + 63) / 64) {}

    int64_t num_words() const { return num_words_; }  // of a row's marks

    // Makes pairs of the block's rows, and of rows that have nothing if asked to. Returns the rows, marked; the one
    // after the last, partner of those that have none, has no marks.
    BlockRows make(const ChunkBlocks& blocks, uint32_t num_rows, bool keep_empty);
    std::vector<PairedRows>& pairs() { return pairs_; }

    // Sorts them by falling keys(pair), an array of numbers of which the first weighs most.
    template <class Keys>
    void sort(Keys&& keys) {
        constexpr size_t kNumKeys = std::tuple_size_v<decltype(keys(PairedRows{}))>;
        for (size_t i = kNumKeys; i-- > 0;) {
            sort_by_falling(pairs_, other_pairs_, positions_, [&](const PairedRows& pair) { return keys(pair)[i]; });
        }
    }

private:
    const KernelTable& kernels_;
    const int64_t num_words_;
    std::vector<uint32_t> order_;
    std::vector<uint32_t> other_order_;
    std::vector<uint32_t> next_;
    std::vector<uint32_t> positions_;  // of the counting sorts
    std::vector<uint64_t> marks_;      // of the block at hand
    std::vector<PairedRows> pairs_;
    std::vector<PairedRows> other_pairs_;
};

}  // namespace sparseinf
