// How N columns are cut into panels.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/aligned_buffer.h"

namespace sparseinf {

// The vectors of one panel: num_wide whole ones, then perhaps half a one.
struct PanelShape {
    int num_wide;
    bool has_half;

    static PanelShape of(int64_t num_columns, int vector_width) {
        const int64_t halves = (2 * num_columns + vector_width - 1) / vector_width;
        return {static_cast<int>(halves / 2), halves % 2 == 1};
    }
};

// Panels of nearly equal widths: 100 columns as 56 and 44, not as 64 and 36, and never a sliver at the end. Their
// width decides nothing but time: each sum adds the same products in the same order in any panel.
class PanelSplit {
public:
    // widest: the widest panel that the kernels run; preferred: where they run best, no wider than that; both
    // in columns and multiples of `granule`.
    PanelSplit(int64_t num_columns, int64_t preferred, int64_t widest, int64_t granule, int64_t min_panels) {
        num_columns_ = num_columns;
        if (num_columns <= preferred && min_panels == 1) {  // as what follows would find by many divisions
            width_ = round_up(num_columns, granule);
            count_ = 1;
            return;
        }
        const int64_t for_width =
            std::max((num_columns + widest - 1) / widest, (2 * num_columns + preferred - 1) / (2 * preferred));
        const int64_t wanted = std::max({int64_t{1}, for_width, min_panels});
        width_ = std::min(widest, round_up((num_columns + wanted - 1) / wanted, granule));
        count_ = (num_columns + width_ - 1) / width_;
    }

    int64_t count() const { return count_; }
    int64_t width() const { return width_; }  // of all panels but the last
    int64_t first(int64_t panel) const { return panel * width_; }
    int64_t size(int64_t panel) const { return std::min(width_, num_columns_ - first(panel)); }

private:
    int64_t num_columns_;
    int64_t width_;
    int64_t count_;
};

}  // namespace sparseinf
