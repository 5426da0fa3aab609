#include "common/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <thread>

namespace sparseinf {
namespace {

using detail::UnitFunction;

inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Units [begin, end) still to be claimed, in one word: the owner takes from the front, thieves from the back.
class alignas(64) UnitRange {
public:
    void assign(uint32_t begin, uint32_t end) { word_.store(join(begin, end), std::memory_order_relaxed); }
    bool take_first(uint32_t& unit) { return take(unit, true); }
    bool take_last(uint32_t& unit) { return take(unit, false); }

private:
    static uint64_t join(uint32_t begin, uint32_t end) { return (uint64_t{begin} << 32) | end; }
    bool take(uint32_t& unit, bool first) {
        uint64_t word = word_.load(std::memory_order_relaxed);
        for (;;) {
            const auto begin = static_cast<uint32_t>(word >> 32);
            const auto end = static_cast<uint32_t>(word);
            if (begin >= end) return false;
            unit = first ? begin : end - 1;
            const uint64_t rest = first ? join(begin + 1, end) : join(begin, end - 1);
            if (word_.compare_exchange_weak(word, rest, std::memory_order_relaxed)) return true;
        }
    }

    std::atomic<uint64_t> word_{0};
};

// One call's work. It lives on the caller's stack; a worker's last access is the decrement of num_running.
struct Job {
    UnitFunction function;
    void* context;
    int num_slots;
    std::array<UnitRange, kMaxThreads> ranges;
    std::atomic<int> num_running{0};

    void run(int slot) noexcept {
        uint32_t unit;
        while (ranges[static_cast<size_t>(slot)].take_first(unit)) function(context, slot, unit);
        for (int i = 1; i < num_slots; ++i) {
            auto& victim = ranges[static_cast<size_t>((slot + i) % num_slots)];
            while (victim.take_last(unit)) function(context, slot, unit);
        }
    }
};

// A worker's state is a phase and, above it, a ticket that counts assignments: so a caller can take back its own
// assignment, and only that.
//   idle -> reserved (by a caller) -> assigned (job written) -> running (by the worker) -> idle
//                                     assigned -> idle (taken back by the caller before the worker ran)
constexpr uint32_t kIdle = 0, kReserved = 1, kAssigned = 2, kRunning = 3, kPhaseMask = 3, kTicketStep = 4;

constexpr uint32_t phase_of(uint32_t state) { return state & kPhaseMask; }
constexpr uint32_t with_phase(uint32_t state, uint32_t phase) { return (state & ~kPhaseMask) | phase; }

class Worker {
public:
    void start() {
        std::thread([this] { loop(); }).detach();
    }

    // Gives the worker a share of the job if it is idle. `state` becomes what take_back wants.
    bool try_assign(Job& job, int slot, uint32_t& state) {
        uint32_t seen = state_.load(std::memory_order_relaxed);
        if (phase_of(seen) != kIdle) return false;
        const uint32_t next = seen + kTicketStep;
        if (!state_.compare_exchange_strong(seen, with_phase(next, kReserved), std::memory_order_acquire)) return false;
        job_ = &job;
        slot_ = slot;
        job.num_running.fetch_add(1, std::memory_order_relaxed);
        state = with_phase(next, kAssigned);
        state_.store(state, std::memory_order_release);
        state_.notify_one();
        return true;
    }

    void take_back(Job& job, uint32_t state) {
        if (state_.compare_exchange_strong(state, with_phase(state, kIdle), std::memory_order_relaxed)) {
            job.num_running.fetch_sub(1, std::memory_order_relaxed);
        }
    }

private:
    // Waking a sleeping thread costs some 50 us, so spinning that long at most doubles what waiting costs.
    static constexpr std::chrono::microseconds kSpin{50};

    [[noreturn]] void loop() noexcept {
        for (;;) {
            uint32_t state = wait_for_assignment();
            if (!state_.compare_exchange_strong(state, with_phase(state, kRunning), std::memory_order_acquire))
                continue;
            Job& job = *job_;
            job.run(slot_);
            job.num_running.fetch_sub(1, std::memory_order_release);
            state_.store(with_phase(state, kIdle), std::memory_order_release);
        }
    }

