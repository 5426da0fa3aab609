// How an int8 layer makes uint8 of its activations: q = clamp(rint(x / scale) + zero, 0, 255).
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/int8_args.h"
#include "ops/strided_rows.h"

namespace sparseinf {

enum class ActivationScales {
    kColumn,  // each row of x has its own
    kTensor,  // all x of a call have one
    kStatic,  // known beforehand
};

struct ActivationScale {
    float scale;
    float inverse;
    int32_t zero;
};

struct ActivationQuantization {
    ActivationScales scales = ActivationScales::kColumn;
    bool is_symmetric = false;       // int8 activations: the range lies around zero, which is 128
    ActivationScale fixed{0, 0, 0};  // of kStatic

    bool has_one_scale() const { return scales != ActivationScales::kColumn; }

    // The scale for activations in that range. NaN where the range is not finite; 0 where it is nothing.
    ActivationScale scale_of(Range range) const;

    // Whether float32 holds the extent of a finite range: what a scale of its own needs.
    bool has_scale_for(Range range) const {
        return scales == ActivationScales::kStatic || std::isfinite(scale_of(range).scale);
    }
};

// The range of all x; NaN if any is NaN or infinite.
Range range_of(const StridedRows& x, int64_t num_columns, int64_t num_features, RangeKernel kernel);

}  // namespace sparseinf
