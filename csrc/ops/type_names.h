// Element types by their names in NumPy.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "ops/tensor.h"

namespace sparseinf {

inline constexpr std::pair<ElementType, const char*> kTypeNames[] = {
    {ElementType::kFloat32, "float32"}, {ElementType::kInt64, "int64"}, {ElementType::kInt32, "int32"},
    {ElementType::kInt8, "int8"},       {ElementType::kUint8, "uint8"}, {ElementType::kBool, "bool"},
};

inline ElementType type_named(const std::string& name) {
    for (const auto& [type, known] : kTypeNames) {
        if (name == known) return type;
    }
    throw std::invalid_argument("there is no element type " + name);
}

}  // namespace sparseinf