    uint32_t wait_for_assignment() {
        uint32_t state;
        const auto deadline = std::chrono::steady_clock::now() + kSpin;
        do {
            for (int i = 0; i < 64; ++i, relax()) {
                state = state_.load(std::memory_order_relaxed);
                if (phase_of(state) == kAssigned) return state;
            }
        } while (std::chrono::steady_clock::now() < deadline);
        while (phase_of(state = state_.load(std::memory_order_relaxed)) != kAssigned) state_.wait(state);
        return state;
    }

    std::atomic<uint32_t> state_{kIdle};
    Job* job_ = nullptr;
    int slot_ = 0;
};

class ThreadPool {
public:
    // Never destroyed: its threads sleep until the process ends. A forked child, which has none of them, gets a new
    // one. nullptr if there is no memory for it.
    static ThreadPool* instance() {
        ThreadPool* pool = instance_.load(std::memory_order_acquire);
        if (pool != nullptr) return pool;
        std::unique_ptr<ThreadPool> created(new (std::nothrow) ThreadPool);
        if (created == nullptr) return nullptr;
        if (instance_.compare_exchange_strong(pool, created.get(), std::memory_order_acq_rel)) {
            static const int registered = pthread_atfork(nullptr, nullptr, [] { instance_.store(nullptr); });
            static_cast<void>(registered);
            return created.release();
        }
        return pool;
    }

    void run(Job& job) {
        std::array<uint32_t, kMaxThreads> states;
        std::array<Worker*, kMaxThreads> recruited;
        size_t num_recruited = 0;
        grow(job.num_slots - 1);
        const int num_workers = num_workers_.load(std::memory_order_acquire);
        for (int i = 0; i < num_workers && static_cast<int>(num_recruited) < job.num_slots - 1; ++i) {
            Worker* worker = &workers_[static_cast<size_t>(i)];
            if (worker->try_assign(job, static_cast<int>(num_recruited) + 1, states[num_recruited])) {
                recruited[num_recruited++] = worker;
            }
        }
        job.run(0);
        for (size_t i = 0; i < num_recruited; ++i) recruited[i]->take_back(job, states[i]);
        // What is left is at most one unit of work a worker.
        for (int spins = 0; job.num_running.load(std::memory_order_acquire) != 0; ++spins) {
            relax();
            if (spins > 1000) std::this_thread::yield();
        }
    }

private:
    // A system that grants no more threads, or no memory for them, is no error: the call is done by those there are.
    void grow(int num_wanted) {
        if (num_workers_.load(std::memory_order_relaxed) >= num_wanted) return;
        if (growing_.test_and_set(std::memory_order_acquire)) return;
        int count = num_workers_.load(std::memory_order_relaxed);
        try {
            for (; count < num_wanted; ++count) workers_[static_cast<size_t>(count)].start();
        } catch (const std::exception&) {
        }
        num_workers_.store(count, std::memory_order_release);
        growing_.clear(std::memory_order_release);
    }

    static constinit std::atomic<ThreadPool*> instance_;
    std::array<Worker, kMaxThreads - 1> workers_;
    std::atomic<int> num_workers_{0};
    std::atomic_flag growing_ = ATOMIC_FLAG_INIT;
};

constinit std::atomic<ThreadPool*> ThreadPool::instance_{nullptr};

}  // namespace

namespace detail {

void run_units(int64_t num_units, int num_threads, UnitFunction function, void* context) noexcept {
    Job job;
    job.function = function;
    job.context = context;
    job.num_slots = static_cast<int>(std::min<int64_t>(num_threads, num_units));
    for (int slot = 0; slot < job.num_slots; ++slot) {
        job.ranges[static_cast<size_t>(slot)].assign(static_cast<uint32_t>(num_units * slot / job.num_slots),
                                                     static_cast<uint32_t>(num_units * (slot + 1) / job.num_slots));
    }
    if (ThreadPool* pool = ThreadPool::instance()) {
        pool->run(job);
    } else {
        job.run(0);
    }
}

}  // namespace detail
}  // namespace sparseinf
