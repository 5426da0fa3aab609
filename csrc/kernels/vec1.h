// A "vector" of one float: what a panel of a single column is made of. Fused where the level has it.
#pragma once

namespace {

struct Vec1 {
    static constexpr int kWidth = 1;
    struct Four {
        const float* p;
        static Four load(const float* weights) { return {weights}; }
        template <int kIndex>
        Vec1 spread() const {
            return {p[kIndex]};
        }
    };
    float v;

    static Vec1 zero() { return {0.0f}; }
    static Vec1 broadcast(float value) { return {value}; }
    static Vec1 load(const float* p) { return {*p}; }
    void store(float* p) const { *p = v; }
};

inline Vec1 multiply_add(Vec1 a, Vec1 b, Vec1 c) {
#if defined(__FMA__)
    return {__builtin_fmaf(a.v, b.v, c.v)};
#else
    return {c.v + a.v * b.v};
#endif
}

}  // namespace
