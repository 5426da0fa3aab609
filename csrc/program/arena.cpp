#include "program/arena.h"

#include <algorithm>
#include <functional>

namespace sparseinf {

namespace {

constexpr int64_t kLeastPieceBytes = int64_t{1} << 20;

}  // namespace

Arena::Arena(int64_t expected_bytes) {
    if (expected_bytes == 0) return;
    // A cache line more on both sides, so that pieces never touch.
    nbytes_ = rounded(expected_bytes);
    scratch_.emplace(nbytes_ + 2 * kCacheLineBytes);
    insert({scratch_->data() + kCacheLineBytes, nbytes_});
}

std::byte* Arena::take(int64_t nbytes) {
    const int64_t needed = rounded(nbytes);
    auto gap = std::find_if(gaps_.begin(), gaps_.end(), [&](const Gap& g) { return g.nbytes >= needed; });
    if (gap == gaps_.end()) {
        const int64_t piece_bytes = std::max(needed, kLeastPieceBytes);
        AlignedBuffer<std::byte>& piece = more_.emplace_back(piece_bytes + 2 * kCacheLineBytes);
        insert({piece.data() + kCacheLineBytes, piece_bytes});
        nbytes_ += piece_bytes;
        gap = std::find_if(gaps_.begin(), gaps_.end(), [&](const Gap& g) { return g.nbytes >= needed; });
    }
    std::byte* const block = gap->begin;
    gap->begin += needed;
    gap->nbytes -= needed;
    if (gap->nbytes == 0) gaps_.erase(gap);
    return block;
}

void Arena::give_back(std::byte* block, int64_t nbytes) { insert({block, rounded(nbytes)}); }

void Arena::insert(Gap gap) {
    const auto after = std::upper_bound(
        gaps_.begin(), gaps_.end(), gap.begin,
        [](const std::byte* begin, const Gap& g) { return std::less<const std::byte*>()(begin, g.begin); });
    const bool touches_after = after != gaps_.end() && gap.begin + gap.nbytes == after->begin;
    if (after != gaps_.begin()) {
        Gap& before = *(after - 1);
        if (before.begin + before.nbytes == gap.begin) {
            before.nbytes += gap.nbytes;
            if (touches_after) {
                before.nbytes += after->nbytes;
                gaps_.erase(after);
            }
            return;
        }
    }
    if (touches_after) {
        after->begin = gap.begin;
        after->nbytes += gap.nbytes;
    } else {
        gaps_.insert(after, gap);
    }
}

}  // namespace sparseinf
