// Operations that make arrays of what is not in their inputs' elements: constants, counts, positions.
#include <algorithm>
#include <cmath>

#include "ops/axes.h"
#include "ops/conversion.h"
#include "ops/operation_table.h"
#include "ops/type_names.h"

namespace sparseinf {
namespace {

// A shape; attributes type, value.
class ConstantOfShape final : public Operation {
public:
    explicit ConstantOfShape(const Attributes& attributes) : type_(type_named(attributes.text("type"))) {
        if (type_ == ElementType::kFloat32) {
            number_ = attributes.number("value");
        } else {
            integer_ = attributes.integer("value");
        }
    }

    void run(StepContext& step) const override {
        const std::vector<int64_t> extents = integers_of(step.at(0));
        if (extents.size() > kMaxRank) throw OperationError("a shape has more than 8 dimensions");
        Shape shape;
        for (const int64_t extent : extents) shape.append(checked_extent(extent));
        Tensor& y = step.output(0, type_, shape);
        visit_type(type_, [&](auto zero) {
            using T = decltype(zero);
            const T value = std::is_same_v<T, float> ? converted<T>(number_) : converted<T>(integer_);
            std::fill(y.as<T>(), y.as<T>() + y.size(), value);
        });
    }

private:
    ElementType type_;
    float number_ = 0;
    int64_t integer_ = 0;
};

// start, limit, step.
class Range final : public Operation {
public:
    explicit Range(const Attributes&) {}

    void run(StepContext& step) const override {
        for (int i = 0; i < 3; ++i) {
            if (step.at(i).size() != 1) throw OperationError("start, limit and step of a range must be single numbers");
        }
        visit_type(step.at(0).type, [&](auto zero) {
            using T = decltype(zero);
            const T start = *step.at(0).as<T>(), limit = *step.at(1).as<T>(), delta = *step.at(2).as<T>();
            // Differences of int64 need more bits than int64 has; a long double has 64 of them.
            const long double steps =
                delta == T{0} ? NAN : std::ceil((static_cast<long double>(limit) - start) / delta);
            if (!(steps <= static_cast<long double>(kMostElements))) {
                throw OperationError("a range has a step of 0, or more elements than an array can have");
            }
            const int64_t count = steps > 0 ? static_cast<int64_t>(steps) : 0;
            Tensor& y = step.output(0, step.at(0).type, {count});
            for (int64_t i = 0; i < count; ++i) {
                if constexpr (std::is_same_v<T, float>) {
                    y.as<T>()[i] = static_cast<T>(start + static_cast<double>(i) * delta);
                } else {
                    y.as<T>()[i] = static_cast<T>(static_cast<uint64_t>(start) +
                                                  static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
                }
            }
        });
    }
};

class SizeOf final : public Operation {
public:
    explicit SizeOf(const Attributes&) {}

    void run(StepContext& step) const override {
        const int64_t size = step.at(0).size();
        *step.output(0, ElementType::kInt64, {}).as<int64_t>() = size;
    }
};

// Attributes type, k: ones on that diagonal of a matrix as large as x.
class EyeLike final : public Operation {
public:
    explicit EyeLike(const Attributes& attributes)
        : type_(type_named(attributes.text("type"))), diagonal_(attributes.integer("k")) {}

    void run(StepContext& step) const override {
        const Shape shape = step.at(0).shape;
        if (shape.rank() != 2) throw OperationError("x must be a matrix, but has shape " + text_of(shape));
        const int64_t num_rows = shape[0], num_columns = shape[1];
        const int64_t diagonal = std::clamp(diagonal_, -num_rows, num_columns);
        Tensor& y = step.output(0, type_, shape);
        visit_type(type_, [&](auto zero) {
            using T = decltype(zero);
            std::fill(y.as<T>(), y.as<T>() + y.size(), T{0});
            for (int64_t row = std::max<int64_t>(0, -diagonal); row < num_rows && row + diagonal < num_columns; ++row) {
                y.as<T>()[row * num_columns + row + diagonal] = T{1};
            }
        });
    }

private:
    ElementType type_;
    int64_t diagonal_;
};

// indices, depth, (off, on); attribute axis. An index outside [-depth, depth) is off everywhere.
class OneHot final : public Operation {
public:
    explicit OneHot(const Attributes& attributes) : axis_(attributes.integer("axis")) {}

    void run(StepContext& step) const override {
        const Tensor indices = step.at(0), values = step.at(2);
        if (step.at(1).size() != 1 || values.size() != 2) {
            throw OperationError("depth must be one number and values two, but they have shapes " +
                                 text_of(step.at(1).shape) + " and " + text_of(values.shape));
        }
        const int rank = indices.shape.rank() + 1;
        if (rank > kMaxRank) throw OperationError("an array gets more than 8 dimensions");
        const int64_t depth = checked_extent(integers_in(step.at(1))[0]);
        const int axis = checked_axis(axis_, rank);
        Shape shape;
        for (int d = 0; d < rank; ++d) shape.append(d == axis ? depth : indices.shape[d < axis ? d : d - 1]);
        Tensor& y = step.output(0, values.type, shape);
        const std::vector<int64_t> named = integers_in(indices);
        const int64_t after = shape.size_from(axis + 1);
        visit_type(values.type, [&](auto zero) {
            using T = decltype(zero);
            const T off = values.as<T>()[0], on = values.as<T>()[1];
            std::fill(y.as<T>(), y.as<T>() + y.size(), off);
            for (size_t i = 0; i < named.size(); ++i) {
                if (named[i] < -depth || named[i] >= depth) continue;
                const int64_t position = named[i] < 0 ? named[i] + depth : named[i];
                const int64_t outer = static_cast<int64_t>(i) / after, inner = static_cast<int64_t>(i) % after;
                y.as<T>()[(outer * depth + position) * after + inner] = on;
            }
        });
    }

private:
    // Indices may be of any type here.
    static std::vector<int64_t> integers_in(const Tensor& tensor) {
        std::vector<int64_t> integers;
        visit_type(tensor.type, [&](auto zero) {
            using T = decltype(zero);
            for (int64_t i = 0; i < tensor.size(); ++i) integers.push_back(converted<int64_t>(tensor.as<T>()[i]));
        });
        return integers;
    }

    int64_t axis_;
};

// The positions of elements that are not 0: a row for each dimension.
class NonZero final : public Operation {
public:
    explicit NonZero(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        std::vector<int64_t> found;
        visit_type(x.type, [&](auto zero) {
            using T = decltype(zero);
            for (int64_t i = 0; i < x.size(); ++i) {
                if (x.as<T>()[i] != T{0}) found.push_back(i);
            }
        });
        const auto count = static_cast<int64_t>(found.size());
        Tensor& y = step.output(0, ElementType::kInt64, {x.shape.rank(), count});
        for (int d = x.shape.rank(); d-- > 0;) {
            for (int64_t i = 0; i < count; ++i) {
                y.as<int64_t>()[d * count + i] = found[static_cast<size_t>(i)] % x.shape[d];
                found[static_cast<size_t>(i)] /= x.shape[d];
            }
        }
    }
};

constexpr OperationMaker kOperations[] = {
    {"ConstantOfShape", make<ConstantOfShape>},
    {"Range", make<Range>},
    {"Size", make<SizeOf>},
    {"EyeLike", make<EyeLike>},
    {"OneHot", make<OneHot>},
    {"NonZero", make<NonZero>},
};

}  // namespace

std::span<const OperationMaker> generating_operations() { return kOperations; }

}  // namespace sparseinf
