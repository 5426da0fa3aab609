// The column codec for Python: arrays in, arrays out, errors as ValueError. The work runs without the GIL.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "bindings/bindings.h"
#include "pack/column_codec.h"

namespace py = pybind11;

namespace {

using sparseinf::CodecStatus;
using sparseinf::ColumnEncoding;
using sparseinf::MatrixExtent;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T>
std::span<const T> contents(const Array<T>& array, const char* name) {
    if (array.ndim() != 1) throw py::value_error(std::string(name) + " must be 1-D");
    return {array.data(), static_cast<std::size_t>(array.size())};
}

template <class T>
std::span<T> space(Array<T>& array) {
    return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

void require(CodecStatus status) {
    if (status != CodecStatus::kOk) throw py::value_error(std::string("the column data ") + describe(status));
}

MatrixExtent checked_extent(int64_t num_rows, int64_t num_columns) {
    if (num_rows < 0 || num_columns < 0 || num_columns > std::numeric_limits<int32_t>::max()) {
        throw py::value_error("a matrix of " + std::to_string(num_rows) + " x " + std::to_string(num_columns) +
                              " is out of range: nothing is negative, and in_features is at most 2^31 - 1");
    }
    return {num_rows, num_columns};
}

const char* name_of(ColumnEncoding encoding) { return encoding == ColumnEncoding::kBitmap ? "bitmap" : "gaps"; }

ColumnEncoding encoding_named(const std::string& name) {
    for (const ColumnEncoding encoding : {ColumnEncoding::kBitmap, ColumnEncoding::kGaps}) {
        if (name == name_of(encoding)) return encoding;
    }
    throw py::value_error("the column encoding must be 'bitmap' or 'gaps', but is '" + name + "'");
}

py::tuple encode_to_array(const Array<int32_t>& columns, const Array<int64_t>& row_offsets, int64_t num_columns) {
    const sparseinf::CsrColumns matrix{contents(columns, "columns"), contents(row_offsets, "row_offsets")};
    const MatrixExtent extent = checked_extent(static_cast<int64_t>(row_offsets.size()) - 1, num_columns);
    sparseinf::EncodingChoice choice{};
    CodecStatus status{};
    {
        const py::gil_scoped_release unlocked;
        status = choose_encoding(extent, matrix, choice);
    }
    require(status);
    Array<uint8_t> data(choice.num_bytes);
    const std::span<uint8_t> bytes = space(data);
    {
        const py::gil_scoped_release unlocked;
        encode_columns(choice.encoding, extent, matrix, bytes);
    }
    return py::make_tuple(name_of(choice.encoding), data);
}

py::tuple decode_to_arrays(const std::string& encoding_name, const Array<uint8_t>& data, int64_t num_rows,
                           int64_t num_columns, int64_t num_nonzeros) {
    const ColumnEncoding encoding = encoding_named(encoding_name);
    const MatrixExtent extent = checked_extent(num_rows, num_columns);
    const std::span<const uint8_t> bytes = contents(data, "data");
    if (num_nonzeros < 0) throw py::value_error("num_nonzeros must not be negative");
    require(check_size(encoding, extent, num_nonzeros, static_cast<int64_t>(bytes.size())));

    Array<int32_t> columns(num_nonzeros);
    Array<int64_t> row_offsets(num_rows + 1);
    const std::span<int32_t> columns_out = space(columns);
    const std::span<int64_t> offsets_out = space(row_offsets);
    CodecStatus status{};
    {
        const py::gil_scoped_release unlocked;
        status = decode_columns(encoding, extent, bytes, columns_out, offsets_out);
    }
    require(status);
    return py::make_tuple(columns, row_offsets);
}

}  // namespace

void sparseinf::bind_codec(py::module_& m) {
    m.def("encode_columns", &encode_to_array, py::arg("columns").noconvert(), py::arg("row_offsets").noconvert(),
          py::arg("num_columns"),
          "Return (encoding, data uint8) for the columns (int32) and row offsets (int64) of a CSR matrix.");
    m.def("decode_columns", &decode_to_arrays, py::arg("encoding"), py::arg("data").noconvert(), py::arg("num_rows"),
          py::arg("num_columns"), py::arg("num_nonzeros"),
          "Return (columns int32, row_offsets int64) of what encode_columns returned; ValueError if it is unsound.");
}
