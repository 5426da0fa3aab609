// The memory of one run: tensors come and go, and what one leaves another takes.
//
// Blocks are cut from one piece of scratch memory, which is as large as earlier runs needed; what does not fit there
// comes from pieces of its own. A block is the first free one that is large enough, neighbours that are free become
// one: programs have some dozens of tensors alive at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/aligned_buffer.h"
#include "common/scratch.h"

namespace sparseinf {

class Arena {
public:
    // Throws std::bad_alloc, as take does.
    explicit Arena(int64_t expected_bytes);

    // Memory on a cache-line boundary, not initialised.
    std::byte* take(int64_t nbytes);
    void give_back(std::byte* block, int64_t nbytes);

    // All that there is: what the next run should expect.
    int64_t nbytes() const { return nbytes_; }

private:
    struct Gap {
        std::byte* begin;
        int64_t nbytes;
    };

    static int64_t rounded(int64_t nbytes) { return round_up(nbytes > 0 ? nbytes : 1, kCacheLineBytes); }
    void insert(Gap gap);

    std::optional<Scratch> scratch_;
    std::vector<AlignedBuffer<std::byte>> more_;
    std::vector<Gap> gaps_;  // by address; those of different pieces never touch
    int64_t nbytes_ = 0;
};

}  // namespace sparseinf
