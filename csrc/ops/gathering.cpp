// Operations that take elements from positions that another input names.
#include <cstring>

#include "ops/axes.h"
#include "ops/operation_table.h"
#include "ops/positions.h"
#include "ops/ranges.h"

namespace sparseinf {
namespace {

// to[i][j] = from[i][positions[j]] for runs of bytes; from has `extent` of them for each i. The commonest sizes are
// known while compiling: a call of memcpy for one float takes several times as long.
void copy_runs(const Tensor& x, Tensor& y, int64_t num_outer, int64_t extent, const std::vector<int64_t>& positions,
               int64_t run_bytes, int num_threads) {
    if (y.size() == 0) return;
    const auto* from = x.as<std::byte>();
    auto* to = y.as<std::byte>();
    const auto num_positions = static_cast<int64_t>(positions.size());
    const int64_t runs_of_range = std::max<int64_t>(1, kElementsOfRange * 4 / run_bytes);
    const auto copy = [&](auto size) {
        for_ranges(num_outer * num_positions, runs_of_range, num_threads, [&](int64_t begin, int64_t end) {
            int64_t i = begin / num_positions, j = begin % num_positions;
            for (int64_t run = begin; run < end; ++run) {
                std::memcpy(to + run * size, from + (i * extent + positions[static_cast<size_t>(j)]) * size,
                            static_cast<size_t>(size));
                if (++j == num_positions) j = 0, ++i;
            }
        });
    };
    if (run_bytes == 1) return copy(std::integral_constant<int64_t, 1>());
    if (run_bytes == 4) return copy(std::integral_constant<int64_t, 4>());
    if (run_bytes == 8) return copy(std::integral_constant<int64_t, 8>());
    copy(run_bytes);
}

// x, indices: whole slices along attribute axis.
class Gather final : public Operation {
public:
    explicit Gather(const Attributes& attributes) : axis_(attributes.integer("axis")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), indices = step.at(1);
        const int axis = checked_axis(axis_, x.shape.rank());
        if (x.shape.rank() - 1 + indices.shape.rank() > kMaxRank) {
            throw OperationError("an array gets more than 8 dimensions");
        }
        Shape y_shape;
        for (int d = 0; d < axis; ++d) y_shape.append(x.shape[d]);
        for (int d = 0; d < indices.shape.rank(); ++d) y_shape.append(indices.shape[d]);
        for (int d = axis + 1; d < x.shape.rank(); ++d) y_shape.append(x.shape[d]);
        const std::vector<int64_t> positions = checked_positions(indices, x.shape[axis]);
        Tensor& y = step.output(0, x.type, y_shape);
        copy_runs(x, y, x.shape.size_before(axis), x.shape[axis], positions,
                  x.shape.size_from(axis + 1) * bytes_of(x.type), step.num_threads());
    }

private:
    int64_t axis_;
};

// x, indices of the same rank: y[i][j][k] = x[i][indices[i][j][k]][k] for attribute axis 1.
class GatherElements final : public Operation {
public:
    explicit GatherElements(const Attributes& attributes) : axis_(attributes.integer("axis")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), indices = step.at(1);
        const std::vector<int64_t> places = places_of_elements(x.shape, indices, axis_);
        Tensor& y = step.output(0, x.type, indices.shape);
        copy_runs(x, y, 1, 0, places, bytes_of(x.type), step.num_threads());
    }

private:
    int64_t axis_;
};

// x, indices: each row of indices names a slice of x; attribute batch_dims.
class GatherND final : public Operation {
public:
    explicit GatherND(const Attributes& attributes) : batch_rank_(attributes.integer("batch_dims")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), indices = step.at(1);
        const int last = indices.shape.rank() - 1;
        if (batch_rank_ < 0 || last < 0 || batch_rank_ > last || batch_rank_ > x.shape.rank()) {
            throw OperationError("batch_dims of " + std::to_string(batch_rank_) + " do not fit arrays of shapes " +
                                 text_of(x.shape) + " and " + text_of(indices.shape));
        }
        const auto batch_rank = static_cast<int>(batch_rank_);
        const std::vector<int64_t> places = places_of_slices(x.shape, indices, batch_rank);
        const int named = batch_rank + static_cast<int>(indices.shape[last]);
        if (last + x.shape.rank() - named > kMaxRank) throw OperationError("an array gets more than 8 dimensions");
        Shape y_shape;
        for (int d = 0; d < last; ++d) y_shape.append(indices.shape[d]);
        for (int d = named; d < x.shape.rank(); ++d) y_shape.append(x.shape[d]);
        Tensor& y = step.output(0, x.type, y_shape);
        copy_runs(x, y, 1, 0, places, x.shape.size_from(named) * bytes_of(x.type), step.num_threads());
    }

