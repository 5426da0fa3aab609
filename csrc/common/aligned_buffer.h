// Owned memory on a cache-line boundary, on huge pages where it is large.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sparseinf {

inline constexpr int64_t kCacheLineBytes = 64;
inline constexpr int64_t kHugePageBytes = int64_t{2} << 20;

constexpr int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// An array of a plain type, not initialised. Throws std::bad_alloc.
template <class T>
class AlignedBuffer {
public:
    AlignedBuffer() = default;
    explicit AlignedBuffer(int64_t size) : size_(size) {
        if (size == 0) return;
        const int64_t bytes = size * static_cast<int64_t>(sizeof(T));
        const int64_t alignment = bytes >= 2 * kHugePageBytes ? kHugePageBytes : kCacheLineBytes;
        void* memory =
            std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(round_up(bytes, alignment)));
        if (memory == nullptr) throw std::bad_alloc();
#if defined(__linux__)
        // Fewer page faults while packing and fewer TLB misses while streaming; whole huge pages only, so that no
        // memory past the end becomes resident. Only advice: its failure is none.
        if (alignment == kHugePageBytes) {
            madvise(memory, static_cast<size_t>(bytes / kHugePageBytes * kHugePageBytes), MADV_HUGEPAGE);
        }
#endif
        data_.reset(static_cast<T*>(memory));
    }

    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    int64_t size() const { return size_; }
    int64_t nbytes() const { return size_ * static_cast<int64_t>(sizeof(T)); }
    T& operator[](int64_t i) { return data_.get()[i]; }
    const T& operator[](int64_t i) const { return data_.get()[i]; }

private:
    struct Free {
        void operator()(T* p) const { std::free(p); }
    };
    std::unique_ptr<T, Free> data_;
    int64_t size_ = 0;
};

}  // namespace sparseinf
