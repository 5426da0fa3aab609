// An array with a page that cannot be touched right before its first byte or right after its last one: a read or
// write outside stops the program where it happens, in vector code too, which the sanitizers do not see inside asm.
//
//     | no access |            array | no access |     Side::kEnd
//     | no access | array            | no access |     Side::kStart
//
// The array starts filled with bytes 0xff: as floats these are NaN, so what is read before it is written shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace testing {

enum class Side { kStart, kEnd };
inline constexpr Side kBothSides[] = {Side::kStart, Side::kEnd};

// The pages behind an array: `bytes` of them to be used, at `data`.
class GuardedPages {
public:
    GuardedPages(std::size_t bytes, Side side);
    ~GuardedPages();
    GuardedPages(const GuardedPages&) = delete;
    GuardedPages& operator=(const GuardedPages&) = delete;

    std::byte* data() const { return data_; }

private:
    std::byte* mapping_;
    std::size_t mapping_bytes_;
    std::byte* data_;
};

template <class T>
class GuardedArray {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    GuardedArray(int64_t size, Side side) : pages_(static_cast<std::size_t>(size) * sizeof(T), side), size_(size) {}
    GuardedArray(const T* source, int64_t size, Side side) : GuardedArray(size, side) {
        for (int64_t i = 0; i < size; ++i) data()[i] = source[i];
    }
    GuardedArray(const std::vector<T>& source, Side side)
        : GuardedArray(source.data(), static_cast<int64_t>(source.size()), side) {}

    T* data() { return reinterpret_cast<T*>(pages_.data()); }
    const T* data() const { return reinterpret_cast<const T*>(pages_.data()); }
    int64_t size() const { return size_; }
    T& operator[](int64_t i) { return data()[i]; }
    const T& operator[](int64_t i) const { return data()[i]; }
    std::span<T> span() { return {data(), static_cast<std::size_t>(size_)}; }
    std::span<const T> span() const { return {data(), static_cast<std::size_t>(size_)}; }

private:
    GuardedPages pages_;
    int64_t size_;
};

}  // namespace testing
