#include "ops/operation_table.h"

#include <stdexcept>

namespace sparseinf {
namespace {

constexpr std::span<const OperationMaker> (*kFamilies[])() = {
    activation_operations,        binary_operations,      bitwise_operations,    conversion_operations,
    convolution_layer_operations, convolution_operations, cumulative_operations, extreme_operations,
    gathering_operations,         generating_operations,  linear_operations,     matmul_operations,
    normalization_operations,     padding_operations,     pooling_operations,    power_operations,
    rearranging_operations,       reduction_operations,   reshaping_operations,  resize_operations,
    scaling_operations,           scattering_operations,  selecting_operations,  slicing_operations,
    softmax_operations,           unary_operations,       variadic_operations};

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
