// Where in an array the elements and slices lie that an input of indices names; negative ones count from an extent's
// end. Throw OperationError where an index is outside, or the shapes do not fit.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/tensor.h"

namespace sparseinf {

// indices has the rank of x: for each of its elements the element of x at the same index, but along `axis` at the one
// that it names.
std::vector<int64_t> places_of_elements(const Shape& x, const Tensor& indices, int64_t axis);

// Each row of indices names the first dimensions of x that follow the batch's: the number of the slice in memory. The
// first `batch_rank` dimensions of both are the same.
std::vector<int64_t> places_of_slices(const Shape& x, const Tensor& indices, int batch_rank);

}  // namespace sparseinf
