// All operations that run natively, by name.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/attributes.h"
#include "ops/operation.h"

namespace sparseinf {

struct OperationMaker {
    const char* name;
    std::unique_ptr<const Operation> (*make)(const Attributes& attributes);
};

// For operations whose constructor takes the attributes.
template <class T>
std::unique_ptr<const Operation> make(const Attributes& attributes) {
    return std::make_unique<const T>(attributes);
}

// Throws std::invalid_argument if there is none of that name, or its attributes are wrong.
std::unique_ptr<const Operation> make_operation(const std::string& name, const Attributes& attributes);

std::vector<std::string> operation_names();

// The families, one a file.
std::span<const OperationMaker> activation_operations();
std::span<const OperationMaker> binary_operations();
std::span<const OperationMaker> bitwise_operations();
std::span<const OperationMaker> conversion_operations();
std::span<const OperationMaker> convolution_layer_operations();
std::span<const OperationMaker> convolution_operations();
std::span<const OperationMaker> cumulative_operations();
std::span<const OperationMaker> extreme_operations();
std::span<const OperationMaker> gathering_operations();
std::span<const OperationMaker> generating_operations();
std::span<const OperationMaker> linear_operations();
std::span<const OperationMaker> matmul_operations();
std::span<const OperationMaker> normalization_operations();
std::span<const OperationMaker> padding_operations();
std::span<const OperationMaker> pooling_operations();
std::span<const OperationMaker> power_operations();
std::span<const OperationMaker> rearranging_operations();
std::span<const OperationMaker> reduction_operations();
std::span<const OperationMaker> reshaping_operations();
std::span<const OperationMaker> resize_operations();
std::span<const OperationMaker> scaling_operations();
std::span<const OperationMaker> scattering_operations();
std::span<const OperationMaker> selecting_operations();
std::span<const OperationMaker> slicing_operations();
std::span<const OperationMaker> softmax_operations();
std::span<const OperationMaker> unary_operations();
std::span<const OperationMaker> variadic_operations();

}  // namespace sparseinf
