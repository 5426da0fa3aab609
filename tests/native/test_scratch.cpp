// Working memory belongs to one call at a time, whatever other threads do.
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "common/aligned_buffer.h"
#include "common/scratch.h"

namespace {

using namespace sparseinf;
using namespace testing;

// Fills the memory, gives others time to do the same, and looks whether it is still as it was.
bool keeps_what_is_written(Scratch& scratch, int64_t bytes, int mark) {
    std::memset(scratch.data(), mark, static_cast<size_t>(bytes));
    std::this_thread::yield();
    for (int64_t i = 0; i < bytes; ++i) {
        if (scratch.data()[i] != static_cast<std::byte>(mark)) return false;
    }
    return true;
}

TEST(scratch_is_of_the_calls_own) {
    std::vector<std::thread> threads;
    for (int mark = 1; mark <= 8; ++mark) {
        threads.emplace_back([mark] {
            std::mt19937 random(static_cast<unsigned>(mark));
            for (int call = 0; call < 200; ++call) {
                const auto bytes = static_cast<int64_t>(1 + random() % 5000);
                Scratch outer(bytes);
                CHECK(reinterpret_cast<uintptr_t>(outer.data()) % kCacheLineBytes == 0);
                CHECK(keeps_what_is_written(outer, bytes, mark));
                Scratch inner(bytes + 100);
                CHECK(keeps_what_is_written(inner, bytes + 100, mark + 100));
                CHECK(outer.data()[bytes - 1] == static_cast<std::byte>(mark));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST(more_scratches_than_are_kept_can_live_at_once) {
    constexpr int64_t kBytes = 1000;
    std::vector<std::unique_ptr<Scratch>> many;
    for (int i = 0; i < 100; ++i) {
        many.push_back(std::make_unique<Scratch>(kBytes));
        std::memset(many.back()->data(), i, kBytes);
    }
    for (int i = 0; i < 100; ++i) {
        CHECK(many[static_cast<size_t>(i)]->data()[0] == static_cast<std::byte>(i));
        CHECK(many[static_cast<size_t>(i)]->data()[kBytes - 1] == static_cast<std::byte>(i));
    }
}

TEST(scratch_of_the_same_size_is_used_again) {
    const std::byte* first = Scratch(1 << 20).data();
    CHECK(Scratch(1 << 20).data() == first);
    CHECK(Scratch(1000).data() == first);
}

}  // namespace
