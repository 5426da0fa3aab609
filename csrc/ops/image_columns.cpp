#include "ops/image_columns.h"

#include <algorithm>

namespace sparseinf {
namespace {

// Places [first, first + count), all of one row of them.
void gather_run(const WindowDimension& width, const float* row, int64_t kw, int64_t first, int64_t count, float* to) {
    const Places inside = width.places_of_tap(kw, first, first + count);
    std::fill(to, to + (inside.first - first), 0.0f);
    std::fill(to + (inside.end - first), to + count, 0.0f);
    if (inside.first == inside.end) return;
    const float* from = row + width.position(inside.first, kw);
    float* out = to + (inside.first - first);
    const int64_t size = inside.end - inside.first;
    if (width.stride == 1) {
        std::copy_n(from, size, out);
    } else {
        for (int64_t i = 0; i < size; ++i) out[i] = from[i * width.stride];
    }
}

}  // namespace

void gather_columns(const Window& window, const float* image, int64_t first_row, int64_t end_row, int64_t first_place,
                    int64_t count, float* to) {
    const WindowDimension &depth = window.depth(), &height = window.height(), &width = window.width();
    for (int64_t row = first_row; row < end_row; ++row) {
        const int64_t tap = row % window.num_taps();
        const float* plane = image + row / window.num_taps() * window.num_inputs();
        const int64_t kw = tap % width.kernel, kh = tap / width.kernel % height.kernel;
        const int64_t kd = tap / width.kernel / height.kernel;
        for (int64_t place = first_place; place < first_place + count;) {
            const int64_t ow = place % width.out, oh = place / width.out % height.out;
            const int64_t od = place / width.out / height.out;
            const int64_t run = std::min(width.out - ow, first_place + count - place);
            const int64_t d = depth.position(od, kd), h = height.position(oh, kh);
            if (d < 0 || d >= depth.in || h < 0 || h >= height.in) {
                std::fill_n(to, run, 0.0f);
            } else {
                gather_run(width, plane + (d * height.in + h) * width.in, kw, ow, run, to);
            }
            place += run;
            to += run;
        }
    }
}

}  // namespace sparseinf