private:
    int64_t batch_rank_;
};

// x, condition: the slices along attribute axis, or without one the elements, for which it is true.
class Compress final : public Operation {
public:
    explicit Compress(const Attributes& attributes)
        : has_axis_(attributes.has("axis")), axis_(attributes.get<int64_t>("axis", 0)) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), condition = step.at(1);
        const Shape seen_as = has_axis_ ? x.shape : Shape{x.size()};
        const int axis = checked_axis(axis_, seen_as.rank());
        std::vector<int64_t> positions;
        for (int64_t i = 0; i < condition.size(); ++i) {
            if (!condition.as<bool>()[i]) continue;
            if (i >= seen_as[axis]) {
                throw OperationError("a condition of " + std::to_string(condition.size()) +
                                     " elements is true beyond an extent of " + std::to_string(seen_as[axis]));
            }
            positions.push_back(i);
        }
        Shape y_shape = seen_as;
        y_shape[axis] = static_cast<int64_t>(positions.size());
        Tensor& y = step.output(0, x.type, y_shape);
        copy_runs(x, y, seen_as.size_before(axis), seen_as[axis], positions,
                  seen_as.size_from(axis + 1) * bytes_of(x.type), step.num_threads());
    }

private:
    bool has_axis_;
    int64_t axis_;
};

// x, lengths: of each sequence the first so many elements are turned round. Attributes time_axis, batch_axis.
class ReverseSequence final : public Operation {
public:
    explicit ReverseSequence(const Attributes& attributes)
        : time_axis_(attributes.integer("time_axis")), batch_axis_(attributes.integer("batch_axis")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0), given = step.at(1);
        const int rank = x.shape.rank();
        const int time_axis = checked_axis(time_axis_, rank), batch_axis = checked_axis(batch_axis_, rank);
        if (time_axis + batch_axis != 1) throw OperationError("time_axis and batch_axis must be 0 and 1");
        const int64_t num_times = x.shape[time_axis], num_sequences = x.shape[batch_axis];
        const std::vector<int64_t> lengths = integers_of(given);
        bool fits = static_cast<int64_t>(lengths.size()) == num_sequences;
        for (const int64_t length : lengths) fits = fits && length >= 0 && length <= num_times;
        if (!fits) throw OperationError("lengths of sequences do not fit an array of shape " + text_of(x.shape));
        Tensor& y = step.output(0, x.type, x.shape);
        if (y.size() == 0) return;
        std::vector<int64_t> places;
        for (int64_t i = 0; i < x.shape[0] * x.shape[1]; ++i) {
            const int64_t outer = i / x.shape[1], inner = i % x.shape[1];
            const int64_t time = time_axis == 0 ? outer : inner, sequence = time_axis == 0 ? inner : outer;
            const int64_t length = lengths[static_cast<size_t>(sequence)];
            const int64_t from = time < length ? length - 1 - time : time;
            places.push_back(time_axis == 0 ? from * num_sequences + sequence : sequence * num_times + from);
        }
        copy_runs(x, y, 1, 0, places, x.shape.size_from(2) * bytes_of(x.type), step.num_threads());
    }

private:
    int64_t time_axis_, batch_axis_;
};

constexpr OperationMaker kOperations[] = {
    {"Gather", make<Gather>},     {"GatherElements", make<GatherElements>},   {"GatherND", make<GatherND>},
    {"Compress", make<Compress>}, {"ReverseSequence", make<ReverseSequence>},
};

}  // namespace

std::span<const OperationMaker> gathering_operations() { return kOperations; }

}  // namespace sparseinf
