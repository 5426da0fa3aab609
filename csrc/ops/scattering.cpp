// Operations that put elements into a copy of an array, at places that another input names; those that come later
// win, or are combined with what is there.
#include <cstring>
#include <string>

#include "ops/arithmetic.h"
#include "ops/axes.h"
#include "ops/operation_table.h"
#include "ops/positions.h"

namespace sparseinf {
namespace {

struct Replace {
    template <class T>
    static T apply(T, T update) {
        return update;
    }
};

template <class Function>
void scatter(Tensor& y, const Tensor& updates, const std::vector<int64_t>& places, int64_t run) {
    visit_type(y.type, [&](auto zero) {
        using T = decltype(zero);
        const T* from = updates.as<T>();
        for (const int64_t place : places) {
            T* to = y.as<T>() + place * run;
            for (int64_t i = 0; i < run; ++i) to[i] = Function::template apply<T>(to[i], from[i]);
            from += run;
        }
    });
}

// x, indices, updates; attribute reduction.
class Scatter : public Operation {
protected:
    explicit Scatter(const Attributes& attributes) {
        const std::string& reduction = attributes.text("reduction");
        scatter_ = reduction == "add"   ? scatter<Add>
                   : reduction == "mul" ? scatter<Multiply>
                   : reduction == "min" ? scatter<Minimum>
                   : reduction == "max" ? scatter<Maximum>
                                        : scatter<Replace>;
    }

    void write(StepContext& step, const std::vector<int64_t>& places, int64_t run) const {
        const Tensor x = step.at(0), updates = step.at(2);
        const bool is_free = step.at(1).data != x.data && updates.data != x.data;
        Tensor& y = is_free ? step.output_over(0, 0, x.type, x.shape) : step.output(0, x.type, x.shape);
        if (y.data != x.data && y.size() > 0) std::memcpy(y.data, x.data, static_cast<size_t>(x.nbytes()));
        if (updates.size() > 0 && run > 0) scatter_(y, updates, places, run);
    }

private:
    void (*scatter_)(Tensor& y, const Tensor& updates, const std::vector<int64_t>& places, int64_t run);
};

[[noreturn]] void refuse_updates(const Shape& updates, const Shape& expected) {
    throw OperationError("updates must have shape " + text_of(expected) + ", but have shape " + text_of(updates));
}

class ScatterElements final : public Scatter {
public:
    explicit ScatterElements(const Attributes& attributes) : Scatter(attributes), axis_(attributes.integer("axis")) {}

    void run(StepContext& step) const override {
        const Tensor &indices = step.at(1), &updates = step.at(2);
        if (!(updates.shape == indices.shape)) refuse_updates(updates.shape, indices.shape);
        write(step, places_of_elements(step.at(0).shape, indices, axis_), 1);
    }

private:
    int64_t axis_;
};

class ScatterND final : public Scatter {
public:
    explicit ScatterND(const Attributes& attributes) : Scatter(attributes) {}

    void run(StepContext& step) const override {
        const Shape& x = step.at(0).shape;
        const Tensor &indices = step.at(1), &updates = step.at(2);
        const std::vector<int64_t> places = places_of_slices(x, indices, 0);
        const int last = indices.shape.rank() - 1, named = static_cast<int>(indices.shape[last]);
        if (last + x.rank() - named > kMaxRank) throw OperationError("updates get more than 8 dimensions");
        Shape expected;
        for (int d = 0; d < last; ++d) expected.append(indices.shape[d]);
        for (int d = named; d < x.rank(); ++d) expected.append(x[d]);
        if (!(updates.shape == expected)) refuse_updates(updates.shape, expected);
        write(step, places, x.size_from(named));
    }
};

constexpr OperationMaker kOperations[] = {
    {"ScatterElements", make<ScatterElements>},
    {"ScatterND", make<ScatterND>},
};

}  // namespace

std::span<const OperationMaker> scattering_operations() { return kOperations; }

}  // namespace sparseinf
