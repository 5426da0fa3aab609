// Windows that slide over the spatial dimensions of x (n, channels, depth, height, width): how many places they have,
// and which elements each of them reads.
//
// Along each dimension, place `o` and tap `k` of the window meet at
//
//     o * stride - pad_before + k * dilation
//
// Arrays of one or two spatial dimensions have others of extent 1 before them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ops/attributes.h"
#include "ops/operation.h"

namespace sparseinf {

inline constexpr int kSpatial = 3;

// Rounded up; divisor > 0.
constexpr int64_t ceil_divide(int64_t value, int64_t divisor) {
    return value >= 0 ? (value + divisor - 1) / divisor : -(-value / divisor);
}

struct Places {
    int64_t first, end;
};

// Extents beyond which places would overflow come only from arrays without elements.
inline void check_window_extents(const Shape& x, const std::vector<int64_t>& kernel) {
    constexpr int64_t kMost = int64_t{1} << 31;
    bool is_small = true;
    for (int d = 0; d < x.rank(); ++d) is_small = is_small && x[d] <= kMost;
    for (const int64_t extent : kernel) is_small = is_small && extent <= kMost;
    if (!is_small) throw OperationError("x of shape " + text_of(x) + ", or a window over it, is too large");
}

struct WindowDimension {
    int64_t in = 1, out = 1;
    int64_t kernel = 1, stride = 1, dilation = 1;
    int64_t pad_before = 0, pad_after = 0;

    // Where tap k reads at place o: outside of [0, in) there is nothing.
    int64_t position(int64_t o, int64_t k) const { return o * stride - pad_before + k * dilation; }
    // The places at which tap k reads an element, within [first, end).
    Places places_of_tap(int64_t k, int64_t first, int64_t end) const {
        const int64_t shift = pad_before - k * dilation;  // o * stride >= shift, o * stride < in + shift
        const int64_t from = std::clamp(ceil_divide(shift, stride), first, end);
        return {from, std::clamp(ceil_divide(in + shift, stride), from, end)};
    }
    // The taps that read an element at place o.
    Places taps_of_place(int64_t o) const {
        const int64_t shift = pad_before - o * stride;
        const int64_t from = std::clamp(ceil_divide(shift, dilation), int64_t{0}, kernel);
        return {from, std::clamp(ceil_divide(in + shift, dilation), from, kernel)};
    }
    // The taps that lie inside x or its padding.
    int64_t padded_taps(int64_t o) const {
        return std::clamp(ceil_divide(in + pad_after + pad_before - o * stride, dilation), int64_t{0}, kernel);
    }
};

struct Window {
    std::array<WindowDimension, kSpatial> dimensions;

    const WindowDimension& depth() const { return dimensions[0]; }
    const WindowDimension& height() const { return dimensions[1]; }
    const WindowDimension& width() const { return dimensions[2]; }
    int64_t num_inputs() const { return depth().in * height().in * width().in; }
    int64_t num_places() const { return depth().out * height().out * width().out; }
    int64_t num_taps() const { return depth().kernel * height().kernel * width().kernel; }
    // Whether every place reads its own element, and no other.
    bool is_point() const {
        return std::all_of(dimensions.begin(), dimensions.end(), [](const WindowDimension& d) {
            return d.kernel == 1 && d.stride == 1 && d.pad_before == 0 && d.pad_after == 0;
        });
    }
};

// What a model says of a window. Attributes, one number a spatial dimension: strides, dilations (or none: all 1), pads:
// all before, then all behind (or none: all 0); auto_pad; ceil_mode. Compilation sees to it that they are of reasonable
// size, so that nothing here overflows.
class WindowAttributes {
public:
    explicit WindowAttributes(const Attributes& attributes)
        : strides_(attributes.integers("strides")),
          dilations_(attributes.integers("dilations")),
          pads_(attributes.integers("pads")),
          auto_pad_(attributes.text("auto_pad")),
          ceil_mode_(attributes.get<int64_t>("ceil_mode", 0) != 0) {}

    // kernel: one extent a spatial dimension of x. Throws OperationError where the window does not fit x.
    Window of(const Shape& x, const std::vector<int64_t>& kernel) const {
        const int count = x.rank() - 2;
        const auto fits = [count](const std::vector<int64_t>& values, int64_t times) {
            return values.empty() || static_cast<int64_t>(values.size()) == times * count;
        };
        if (count < 0 || count > kSpatial || static_cast<int>(kernel.size()) != count || !fits(strides_, 1) ||
            !fits(dilations_, 1) || !fits(pads_, 2)) {
            throw OperationError("a window with " + std::to_string(kernel.size()) + " dimensions comes to x of shape " +
                                 text_of(x));
        }
        check_window_extents(x, kernel);
        Window window;
        for (int i = 0; i < count; ++i) {
            const auto d = static_cast<size_t>(i);
            WindowDimension& to = window.dimensions[static_cast<size_t>(kSpatial - count + i)];
            to.in = x[2 + i];
            to.kernel = kernel[d];
            if (!strides_.empty()) to.stride = strides_[d];
            if (!dilations_.empty()) to.dilation = dilations_[d];
            if (!pads_.empty()) {
                to.pad_before = pads_[d];
                to.pad_after = pads_[d + static_cast<size_t>(count)];
            }
            find_places(to, x);
        }
        return window;
    }

private:
    void find_places(WindowDimension& d, const Shape& x) const {
        const int64_t span = (d.kernel - 1) * d.dilation + 1;
        if (auto_pad_ == "SAME_UPPER" || auto_pad_ == "SAME_LOWER") {
            d.out = ceil_divide(d.in, d.stride);
            const int64_t padding = std::max<int64_t>(0, (d.out - 1) * d.stride + span - d.in);
            d.pad_before = auto_pad_ == "SAME_UPPER" ? padding / 2 : padding - padding / 2;
            d.pad_after = padding - d.pad_before;
            return;
        }
        if (auto_pad_ == "VALID") d.pad_before = d.pad_after = 0;
        const int64_t room = d.in + d.pad_before + d.pad_after - span;
        if (room < 0) {
            throw OperationError("a window of " + std::to_string(span) + " elements does not fit x of shape " +
                                 text_of(x));
        }
        d.out = room / d.stride + 1;
        if (!ceil_mode_ || auto_pad_ == "VALID") return;
        d.out = ceil_divide(room, d.stride) + 1;
        if ((d.out - 1) * d.stride >= d.in + d.pad_before) --d.out;  // the last window starts inside of x
    }

    std::vector<int64_t> strides_, dilations_, pads_;
    std::string auto_pad_;
    bool ceil_mode_;
};

// The shape of what windows make of x.
inline Shape shape_of_places(const Shape& x, int64_t channels, const Window& window) {
    Shape shape{x[0], channels};
    for (int d = 2; d < x.rank(); ++d) {
        shape.append(window.dimensions[static_cast<size_t>(kSpatial - (x.rank() - 2) + d - 2)].out);
    }
    return shape;
}

}  // namespace sparseinf
