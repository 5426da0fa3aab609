// Mean and variance of floats that lie in one piece, and what is made of them.
#pragma once

#include <cstdint>

namespace sparseinf {

struct Moments {
    float mean;
    float variance;
};

namespace detail {

// The sum of function(x[i]), as sixteen partial sums that a compiler keeps in vectors; their order is fixed.
template <class Function>
float sum_of(const float* x, int64_t size, Function&& function) {
    constexpr int64_t kLanes = 16;
    float sums[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= size; i += kLanes) {
        for (int64_t j = 0; j < kLanes; ++j) sums[j] += function(x[i + j]);
    }
    for (; i < size; ++i) sums[0] += function(x[i]);
    for (int64_t j = 1; j < kLanes; ++j) sums[0] += sums[j];
    return sums[0];
}

}  // namespace detail

inline Moments moments_of(const float* x, int64_t size) {
    const float mean = detail::sum_of(x, size, [](float value) { return value; }) / static_cast<float>(size);
    const float squares = detail::sum_of(x, size, [mean](float value) { return (value - mean) * (value - mean); });
    return {mean, squares / static_cast<float>(size)};
}

// y = (x - mean) * factor + offset
inline void normalize(const float* x, int64_t size, float mean, float factor, float offset, float* y) {
    for (int64_t i = 0; i < size; ++i) y[i] = (x[i] - mean) * factor + offset;
}

}  // namespace sparseinf
