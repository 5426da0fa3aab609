// Floats looked up in a window of x, for the scalar level.
#pragma once

#include "vec_portable.h"

namespace {

// Weights; x is not touched where they are zero, for there is none.
struct LaneWeights4 {
    VecPortable::Lanes v;
};

inline VecPortable multiply_add(LaneWeights4 a, VecPortable x, VecPortable sum) {
    const VecPortable::Bits is_there = a.v != VecPortable::Lanes{};
    const auto there = reinterpret_cast<VecPortable::Bits>(x.v) & is_there;
    return multiply_add(VecPortable{a.v}, {reinterpret_cast<VecPortable::Lanes>(there)}, sum);
}

struct FloatWindow {
    using Lanes = VecPortable;
    using Table = const float*;

    static Table at(const float* x) { return x; }
    static const uint8_t* places(const uint8_t* columns) { return columns; }
    static LaneWeights4 weights(const float* p) { return {VecPortable::load(p).v}; }
    static VecPortable look_up(const float* x, const uint8_t* columns) {
        return VecPortable::from(x + columns[0], x + columns[1], x + columns[2], x + columns[3]);
    }
};

}  // namespace
