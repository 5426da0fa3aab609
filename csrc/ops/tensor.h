// What a program computes with: arrays of a native type, their elements one after the other, the last dimension
// fastest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace sparseinf {

enum class ElementType : uint8_t { kFloat32, kInt64, kInt32, kInt8, kUint8, kBool };

constexpr int64_t bytes_of(ElementType type) {
    switch (type) {
        case ElementType::kInt64:
            return 8;
        case ElementType::kFloat32:
        case ElementType::kInt32:
            return 4;
        default:
            return 1;
    }
}

inline constexpr int kMaxRank = 8;

// The extents of an array. All are at least 0, and their product is checked where the array comes from.
class Shape {
public:
    Shape() = default;
    Shape(std::initializer_list<int64_t> extents) {
        for (const int64_t extent : extents) append(extent);
    }

    int rank() const { return rank_; }
    int64_t operator[](int dimension) const { return extents_[static_cast<size_t>(dimension)]; }
    int64_t& operator[](int dimension) { return extents_[static_cast<size_t>(dimension)]; }
    void append(int64_t extent) { extents_[static_cast<size_t>(rank_++)] = extent; }

    int64_t size() const { return size_from(0); }
    // The elements of one index of the dimensions before `dimension`.
    int64_t size_from(int dimension) const {
        int64_t size = 1;
        for (int d = dimension; d < rank_; ++d) size *= (*this)[d];
        return size;
    }
    int64_t size_before(int dimension) const {
        int64_t size = 1;
        for (int d = 0; d < dimension; ++d) size *= (*this)[d];
        return size;
    }

    bool operator==(const Shape& other) const {
        if (rank_ != other.rank_) return false;
        for (int d = 0; d < rank_; ++d) {
            if ((*this)[d] != other[d]) return false;
        }
        return true;
    }

private:
    int rank_ = 0;
    std::array<int64_t, kMaxRank> extents_{};
};

// An array somewhere in memory.
struct Tensor {
    ElementType type = ElementType::kFloat32;
    Shape shape;
    void* data = nullptr;

    int64_t size() const { return shape.size(); }
    int64_t nbytes() const { return size() * bytes_of(type); }
    template <class T>
    T* as() {
        return static_cast<T*>(data);
    }
    template <class T>
    const T* as() const {
        return static_cast<const T*>(data);
    }
};

// Calls visit(T{}) with the C++ type of the elements.
template <class Visit>
decltype(auto) visit_type(ElementType type, Visit&& visit) {
    switch (type) {
        case ElementType::kFloat32:
            return visit(float{});
        case ElementType::kInt64:
            return visit(int64_t{});
        case ElementType::kInt32:
            return visit(int32_t{});
        case ElementType::kInt8:
            return visit(int8_t{});
        case ElementType::kUint8:
            return visit(uint8_t{});
        default:
            return visit(bool{});
    }
}

}  // namespace sparseinf
