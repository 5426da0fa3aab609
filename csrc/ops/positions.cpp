#include "ops/positions.h"

#include <array>
#include <string>

#include "ops/axes.h"

namespace sparseinf {

std::vector<int64_t> places_of_elements(const Shape& x, const Tensor& indices, int64_t given_axis) {
    const int rank = x.rank(), axis = checked_axis(given_axis, rank);
    bool fits = indices.shape.rank() == rank;
    for (int d = 0; fits && d < rank; ++d) fits = d == axis || indices.shape[d] <= x[d];
    if (!fits) {
        throw OperationError("indices of shape " + text_of(indices.shape) + " do not fit an array of shape " +
                             text_of(x));
    }
    std::vector<int64_t> places = checked_positions(indices, x[axis]);
    std::array<int64_t, kMaxRank> index{};
    for (int64_t& place : places) {
        const int64_t named = place;
        place = 0;
        for (int d = 0; d < rank; ++d) place = place * x[d] + (d == axis ? named : index[static_cast<size_t>(d)]);
        for (int d = rank; d-- > 0;) {
            if (++index[static_cast<size_t>(d)] < indices.shape[d]) break;
            index[static_cast<size_t>(d)] = 0;
        }
    }
    return places;
}

std::vector<int64_t> places_of_slices(const Shape& x, const Tensor& indices, int batch_rank) {
    const int last = indices.shape.rank() - 1;
    const int64_t num_named = last < 0 ? -1 : indices.shape[last];
    bool fits = num_named >= 0 && batch_rank <= last && num_named <= x.rank() - batch_rank;
    for (int d = 0; fits && d < batch_rank; ++d) fits = indices.shape[d] == x[d];
    if (!fits) {
        throw OperationError("indices of shape " + text_of(indices.shape) + " do not name slices of shape " +
                             text_of(x));
    }
    const int64_t num_rows = indices.shape.size_before(last);
    const int64_t rows_of_batch = num_rows == 0 ? 1 : num_rows / indices.shape.size_before(batch_rank);
    const std::vector<int64_t> values = integers_of(indices);
    std::vector<int64_t> places;
    places.reserve(static_cast<size_t>(num_rows));
    for (int64_t row = 0; row < num_rows; ++row) {
        int64_t place = row / rows_of_batch;
        for (int64_t i = 0; i < num_named; ++i) {
            const int64_t extent = x[batch_rank + static_cast<int>(i)];
            const int64_t named = values[static_cast<size_t>(row * num_named + i)];
            if (named < -extent || named >= extent) {
                throw OperationError("index " + std::to_string(named) + " is outside an extent of " +
                                     std::to_string(extent));
            }
            place = place * extent + (named < 0 ? named + extent : named);
        }
        places.push_back(place);
    }
    return places;
}

}  // namespace sparseinf
