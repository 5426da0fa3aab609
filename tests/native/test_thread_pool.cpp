// Every unit of work is done once, by threads that may be busy, too many, or lost to a fork. No test looks at a clock,
// but for the deadline after which it is called hanging.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "common/thread_pool.h"

namespace {

using namespace sparseinf;
using namespace testing;

// Waits until the condition holds; false if that takes so long that it never will.
template <class Condition>
bool wait_until(Condition&& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

void run_in_threads(int count, const std::function<void(int)>& body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
    for (std::thread& thread : threads) thread.join();
}

// Whether so many units are all under way at the same time: each waits for all others to have begun.
bool units_run_together(int count) {
    std::atomic<int> num_begun{0};
    std::atomic<bool> met{true};
    parallel_for(count, count, [&](int, int64_t) {
        num_begun.fetch_add(1);
        if (!wait_until([&] { return num_begun.load() == count; })) met = false;
    });
    return met;
}

TEST(every_unit_is_done_once) {
    for (const int num_threads : {0, 1, 2, 3, 8, 64, 256, 1000}) {
        for (const int64_t num_units : {0, 1, 2, 7, 64, 1000, 100000}) {
            const Case sizes(std::to_string(num_units) + " units, " + std::to_string(num_threads) + " threads");
            // Plain numbers: that the caller may read them afterwards is for the thread sanitizer to judge.
            std::vector<int> times_done(static_cast<size_t>(num_units), 0);
            parallel_for(num_units, num_threads, [&](int, int64_t unit) { ++times_done[static_cast<size_t>(unit)]; });
            bool is_right = true;
            for (const int times : times_done) is_right = is_right && times == 1;
            CHECK(is_right);
        }
    }
}

TEST(a_slot_is_one_threads_for_the_whole_call) {
    constexpr int kThreads = 8;
    for (int call = 0; call < 50; ++call) {
        std::array<std::thread::id, kThreads> owners;  // each only ever touched by its owner
        std::array<int64_t, kThreads> units_done{};
        std::atomic<bool> is_right{true};
        parallel_for(500, kThreads, [&](int slot, int64_t) {
            if (slot < 0 || slot >= kThreads) {
                is_right = false;
                return;
            }
            const auto i = static_cast<size_t>(slot);
            if (units_done[i]++ == 0) owners[i] = std::this_thread::get_id();
            if (owners[i] != std::this_thread::get_id()) is_right = false;
        });
        int64_t sum = 0;
        for (const int64_t done : units_done) sum += done;
        CHECK(is_right && sum == 500);
    }
}

TEST(units_run_at_the_same_time) {
    for (const int count : {2, 3, 8, 40}) CHECK(units_run_together(count));
}

TEST(one_thread_is_the_callers) {
    const std::thread::id caller = std::this_thread::get_id();
    bool is_right = true;
    parallel_for(100, 1, [&](int slot, int64_t) { is_right &= slot == 0 && std::this_thread::get_id() == caller; });
    CHECK(is_right);
}

TEST(many_callers_at_once) {
    run_in_threads(16, [](int caller) {
        for (int call = 0; call < 100; ++call) {
            const int64_t num_units = 1 + (caller * 37 + call * 11) % 200;
            std::vector<int64_t> results(static_cast<size_t>(num_units), 0);
            parallel_for(num_units, 1 + (caller + call) % 9,
                         [&](int, int64_t unit) { results[static_cast<size_t>(unit)] = unit * caller + call; });
            bool is_right = true;
            for (int64_t unit = 0; unit < num_units; ++unit) {
                is_right = is_right && results[static_cast<size_t>(unit)] == unit * caller + call;
            }
            CHECK(is_right);
        }
    });
}

TEST(a_call_does_not_wait_for_workers_that_are_busy_with_another) {
    std::atomic<int> num_held{0};
    std::atomic<bool> released{false};
    std::thread holder([&] {
        parallel_for(4, 4, [&](int, int64_t) {
            num_held.fetch_add(1);
            wait_until([&] { return released.load(); });
        });
    });
    CHECK(wait_until([&] { return num_held.load() == 4; }));
    std::atomic<int> num_done{0};
    parallel_for(1000, 4, [&](int, int64_t) { num_done.fetch_add(1); });
    // Had it waited for the first call, neither would have ended.
    CHECK(num_done.load() == 1000 && !released.load());
    released = true;
    holder.join();
}

TEST(a_unit_may_share_out_work_of_its_own) {
    std::vector<std::array<int, 50>> results(20);
    parallel_for(20, 4, [&](int, int64_t outer) {
        parallel_for(50, 4, [&, outer](int, int64_t inner) {
            results[static_cast<size_t>(outer)][static_cast<size_t>(inner)] = static_cast<int>(100 * outer + inner);
        });
    });
    bool is_right = true;
    for (size_t outer = 0; outer < 20; ++outer) {
        for (size_t inner = 0; inner < 50; ++inner) {
            is_right = is_right && results[outer][inner] == static_cast<int>(100 * outer + inner);
        }
    }
    CHECK(is_right);
}

// The thread sanitizer cannot follow a child of many threads that starts threads of its own.
#if !defined(__SANITIZE_THREAD__)

// Whether `test` holds in a child process that is forked here.
bool holds_in_child(bool (*test)()) {
    const pid_t child = fork();
    if (child == 0) _exit(test() ? 0 : 1);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(a_forked_child_has_threads_of_its_own) {
    CHECK(units_run_together(4));  // so that there is something to lose
    CHECK(holds_in_child([] { return units_run_together(4); }));
    CHECK(holds_in_child([] { return units_run_together(3) && holds_in_child([] { return units_run_together(3); }); }));
    CHECK(units_run_together(4));
}

TEST(a_fork_in_the_middle_of_another_threads_call_is_harmless) {
    std::atomic<bool> stop{false};
    std::atomic<long> num_calls{0};
    std::thread busy([&] {
        while (!stop) {
            std::atomic<int> num_done{0};
            parallel_for(64, 4, [&](int, int64_t) { num_done.fetch_add(1); });
            CHECK(num_done.load() == 64);
            ++num_calls;
        }
    });
    for (int i = 0; i < 10; ++i) {
        const long calls_before = num_calls;
        CHECK(holds_in_child([] { return units_run_together(3); }));
        CHECK(wait_until([&] { return num_calls > calls_before; }));
    }
    stop = true;
    busy.join();
}

#endif

}  // namespace
