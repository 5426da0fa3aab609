// Operations that put all elements of an array into another order, or repeat them.
#include <array>
#include <numeric>

#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/operation_table.h"
#include "ops/strided_copy.h"

namespace sparseinf {
namespace {

// y's dimension d is x's dimension order[d].
void write_transposed(StepContext& step, const Tensor& x, const Shape& seen_as, const std::vector<int>& order,
                      const Shape& y_shape) {
    bool keeps_order = true;
    int last_moved = -1;
    for (const int d : order) {
        if (seen_as[d] == 1) continue;
        keeps_order = keeps_order && d > last_moved;
        last_moved = d;
    }
    if (keeps_order) return step.output_is_input(0, 0, y_shape);
    Tensor& y = step.output(0, x.type, y_shape);
    StridedCopy copy;
    int64_t to_stride = y_shape.size();
    for (const int d : order) {
        if (seen_as[d] > 0) to_stride /= seen_as[d];
        copy.add_dimension(seen_as[d], seen_as.size_from(d + 1), to_stride);
    }
    copy.run(x.data, y.data, bytes_of(x.type), step.num_threads());
}

// Attribute perm: none reverses the dimensions.
class Transpose final : public Operation {
public:
    explicit Transpose(const Attributes& attributes)
        : order_(attributes.get<std::vector<int64_t>>("perm", {})), reverses_(!attributes.has("perm")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const int rank = x.shape.rank();
        std::vector<int> order;
        if (reverses_) {
            for (int d = rank; d-- > 0;) order.push_back(d);
        } else {
            if (static_cast<int>(order_.size()) != rank) {
                throw OperationError("a permutation of " + std::to_string(order_.size()) +
                                     " dimensions comes to an array of shape " + text_of(x.shape));
            }
            marked_axes(order_, rank);
            for (const int64_t d : order_) order.push_back(checked_axis(d, rank));
        }
        Shape y_shape;
        for (const int d : order) y_shape.append(x.shape[d]);
        write_transposed(step, x, x.shape, order, y_shape);
    }

private:
    std::vector<int64_t> order_;
    bool reverses_;
};

// Squares of pixels and channels, x (n, c, h, w) -> y (n, c / size^2, h * size, w * size), or back.
class SquaresAndChannels {
protected:
    explicit SquaresAndChannels(const Attributes& attributes) : size_(attributes.integer("blocksize")) {
        if (size_ < 1) throw std::invalid_argument("blocksize must be at least 1");
    }
    static Tensor checked_input(StepContext& step) {
        const Tensor x = step.at(0);
        if (x.shape.rank() != 4) {
            throw OperationError("x must have 4 dimensions, but has shape " + text_of(x.shape));
        }
        return x;
    }
    [[noreturn]] void refuse(const Shape& shape) const {
        throw OperationError("x of shape " + text_of(shape) + " cannot be cut into squares of " +
                             std::to_string(size_));
    }

    int64_t size_;
};

class DepthToSpace final : public Operation, SquaresAndChannels {
public:
    explicit DepthToSpace(const Attributes& attributes)
        : SquaresAndChannels(attributes), rows_first_(attributes.text("mode") == "DCR") {}

    void run(StepContext& step) const override {
        const Tensor x = checked_input(step);
        const int64_t n = x.shape[0], h = x.shape[2], w = x.shape[3];
        if (size_ > x.shape[1] && x.shape[1] > 0) refuse(x.shape);
        if (x.shape[1] > 0 && x.shape[1] % (size_ * size_) != 0) refuse(x.shape);
        const int64_t c = x.shape[1] / size_ / size_;
        const Shape y_shape{n, c, checked_product(h, size_), checked_product(w, size_)};
        if (rows_first_) {
            write_transposed(step, x, {n, size_, size_, c, h, w}, {0, 3, 4, 1, 5, 2}, y_shape);
        } else {
            write_transposed(step, x, {n, c, size_, size_, h, w}, {0, 1, 4, 2, 5, 3}, y_shape);
        }
    }

private:
    bool rows_first_;
};

class SpaceToDepth final : public Operation, SquaresAndChannels {
public:
    explicit SpaceToDepth(const Attributes& attributes) : SquaresAndChannels(attributes) {}

    void run(StepContext& step) const override {
        const Tensor x = checked_input(step);
        const int64_t n = x.shape[0], c = x.shape[1], h = x.shape[2] / size_, w = x.shape[3] / size_;
        if (x.shape[2] % size_ != 0 || x.shape[3] % size_ != 0) refuse(x.shape);
        const Shape y_shape{n, checked_product(checked_product(c, size_), size_), h, w};
        write_transposed(step, x, {n, c, h, size_, w, size_}, {0, 3, 5, 1, 2, 4}, y_shape);
    }
};

// x, shape: repeats x until it has the shape that both broadcast to.
class Expand final : public Operation {
public:
    explicit Expand(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const std::vector<int64_t> extents = integers_of(step.at(1));
        if (extents.size() > kMaxRank) throw OperationError("a shape has more than 8 dimensions");
        Shape wanted;
        for (const int64_t extent : extents) wanted.append(checked_extent(extent));
        const Shape common = broadcast_shape({&x.shape, &wanted});
        if (common.rank() == x.shape.rank() && common.size_from(0) == x.size() && x.size() > 0) {
            return step.output_is_input(0, 0, common);
        }
        Tensor& y = step.output(0, x.type, common);
        if (y.size() == 0) return;
        StridedCopy copy;
        for (int d = 0; d < common.rank(); ++d) {
            const int own = d - (common.rank() - x.shape.rank());
            const bool repeats = own < 0 || x.shape[own] == 1;
            copy.add_dimension(common[d], repeats ? 0 : x.shape.size_from(own + 1), common.size_from(d + 1));
        }
        copy.run(x.data, y.data, bytes_of(x.type), step.num_threads());
    }
};

// x, repeats: how often along each dimension.
class Tile final : public Operation {
public:
    explicit Tile(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const std::vector<int64_t> repeats = integers_of(step.at(1));
        if (static_cast<int>(repeats.size()) != x.shape.rank()) {
            throw OperationError(std::to_string(repeats.size()) + " repeats come to an array of shape " +
                                 text_of(x.shape));
        }
        Shape y_shape;
        for (int d = 0; d < x.shape.rank(); ++d) {
            y_shape.append(checked_product(x.shape[d], repeats[static_cast<size_t>(d)]));
        }
        Tensor& y = step.output(0, x.type, y_shape);
        if (y.size() == 0) return;
        StridedCopy copy;
        for (int d = 0; d < x.shape.rank(); ++d) {
            copy.add_dimension(repeats[static_cast<size_t>(d)], 0, x.shape[d] * y_shape.size_from(d + 1));
            copy.add_dimension(x.shape[d], x.shape.size_from(d + 1), y_shape.size_from(d + 1));
        }
        copy.run(x.data, y.data, bytes_of(x.type), step.num_threads());
    }
};

constexpr OperationMaker kOperations[] = {
    {"Transpose", make<Transpose>},
    {"DepthToSpace", make<DepthToSpace>},
    {"SpaceToDepth", make<SpaceToDepth>},
    {"Expand", make<Expand>},
    {"Tile", make<Tile>},
};

}  // namespace

std::span<const OperationMaker> rearranging_operations() { return kOperations; }

}  // namespace sparseinf
