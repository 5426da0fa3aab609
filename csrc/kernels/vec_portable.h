// Vectors for the scalar level: four floats that any compiler lowers to what the processor has, and two floats.
// Arithmetic is multiply, then add: this level rounds twice where the others fuse.
#pragma once

#include <cstdint>

namespace {

// Four weights that stay in memory.
template <class V>
struct FourInMemory {
    const float* p;
    static FourInMemory load(const float* weights) { return {weights}; }
    template <int kIndex>
    V spread() const {
        return V::broadcast(p[kIndex]);
    }
};

struct Vec2 {
    static constexpr int kWidth = 2;
    using Four = FourInMemory<Vec2>;
    float v[2];

    static Vec2 zero() { return {{0.0f, 0.0f}}; }
    static Vec2 broadcast(float value) { return {{value, value}}; }
    static Vec2 load(const void* p) { return load_partial(p, 2); }
    static Vec2 load_partial(const void* p, int count) {
        Vec2 x = zero();
        __builtin_memcpy(x.v, p, static_cast<uint64_t>(count) * sizeof(float));
        return x;
    }
    void store(float* p) const { __builtin_memcpy(p, v, sizeof v); }
};

inline Vec2 operator+(Vec2 a, Vec2 b) { return {{a.v[0] + b.v[0], a.v[1] + b.v[1]}}; }
inline Vec2 multiply_add(Vec2 a, Vec2 b, Vec2 c) { return {{c.v[0] + a.v[0] * b.v[0], c.v[1] + a.v[1] * b.v[1]}}; }
inline void transpose(Vec2 (&r)[2]) {
    const float t = r[0].v[1];
    r[0].v[1] = r[1].v[0];
    r[1].v[0] = t;
}

struct VecPortable {
    using Half = Vec2;
    static constexpr int kWidth = 4;
    using Four = FourInMemory<VecPortable>;
    typedef float Lanes __attribute__((vector_size(16)));
    typedef int32_t Bits __attribute__((vector_size(16)));
    Lanes v;

