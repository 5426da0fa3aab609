#include "matrices.h"

#include <cmath>
#include <cstdio>

namespace testing {
namespace {

constexpr double kUnitRoundoff = 0x1p-24;

// Never zero: a weight that is stored is none.
float draw(Numbers numbers, std::mt19937& random) {
    if (numbers == Numbers::kReal) {
        const float number = std::normal_distribution<float>()(random);
        return number != 0.0f ? number : 1.0f;
    }
    const int number = std::uniform_int_distribution<int>(-63, 62)(random);
    return static_cast<float>(number < 0 ? number : number + 1);
}

}  // namespace

sparseinf::CsrView Matrix::view() const {
    return {shape.num_rows, shape.num_columns, row_offsets.data(), columns.data(), values.data()};
}

std::vector<float> Matrix::dense() const {
    std::vector<float> weights(static_cast<size_t>(shape.num_rows * shape.num_columns), 0.0f);
    for (int64_t row = 0; row < shape.num_rows; ++row) {
        for (auto i = static_cast<size_t>(row_offsets[static_cast<size_t>(row)]);
             i < static_cast<size_t>(row_offsets[static_cast<size_t>(row) + 1]); ++i) {
            weights[static_cast<size_t>(row * shape.num_columns + columns[i])] = values[i];
        }
    }
    return weights;
}

Matrix random_matrix(Shape shape, double sparsity, Numbers numbers, std::mt19937& random) {
    Matrix matrix;
    matrix.shape = shape;
    std::bernoulli_distribution is_nonzero(1 - sparsity);
    for (int64_t row = 0; row < shape.num_rows; ++row) {
        const bool is_full = row == 0 && shape.num_rows > 2 && sparsity < 1;
        const bool is_empty = row == shape.num_rows - 1 && shape.num_rows > 2;
        for (int64_t column = 0; column < shape.num_columns; ++column) {
            if (is_full || (!is_empty && is_nonzero(random))) {
                matrix.columns.push_back(static_cast<int32_t>(column));
                matrix.values.push_back(draw(numbers, random));
            }
        }
        matrix.row_offsets.push_back(static_cast<int64_t>(matrix.values.size()));
    }
    return matrix;
}

Matrix random_int8_matrix(Shape shape, double sparsity, std::mt19937& random) {
    Matrix matrix = random_matrix(shape, sparsity, Numbers::kWhole, random);
    for (float& value : matrix.values) {
        do value = static_cast<float>(static_cast<int>(random() % 256) - 128);
        while (value == 0);
    }
    return matrix;
}

Matrix skewed_matrix(int64_t num_rows, int32_t num_columns, int32_t size, std::mt19937& random) {
    Matrix matrix;
    matrix.shape = {num_rows, num_columns};
    for (int64_t row = 0; row < num_rows; ++row) {
        const int32_t step = row == num_rows / 2 ? 1 : num_columns / size;
        for (int32_t column = 0; column < num_columns; column += step) {
            matrix.columns.push_back(column);
            matrix.values.push_back(static_cast<float>(std::uniform_int_distribution<int>(1, 127)(random)));
        }
        matrix.row_offsets.push_back(static_cast<int64_t>(matrix.columns.size()));
    }
    return matrix;
}

std::vector<float> random_values(int64_t size, Numbers numbers, std::mt19937& random) {
    std::vector<float> values(static_cast<size_t>(size));
    for (float& value : values) value = draw(numbers, random);
    return values;
}

Product multiply(const Matrix& matrix, const std::vector<float>& x, int64_t num_columns_of_x) {
    const auto num_rows = static_cast<size_t>(matrix.shape.num_rows);
    Product product;
    for (size_t n = 0; n < static_cast<size_t>(num_columns_of_x); ++n) {
        const float* column = x.data() + n * static_cast<size_t>(matrix.shape.num_columns);
        for (size_t row = 0; row < num_rows; ++row) {
            double sum = 0, magnitude = 0;
            const int64_t first = matrix.row_offsets[row], end = matrix.row_offsets[row + 1];
            for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(end); ++i) {
                const double term = double{matrix.values[i]} * double{column[matrix.columns[i]]};
                sum += term;
                magnitude += std::abs(term);
            }
            product.sums.push_back(sum);
            // A sum of n products, each rounded once and then at most n - 1 times as part of a sum.
            product.bounds.push_back(static_cast<double>(end - first + 1) * kUnitRoundoff * magnitude * 1.001);
        }
    }
    return product;
}

std::string describe(Shape shape) { return std::to_string(shape.num_rows) + "x" + std::to_string(shape.num_columns); }

std::string describe(double number) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", number);
    return text;
}

}  // namespace testing
