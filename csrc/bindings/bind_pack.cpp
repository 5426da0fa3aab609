// Weights into packs, and back.
//
// CSR arrays come from a format object, which has checked that offsets and columns are in order and in range; here
// only kinds and sizes are checked.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <variant>

#include "bindings/bindings.h"
#include "bindings/isa_argument.h"
#include "ops/linear.h"

namespace py = pybind11;

namespace sparseinf {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

CsrView csr_view(const Array<int64_t>& row_offsets, const Array<int32_t>& columns, const Array<float>& values,
                 int64_t num_columns) {
    if (row_offsets.ndim() != 1 || row_offsets.size() < 1)
        throw py::value_error("row_offsets must have num_rows + 1 elements");
    const CsrView view{row_offsets.size() - 1, num_columns, row_offsets.data(), columns.data(), values.data()};
    if (columns.size() != view.num_nonzeros() || values.size() != view.num_nonzeros()) {
        throw py::value_error("columns and values must have row_offsets[-1] elements each");
    }
    return view;
}

template <class Form>
std::shared_ptr<Pack> share(Form form) {
    return std::make_shared<Pack>(Pack{std::move(form)});
}

const char* kind_of(const Pack& pack) {
    static constexpr const char* kKinds[] = {"dense",       "csr",         "bitmap",       "sell",
                                             "lookup",      "block4x1",    "dense_int8",   "csr_int8",
                                             "bitmap_int8", "lookup_int8", "block4x1_int8"};
    return kKinds[pack.form.index()];
}

py::tuple to_csr(const Pack& pack) {
    const auto allocate_and_fill = [](const auto& p, auto unpack) {
        py::array_t<int64_t> row_offsets(p.num_rows + 1);
        py::array_t<int32_t> columns(p.num_nonzeros);
        py::array_t<float> values(p.num_nonzeros);
        const CsrOutput out{row_offsets.mutable_data(), columns.mutable_data(), values.mutable_data()};
        {
            const py::gil_scoped_release release;
            unpack(p, out);
        }
        return py::make_tuple(row_offsets, columns, values);
    };
    if (const auto* csr = std::get_if<CsrPack>(&pack.form)) return allocate_and_fill(*csr, unpack_csr);
    if (const auto* bitmap = std::get_if<BitmapPack>(&pack.form)) return allocate_and_fill(*bitmap, unpack_bitmap);
    if (const auto* sell = std::get_if<SellPack>(&pack.form)) return allocate_and_fill(*sell, unpack_sell);
    if (const auto* lookup = std::get_if<LookupPack>(&pack.form)) return allocate_and_fill(*lookup, unpack_lookup);
    if (const auto* block = std::get_if<BlockPack>(&pack.form)) return allocate_and_fill(*block, unpack_block);
    if (const auto* quads = std::get_if<QuadPack>(&pack.form)) return allocate_and_fill(*quads, unpack_quads);
    if (const auto* bitmap = std::get_if<BitmapInt8Pack>(&pack.form)) {
        return allocate_and_fill(*bitmap, unpack_bitmap_int8);
    }
    if (const auto* lookup = std::get_if<LookupInt8Pack>(&pack.form)) {
        return allocate_and_fill(*lookup, unpack_lookup_int8);
    }
    if (const auto* blocks = std::get_if<BlockInt8Pack>(&pack.form))
        return allocate_and_fill(*blocks, unpack_block_int8);
    throw py::value_error("a dense pack has no CSR arrays; use to_dense");
}

py::array to_dense(const Pack& pack) {
    if (const auto* int8 = std::get_if<DenseInt8Pack>(&pack.form)) {
        py::array_t<int8_t> weights({int8->num_rows, int8->num_columns});
        int8_t* out = weights.mutable_data();
        const py::gil_scoped_release release;
        unpack_dense_int8(*int8, out);
        return weights;
    }
    const auto* dense = std::get_if<DensePack>(&pack.form);
    if (dense == nullptr) throw py::value_error("a sparse pack has no dense array; use to_csr");
    py::array_t<float> weights({dense->num_rows, dense->num_columns});
    float* out = weights.mutable_data();
    const py::gil_scoped_release release;
    unpack_dense(*dense, out);
    return weights;
}

}  // namespace

