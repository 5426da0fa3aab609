#include "ops/strided_copy.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ops/ranges.h"
#include "ops/transpose_tile.h"

namespace sparseinf {
namespace {

using Dimensions = std::vector<StridedCopy::Dimension>;  // strides in bytes here

constexpr size_t kMostDimensions = 17;
constexpr int64_t kSquare = 32;               // elements on a side: 4 KB of floats, whole cache lines on both sides
constexpr int64_t kBytesOfRange = 64 * 1024;  // what a thread takes at a time, at least

// Addresses are multiples of the original element's size only.
template <class Element>
void copy_element(const std::byte* from, std::byte* to) {
    std::memcpy(to, from, sizeof(Element));
}

// Calls body(index of the first dimension, offset in from, offset in to) for each index of all dimensions.
template <class Body>
void for_each_index(const Dimensions& dimensions, int64_t bytes_of_each, int num_threads, Body&& body) {
    int64_t count = 1;
    for (const auto& d : dimensions) count *= d.extent;
    for_ranges(count, std::max<int64_t>(1, kBytesOfRange / bytes_of_each), num_threads,
               [&](int64_t begin, int64_t end) {
                   std::array<int64_t, kMostDimensions> index{};
                   int64_t from = 0, to = 0, rest = begin;
                   for (size_t d = dimensions.size(); d-- > 0;) {
                       index[d] = rest % dimensions[d].extent;
                       rest /= dimensions[d].extent;
                       from += index[d] * dimensions[d].from_stride;
                       to += index[d] * dimensions[d].to_stride;
                   }
                   for (int64_t i = begin; i < end; ++i) {
                       body(index[0], from, to);
                       for (size_t d = dimensions.size(); d-- > 0;) {
                           from += dimensions[d].from_stride;
                           to += dimensions[d].to_stride;
                           if (++index[d] < dimensions[d].extent) break;
                           from -= dimensions[d].extent * dimensions[d].from_stride;
                           to -= dimensions[d].extent * dimensions[d].to_stride;
                           index[d] = 0;
                       }
                   }
               });
}

template <class Element>
void copy_line(const std::byte* from, int64_t from_step, std::byte* to, int64_t to_step, int64_t count) {
    constexpr auto kSize = static_cast<int64_t>(sizeof(Element));
    if (to_step == kSize) {
        for (int64_t i = 0; i < count; ++i) copy_element<Element>(from + i * from_step, to + i * kSize);
    } else {
        for (int64_t i = 0; i < count; ++i) copy_element<Element>(from + i * from_step, to + i * to_step);
    }
}

// from reads on along `across`, to along `along`.
template <class Element>
void copy_squares(Dimensions outer, StridedCopy::Dimension across, StridedCopy::Dimension along, const std::byte* from,
                  std::byte* to, int num_threads) {
    // Strips of lines are a dimension of their own, so that one large matrix is shared out among threads too.
    const int64_t num_strips = (across.extent + kSquare - 1) / kSquare;
    outer.insert(outer.begin(), {num_strips, across.from_stride * kSquare, across.to_stride * kSquare});
    constexpr auto kSize = static_cast<int64_t>(sizeof(Element));
    const int64_t strip_bytes = kSquare * along.extent * kSize;
    for_each_index(outer, strip_bytes, num_threads, [&](int64_t strip, int64_t from_offset, int64_t to_offset) {
        const int64_t num_lines = std::min(kSquare, across.extent - strip * kSquare);
        for (int64_t first = 0; first < along.extent; first += kSquare) {
            const int64_t count = std::min(kSquare, along.extent - first);
            const std::byte* square = from + from_offset + first * along.from_stride;
            std::byte* lines = to + to_offset + first * along.to_stride;
            if (num_lines == kSquare && count == kSquare && along.to_stride == kSize) {
                transpose_tiles<Element, kSquare>(square, along.from_stride, lines, across.to_stride);
                continue;
            }
            for (int64_t i = 0; i < num_lines; ++i) {
                copy_line<Element>(square + i * across.from_stride, along.from_stride, lines + i * across.to_stride,
                                   along.to_stride, count);
            }
        }
    });
}

template <class Element>
void copy_elements(Dimensions outer, const std::byte* from, std::byte* to, int num_threads) {
    if (outer.empty()) return copy_element<Element>(from, to);
    constexpr auto kSize = static_cast<int64_t>(sizeof(Element));
    const auto along = outer.back();
    outer.pop_back();
    const auto across = std::find_if(outer.begin(), outer.end(), [](const auto& d) { return d.from_stride == kSize; });
    if (across != outer.end() && along.extent > 1) {
        const auto found = *across;
        outer.erase(across);
        return copy_squares<Element>(std::move(outer), found, along, from, to, num_threads);
    }
    for_each_index(outer, along.extent * kSize, num_threads, [&](int64_t, int64_t from_offset, int64_t to_offset) {
        copy_line<Element>(from + from_offset, along.from_stride, to + to_offset, along.to_stride, along.extent);
    });
}

}  // namespace

void StridedCopy::add_dimension(int64_t extent, int64_t from_stride, int64_t to_stride) {
    is_empty_ = is_empty_ || extent == 0;
    if (extent == 1) return;
    if (!dimensions_.empty()) {
        Dimension& outer = dimensions_.back();
        if (outer.from_stride == extent * from_stride && outer.to_stride == extent * to_stride) {
            outer = {outer.extent * extent, from_stride, to_stride};
            return;
        }
    }
    dimensions_.push_back({extent, from_stride, to_stride});
}

void StridedCopy::run(const void* from, void* to, int64_t element_bytes, int num_threads) const {
    if (is_empty_) return;
    const auto* source = static_cast<const std::byte*>(from);
    auto* target = static_cast<std::byte*>(to);
    // What is contiguous on both sides is one wider element.
    Dimensions outer = dimensions_;
    int64_t run_bytes = element_bytes;
    if (!outer.empty() && outer.back().from_stride == 1 && outer.back().to_stride == 1) {
        run_bytes *= outer.back().extent;
        outer.pop_back();
    }
    for (Dimension& d : outer) {
        d.from_stride *= element_bytes;
        d.to_stride *= element_bytes;
    }
    if (run_bytes == 1) return copy_elements<uint8_t>(std::move(outer), source, target, num_threads);
    if (run_bytes == 2) return copy_elements<uint16_t>(std::move(outer), source, target, num_threads);
    if (run_bytes == 4) return copy_elements<uint32_t>(std::move(outer), source, target, num_threads);
    if (run_bytes == 8) return copy_elements<uint64_t>(std::move(outer), source, target, num_threads);
    if (run_bytes == 16) return copy_elements<SixteenBytes>(std::move(outer), source, target, num_threads);
    if (outer.empty()) {
        for_ranges(run_bytes, 4 * kBytesOfRange, num_threads, [&](int64_t begin, int64_t end) {
            std::memcpy(target + begin, source + begin, static_cast<size_t>(end - begin));
        });
        return;
    }
    for_each_index(outer, run_bytes, num_threads, [&](int64_t, int64_t from_offset, int64_t to_offset) {
        std::memcpy(target + to_offset, source + from_offset, static_cast<size_t>(run_bytes));
    });
}

}  // namespace sparseinf
