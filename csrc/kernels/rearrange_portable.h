// Bytes looked up in a window of x, and packed weights spread by a mask, for the scalar level.
#pragma once

#include "lanes_portable.h"

namespace {

template <int kColumns>
struct Window {
    using Lanes = Lanes4;
    using Table = const uint8_t*;

    static Table at(const uint8_t* x) { return x; }
    static const uint8_t* places(const uint8_t* columns) { return columns; }
    static Lanes4 weights(const int8_t* p) { return Lanes4::load(p); }
    static Lanes4 look_up(const uint8_t* x, const uint8_t* columns) {
        uint8_t found[16];
        for (int i = 0; i < 16; ++i) found[i] = x[columns[i]];
        return Lanes4::load(found);
    }
};

struct Expansion {
    using Lanes = Lanes4;

    // The next packed weight where the mask has a bit, zero elsewhere.
    static Lanes4 expand(uint64_t mask, const int8_t* weights) {
        int8_t spread[16];
        for (int i = 0; i < 16; ++i) spread[i] = (mask >> i & 1) != 0 ? *weights++ : int8_t{0};
        return Lanes4::load(spread);
    }
    static int32_t sum(Lanes4 x) { return static_cast<int32_t>((x.v[0] + x.v[1]) + (x.v[2] + x.v[3])); }
};

}  // namespace
