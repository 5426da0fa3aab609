// Softmax, LogSoftmax and Hardmax along one axis of float arrays.
//
// An array is (outer, size, inner) with the axis in the middle. Where inner is 1 a row lies in one piece; elsewhere
// up to kLanes neighbours of the inner dimension are computed side by side.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops/axes.h"
#include "ops/exponential.h"
#include "ops/operation_kernels.h"
#include "ops/operation_table.h"
#include "ops/ranges.h"

namespace sparseinf {
namespace {

constexpr int64_t kLanes = 16;

// The partial results of kLanes interleaved parts of a row, in a fixed order.
struct Lanes {
    float values[kLanes];

    explicit Lanes(float value) { std::fill_n(values, kLanes, value); }

    template <class Combine>
    float combined(Combine&& combine) const {
        float result = values[0];
        for (int64_t i = 1; i < kLanes; ++i) result = combine(result, values[i]);
        return result;
    }
};

float larger(float a, float b) { return b > a ? b : a; }

float largest_of_row(const float* x, int64_t size) {
    Lanes most(-INFINITY);
    int64_t i = 0;
    for (; i + kLanes <= size; i += kLanes) {
        for (int64_t j = 0; j < kLanes; ++j) most.values[j] = larger(most.values[j], x[i + j]);
    }
    for (; i < size; ++i) most.values[0] = larger(most.values[0], x[i]);
    return most.combined(larger);
}

float sum_of_exponentials(const float* x, float most, int64_t size) {
    Lanes sums(0.0f);
    float values[kLanes];
    for (int64_t i = 0; i < size; i += kLanes) {
        const int64_t count = std::min(kLanes, size - i);
        exponentials(x + i, most, count, values);
        for (int64_t j = 0; j < count; ++j) sums.values[j] += values[j];
    }
    return sums.combined([](float a, float b) { return a + b; });
}

// values[j] = exp(x[j] - most[j])
void exponentials_of_columns(const float* x, const float* most, int64_t count, float* values) {
    for (int64_t j = 0; j < count; ++j) values[j] = x[j] - most[j];
    exponentials(values, 0.0f, count, values);
}

struct Softmax {
    static void row(const RowKernelTable& kernels, const float* x, int64_t size, float* y) {
        kernels.softmax(x, size, y);
    }
    static void columns(const float* x, int64_t size, int64_t stride, int64_t count, const float* most, float* y) {
        float sums[kLanes] = {};
        for (int64_t i = 0; i < size; ++i) {
            exponentials_of_columns(x + i * stride, most, count, y + i * stride);
            for (int64_t j = 0; j < count; ++j) sums[j] += y[i * stride + j];
        }
        for (int64_t i = 0; i < size; ++i) {
            for (int64_t j = 0; j < count; ++j) y[i * stride + j] /= sums[j];
        }
    }
};

struct LogSoftmax {
    static void row(const RowKernelTable&, const float* x, int64_t size, float* y) {
        const float most = largest_of_row(x, size);
        const float log_of_sum = std::log(sum_of_exponentials(x, most, size));
        for (int64_t i = 0; i < size; ++i) y[i] = (x[i] - most) - log_of_sum;
    }
    static void columns(const float* x, int64_t size, int64_t stride, int64_t count, const float* most, float* y) {
        float sums[kLanes] = {};
        for (int64_t i = 0; i < size; ++i) {
            float values[kLanes];
            exponentials_of_columns(x + i * stride, most, count, values);
            for (int64_t j = 0; j < count; ++j) sums[j] += values[j];
        }
        for (int64_t j = 0; j < count; ++j) sums[j] = std::log(sums[j]);
        for (int64_t i = 0; i < size; ++i) {
            for (int64_t j = 0; j < count; ++j) y[i * stride + j] = (x[i * stride + j] - most[j]) - sums[j];
        }
    }
};

// 1 at the first of the largest, 0 elsewhere; NaN is the largest of all.
struct Hardmax {
    static void row(const RowKernelTable&, const float* x, int64_t size, float* y) {
        columns(x, size, 1, 1, nullptr, y);
    }
    static void columns(const float* x, int64_t size, int64_t stride, int64_t count, const float*, float* y) {
        for (int64_t j = 0; j < count; ++j) {
            int64_t best = 0;
            for (int64_t i = 1; i < size; ++i) {
                const float value = x[i * stride + j], most = x[best * stride + j];
                if (value > most || (value != value && most == most)) best = i;
            }
            for (int64_t i = 0; i < size; ++i) y[i * stride + j] = i == best ? 1.0f : 0.0f;
        }
    }
};

template <class Function>
class AlongAxis final : public Operation {
public:
    explicit AlongAxis(const Attributes& attributes)
        : kernels_(row_kernels_for(isa_of(attributes))), axis_(attributes.integer("axis")) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        const int rank = x.shape.rank();
        const int axis = rank == 0 ? 0 : checked_axis(axis_, rank);
        const int64_t size = rank == 0 ? 1 : x.shape[axis];
        const int64_t inner = rank == 0 ? 1 : x.shape.size_from(axis + 1);
        float* y = step.output_over(0, 0, x.type, x.shape).template as<float>();
        if (x.size() == 0) return;
        const int64_t blocks = (inner + kLanes - 1) / kLanes;
        const int64_t num_pieces = x.shape.size_before(axis) * blocks;
        const int64_t range = results_of_range(size * std::min(inner, kLanes));
        for_ranges(num_pieces, range, step.num_threads(), [&](int64_t begin, int64_t end) {
            for (int64_t piece = begin; piece < end; ++piece) {
                const int64_t first = piece % blocks * kLanes;
                const int64_t at = piece / blocks * size * inner + first;
                compute(x.as<float>() + at, size, inner, std::min(kLanes, inner - first), y + at);
            }
        });
    }

private:
    void compute(const float* x, int64_t size, int64_t inner, int64_t count, float* y) const {
        if (inner == 1) return Function::row(kernels_, x, size, y);
        float most[kLanes];
        std::fill_n(most, kLanes, -INFINITY);
        for (int64_t i = 0; i < size; ++i) {
            for (int64_t j = 0; j < count; ++j) most[j] = larger(most[j], x[i * inner + j]);
        }
        Function::columns(x, size, inner, count, most, y);
    }

    const RowKernelTable& kernels_;
    int64_t axis_;
};

constexpr OperationMaker kOperations[] = {
    {"Softmax", make<AlongAxis<Softmax>>},
    {"LogSoftmax", make<AlongAxis<LogSoftmax>>},
    {"Hardmax", make<AlongAxis<Hardmax>>},
};

}  // namespace

std::span<const OperationMaker> softmax_operations() { return kOperations; }

}  // namespace sparseinf
