// Operations that give the same elements another shape: no element moves.
#include <algorithm>

#include "ops/axes.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

class Identity final : public Operation {
public:
    explicit Identity(const Attributes&) {}
    void run(StepContext& step) const override { step.output_is_input(0, 0, step.at(0).shape); }
};

// x, shape: -1 is what is left; 0 is x's own extent there, or with allow_zero nothing else than 0.
class Reshape final : public Operation {
public:
    explicit Reshape(const Attributes& attributes) : allow_zero_(attributes.get<int64_t>("allow_zero", 0) != 0) {}

    void run(StepContext& step) const override {
        const Shape& from = step.at(0).shape;
        const std::vector<int64_t> wanted = integers_of(step.at(1));
        if (wanted.size() > kMaxRank) throw OperationError("a shape has more than 8 dimensions");
        Shape shape;
        int inferred = -1;
        for (size_t d = 0; d < wanted.size(); ++d) {
            int64_t extent = wanted[d];
            if (extent == -1) {
                inferred = shape.rank();
                extent = 1;
            } else if (extent == 0 && !allow_zero_) {
                extent = static_cast<int>(d) < from.rank() ? from[static_cast<int>(d)] : -1;
            }
            if (extent < 0) refuse(from, wanted);
            shape.append(extent);
        }
        if (inferred >= 0) {
            const int64_t known = shape.size();
            if (known == 0 || from.size() % known != 0) refuse(from, wanted);
            shape[inferred] = from.size() / known;
        }
        if (shape.size() != from.size()) refuse(from, wanted);
        step.output_is_input(0, 0, shape);
    }

private:
    [[noreturn]] static void refuse(const Shape& from, const std::vector<int64_t>& wanted) {
        std::string text;
        for (const int64_t extent : wanted) text += (text.empty() ? "" : ", ") + std::to_string(extent);
        throw OperationError("an array of shape " + text_of(from) + " cannot become one of shape (" + text + ")");
    }

    bool allow_zero_;
};

class Flatten final : public Operation {
public:
    explicit Flatten(const Attributes& attributes) : axis_(attributes.integer("axis")) {}

    void run(StepContext& step) const override {
        const Shape& from = step.at(0).shape;
        const int axis = axis_ == from.rank() ? from.rank() : checked_axis(axis_, from.rank());
        step.output_is_input(0, 0, {from.size_before(axis), from.size_from(axis)});
    }

private:
    int64_t axis_;
};

// x, perhaps axes: without them all dimensions of extent 1 go.
class Squeeze final : public Operation {
public:
    explicit Squeeze(const Attributes&) {}

    void run(StepContext& step) const override {
        const Shape& from = step.at(0).shape;
        bool goes[kMaxRank] = {};
        if (step.input(1) != nullptr) {
            for (const int64_t axis : integers_of(step.at(1))) goes[checked_axis(axis, from.rank())] = true;
        } else {
            for (int d = 0; d < from.rank(); ++d) goes[d] = from[d] == 1;
        }
        Shape shape;
        for (int d = 0; d < from.rank(); ++d) {
            if (goes[d] && from[d] != 1) {
                throw OperationError("dimension " + std::to_string(d) + " of " + text_of(from) + " is not 1");
            }
            if (!goes[d]) shape.append(from[d]);
        }
        step.output_is_input(0, 0, shape);
    }
};

// x, axes: of the result.
class Unsqueeze final : public Operation {
public:
    explicit Unsqueeze(const Attributes&) {}

    void run(StepContext& step) const override {
        const Shape& from = step.at(0).shape;
        const std::vector<int64_t> axes = integers_of(step.at(1));
        const int rank = from.rank() + static_cast<int>(axes.size());
        if (rank > kMaxRank) throw OperationError("an array gets more than 8 dimensions");
        bool is_new[kMaxRank] = {};
        for (const int64_t axis : axes) {
            bool& mark = is_new[checked_axis(axis, rank)];
            if (mark) throw OperationError("axis " + std::to_string(axis) + " is named twice");
            mark = true;
        }
        Shape shape;
        int next = 0;
        for (int d = 0; d < rank; ++d) shape.append(is_new[d] ? 1 : from[next++]);
        step.output_is_input(0, 0, shape);
    }
};

// The extents from `start` up to `end`.
class ShapeOf final : public Operation {
public:
    explicit ShapeOf(const Attributes& attributes)
        : start_(attributes.get<int64_t>("start", 0)), end_(attributes.get<int64_t>("end", kMaxRank)) {}

    void run(StepContext& step) const override {
        const Shape& of = step.at(0).shape;
        const int64_t rank = of.rank();
        const auto clamped = [rank](int64_t axis) {
            return std::clamp(axis < 0 ? axis + rank : axis, int64_t{0}, rank);
        };
        const int64_t start = clamped(start_), count = std::max<int64_t>(0, clamped(end_) - start);
        Tensor& y = step.output(0, ElementType::kInt64, {count});
        for (int64_t i = 0; i < count; ++i) y.as<int64_t>()[i] = of[static_cast<int>(start + i)];
    }

private:
    int64_t start_, end_;
};

constexpr OperationMaker kOperations[] = {
    {"Identity", make<Identity>}, {"Reshape", make<Reshape>},     {"Flatten", make<Flatten>},
    {"Squeeze", make<Squeeze>},   {"Unsqueeze", make<Unsqueeze>}, {"Shape", make<ShapeOf>},
};

}  // namespace

std::span<const OperationMaker> reshaping_operations() { return kOperations; }

}  // namespace sparseinf
