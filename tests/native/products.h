// What the tests of multiplying kernels share: matrices, panels in guarded arrays, and visits of all kernels.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "guarded_array.h"
#include "kernels/kernel_args.h"
#include "matrices.h"
#include "ops/panel_split.h"

namespace testing {

inline constexpr Shape kProductShapes[] = {{1, 1}, {1, 70}, {2, 3}, {5, 4}, {16, 16}, {17, 200}, {35, 129}, {70, 33}};
inline constexpr double kProductSparsities[] = {0.0, 0.6, 0.95, 1.0};

// Columns of x as a panel in two guarded arrays.
struct GuardedPanel {
    GuardedPanel(int64_t num_features, sparseinf::PanelShape panel, int vector_width, Side side)
        : main_width(panel.num_wide * vector_width),
          tail_width(panel.has_half ? vector_width / 2 : 0),
          main(num_features * main_width, side),
          tail(num_features * tail_width, side) {}

    // The features [first, first + count) of x, whose columns lie one after the other.
    GuardedPanel(const std::vector<float>& x, int64_t in_features, int64_t first, int64_t count,
                 sparseinf::PanelShape panel, int vector_width, Side side)
        : GuardedPanel(count, panel, vector_width, side) {
        for (int64_t k = 0; k < count; ++k) {
            for (int64_t n = 0; n < width(); ++n) at(k, n) = x[static_cast<size_t>(n * in_features + first + k)];
        }
    }

    int64_t width() const { return main_width + tail_width; }
    float& at(int64_t feature, int64_t n) {
        return n < main_width ? main[feature * main_width + n] : tail[feature * tail_width + n - main_width];
    }
    sparseinf::Panel panel() { return {main.data(), tail.data()}; }
    sparseinf::ConstPanel const_panel() const { return {main.data(), tail.data()}; }

    int64_t main_width, tail_width;
    GuardedArray<float> main, tail;
};

template <class Visit>
void for_each_matrix(Visit&& visit) {
    std::mt19937 random(11);
    for (const Shape shape : kProductShapes) {
        for (const double sparsity : kProductSparsities) {
            const Case name(describe(shape) + ", " + describe(sparsity) + " zeros");
            visit(random_matrix(shape, sparsity, Numbers::kWhole, random), random);
        }
    }
}

// Calls visit(kernel, shape) for each panel kernel that the level has.
template <class Kernel, class Visit>
void for_each_panel(const Kernel (&kernels)[sparseinf::kMaxWide + 1][2], Visit&& visit) {
    for (int num_wide = 0; num_wide <= sparseinf::kMaxWide; ++num_wide) {
        for (const bool has_half : {false, true}) {
            if (kernels[num_wide][has_half] == nullptr) continue;
            const Case panel(std::to_string(num_wide) + (has_half ? " and a half vectors" : " vectors"));
            visit(kernels[num_wide][has_half], sparseinf::PanelShape{num_wide, has_half});
        }
    }
}

}  // namespace testing
