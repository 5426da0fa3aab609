// What operations are told in numbers: axes, and inputs that hold extents, positions or counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/operation.h"

namespace sparseinf {

// More elements than any array has: sums and products of two numbers below it never overflow an int64 when one of them
// is a checked extent.
inline constexpr int64_t kMostElements = int64_t{1} << 46;

// The axis counted from the front. Throws OperationError where there is none such.
inline int checked_axis(int64_t axis, int rank) {
    if (axis < -rank || axis >= rank) {
        throw OperationError("axis " + std::to_string(axis) + " is none of an array with " + std::to_string(rank) +
                             " dimensions");
    }
    return static_cast<int>(axis < 0 ? axis + rank : axis);
}

// Throws OperationError where no array could have such an extent.
inline int64_t checked_extent(int64_t extent) {
    if (extent < 0 || extent > kMostElements) {
        throw OperationError("an array cannot have an extent of " + std::to_string(extent));
    }
    return extent;
}

// The product of two extents, likewise.
inline int64_t checked_product(int64_t a, int64_t b) {
    if (checked_extent(a) > 0 && checked_extent(b) > kMostElements / a) {
        throw OperationError("an array cannot have an extent of " + std::to_string(a) + " times " + std::to_string(b));
    }
    return a * b;
}

// What an input of int64 or int32 holds.
inline std::vector<int64_t> integers_of(const Tensor& tensor) {
    if (tensor.type == ElementType::kInt32) {
        const int32_t* values = tensor.as<int32_t>();
        return {values, values + tensor.size()};
    }
    const int64_t* values = tensor.as<int64_t>();
    return {values, values + tensor.size()};
}

// Likewise of an input with one element.
inline int64_t integer_of(const Tensor& tensor, const char* name) {
    if (tensor.size() != 1) {
        throw OperationError(std::string(name) + " must be one number, but has shape " + text_of(tensor.shape));
    }
    return integers_of(tensor)[0];
}

// Positions along an extent, negative ones counted from its end. Throws OperationError where one is outside.
inline std::vector<int64_t> checked_positions(const Tensor& tensor, int64_t extent) {
    std::vector<int64_t> positions = integers_of(tensor);
    for (int64_t& position : positions) {
        if (position < -extent || position >= extent) {
            throw OperationError("index " + std::to_string(position) + " is outside an extent of " +
                                 std::to_string(extent));
        }
        if (position < 0) position += extent;
    }
    return positions;
}

// For axes that an input names: marks each. Throws OperationError where one is named twice.
inline std::vector<bool> marked_axes(const std::vector<int64_t>& axes, int rank) {
    std::vector<bool> marks(static_cast<size_t>(rank));
    for (const int64_t axis : axes) {
        const auto d = static_cast<size_t>(checked_axis(axis, rank));
        if (marks[d]) throw OperationError("axis " + std::to_string(axis) + " is named twice");
        marks[d] = true;
    }
    return marks;
}

}  // namespace sparseinf
