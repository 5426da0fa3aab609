// Rows of x become panels, and panels of sums become rows of y through the epilogue, without touching anything else.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "guarded_array.h"
#include "matrices.h"
#include "ops/panel_split.h"

namespace {

using namespace sparseinf;
using namespace testing;

constexpr int64_t kFeatures[] = {1, 2, 3, 7, 8, 15, 16, 17, 33};

// How far the features and the rows of an array are apart, in bytes.
struct Strides {
    const char* name;
    int64_t feature;
    int64_t row;
};

// The ways in which users' arrays lie in memory, of so many features and rows.
std::vector<Strides> layouts(int64_t num_features, int64_t num_rows) {
    return {
        {"contiguous", 4, 4 * num_features},
        {"stored feature by feature", 4 * num_rows, 4},
        {"every third feature", 12, 12 * num_features},
        {"no multiple of four bytes", 7, 7 * num_features},
        {"one row repeated", 4, 0},
        {"features backwards", -4, 4 * num_features},
        {"rows backwards", 4, -4 * num_features},
    };
}

// Random floats in an array that ends (or starts) exactly where the last (first) of them does.
class StridedArray {
public:
    StridedArray(int64_t num_rows, int64_t num_features, Strides strides, Side side, std::mt19937& random)
        : strides_(strides),
          lowest_(std::min<int64_t>(0, strides.row * (num_rows - 1)) +
                  std::min<int64_t>(0, strides.feature * (num_features - 1))),
          bytes_(std::max<int64_t>(0, strides.row * (num_rows - 1)) +
                     std::max<int64_t>(0, strides.feature * (num_features - 1)) - lowest_ + 4,
                 side) {
        for (int64_t row = 0; row < num_rows; ++row) {
            for (int64_t feature = 0; feature < num_features; ++feature) {
                const float value = static_cast<float>(static_cast<int32_t>(random() % 2000) - 1000);
                std::memcpy(bytes_.data() + offset(row, feature), &value, sizeof value);
            }
        }
    }

    const char* row(int64_t n) const { return bytes_.data() + offset(n, 0); }
    float at(int64_t n, int64_t feature) const {
        float value;
        std::memcpy(&value, bytes_.data() + offset(n, feature), sizeof value);
        return value;
    }

private:
    int64_t offset(int64_t row, int64_t feature) const {
        return row * strides_.row + feature * strides_.feature - lowest_;
    }

    Strides strides_;
    int64_t lowest_;
    GuardedArray<char> bytes_;
};

template <class Visit>
void for_each_layout(int64_t num_features, int64_t num_rows, Visit&& visit) {
    for (const Strides& strides : layouts(num_features, num_rows)) {
        for (const Side side : kBothSides) {
            const Case layout(std::to_string(num_rows) + " rows of " + std::to_string(num_features) + ", " +
                              strides.name);
            visit(strides, side);
        }
    }
}

std::vector<int64_t> column_counts(int vector_width) {
    const int64_t w = vector_width, widest = kMaxWide * w;
    return {1, 2, w / 2, w / 2 + 1, w - 1, w, w + 1, 2 * w + w / 2, 3 * w - 1, widest - w / 2, widest - 1, widest};
}

TEST(rows_become_panels) {
    std::mt19937 random(21);
    for_each_float_isa([&](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        for (const int64_t num_columns : column_counts(kernels.vector_width)) {
            for (const int64_t num_features : kFeatures) {
                for_each_layout(num_features, num_columns, [&](const Strides& strides, Side side) {
                    const StridedArray x(num_columns, num_features, strides, side, random);
                    std::vector<const char*> rows;
                    for (int64_t n = 0; n < num_columns; ++n) rows.push_back(x.row(n));
                    const GuardedArray<const char*> guarded_rows(rows, side);

                    const PanelShape shape = PanelShape::of(num_columns, kernels.vector_width);
                    const int64_t main = shape.num_wide * kernels.vector_width;
                    const int64_t tail = shape.has_half ? kernels.vector_width / 2 : 0;
                    GuardedArray<float> panel(num_features * main, side), panel_tail(num_features * tail, side);
                    kernels.pack({guarded_rows.data(),
                                  strides.feature,
                                  static_cast<int32_t>(num_columns),
                                  static_cast<int32_t>(num_features),
                                  {panel.data(), panel_tail.data()}},
                                 shape.num_wide, shape.has_half);

                    bool is_right = true;
                    for (int64_t k = 0; k < num_features; ++k) {
                        for (int64_t n = 0; n < main + tail; ++n) {
                            const float found = n < main ? panel[k * main + n] : panel_tail[k * tail + n - main];
                            is_right = is_right && found == (n < num_columns ? x.at(n, k) : 0.0f);
                        }
                    }
                    CHECK(is_right);
                });
            }
        }
    });
}

// Rows of y that lie `gap` untouched elements apart: what a kernel writes between them would be another thread's.
class RowsOfY {
public:
    RowsOfY(int64_t num_rows, int64_t num_features, Side side)
        : num_features_(num_features), values_(num_rows * (num_features + kGap) - kGap, side) {
        for (int64_t n = 0; n < num_rows; ++n) {
            pointers_.push_back(reinterpret_cast<char*>(values_.data() + n * (num_features + kGap)));
        }
    }

