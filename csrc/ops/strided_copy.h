// A copy between two arrangements of the same elements: what transposing, slicing, joining and repeating come down to.
//
//     to[sum of i_d * to_stride_d] = from[sum of i_d * from_stride_d]    for all 0 <= i_d < extent_d
//
// Neighbouring dimensions that both sides walk through alike become one, so that long runs are copied as such. Where
// the sides have different fastest dimensions, squares of elements are copied that fit the L1 cache on both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sparseinf {

class StridedCopy {
public:
    // Outermost first, 16 at most; strides in elements. A from_stride may be 0 or negative.
    void add_dimension(int64_t extent, int64_t from_stride, int64_t to_stride);

    void run(const void* from, void* to, int64_t element_bytes, int num_threads) const;

    struct Dimension {
        int64_t extent, from_stride, to_stride;
    };

private:
    std::vector<Dimension> dimensions_;
    bool is_empty_ = false;
};

}  // namespace sparseinf
