// Matrices to test with, and what multiplying with them must give, computed in double precision.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "dispatch/isa.h"
#include "pack/csr_view.h"

namespace testing {

struct Shape {
    int64_t num_rows;
    int64_t num_columns;
};

// Weights as CSR arrays, columns ascending within a row.
struct Matrix {
    Shape shape{};
    std::vector<int64_t> row_offsets{0};
    std::vector<int32_t> columns;
    std::vector<float> values;

    sparseinf::CsrView view() const;
    std::vector<float> dense() const;  // row after row
};

// Whole numbers small enough that float32 sums of products of two of them are exact in any order: kernels can then be
// held to the reference bit for bit. Rounding is tested with kReal.
enum class Numbers { kWhole, kReal };

// One nonzero with probability 1 - sparsity at each position; the first row is full and the last one empty where
// there are more than two, because real pruned layers have such rows.
Matrix random_matrix(Shape shape, double sparsity, Numbers numbers, std::mt19937& random);

// Likewise, of whole numbers from -128 to 127.
Matrix random_int8_matrix(Shape shape, double sparsity, std::mt19937& random);

// Rows of very different lengths, of whole numbers from 1 to 127: one holds every column, the others `size`.
Matrix skewed_matrix(int64_t num_rows, int32_t num_columns, int32_t size, std::mt19937& random);

std::vector<float> random_values(int64_t size, Numbers numbers, std::mt19937& random);

// y[n * num_rows + m] = sum over k of weight[m][k] * x[n * num_columns + k], and how far a float32 sum of the same
// products, made in any order, fused or not, may be from it.
struct Product {
    std::vector<double> sums;
    std::vector<double> bounds;
};
Product multiply(const Matrix& matrix, const std::vector<float>& x, int64_t num_columns_of_x);

std::string describe(Shape shape);
std::string describe(double number);

// Calls visit(isa) for each level of this machine, its name in every failure.
template <class Visit>
void for_each_isa(Visit&& visit) {
    for (const sparseinf::Isa isa : sparseinf::available_isas()) {
        const Case level{std::string(sparseinf::name_of(isa))};
        visit(isa);
    }
}

// Likewise, but for each level that has float kernels of its own.
template <class Visit>
void for_each_float_isa(Visit&& visit) {
    for_each_isa([&](sparseinf::Isa isa) {
        if (sparseinf::float_isa(isa) == isa) visit(isa);
    });
}

}  // namespace testing
