// What an operation is told when it is made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "ops/linear.h"

namespace sparseinf {

using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>,
                               std::shared_ptr<const Linear>>;

// Compilation checks what a model says: an attribute that is not as expected here is a mistake of ours.
class Attributes {
public:
    explicit Attributes(std::map<std::string, Attribute> values) : values_(std::move(values)) {}

    bool has(const std::string& name) const { return values_.count(name) > 0; }

    template <class T>
    const T& get(const std::string& name) const {
        const auto found = values_.find(name);
        if (found == values_.end()) throw std::invalid_argument("attribute " + name + " is missing");
        const T* value = std::get_if<T>(&found->second);
        if (value == nullptr) throw std::invalid_argument("attribute " + name + " is of another type");
        return *value;
    }
    template <class T>
    T get(const std::string& name, T otherwise) const {
        return has(name) ? get<T>(name) : otherwise;
    }
    int64_t integer(const std::string& name) const { return get<int64_t>(name); }
    float number(const std::string& name) const { return static_cast<float>(get<double>(name)); }
    const std::vector<int64_t>& integers(const std::string& name) const { return get<std::vector<int64_t>>(name); }
    const std::string& text(const std::string& name) const { return get<std::string>(name); }

private:
    std::map<std::string, Attribute> values_;
};

}  // namespace sparseinf
