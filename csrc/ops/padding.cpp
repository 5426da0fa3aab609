// Pad: an array with a border round it, of a constant or of its own elements; negative widths cut off.
#include <algorithm>
#include <cstring>

#include "ops/axes.h"
#include "ops/operation_table.h"
#include "ops/ranges.h"
#include "ops/strided_copy.h"

namespace sparseinf {
namespace {

enum class Border { kConstant, kEdge, kReflect, kWrap };

Border border_of(const std::string& mode) {
    if (mode == "edge") return Border::kEdge;
    if (mode == "reflect") return Border::kReflect;
    if (mode == "wrap") return Border::kWrap;
    if (mode != "constant") throw std::invalid_argument("there is no border " + mode);
    return Border::kConstant;
}

int64_t remainder(int64_t position, int64_t period) { return (position % period + period) % period; }

// Where an element comes from, counted from the first that is kept of `extent` > 0.
int64_t source_of(int64_t position, int64_t extent, Border border) {
    if (border == Border::kEdge) return std::clamp<int64_t>(position, 0, extent - 1);
    if (border == Border::kWrap) return remainder(position, extent);
    const int64_t period = std::max<int64_t>(1, 2 * (extent - 1));
    const int64_t within = remainder(position, period);
    return within < extent ? within : period - within;
}

// x, widths (of all beginnings, then of all ends), perhaps the constant, perhaps the axes that widths are of; attribute
// mode.
class Pad final : public Operation {
public:
    explicit Pad(const Attributes& attributes) : border_(border_of(attributes.text("mode"))) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const int rank = x.shape.rank();
        std::vector<Extent> extents = extents_of(step, x.shape);
        Shape y_shape;
        bool is_same = true;
        for (const Extent& each : extents) {
            y_shape.append(each.padded);
            is_same = is_same && each.before == 0 && each.first == 0 && each.kept == each.padded;
        }
        if (is_same && y_shape == x.shape) return step.output_is_input(0, 0, y_shape);
        const Tensor value = constant_of(step, x.type);
        Tensor& y = step.output(0, x.type, y_shape);
        if (y.size() == 0) return;
        if (border_ != Border::kConstant) {
            for (int d = 0; d < rank; ++d) {
                if (extents[static_cast<size_t>(d)].kept == 0) {
                    throw OperationError("x of shape " + text_of(x.shape) + " has no elements that a border repeats");
                }
            }
            return repeat_elements(x, extents, y, step.num_threads());
        }
        fill(y, value);
        StridedCopy copy;
        const auto* from = x.as<std::byte>();
        auto* to = y.as<std::byte>();
        for (int d = 0; d < rank; ++d) {
            const Extent& each = extents[static_cast<size_t>(d)];
            from += each.first * x.shape.size_from(d + 1) * bytes_of(x.type);
            to += each.before * y_shape.size_from(d + 1) * bytes_of(x.type);
            copy.add_dimension(each.kept, x.shape.size_from(d + 1), y_shape.size_from(d + 1));
        }
        copy.run(from, to, bytes_of(x.type), step.num_threads());
    }

private:
    // Of x, `kept` elements from `first` on stand after `before` others in an extent of `padded`.
    struct Extent {
        int64_t first, kept, before, padded;
    };

    static std::vector<Extent> extents_of(StepContext& step, const Shape& x) {
        const std::vector<int64_t> widths = integers_of(step.at(1));
        std::vector<int64_t> axes;
        if (step.input(3) != nullptr) {
            axes = integers_of(step.at(3));
        } else {
            for (int d = 0; d < x.rank(); ++d) axes.push_back(d);
        }
        if (widths.size() != 2 * axes.size()) {
            throw OperationError(std::to_string(widths.size()) + " widths come to " + std::to_string(axes.size()) +
                                 " axes");
        }
        marked_axes(axes, x.rank());
        std::vector<Extent> extents;
        for (int d = 0; d < x.rank(); ++d) extents.push_back({0, x[d], 0, x[d]});
        for (size_t i = 0; i < axes.size(); ++i) {
            const auto d = static_cast<size_t>(checked_axis(axes[i], x.rank()));
            const int64_t begin = widths[i], end = widths[i + axes.size()];
            if (std::max(begin, end) > kMostElements || std::min(begin, end) < -kMostElements) {
                throw OperationError("a border is wider than any array");
            }
            const int64_t first = std::max<int64_t>(0, -begin), before = std::max<int64_t>(0, begin);
            const int64_t extent = extents[d].padded;
            extents[d] = {first, extent - first - std::max<int64_t>(0, -end), before, extent + begin + end};
            if (extents[d].kept < 0 || extents[d].padded < 0) {
                throw OperationError("a border cuts off more than there is of " + text_of(x));
            }
        }
        return extents;
    }

    static Tensor constant_of(StepContext& step, ElementType type) {
        static const int64_t kZero = 0;
        const Tensor* value = step.input(2);
        if (value == nullptr) return {type, {}, const_cast<int64_t*>(&kZero)};
        if (value->size() != 1 || value->type != type) {
            throw OperationError("the constant of a border must be one element of x's type");
        }
        return *value;
    }

    static void fill(Tensor& y, const Tensor& value) {
        visit_type(y.type, [&](auto zero) {
            using T = decltype(zero);
            std::fill(y.as<T>(), y.as<T>() + y.size(), *value.as<T>());
        });
    }

    void repeat_elements(const Tensor& x, const std::vector<Extent>& extents, Tensor& y, int num_threads) const {
        // For each dimension, how far the element is from x's first; the innermost in elements.
        std::vector<std::vector<int64_t>> offsets;
        for (int d = 0; d < x.shape.rank(); ++d) {
            const Extent& each = extents[static_cast<size_t>(d)];
            std::vector<int64_t>& of_dimension = offsets.emplace_back();
            for (int64_t i = 0; i < each.padded; ++i) {
                of_dimension.push_back((each.first + source_of(i - each.before, each.kept, border_)) *
                                       x.shape.size_from(d + 1));
            }
        }
        const int last = x.shape.rank() - 1;
        const int64_t row_size = y.shape[last];
        const std::vector<int64_t>& columns = offsets[static_cast<size_t>(last)];
        const Extent inner = extents[static_cast<size_t>(last)];
        const int64_t rows_of_range = std::max<int64_t>(1, kElementsOfRange / row_size);
        visit_type(y.type, [&](auto zero) {
            using T = decltype(zero);
            for_ranges(y.size() / row_size, rows_of_range, num_threads, [&](int64_t begin, int64_t end) {
                for (int64_t row = begin; row < end; ++row) {
                    const T* from = x.as<T>();
                    int64_t rest = row;
                    for (int d = last; d-- > 0;) {
                        from += offsets[static_cast<size_t>(d)][static_cast<size_t>(rest % y.shape[d])];
                        rest /= y.shape[d];
                    }
                    T* to = y.as<T>() + row * row_size;
                    const auto copy = [&](int64_t first, int64_t past) {
                        for (int64_t i = first; i < past; ++i) to[i] = from[columns[static_cast<size_t>(i)]];
                    };
                    copy(0, inner.before);
                    std::memcpy(to + inner.before, from + inner.first, static_cast<size_t>(inner.kept) * sizeof(T));
                    copy(inner.before + inner.kept, row_size);
                }
            });
        });
    }

    Border border_;
};

constexpr OperationMaker kOperations[] = {{"Pad", make<Pad>}};

}  // namespace

std::span<const OperationMaker> padding_operations() { return kOperations; }

}  // namespace sparseinf
