// The memory of a run: blocks never overlap, and what is given back is used again.
#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "program/arena.h"

namespace {

using namespace sparseinf;
using namespace testing;

struct Block {
    std::byte* begin;
    int64_t nbytes;
    int mark;
};

bool is_as_written(const Block& block) {
    return std::all_of(block.begin, block.begin + block.nbytes,
                       [&](std::byte each) { return each == static_cast<std::byte>(block.mark); });
}

TEST(arena_blocks_never_overlap) {
    std::mt19937 random(1);
    for (const int64_t expected_bytes : {int64_t{0}, int64_t{100}, int64_t{1} << 16, int64_t{1} << 22}) {
        const Case size("expected bytes = " + std::to_string(expected_bytes));
        Arena arena(expected_bytes);
        std::vector<Block> blocks;
        for (int turn = 0; turn < 3000; ++turn) {
            if (blocks.size() < 40 && random() % 2 == 0) {
                const auto nbytes = static_cast<int64_t>(random() % 3 == 0 ? random() % 70 : random() % 30000);
                Block block{arena.take(nbytes), nbytes, static_cast<int>(random() % 251)};
                CHECK(reinterpret_cast<uintptr_t>(block.begin) % kCacheLineBytes == 0);
                std::memset(block.begin, block.mark, static_cast<size_t>(nbytes));
                blocks.push_back(block);
            } else if (!blocks.empty()) {
                std::swap(blocks[random() % blocks.size()], blocks.back());
                CHECK(is_as_written(blocks.back()));
                arena.give_back(blocks.back().begin, blocks.back().nbytes);
                blocks.pop_back();
            }
        }
        CHECK(std::all_of(blocks.begin(), blocks.end(), is_as_written));
    }
}

TEST(arena_neighbours_become_one_in_any_order) {
    std::vector<int> order{0, 1, 2, 3};
    do {
        Arena arena(4096);
        std::vector<std::byte*> quarters;
        for (int i = 0; i < 4; ++i) quarters.push_back(arena.take(1024));
        for (const int i : order) arena.give_back(quarters[static_cast<size_t>(i)], 1024);
        CHECK(arena.take(4096) == quarters[0]);
        CHECK(arena.nbytes() == 4096);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST(arena_gives_the_first_block_that_is_large_enough) {
    Arena arena(4096);
    std::byte* const small = arena.take(64);
    std::byte* const wall = arena.take(64);
    std::byte* const large = arena.take(512);
    arena.take(64);
    arena.give_back(small, 64);
    arena.give_back(large, 512);
    CHECK(arena.take(65) == large);
    CHECK(arena.take(1) == small);
    CHECK(wall + 64 == large);
}

}  // namespace
