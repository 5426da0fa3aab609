// The sums of one output row over a panel's columns, held in registers: kWide vectors, and perhaps half a one.
#pragma once

#include <cstdint>

#include "kernel_args.h"

#define SPARSEINF_INLINE inline __attribute__((always_inline))

namespace {

using namespace sparseinf;

template <bool kCondition, class A, class B>
struct Choose {
    using Type = A;
};
template <class A, class B>
struct Choose<false, A, B> {
    using Type = B;
};

// One feature's columns of a panel.
template <class Wide, class Half, int kWide, bool kHasHalf>
struct PanelRow {
    static_assert(kWide > 0 || kHasHalf);

    // A weight in every lane, and four weights that such ones are taken from.
    using Weight = typename Choose<(kWide > 0), Wide, Half>::Type;
    using FourWeights = typename Weight::Four;

    Wide wide[kWide > 0 ? kWide : 1];
    Half half;

    SPARSEINF_INLINE void clear() {
        for (int j = 0; j < kWide; ++j) wide[j] = Wide::zero();
        if constexpr (kHasHalf) half = Half::zero();
    }
    SPARSEINF_INLINE void load(const float* main, const float* tail, int64_t row) {
        for (int j = 0; j < kWide; ++j) wide[j] = Wide::load(main + (row * kWide + j) * Wide::kWidth);
        if constexpr (kHasHalf) half = Half::load(tail + row * Half::kWidth);
    }
    // The feature whose place in a vector of floats is so many bytes from its start.
    SPARSEINF_INLINE void load_at(const ConstPanel& panel, uint64_t offset_bytes) {
        const auto* main = reinterpret_cast<const char*>(panel.main) + offset_bytes * (kWide * Wide::kWidth);
        for (int j = 0; j < kWide; ++j) wide[j] = Wide::load(main + j * sizeof(Wide));
        if constexpr (kHasHalf) {
            half = Half::load(reinterpret_cast<const char*>(panel.tail) + offset_bytes * Half::kWidth);
        }
    }
    SPARSEINF_INLINE void store(const Panel& y, int64_t row) const {
        for (int j = 0; j < kWide; ++j) wide[j].store(y.main + (row * kWide + j) * Wide::kWidth);
        if constexpr (kHasHalf) half.store(y.tail + row * Half::kWidth);
    }
    // Where the sums start: what earlier K blocks left in y, or zero.
    SPARSEINF_INLINE void start(const Panel& y, int64_t row, bool accumulate) {
        if (accumulate) {
            load(y.main, y.tail, row);
        } else {
            clear();
        }
    }
    SPARSEINF_INLINE void add(const PanelRow& other) {
        for (int j = 0; j < kWide; ++j) wide[j] = wide[j] + other.wide[j];
        if constexpr (kHasHalf) half = half + other.half;
    }
    SPARSEINF_INLINE void add(Weight weight, const PanelRow& x) {
        if constexpr (kWide > 0) {
            for (int j = 0; j < kWide; ++j) wide[j] = multiply_add(weight, x.wide[j], wide[j]);
            if constexpr (kHasHalf) half = multiply_add(low_half(weight), x.half, half);
        } else {
            half = multiply_add(weight, x.half, half);
        }
    }
};

}  // namespace
