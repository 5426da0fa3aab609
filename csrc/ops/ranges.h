// Work on many elements, cut into ranges for threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/thread_pool.h"

namespace sparseinf {

// Below some tens of microseconds of work threads cost more than they bring.
inline constexpr int64_t kElementsOfRange = 1 << 15;

// Calls body(begin, end) for ranges that cover [0, count); body must not throw. What is computed for an element must
// not depend on where ranges end.
template <class Body>
void for_ranges(int64_t count, int64_t range, int num_threads, Body&& body) {
    if (num_threads <= 1 || count <= range) {
        if (count > 0) body(int64_t{0}, count);
        return;
    }
    parallel_for((count + range - 1) / range, num_threads,
                 [&](int, int64_t unit) { body(unit * range, std::min(count, (unit + 1) * range)); });
}

// How many results of so many elements each make a range.
inline int64_t results_of_range(int64_t elements_of_each) {
    return std::max<int64_t>(1, kElementsOfRange / std::max<int64_t>(1, elements_of_each));
}

}  // namespace sparseinf
