// Four and two lanes of int32 sums, or of four bytes each, for the scalar level; sixteen columns of bytes.
#pragma once

#include <cstdint>

#include "vec_portable.h"

namespace {

template <int kLanes>
struct LanesPortable {
    static constexpr int kWidth = kLanes;
    uint32_t v[kLanes];  // unsigned, since sums may wrap

    static LanesPortable zero() { return {}; }
    // The four bytes at p in each lane.
    static LanesPortable broadcast(const void* p) {
        LanesPortable x;
        for (auto& lane : x.v) __builtin_memcpy(&lane, p, sizeof lane);
        return x;
    }
    static LanesPortable broadcast(const float& bits) { return broadcast(static_cast<const void*>(&bits)); }
    static LanesPortable load(const void* p) {
        LanesPortable x;
        __builtin_memcpy(x.v, p, sizeof x.v);
        return x;
    }
    void store(void* p) const { __builtin_memcpy(p, v, sizeof v); }
    // The first byte of each lane from a, the second from b, the third from c, the fourth from d.
    static LanesPortable choose(LanesPortable a, LanesPortable b, LanesPortable c, LanesPortable d) {
        uint8_t bytes[4][4 * kLanes], chosen[4 * kLanes];
        a.store(bytes[0]);
        b.store(bytes[1]);
        c.store(bytes[2]);
        d.store(bytes[3]);
        for (int i = 0; i < 4 * kLanes; ++i) chosen[i] = bytes[i % 4][i];
        return load(chosen);
    }
    static LanesPortable load_each_4_times(const float* p) { return broadcast(*p); }
    void store_sum_of_fours(float* p) const { store(p); }
    using Four = FourInMemory<LanesPortable>;
};

template <int kLanes>
LanesPortable<kLanes> operator+(LanesPortable<kLanes> a, LanesPortable<kLanes> b) {
    for (int i = 0; i < kLanes; ++i) a.v[i] += b.v[i];
    return a;
}

template <int kLanes>
LanesPortable<kLanes> multiply_add(LanesPortable<kLanes> weights, LanesPortable<kLanes> x, LanesPortable<kLanes> sums) {
    uint8_t bytes[4 * kLanes];
    int8_t factors[4 * kLanes];
    x.store(bytes);
    weights.store(factors);
    for (int i = 0; i < 4 * kLanes; ++i) sums.v[i / 4] += static_cast<uint32_t>(bytes[i] * factors[i]);
    return sums;
}

using Lanes4 = LanesPortable<4>;
using Lanes2 = LanesPortable<2>;
inline Lanes2 low_half(Lanes4 x) { return {{x.v[0], x.v[1]}}; }

// Sixteen columns. Four rows of x, a byte a column, become four vectors of lanes, four bytes a column.
struct Bytes16 {
    using Lanes = Lanes4;
    static constexpr int kColumns = 16;
    static constexpr int kVectors = 4;

    static void interleave(const uint8_t* a, const uint8_t* b, const uint8_t* c, const uint8_t* d, Lanes4 (&out)[4]) {
        for (int i = 0; i < 4; ++i) {
            uint8_t bytes[16];
            for (int lane = 0; lane < 4; ++lane) {
                const int column = 4 * i + lane;
                bytes[4 * lane] = a[column];
                bytes[4 * lane + 1] = b[column];
                bytes[4 * lane + 2] = c[column];
                bytes[4 * lane + 3] = d[column];
            }
            out[i] = Lanes4::load(bytes);
        }
    }
    // Undoes interleave: four vectors of lanes at p become four rows of bytes.
    static void split(uint8_t* p) {
        uint8_t quads[64];
        __builtin_memcpy(quads, p, sizeof quads);
        for (int i = 0; i < 64; ++i) p[i % 4 * 16 + i / 4] = quads[i];
    }
};

}  // namespace
