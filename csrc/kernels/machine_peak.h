// What this machine can do at best: the yardsticks that measured kernels are held against.
#pragma once

#include <cstdint>

#include "row_sums.h"

namespace {

// Independent chains enough to cover latency 4 on two pipes, each long enough not to overflow: x -> x / 2 + 1.
template <class Wide>
int64_t peak_multiply_add(int64_t iterations) noexcept {
    constexpr int kChains = 12;
    Wide chains[kChains];
    for (int i = 0; i < kChains; ++i) chains[i] = Wide::broadcast(static_cast<float>(i));
    Wide half = Wide::broadcast(0.5f), one = Wide::broadcast(1.0f);
    for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
        for (int i = 0; i < kChains; ++i) chains[i] = multiply_add(chains[i], half, one);
    }
    float sums[Wide::kWidth];
    for (int i = 1; i < kChains; ++i) chains[0] = chains[0] + chains[i];
    chains[0].store(sums);
    asm volatile("" : : "m"(sums));
    return iterations * kChains * Wide::kWidth * 2;
}

// Likewise sums of four products a lane, of one x and many weights, as in a tile of rows. Weights are other sums: what
// is the same for several chains, or in all iterations, a compiler would do once.
template <class Lanes>
int64_t peak_dot(int64_t iterations) noexcept {
    constexpr int kChains = 12;
    uint8_t bytes[sizeof(Lanes)];
    for (unsigned i = 0; i < sizeof(Lanes); ++i) bytes[i] = static_cast<uint8_t>(i);
    Lanes chains[kChains];
    for (int i = 0; i < kChains; ++i) chains[i] = Lanes::load(bytes);
    for (int64_t n = 0; n < iterations; ++n) {
        const Lanes x = chains[0];
#pragma GCC unroll 12
        for (int i = 0; i < kChains; ++i) chains[i] = multiply_add(chains[(i + 1) % kChains], x, chains[i]);
    }
    for (int i = 1; i < kChains; ++i) chains[0] = chains[0] + chains[i];
    chains[0].store(bytes);
    asm volatile("" : : "m"(bytes));
    return iterations * kChains * Lanes::kWidth * 4 * 2;
}

// Several sums at once, so that loads are all that takes time.
template <class Wide>
float read_all(const float* data, int64_t count) noexcept {
    constexpr int kUnroll = 64 / Wide::kWidth;
    Wide sums[kUnroll];
    for (int i = 0; i < kUnroll; ++i) sums[i] = Wide::zero();
    for (int64_t n = 0; n < count; n += 64) {
        for (int i = 0; i < kUnroll; ++i) sums[i] = sums[i] + Wide::load(data + n + i * Wide::kWidth);
    }
    for (int i = 1; i < kUnroll; ++i) sums[0] = sums[0] + sums[i];
    return sum(sums[0]);
}

}  // namespace
