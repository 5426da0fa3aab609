// Numbers of dimensions as models give them.
#pragma once

#include <cstdint>
#include <string>

#include "ops/operation.h"

namespace sparseinf {

// Negative axes count from the end. Throws OperationError where there is no such dimension.
inline int dimension_of_axis(int64_t axis, int rank) {
    if (axis < -rank || axis >= rank) {
        throw OperationError("axis " + std::to_string(axis) + " is none of an array with " + std::to_string(rank) +
                             " dimensions");
    }
    return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace sparseinf
