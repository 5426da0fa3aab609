// A stable sort for small whole keys: no comparison, so nothing for a branch predictor to miss.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace sparseinf {

// Sorts by falling key(item), equal keys in the order in which they came. The other vectors are working memory.
template <class T, class Key>
void sort_by_falling(std::vector<T>& items, std::vector<T>& scratch, std::vector<uint32_t>& positions, Key&& key) {
    uint32_t most = 0;
    for (const T& item : items) most = std::max(most, key(item));
    positions.assign(size_t{most} + 2, 0);
    for (const T& item : items) ++positions[most - key(item) + 1];
    std::partial_sum(positions.begin(), positions.end(), positions.begin());
    scratch.resize(items.size());
    for (const T& item : items) scratch[positions[most - key(item)]++] = item;
    items.swap(scratch);
}

}  // namespace sparseinf