void bind_pack(py::module_& m) {
    py::class_<Pack, std::shared_ptr<Pack>>(m, "Pack")
        .def_property_readonly("kind", &kind_of)
        .def_property_readonly(
            "nbytes", [](const Pack& pack) { return std::visit([](const auto& p) { return p.nbytes(); }, pack.form); })
        .def("to_csr", &to_csr)
        .def("to_dense", &to_dense);

    m.def(
        "pack_dense",
        [](const Array<float>& weights, int num_threads) {
            if (weights.ndim() != 2) throw py::value_error("weights must be 2-D");
            const float* data = weights.data();
            const int64_t num_rows = weights.shape(0), num_columns = weights.shape(1);
            const py::gil_scoped_release release;
            return share(pack_dense(data, num_rows, num_columns, num_threads));
        },
        py::arg("weights").noconvert(), py::arg("num_threads"));
    m.def(
        "pack_dense_int8",
        [](const Array<int8_t>& weights, int num_threads) {
            if (weights.ndim() != 2) throw py::value_error("weights must be 2-D");
            const int8_t* data = weights.data();
            const int64_t num_rows = weights.shape(0), num_columns = weights.shape(1);
            const py::gil_scoped_release release;
            return share(pack_dense_int8(data, num_rows, num_columns, num_threads));
        },
        py::arg("weights").noconvert(), py::arg("num_threads"));
    m.def(
        "pack_csr_int8",
        [](const Array<int64_t>& row_offsets, const Array<int32_t>& columns, const Array<float>& values,
           int64_t num_columns, const std::string& isa, int num_threads) {
            const CsrView view = csr_view(row_offsets, columns, values, num_columns);
            const KernelTable& kernels = kernels_for(isa_argument(isa));
            const py::gil_scoped_release release;
            return share(pack_quads(view, kernels, num_threads));
        },
        py::arg("row_offsets").noconvert(), py::arg("columns").noconvert(), py::arg("values").noconvert(),
        py::arg("num_columns"), py::arg("isa"), py::arg("num_threads"));
    m.def(
        "pack_bitmap_int8",
        [](const Array<int64_t>& row_offsets, const Array<int32_t>& columns, const Array<float>& values,
           int64_t num_columns, int num_threads) {
            const CsrView view = csr_view(row_offsets, columns, values, num_columns);
            const py::gil_scoped_release release;
            return share(pack_bitmap_int8(view, num_threads));
        },
        py::arg("row_offsets").noconvert(), py::arg("columns").noconvert(), py::arg("values").noconvert(),
        py::arg("num_columns"), py::arg("num_threads"));
    m.def(
        "pack_lookup_int8",
        [](const Array<int64_t>& row_offsets, const Array<int32_t>& columns, const Array<float>& values,
           int64_t num_columns, int window, int num_threads) {
            const CsrView view = csr_view(row_offsets, columns, values, num_columns);
            if (window != 64 && window != 128) throw py::value_error("window must be 64 or 128");
            const py::gil_scoped_release release;
            return share(pack_lookup_int8(view, window, num_threads));
        },
        py::arg("row_offsets").noconvert(), py::arg("columns").noconvert(), py::arg("values").noconvert(),
        py::arg("num_columns"), py::arg("window"), py::arg("num_threads"));
    m.def(
        "pack_csr",
        [](const Array<int64_t>& row_offsets, const Array<int32_t>& columns, const Array<float>& values,
           int64_t num_columns, const std::string& isa, int panel_columns, int num_threads) {
            const CsrView view = csr_view(row_offsets, columns, values, num_columns);
            const KernelTable& kernels = kernels_for(isa_argument(isa));
            if (panel_columns < 1) throw py::value_error("panel_columns must be at least 1");
            const py::gil_scoped_release release;
            return share(pack_csr(view, panel_columns, kernels, num_threads));
        },
        py::arg("row_offsets").noconvert(), py::arg("columns").noconvert(), py::arg("values").noconvert(),
        py::arg("num_columns"), py::arg("isa"), py::arg("panel_columns"), py::arg("num_threads"));
    m.def(
        "pack_bitmap",
        [](const Array<int64_t>& row_offsets, const Array<int32_t>& columns, const Array<float>& values,
           int64_t num_columns, int num_threads) {
            const CsrView view = csr_view(row_offsets, columns, values, num_columns);
            const py::gil_scoped_release release;
            return share(pack_bitmap(view, num_threads));
        },
        py::arg("row_offsets").noconvert(), py::arg("columns").noconvert(), py::arg("values").noconvert(),
        py::arg("num_columns"), py::arg("num_threads"));
    m.def(
        "pack_sell",
        [](const Array<int64_t>& row_offsets, const Array<int32_t>& columns, const Array<float>& values,
           int64_t num_columns, const std::string& isa, int num_threads) {
            const CsrView view = csr_view(row_offsets, columns, values, num_columns);
            const KernelTable& kernels = kernels_for(isa_argument(isa));
            const py::gil_scoped_release release;
            return share(pack_sell(view, kernels, num_threads));
        },
        py::arg("row_offsets").noconvert(), py::arg("columns").noconvert(), py::arg("values").noconvert(),
        py::arg("num_columns"), py::arg("isa"), py::arg("num_threads"));
    m.def(
        "pack_lookup",
        [](const Array<int64_t>& row_offsets, const Array<int32_t>& columns, const Array<float>& values,
           int64_t num_columns, int num_threads) {
            const CsrView view = csr_view(row_offsets, columns, values, num_columns);
            const py::gil_scoped_release release;
            return share(pack_lookup(view, num_threads));
        },
        py::arg("row_offsets").noconvert(), py::arg("columns").noconvert(), py::arg("values").noconvert(),
        py::arg("num_columns"), py::arg("num_threads"));
    m.def(
        "pack_block",
        [](const Array<int64_t>& row_offsets, const Array<int32_t>& columns, const Array<float>& values,
           int64_t num_columns, const std::string& isa, int num_threads) {
            const CsrView view = csr_view(row_offsets, columns, values, num_columns);
            const KernelTable& kernels = kernels_for(isa_argument(isa));
            const py::gil_scoped_release release;
            return share(pack_block(view, kernels, num_threads));
        },
        py::arg("row_offsets").noconvert(), py::arg("columns").noconvert(), py::arg("values").noconvert(),
        py::arg("num_columns"), py::arg("isa"), py::arg("num_threads"));
    m.def(
        "pack_block_int8",
        [](const Array<int64_t>& row_offsets, const Array<int32_t>& columns, const Array<float>& values,
           int64_t num_columns, const std::string& isa, int num_threads) {
            const CsrView view = csr_view(row_offsets, columns, values, num_columns);
            const KernelTable& kernels = kernels_for(isa_argument(isa));
            const py::gil_scoped_release release;
            return share(pack_block_int8(view, kernels, num_threads));
        },
        py::arg("row_offsets").noconvert(), py::arg("columns").noconvert(), py::arg("values").noconvert(),
        py::arg("num_columns"), py::arg("isa"), py::arg("num_threads"));
    m.def(
        "csr_panel_columns", [](const std::string& isa) { return csr_panel_columns(isa_argument(isa)); },
        py::arg("isa"));
}

}  // namespace sparseinf
