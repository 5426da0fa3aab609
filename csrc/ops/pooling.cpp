// Pooling: the largest, the mean or the p-norm of what a window reads of each channel.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "common/thread_pool.h"
#include "ops/image_columns.h"
#include "ops/operation_table.h"

namespace sparseinf {
namespace {

void check_channels(const Tensor& x) {
    if (x.shape.rank() < 2) throw OperationError("x of shape " + text_of(x.shape) + " has no channels");
}

// A tap's run of elements, `stride` apart, combined into places: y[i] = combine(y[i], x[i * stride]).
template <class T, class Combine>
void combine_run(const T* x, int64_t stride, int64_t count, T* y, Combine&& combine) {
    if (stride == 1) {
        for (int64_t i = 0; i < count; ++i) y[i] = combine(y[i], x[i]);
    } else {
        for (int64_t i = 0; i < count; ++i) y[i] = combine(y[i], x[i * stride]);
    }
}

// x -> y, perhaps the place of each largest element in x. NaN is passed over. Attributes: kernel_shape, those of
// windows, storage_order: 1 counts places column by column.
class MaxPool final : public Operation {
public:
    explicit MaxPool(const Attributes& attributes)
        : kernel_(attributes.integers("kernel_shape")),
          window_(attributes),
          by_columns_(attributes.integer("storage_order") != 0) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        check_channels(x);
        const Window window = window_.of(x.shape, kernel_);
        const Shape shape = shape_of_places(x.shape, x.shape[1], window);
        const Tensor y = step.output(0, x.type, shape);
        int64_t* places = step.has_output(1) ? step.output(1, ElementType::kInt64, shape).as<int64_t>() : nullptr;
        if (y.size() == 0) return;
        visit_type(x.type, [&](auto zero) {
            using T = decltype(zero);
            parallel_for(x.shape[0] * x.shape[1], step.num_threads(), [&](int, int64_t plane) {
                const T* from = x.as<T>() + plane * window.num_inputs();
                T* to = static_cast<T*>(y.data) + plane * window.num_places();
                if (places == nullptr) {
                    pool_plane(window, from, to);
                } else {
                    find_places(window, from, to, places + plane * window.num_places(), plane);
                }
            });
        });
    }

private:
    template <class T>
    static constexpr T least() {
        return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                    : std::numeric_limits<T>::lowest();
    }

    template <class T>
    static void pool_plane(const Window& window, const T* x, T* y) {
        std::fill_n(y, window.num_places(), least<T>());
        for_each_tap(window, [&](int64_t, int64_t element, int64_t place, int64_t count) {
            combine_run(x + element, window.width().stride, count, y + place,
                        [](T most, T value) { return value > most ? value : most; });
        });
    }

    template <class T>
    void find_places(const Window& window, const T* x, T* y, int64_t* places, int64_t plane) const {
        const int64_t depth = window.depth().in, height = window.height().in, width = window.width().in;
        std::fill_n(y, window.num_places(), least<T>());
        std::fill_n(places, window.num_places(), plane * window.num_inputs());
        for_each_tap(window, [&](int64_t, int64_t element, int64_t place, int64_t count) {
            for (int64_t i = 0; i < count; ++i) {
                const int64_t at = element + i * window.width().stride;
                if (!(x[at] > y[place + i])) continue;
                y[place + i] = x[at];
                const int64_t d = at / (height * width), h = at / width % height, w = at % width;
                places[place + i] = plane * window.num_inputs() + (by_columns_ ? (w * height + h) * depth + d : at);
            }
        });
    }

