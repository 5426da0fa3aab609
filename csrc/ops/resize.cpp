// Resize: arrays between whose elements others are read, one dimension after the other.
//
// Place o of y lies at a coordinate of x; y is the sum of some elements around it, each with its weight:
//
//     y[o] = sum over t of weight[o][t] * x[index[o][t]]
//
// nearest takes one element, linear two, cubic four; beyond the borders lie repetitions of the outermost elements.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/aligned_buffer.h"
#include "common/thread_pool.h"
#include "ops/axes.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

constexpr int kMostTaps = 4;

struct PlaceTaps {
    std::array<int64_t, kMostTaps> indices;
    std::array<float, kMostTaps> weights;
};

// One dimension: places of y, and the factor by which coordinates grow.
struct Stretch {
    int64_t in, out;
    double scale;
};

// Attributes: mode, coordinate_transformation_mode, nearest_mode, cubic_coeff_a, exclude_outside, axes: none for all.
// x, roi (of no use here), scales or sizes.
class Resize final : public Operation {
public:
    explicit Resize(const Attributes& attributes)
        : mode_(attributes.text("mode")),
          coordinates_(attributes.text("coordinate_transformation_mode")),
          nearest_mode_(attributes.text("nearest_mode")),
          cubic_(attributes.get<double>("cubic_coeff_a")),
          excludes_outside_(attributes.integer("exclude_outside") != 0),
          axes_(attributes.integers("axes")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        Shape shape = x.shape;
        const std::vector<std::pair<int, Stretch>> stretches = stretches_of(step, shape);
        Tensor& y = step.output(0, x.type, shape);
        if (y.size() == 0) return;
        if (x.size() == 0) throw OperationError("x of shape " + text_of(x.shape) + " has no elements to resize");
        const float* from = x.as<float>();
        AlignedBuffer<float> last;
        Shape current = x.shape;
        for (size_t i = 0; i < stretches.size(); ++i) {
            const auto& [dimension, stretch] = stretches[i];
            const int64_t outer = current.size_before(dimension), inner = current.size_from(dimension + 1);
            AlignedBuffer<float> made(i + 1 == stretches.size() ? 0 : outer * stretch.out * inner);
            float* to = i + 1 == stretches.size() ? y.as<float>() : made.data();
            apply(from, taps_of(stretch), stretch, outer, inner, step.num_threads(), to);
            current[dimension] = stretch.out;
            last = std::move(made);
            from = last.data();
        }
        if (stretches.empty()) std::copy_n(from, x.size(), y.as<float>());
    }

private:
    // What each dimension that changes becomes; its extent in `shape` too.
    std::vector<std::pair<int, Stretch>> stretches_of(const StepContext& step, Shape& shape) const {
        std::vector<int64_t> axes = axes_;
        for (int64_t d = 0; axes_.empty() && d < shape.rank(); ++d) axes.push_back(d);
        const Tensor* sizes = step.input(3);
        const Tensor* scales = step.input(2);
        const bool has_sizes = sizes != nullptr && sizes->size() > 0;
        const Tensor* given = has_sizes ? sizes : scales;
        if (given == nullptr || given->size() != static_cast<int64_t>(axes.size())) {
            throw OperationError("x of shape " + text_of(shape) + " is resized by " +
                                 std::to_string(given == nullptr ? 0 : given->size()) +
                                 " numbers, not one a dimension");
        }
        std::vector<std::pair<int, Stretch>> stretches;
        for (size_t i = 0; i < axes.size(); ++i) {
            const int d = checked_axis(axes[i], shape.rank());
            const auto in = static_cast<double>(shape[d]);
            const double scale = has_sizes ? static_cast<double>(sizes->as<int64_t>()[i]) / std::max(1.0, in)
                                           : static_cast<double>(scales->as<float>()[i]);
            const double out = has_sizes ? static_cast<double>(sizes->as<int64_t>()[i]) : std::floor(in * scale);
            constexpr double kMost = 2147483648.0;
            if (!(scale >= 0.0) || !(out >= 0.0) || !(out <= kMost)) {
                throw OperationError("dimension " + std::to_string(d) + " of " + text_of(shape) +
                                     " cannot be resized to " + std::to_string(out));
            }
            const Stretch stretch{shape[d], static_cast<int64_t>(out), scale};
            shape[d] = stretch.out;
            if (stretch.in != stretch.out || scale != 1.0) stretches.emplace_back(d, stretch);
        }
        // Those that shrink most come first: what lies between two of them is never larger than x or y.
        std::stable_sort(stretches.begin(), stretches.end(), [](const auto& a, const auto& b) {
            return a.second.out * b.second.in < b.second.out * a.second.in;
        });
        return stretches;
    }

