#include "ops/operation_table.h"

#include <stdexcept>

namespace sparseinf {
namespace {

constexpr std::span<const OperationMaker> (*kFamilies[])() = {
    linear_operations, reshaping_operations,     unary_operations,
    binary_operations, convolution_operations,   convolution_layer_operations,
    matmul_operations, normalization_operations, pooling_operations,
    resize_operations, scaling_operations,       softmax_operations};

}  // namespace

std::unique_ptr<const Operation> make_operation(const std::string& name, const Attributes& attributes) {
    for (const auto family : kFamilies) {
        for (const OperationMaker& maker : family()) {
            if (name == maker.name) return maker.make(attributes);
        }
    }
    throw std::invalid_argument("there is no native operation " + name);
}

std::vector<std::string> operation_names() {
    std::vector<std::string> names;
    for (const auto family : kFamilies) {
        for (const OperationMaker& maker : family()) names.emplace_back(maker.name);
    }
    return names;
}

}  // namespace sparseinf
