// The process's threads: units of work, claimed by the caller and by whichever workers are idle.
//
// A call never waits for workers that are busy with another call, nor for one that it woke but that the operating
// system has not yet run: such a worker is released again, and its share is done by the others. Workers spin for a
// bounded time after a job, then sleep. With one thread the pool is not touched.
#pragma once

#include <cstdint>
#include <type_traits>

namespace sparseinf {

inline constexpr int kMaxThreads = 256;

namespace detail {

using UnitFunction = void (*)(void* context, int slot, int64_t unit);
void run_units(int64_t num_units, int num_threads, UnitFunction function, void* context) noexcept;

}  // namespace detail

// Calls body(slot, unit) once for each unit in [0, num_units). A slot is one thread's for the whole call,
// 0 <= slot < num_threads; each slot starts with a contiguous range of units and later takes single ones from others.
// body must not throw.
template <class Body>
void parallel_for(int64_t num_units, int num_threads, Body&& body) noexcept {
    using Callable = std::remove_reference_t<Body>;
    if (num_threads <= 1 || num_units <= 1) {
        for (int64_t unit = 0; unit < num_units; ++unit) body(0, unit);
        return;
    }
    detail::run_units(
        num_units, num_threads < kMaxThreads ? num_threads : kMaxThreads,
        [](void* context, int slot, int64_t unit) { (*static_cast<Callable*>(context))(slot, unit); }, &body);
}

}  // namespace sparseinf