    static VecPortable zero() { return {Lanes{}}; }
    static VecPortable broadcast(float value) { return {Lanes{value, value, value, value}}; }
    static VecPortable load(const void* p) {
        Lanes lanes;
        __builtin_memcpy(&lanes, p, sizeof lanes);
        return {lanes};
    }
    static VecPortable load_partial(const void* p, int count) {
        Lanes lanes{};
        __builtin_memcpy(&lanes, p, static_cast<uint64_t>(count) * sizeof(float));
        return {lanes};
    }
    static VecPortable from(const float* a, const float* b, const float* c, const float* d) {
        return {Lanes{*a, *b, *c, *d}};
    }
    void store(float* p) const { __builtin_memcpy(p, &v, sizeof v); }
    void store_partial(float* p, int count) const {
        __builtin_memcpy(p, &v, static_cast<uint64_t>(count) * sizeof(float));
    }
    // Every element four times: with four lanes that is one element.
    static VecPortable load_each_4_times(const float* p) { return broadcast(*p); }
    void store_sum_of_fours(float* p) const { store(p); }
};

using Quad = VecPortable;

inline VecPortable operator+(VecPortable a, VecPortable b) { return {a.v + b.v}; }
inline VecPortable operator-(VecPortable a, VecPortable b) { return {a.v - b.v}; }
inline VecPortable operator*(VecPortable a, VecPortable b) { return {a.v * b.v}; }
inline VecPortable operator/(VecPortable a, VecPortable b) { return {a.v / b.v}; }
inline VecPortable multiply_add(VecPortable a, VecPortable b, VecPortable c) { return {c.v + a.v * b.v}; }

// The larger (smaller) of the bound and x; x where x is NaN.
inline VecPortable at_least(VecPortable low, VecPortable x) { return {low.v > x.v ? low.v : x.v}; }
inline VecPortable at_most(VecPortable high, VecPortable x) { return {high.v < x.v ? high.v : x.v}; }

inline VecPortable absolute(VecPortable x) {
    return {reinterpret_cast<VecPortable::Lanes>(reinterpret_cast<VecPortable::Bits>(x.v) & 0x7fffffff)};
}
inline VecPortable copy_sign(VecPortable magnitude, VecPortable sign) {
    auto m = reinterpret_cast<VecPortable::Bits>(magnitude.v) & 0x7fffffff;
    auto s = reinterpret_cast<VecPortable::Bits>(sign.v) & static_cast<int32_t>(0x80000000u);
    return {reinterpret_cast<VecPortable::Lanes>(m | s)};
}
// a where x < bound, else b.
inline VecPortable select_less(VecPortable x, VecPortable bound, VecPortable a, VecPortable b) {
    return {x.v < bound.v ? a.v : b.v};
}
inline VecPortable round_to_integer(VecPortable x) {
    const VecPortable::Lanes magic = {12582912.0f, 12582912.0f, 12582912.0f, 12582912.0f};  // 1.5 * 2^23
    return {(x.v + magic) - magic};
}
// 2^n for whole n in [-126, 127]; zero for -127, infinity for 128.
inline VecPortable power_of_two(VecPortable n) {
    const auto exponent = (__builtin_convertvector(n.v, VecPortable::Bits) + 127) << 23;
    return {reinterpret_cast<VecPortable::Lanes>(exponent)};
}

// c + a * w in the lanes of mask, where w are the first weights, in lane order; other lanes keep c.
inline VecPortable multiply_add_expanded(uint32_t mask, const float* weights, VecPortable a, VecPortable c) {
    for (int i = 0; i < 4; ++i) {
        if (mask & (1u << i)) c.v[i] += a.v[i] * *weights++;
    }
    return c;
}
// Lanes that hold int32: a - factor * b, and what they are in float. Unsigned, since these may wrap.
inline VecPortable subtract_product(VecPortable a, int32_t factor, VecPortable b) {
    typedef uint32_t Unsigned __attribute__((vector_size(16)));
    const Unsigned product = reinterpret_cast<Unsigned>(b.v) * static_cast<uint32_t>(factor);
    return {reinterpret_cast<VecPortable::Lanes>(reinterpret_cast<Unsigned>(a.v) - product)};
}
inline VecPortable float_of_integer(VecPortable x) {
    return {__builtin_convertvector(reinterpret_cast<VecPortable::Bits>(x.v), VecPortable::Lanes)};
}
// p[i] = clamp(rint(x[i]) + zero, 0, 255) of the first `count` elements, x at least -2^22
inline void store_bytes(VecPortable x, int32_t zero, uint8_t* p, int count) {
    const VecPortable rounded = round_to_integer(x);
    for (int i = 0; i < count; ++i) {
        const float q = rounded.v[i] + static_cast<float>(zero);
        p[i] = q < 255.0f ? (q > 0.0f ? static_cast<uint8_t>(q) : uint8_t{0}) : uint8_t{255};
    }
}
inline void store_bytes(const VecPortable (&x)[4], int32_t zero, uint8_t* p) {
    for (int j = 0; j < 4; ++j) store_bytes(x[j], zero, p + 4 * j, 4);
}
inline Vec2 low_half(VecPortable x) { return {{x.v[0], x.v[1]}}; }
inline float sum(VecPortable x) { return (x.v[0] + x.v[2]) + (x.v[1] + x.v[3]); }

inline Vec2 high_half(VecPortable x) { return {{x.v[2], x.v[3]}}; }

// Four rows of two into two columns of four.
inline void transpose(const Vec2 (&rows)[4], VecPortable (&columns)[2]) {
    for (int c = 0; c < 2; ++c) {
        columns[c].v = VecPortable::Lanes{rows[0].v[c], rows[1].v[c], rows[2].v[c], rows[3].v[c]};
    }
}

}  // namespace
