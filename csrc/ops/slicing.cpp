// Operations that take arrays apart and put them together, without looking at the elements.
#include <algorithm>
#include <cstring>

#include "ops/axes.h"
#include "ops/operation_table.h"
#include "ops/ranges.h"
#include "ops/strided_copy.h"

namespace sparseinf {
namespace {

// The positions start, start + step, ... that lie before end, along an extent.
struct Positions {
    int64_t start, step, count;
};

// As NumPy counts: what is outside the extent is left out, negative bounds count from its end.
Positions positions_of(int64_t start, int64_t end, int64_t step, int64_t extent) {
    if (step == 0) throw OperationError("the step of a slice is 0");
    step = std::clamp(step, -extent - 1, extent + 1);  // larger ones take one element too, but may overflow
    if (start < 0) start = start < -extent ? (step < 0 ? -1 : 0) : start + extent;
    if (end < 0) end = end < -extent ? (step < 0 ? -1 : 0) : end + extent;
    if (step > 0) {
        start = std::min(start, extent);
        end = std::min(end, extent);
        return {start, step, end > start ? (end - start + step - 1) / step : 0};
    }
    start = std::min(start, extent - 1);
    end = std::min(end, extent - 1);
    return {start, step, start > end ? (start - end - step - 1) / -step : 0};
}

// x, starts, ends, perhaps axes and steps.
class Slice final : public Operation {
public:
    explicit Slice(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const int rank = x.shape.rank();
        const std::vector<int64_t> starts = integers_of(step.at(1)), ends = integers_of(step.at(2));
        std::vector<int64_t> axes, steps(starts.size(), 1);
        if (step.input(3) != nullptr) {
            axes = integers_of(step.at(3));
        } else {
            for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
        }
        if (step.input(4) != nullptr) steps = integers_of(step.at(4));
        if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size()) {
            throw OperationError("a slice's starts, ends, axes and steps are not equally many");
        }
        marked_axes(axes, rank);
        std::vector<Positions> taken;
        for (int d = 0; d < rank; ++d) taken.push_back({0, 1, x.shape[d]});
        for (size_t i = 0; i < axes.size(); ++i) {
            const int d = checked_axis(axes[i], rank);
            taken[static_cast<size_t>(d)] = positions_of(starts[i], ends[i], steps[i], x.shape[d]);
        }
        Shape y_shape;
        for (const Positions& each : taken) y_shape.append(each.count);
        if (y_shape == x.shape && takes_all_in_order(taken)) return step.output_is_input(0, 0, y_shape);
        Tensor& y = step.output(0, x.type, y_shape);
        if (y.size() == 0) return;
        StridedCopy copy;
        const auto* from = x.as<std::byte>();
        for (int d = 0; d < rank; ++d) {
            const Positions& each = taken[static_cast<size_t>(d)];
            const int64_t stride = x.shape.size_from(d + 1);
            from += each.start * stride * bytes_of(x.type);
            copy.add_dimension(each.count, each.step * stride, y_shape.size_from(d + 1));
        }
        copy.run(from, y.data, bytes_of(x.type), step.num_threads());
    }

private:
    static bool takes_all_in_order(const std::vector<Positions>& taken) {
        return std::all_of(taken.begin(), taken.end(), [](const Positions& each) { return each.step > 0; });
    }
};

// x, perhaps the extents of the parts; attribute axis.
class Split final : public Operation {
public:
    explicit Split(const Attributes& attributes) : axis_(attributes.integer("axis")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const int axis = checked_axis(axis_, x.shape.rank());
        const std::vector<int64_t> extents = extents_of(step, x.shape[axis]);
        const int64_t before = x.shape.size_before(axis), after = x.shape.size_from(axis + 1);
        const auto* from = x.as<std::byte>();
        for (size_t i = 0; i < extents.size(); ++i) {
            const auto number = static_cast<int>(i);
            if (step.has_output(number)) {
                Shape shape = x.shape;
                shape[axis] = extents[i];
                Tensor& y = step.output(number, x.type, shape);
                StridedCopy copy;
                copy.add_dimension(before, x.shape[axis] * after, extents[i] * after);
                copy.add_dimension(extents[i] * after, 1, 1);
                copy.run(from, y.data, bytes_of(x.type), step.num_threads());
            }
            from += extents[i] * after * bytes_of(x.type);
        }
    }

private:
    // Where nothing is said, all parts are as large, but the last may be smaller.
    static std::vector<int64_t> extents_of(StepContext& step, int64_t extent) {
        const int64_t num_parts = step.num_outputs();
        std::vector<int64_t> extents;
        if (step.input(1) != nullptr) {
            extents = integers_of(step.at(1));
        } else {
            const int64_t each = (extent + num_parts - 1) / num_parts;
            for (int64_t i = 0; i + 1 < num_parts; ++i) extents.push_back(each);
            extents.push_back(extent - each * (num_parts - 1));
        }
        int64_t left = extent;
        bool fits = static_cast<int64_t>(extents.size()) == step.num_outputs();
        for (const int64_t each : extents) {
            fits = fits && each >= 0 && each <= left;
            left = fits ? left - each : -1;
        }
        if (left != 0) {
            throw OperationError("an extent of " + std::to_string(extent) + " cannot be split into " +
                                 std::to_string(step.num_outputs()) + " parts as asked for");
        }
        return extents;
    }