    char* const* pointers() const { return pointers_.data(); }
    float at(int64_t n, int64_t m) const {
        return reinterpret_cast<const float*>(pointers_[static_cast<size_t>(n)])[m];
    }
    bool gaps_are_untouched() const {
        for (int64_t i = 0; i < values_.size(); ++i) {
            const auto bits = reinterpret_cast<const unsigned char*>(values_.data() + i);
            const bool is_gap = i % (num_features_ + kGap) >= num_features_;
            if (is_gap && !(bits[0] == 0xff && bits[1] == 0xff && bits[2] == 0xff && bits[3] == 0xff)) return false;
        }
        return true;
    }

private:
    static constexpr int64_t kGap = 17;
    int64_t num_features_;
    GuardedArray<float> values_;
    std::vector<char*> pointers_;
};

constexpr Epilogue kEpilogues[] = {
    {}, {Activation::kClip, -300.0f, 200.0f, 0.0f}, {Activation::kLeakyRelu, 0.0f, 0.0f, 0.25f}};

// In the order of the operations that is documented; whole numbers, so nothing is rounded.
float finished(float sum, const float* bias, const float* residual, const Epilogue& epilogue) {
    if (bias != nullptr) sum += *bias;
    if (residual != nullptr) sum += *residual;
    if (epilogue.activation == Activation::kClip) return std::clamp(sum, epilogue.low, epilogue.high);
    if (epilogue.activation == Activation::kLeakyRelu) return sum < 0 ? sum * epilogue.slope : sum;
    return sum;
}

// Runs `kernel(args)` on a panel of random sums with and without bias and residual, and checks every element of y.
template <class Kernel>
void check_finishing(int64_t num_columns, int64_t num_features, PanelShape shape, int vector_width,
                     std::mt19937& random, Kernel&& kernel) {
    const int64_t main = num_columns == 1 && shape.num_wide == 0 && !shape.has_half ? 1 : shape.num_wide * vector_width;
    const int64_t tail = shape.has_half ? vector_width / 2 : 0;
    for_each_layout(num_features, num_columns, [&](const Strides& strides, Side side) {
        // Sums are readable for fifteen features past the last.
        const int64_t sum_rows = num_features + 15;
        const GuardedArray<float> sums(random_values(sum_rows * main, Numbers::kWhole, random), side);
        const GuardedArray<float> tail_sums(random_values(sum_rows * tail, Numbers::kWhole, random), side);
        const GuardedArray<float> bias(random_values(num_features, Numbers::kWhole, random), side);
        const StridedArray residual(num_columns, num_features, strides, side, random);
        std::vector<const char*> residual_rows;
        for (int64_t n = 0; n < num_columns; ++n) residual_rows.push_back(residual.row(n));
        for (const bool with_bias : {false, true}) {
            for (const bool with_residual : {false, true}) {
                const Epilogue& epilogue = kEpilogues[random() % std::size(kEpilogues)];
                RowsOfY y(num_columns, num_features, side);
                UnpackArgs args{};
                args.sums = {sums.data(), tail_sums.data()};
                args.rows = y.pointers();
                args.residual_rows = with_residual ? residual_rows.data() : nullptr;
                args.residual_stride_bytes = strides.feature;
                args.bias = with_bias ? bias.data() : nullptr;
                args.num_columns = static_cast<int32_t>(num_columns);
                args.num_features = static_cast<int32_t>(num_features);
                args.epilogue = epilogue;
                kernel(args);
                bool is_right = true;
                for (int64_t n = 0; n < num_columns; ++n) {
                    for (int64_t m = 0; m < num_features; ++m) {
                        const float sum = n < main ? sums[m * main + n] : tail_sums[m * tail + n - main];
                        const float more = residual.at(n, m);
                        const float expected =
                            finished(sum, with_bias ? &bias[m] : nullptr, with_residual ? &more : nullptr, epilogue);
                        is_right = is_right && y.at(n, m) == expected;
                    }
                }
                CHECK(is_right);
                CHECK(y.gaps_are_untouched());
            }
        }
    });
}

TEST(panels_become_rows) {
    std::mt19937 random(22);
    for_each_float_isa([&](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        for (const int64_t num_columns : column_counts(kernels.vector_width)) {
            const PanelShape shape = PanelShape::of(num_columns, kernels.vector_width);
            for (const int64_t num_features : kFeatures) {
                check_finishing(num_columns, num_features, shape, kernels.vector_width, random,
                                [&](const UnpackArgs& args) { kernels.unpack(args, shape.num_wide, shape.has_half); });
            }
        }
    });
}

TEST(vectors_of_sums_become_rows) {
    std::mt19937 random(23);
    for_each_float_isa([&](Isa isa) {
        const KernelTable& kernels = kernels_for(isa);
        for (const int64_t num_features : kFeatures) {
            check_finishing(1, num_features, PanelShape{0, false}, kernels.vector_width, random,
                            [&](const UnpackArgs& args) { kernels.finish_vector(args); });
        }
    });
}

TEST(panel_shapes_hold_their_columns_and_waste_less_than_half_a_vector) {
    for (const int width : {4, 8, 16}) {
        for (int64_t n = 1; n <= kMaxWide * width; ++n) {
            const PanelShape shape = PanelShape::of(n, width);
            const int64_t room = shape.num_wide * width + (shape.has_half ? width / 2 : 0);
            CHECK(room >= n && room - n < width / 2);
        }
    }
}

TEST(panels_cover_all_columns_once) {
    for (const int64_t granule : {2, 4, 8}) {
        const int64_t preferred = 8 * granule, widest = 12 * granule;
        for (int64_t n = 1; n <= 300; ++n) {
            for (const int64_t min_panels : {1, 2, 5}) {
                const PanelSplit split(n, preferred, widest, granule, min_panels);
                int64_t next = 0;
                bool is_right = split.width() <= widest;
                for (int64_t panel = 0; panel < split.count(); ++panel) {
                    is_right = is_right && split.first(panel) == next && split.size(panel) >= 1 &&
                               split.size(panel) <= split.width();
                    next += split.size(panel);
                }
                CHECK(is_right && next == n);
            }
        }
    }
}

}  // namespace