    double coordinate_of(const Stretch& stretch, int64_t place) const {
        const auto o = static_cast<double>(place), in = static_cast<double>(stretch.in);
        const double width = stretch.scale * in;
        if (coordinates_ == "align_corners") return width == 1.0 ? 0.0 : o * (in - 1.0) / (width - 1.0);
        if (coordinates_ == "asymmetric") return o / stretch.scale;
        if (coordinates_ == "pytorch_half_pixel" && width == 1.0) return -0.5;
        const double half_pixel = (o + 0.5) / stretch.scale - 0.5;
        if (coordinates_ != "half_pixel_symmetric") return half_pixel;
        return in / 2.0 * (1.0 - static_cast<double>(stretch.out) / width) + half_pixel;
    }

    double nearest_of(double x) const {
        if (nearest_mode_ == "floor") return std::floor(x);
        if (nearest_mode_ == "ceil") return std::ceil(x);
        return nearest_mode_ == "round_prefer_ceil" ? std::floor(x + 0.5) : std::ceil(x - 0.5);
    }

    // Of elements -1, 0, 1 and 2 around a coordinate between 0 and 1.
    std::array<double, kMostTaps> cubic_weights(double x) const {
        const double a = cubic_;
        const auto far = [a](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
        const auto near = [a](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
        return {far(x + 1), near(x), near(1 - x), far(2 - x)};
    }

    int num_taps() const { return mode_ == "nearest" ? 1 : mode_ == "linear" ? 2 : 4; }

    std::vector<PlaceTaps> taps_of(const Stretch& stretch) const {
        std::vector<PlaceTaps> taps(static_cast<size_t>(stretch.out));
        const auto last = static_cast<double>(stretch.in - 1);
        const int count = num_taps();
        for (int64_t o = 0; o < stretch.out; ++o) {
            // Far outside of x all elements are the outermost; so a coordinate always fits whole numbers.
            const double at = std::clamp(coordinate_of(stretch, o), -4.0, last + 4.0);
            const double whole = count == 1 ? nearest_of(at) : std::floor(at);
            const double rest = at - whole;
            std::array<double, kMostTaps> weights{1.0};
            if (count == 2) weights = {1.0 - rest, rest};
            if (count == 4) weights = cubic_weights(rest);
            double sum = 0.0;
            PlaceTaps& place = taps[static_cast<size_t>(o)];
            for (int t = 0; t < count; ++t) {
                const auto i = static_cast<size_t>(t);
                const double index = whole + t - (count == 4 ? 1 : 0);
                if (excludes_outside_ && (index < 0.0 || index > last)) weights[i] = 0.0;
                sum += weights[i];
                place.indices[i] = static_cast<int64_t>(std::clamp(index, 0.0, last));
            }
            for (size_t i = 0; i < kMostTaps; ++i) {
                place.weights[i] = static_cast<float>(excludes_outside_ && sum != 0.0 ? weights[i] / sum : weights[i]);
            }
        }
        return taps;
    }

    // x: (outer, in, inner), y: (outer, out, inner)
    void apply(const float* x, const std::vector<PlaceTaps>& taps, const Stretch& stretch, int64_t outer, int64_t inner,
               int num_threads, float* y) const {
        const int count = num_taps();
        parallel_for(outer, num_threads, [&](int, int64_t unit) {
            const float* from = x + unit * stretch.in * inner;
            float* to = y + unit * stretch.out * inner;
            for (const PlaceTaps& place : taps) {
                const float* first = from + place.indices[0] * inner;
                if (count == 1) {
                    std::copy_n(first, inner, to);
                } else {
                    for (int64_t i = 0; i < inner; ++i) to[i] = place.weights[0] * first[i];
                }
                for (int t = 1; t < count; ++t) {
                    const float* row = from + place.indices[static_cast<size_t>(t)] * inner;
                    const float weight = place.weights[static_cast<size_t>(t)];
                    for (int64_t i = 0; i < inner; ++i) to[i] += weight * row[i];
                }
                to += inner;
            }
        });
    }

    std::string mode_, coordinates_, nearest_mode_;
    double cubic_;
    bool excludes_outside_;
    std::vector<int64_t> axes_;
};

constexpr OperationMaker kOperations[] = {{"Resize", make<Resize>}};

}  // namespace

std::span<const OperationMaker> resize_operations() { return kOperations; }

}  // namespace sparseinf