    int64_t axis_;
};

// Any number of arrays, one after the other along attribute axis.
class Concat final : public Operation {
public:
    explicit Concat(const Attributes& attributes) : axis_(attributes.integer("axis")) {}

    void run(StepContext& step) const override {
        const Shape first = step.at(0).shape;
        const int axis = checked_axis(axis_, first.rank());
        Shape y_shape = first;
        for (int i = 1; i < step.num_inputs(); ++i) {
            Shape shape = step.at(i).shape;
            const int64_t extent = shape.rank() == first.rank() ? shape[axis] : 0;
            if (shape.rank() == first.rank()) shape[axis] = first[axis];
            if (!(shape == first)) {
                throw OperationError("arrays of shapes " + text_of(first) + " and " + text_of(step.at(i).shape) +
                                     " cannot be joined along axis " + std::to_string(axis));
            }
            y_shape[axis] = checked_extent(y_shape[axis] + std::min(extent, kMostElements));
        }
        if (step.num_inputs() == 1) return step.output_is_input(0, 0, y_shape);
        Tensor& y = step.output(0, step.at(0).type, y_shape);
        const int64_t before = first.size_before(axis), after = first.size_from(axis + 1);
        auto* to = y.as<std::byte>();
        for (int i = 0; i < step.num_inputs(); ++i) {
            const Tensor& x = step.at(i);
            const int64_t run = x.shape[axis] * after;
            StridedCopy copy;
            copy.add_dimension(before, run, y_shape[axis] * after);
            copy.add_dimension(run, 1, 1);
            copy.run(x.data, to, bytes_of(x.type), step.num_threads());
            to += run * bytes_of(x.type);
        }
    }

private:
    int64_t axis_;
};

// x, perhaps k: what is not on that diagonal or beyond it becomes 0.
class Triangle final : public Operation {
public:
    explicit Triangle(const Attributes& attributes) : keeps_upper_(attributes.integer("upper") != 0) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const int rank = x.shape.rank();
        if (rank < 2) throw OperationError("a triangle is taken of matrices, not of shape " + text_of(x.shape));
        const int64_t num_columns = x.shape[rank - 1], num_rows = x.shape[rank - 2];
        const int64_t k = step.input(1) != nullptr ? integer_of(step.at(1), "k") : 0;
        const int64_t diagonal = std::clamp(k, -num_rows - 1, num_columns + 1);
        Tensor& y = step.output(0, x.type, x.shape);
        const int64_t row_bytes = num_columns * bytes_of(x.type), element_bytes = bytes_of(x.type);
        if (y.size() == 0) return;
        const int64_t rows_of_range = std::max<int64_t>(1, kElementsOfRange / num_columns);
        for_ranges(x.size() / num_columns, rows_of_range, step.num_threads(), [&](int64_t begin, int64_t end) {
            for (int64_t row = begin; row < end; ++row) {
                const int64_t first = row % num_rows + diagonal + (keeps_upper_ ? 0 : 1);
                const int64_t cut = std::clamp<int64_t>(first, 0, num_columns) * element_bytes;
                const std::byte* from = x.as<std::byte>() + row * row_bytes;
                std::byte* to = y.as<std::byte>() + row * row_bytes;
                const int64_t keep_begin = keeps_upper_ ? cut : 0, keep_end = keeps_upper_ ? row_bytes : cut;
                std::memset(to, 0, static_cast<size_t>(keep_begin));
                std::memcpy(to + keep_begin, from + keep_begin, static_cast<size_t>(keep_end - keep_begin));
                std::memset(to + keep_end, 0, static_cast<size_t>(row_bytes - keep_end));
            }
        });
    }

private:
    bool keeps_upper_;
};

constexpr OperationMaker kOperations[] = {
    {"Slice", make<Slice>},
    {"Split", make<Split>},
    {"Concat", make<Concat>},
    {"Trilu", make<Triangle>},
};

}  // namespace

std::span<const OperationMaker> slicing_operations() { return kOperations; }

}  // namespace sparseinf
