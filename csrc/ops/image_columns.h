// What the windows of a convolution read of one image, as a matrix: a row for each channel and tap, a column for each
// place.
#pragma once

#include <cstdint>

#include "ops/sliding_window.h"

namespace sparseinf {

// to[row - first_row][i] for rows of the matrix [first_row, end_row), places first_place + i, i < count; places
// outside of the image give zero. image: (channels, depth, height, width).
void gather_columns(const Window& window, const float* image, int64_t first_row, int64_t end_row, int64_t first_place,
                    int64_t count, float* to);

// Calls visit(tap, element, place, count) for all that the taps read of one plane: runs of `count` places in a row,
// whose elements lie `width().stride` apart.
template <class Visit>
void for_each_tap(const Window& window, Visit&& visit) {
    const WindowDimension &depth = window.depth(), &height = window.height(), &width = window.width();
    for (int64_t tap = 0; tap < window.num_taps(); ++tap) {
        const int64_t kw = tap % width.kernel, kh = tap / width.kernel % height.kernel;
        const int64_t kd = tap / width.kernel / height.kernel;
        const Places columns = width.places_of_tap(kw, 0, width.out);
        const Places rows = height.places_of_tap(kh, 0, height.out);
        const Places slices = depth.places_of_tap(kd, 0, depth.out);
        const int64_t count = columns.end - columns.first;
        if (count == 0) continue;
        for (int64_t od = slices.first; od < slices.end; ++od) {
            for (int64_t oh = rows.first; oh < rows.end; ++oh) {
                const int64_t row = depth.position(od, kd) * height.in + height.position(oh, kh);
                visit(tap, row * width.in + width.position(columns.first, kw),
                      (od * height.out + oh) * width.out + columns.first, count);
            }
        }
    }
}

}  // namespace sparseinf