    std::vector<int64_t> kernel_;
    WindowAttributes window_;
    bool by_columns_;
};

// How many taps of the window at a place count as elements: those in x, or those in its padding too.
int64_t num_elements(const Window& window, int64_t place, bool count_padding) {
    const int64_t ow = place % window.width().out, oh = place / window.width().out % window.height().out;
    const int64_t od = place / window.width().out / window.height().out;
    const auto count = [count_padding](const WindowDimension& d, int64_t o) {
        const Places taps = d.taps_of_place(o);
        return count_padding ? d.padded_taps(o) : taps.end - taps.first;
    };
    return count(window.depth(), od) * count(window.height(), oh) * count(window.width(), ow);
}

// Attributes: kernel_shape, those of windows, count_include_pad.
class AveragePool final : public Operation {
public:
    explicit AveragePool(const Attributes& attributes)
        : kernel_(attributes.integers("kernel_shape")),
          window_(attributes),
          count_padding_(attributes.integer("count_include_pad") != 0) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        check_channels(x);
        const Window window = window_.of(x.shape, kernel_);
        float* y = step.output(0, x.type, shape_of_places(x.shape, x.shape[1], window)).as<float>();
        const int64_t size = window.num_places();
        if (size == 0 || x.shape[0] * x.shape[1] == 0) return;
        std::vector<float> counts(static_cast<size_t>(size));
        for (int64_t i = 0; i < size; ++i) {
            counts[static_cast<size_t>(i)] = static_cast<float>(num_elements(window, i, count_padding_));
        }
        parallel_for(x.shape[0] * x.shape[1], step.num_threads(), [&](int, int64_t plane) {
            const float* from = x.as<float>() + plane * window.num_inputs();
            float* to = y + plane * size;
            std::fill_n(to, size, 0.0f);
            for_each_tap(window, [&](int64_t, int64_t element, int64_t place, int64_t count) {
                combine_run(from + element, window.width().stride, count, to + place,
                            [](float sum, float value) { return sum + value; });
            });
            for (int64_t i = 0; i < size; ++i) to[i] /= counts[static_cast<size_t>(i)];
        });
    }

private:
    std::vector<int64_t> kernel_;
    WindowAttributes window_;
    bool count_padding_;
};

// (sum of |x|^p)^(1/p). Attributes: kernel_shape, those of windows, p.
class LpPool final : public Operation {
public:
    explicit LpPool(const Attributes& attributes)
        : kernel_(attributes.integers("kernel_shape")),
          window_(attributes),
          p_(static_cast<float>(attributes.integer("p"))) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        check_channels(x);
        const Window window = window_.of(x.shape, kernel_);
        const Tensor y = step.output(0, x.type, shape_of_places(x.shape, x.shape[1], window));
        if (y.size() == 0) return;
        const int64_t size = window.num_places();
        parallel_for(x.shape[0] * x.shape[1], step.num_threads(), [&](int, int64_t plane) {
            const float* from = x.as<float>() + plane * window.num_inputs();
            float* to = static_cast<float*>(y.data) + plane * size;
            std::fill_n(to, size, 0.0f);
            for_each_tap(window, [&](int64_t, int64_t element, int64_t place, int64_t count) {
                combine_run(from + element, window.width().stride, count, to + place, [this](float sum, float value) {
                    return sum + (p_ == 2.0f ? value * value : std::pow(std::abs(value), p_));
                });
            });
            for (int64_t i = 0; i < size; ++i) to[i] = p_ == 2.0f ? std::sqrt(to[i]) : std::pow(to[i], 1.0f / p_);
        });
    }

private:
    std::vector<int64_t> kernel_;
    WindowAttributes window_;
    float p_;
};

struct Mean {
    static float of(const float* x, int64_t size) {
        double sum = 0;
        for (int64_t i = 0; i < size; ++i) sum += static_cast<double>(x[i]);
        return static_cast<float>(sum / static_cast<double>(size));
    }
};
struct Maximum {
    static float of(const float* x, int64_t size) {
        float most = -std::numeric_limits<float>::infinity();
        for (int64_t i = 0; i < size; ++i) most = x[i] > most || x[i] != x[i] ? x[i] : most;
        return most;
    }
};

// One number of each whole channel.
template <class Function>
class GlobalPool final : public Operation {
public:
    explicit GlobalPool(const Attributes&) {}

    void run(StepContext& step) const override {
        const Tensor x = step.at(0);
        check_channels(x);
        Shape shape = x.shape;
        for (int d = 2; d < shape.rank(); ++d) shape[d] = 1;
        float* y = step.output(0, x.type, shape).template as<float>();
        const int64_t size = x.shape.size_from(2);
        parallel_for(shape.size(), step.num_threads(),
                     [&](int, int64_t plane) { y[plane] = Function::of(x.as<float>() + plane * size, size); });
    }
};

constexpr OperationMaker kOperations[] = {
    {"MaxPool", make<MaxPool>},
    {"AveragePool", make<AveragePool>},
    {"LpPool", make<LpPool>},
    {"GlobalAveragePool", make<GlobalPool<Mean>>},
    {"GlobalMaxPool", make<GlobalPool<Maximum>>},
};

}  // namespace

std::span<const OperationMaker> pooling_operations() { return kOperations; }

}  // namespace sparseinf
