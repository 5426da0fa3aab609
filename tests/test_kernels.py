"""Every kernel at every level that this machine has, over awkward shapes, against float64 NumPy.

Packs are made and run by themselves here, so that each test knows which kernel it tests.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from linear_reference import activate, guarded, product, sparse_weight

from sparseinf import runtime
from sparseinf.compile.activation import make_epilogue
from sparseinf.formats import Csr

ISAS = tuple(dict.fromkeys(map(runtime.float32_isa, runtime.available_isas())))
KINDS = ("dense", "csr", "bitmap", "sell", "lookup", "block4x1")
KERNELS = {
    "dense": ("gemv_dense_f32", "spmm_dense_f32"),
    "csr": ("gemv_csr_f32", "spmm_csr_f32"),
    "bitmap": ("gemv_bitmap_f32", "gemv_bitmap_f32"),
    "sell": ("gemv_sell_f32", "spmm_sell_f32"),
    "lookup": ("gemv_lookup_f32", "spmm_lookup_f32"),
    "block4x1": ("gemv_block4x1_f32", "spmm_block4x1_f32"),
}
# (out_features, in_features): tiles are 4 and 16 rows, bitmaps 16 columns, K blocks 64 to 512 columns.
SHAPES = [
    *[(m, 37) for m in (1, 2, 3, 4, 5, 15, 16, 17, 33, 67, 131)],
    *[(19, k) for k in (1, 2, 3, 4, 5, 15, 16, 17, 31, 63, 64, 65, 127, 129, 257, 521, 1031)],
]
COLUMNS = (
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    15,
    16,
    17,
    24,
    25,
    31,
    33,
    47,
    49,
    63,
    64,
    65,
    72,
    73,
    80,
    81,
    95,
    97,
    128,
    131,
    200,
)


def make_pack(kind, weight, isa, panel_columns=None):
    if kind == "dense":
        return runtime.pack_dense(weight, 1)
    csr = Csr.from_dense(weight)
    arrays = (csr.row_offsets, csr.columns, csr.values, weight.shape[1])
    if kind == "bitmap":
        return runtime.pack_bitmap(*arrays, 1)
    if kind == "sell":
        return runtime.pack_sell(*arrays, isa, 1)
    if kind == "lookup":
        return runtime.pack_lookup(*arrays, 1)
    if kind == "block4x1":
        return runtime.pack_block(*arrays, isa, 1)
    return runtime.pack_csr(*arrays, isa, panel_columns or runtime.csr_panel_columns(isa), 1)


def make_layer(kind, weight, isa, *, bias=None, activation=None, threads=1, panel_columns=None):
    return runtime.Linear(
        *weight.shape,
        isa=isa,
        plans=[(1, make_pack(kind, weight, isa, panel_columns))],
        bias=bias,
        epilogue=make_epilogue(activation),
        num_threads=threads,
    )


def check(y, x, weight, bias=None, residual=None, activation=None, slack=0.0):
    sums, bound = product(x, weight, bias, residual)
    expected = activate(sums, activation)
    assert y.shape == expected.shape
    assert y.dtype == np.float32
    error = np.abs(y - expected)
    assert (error <= bound + slack * np.abs(expected) + np.spacing(np.abs(expected).astype(np.float32))).all(), (
        error.max()
    )


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
class TestShapes:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize("sparsity", [0.0, 0.6, 0.95])
    def test_matches_float64(self, isa, kind, shape, sparsity):
        weight = sparse_weight(shape, sparsity)
        generator = np.random.default_rng(1)
        bias = generator.standard_normal(shape[0]).astype(np.float32)
        layer = make_layer(kind, weight, isa, bias=bias)
        for num_columns in (1, 2, 9, 17, 66):
            x = generator.standard_normal((num_columns, shape[1])).astype(np.float32)
            check(layer(x), x, weight, bias)

    @pytest.mark.parametrize("num_columns", COLUMNS)
    def test_matches_float64_for_every_number_of_columns(self, isa, kind, num_columns):
        weight = sparse_weight((37, 150), 0.7)
        x = np.random.default_rng(num_columns).standard_normal((num_columns, 150)).astype(np.float32)
        layer = make_layer(kind, weight, isa)
        check(layer(x), x, weight)

    @pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)], ids=str)
    def test_empty_weight(self, isa, kind, shape):
        weight = np.zeros(shape, np.float32)
        bias = np.arange(shape[0], dtype=np.float32)
        layer = make_layer(kind, weight, isa, bias=bias)
        for num_columns in (0, 1, 3, 20):
            expected = np.broadcast_to(bias, (num_columns, shape[0]))
            np.testing.assert_array_equal(layer(np.ones((num_columns, shape[1]), np.float32)), expected)

    @pytest.mark.parametrize("fill", [0.0, 2.0])
    def test_all_zero_and_all_equal_weights(self, isa, kind, fill):
        weight = np.full((33, 70), fill, np.float32)
        layer = make_layer(kind, weight, isa)
        for num_columns in (1, 5, 40):
            x = np.ones((num_columns, 70), np.float32)
            np.testing.assert_array_equal(layer(x), np.full((num_columns, 33), 70 * fill, np.float32))

    def test_one_huge_row_among_tiny_ones(self, isa, kind):
        weight = np.zeros((300, 2000), np.float32)
        weight[17] = np.random.default_rng(2).standard_normal(2000)
        weight[np.arange(300), np.arange(300) * 6] = 1.5
        layer = make_layer(kind, weight, isa)
        for num_columns in (1, 3, 33):
            x = np.random.default_rng(3).standard_normal((num_columns, 2000)).astype(np.float32)
            check(layer(x), x, weight)

    def test_several_chunks_of_rows(self, isa, kind):
        weight = sparse_weight((2100, 40), 0.8)
        layer = make_layer(kind, weight, isa)
        for num_columns in (1, 18):
            x = np.random.default_rng(4).standard_normal((num_columns, 40)).astype(np.float32)
            check(layer(x), x, weight)

    def test_kernel_names(self, isa, kind):
        pack = make_pack(kind, sparse_weight((8, 8), 0.5), isa)
        assert (runtime.kernel_family(pack, 1), runtime.kernel_family(pack, 2)) == KERNELS[kind]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("panel_columns", [8, 16, 64])
def test_csr_pack_for_narrow_panels_runs_wide_ones(isa, panel_columns):
    weight = sparse_weight((70, 900), 0.5)
    layer = make_layer("csr", weight, isa, panel_columns=panel_columns)
    for num_columns in (1, 8, 70):
        x = np.random.default_rng(5).standard_normal((num_columns, 900)).astype(np.float32)
        check(layer(x), x, weight)


ACTIVATIONS = [
    None, "relu", "relu6", ("clip", -0.5, 1.25), "gelu", "gelu_tanh", "silu", "hardswish", "hardsigmoid", "sigmoid",
    "tanh", ("leaky_relu", 0.125),
]  # fmt: skip


def passed_through(values, activation, isa, num_columns):
    """The activation of each value: through the identity matrix, laid out over the features of some columns."""
    size = 32
    values = np.resize(values, (-(-values.size // (size * num_columns)), num_columns, size)).astype(np.float32)
    layer = make_layer("csr", np.eye(size, dtype=np.float32), isa, activation=activation)
    return values, np.stack([layer(block) for block in values])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("num_columns", [1, 3, 19])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
class TestActivations:
    def test_accuracy(self, isa, num_columns, activation):
        values = np.concatenate([np.linspace(-20, 20, 4001), [0.0, 1e-30, -1e-30, 1e-4, -1e-4, 60, -60, 3, -3]])
        x, y = passed_through(values, activation, isa, num_columns)
        expected = activate(x.astype(np.float64), activation)
        assert np.abs(y - expected).max() <= 2e-6
        relative = np.abs(y - expected) / np.maximum(np.abs(expected), 1e-6)
        assert relative[np.abs(x) < 4].max() <= 2e-6

    def test_nan_stays_nan(self, isa, num_columns, activation):
        _, y = passed_through(np.array([np.nan]), activation, isa, num_columns)
        assert np.isnan(y).all()

    def test_large_values_saturate(self, isa, num_columns, activation):
        x, y = passed_through(np.array([1e30, -1e30]), activation, isa, num_columns)
        # Products of two large factors may overflow where the definition does not.
        expected = activate(x.astype(np.float64), activation).astype(np.float32)
        finite = np.isfinite(y)
        np.testing.assert_allclose(y[finite], expected[finite], rtol=1e-6)
        assert (y[~finite] == expected[~finite]).all() or (x[~finite] > 0).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
class TestMemory:
    @pytest.mark.parametrize("at_end", [True, False])
    @pytest.mark.parametrize("num_columns", [1, 3, 17, 70])
    def test_nothing_outside_the_arrays_is_touched(self, isa, kind, num_columns, at_end):
        weight = sparse_weight((37, 131), 0.8)
        generator = np.random.default_rng(6)
        layer = make_layer(kind, weight, isa, activation="relu")
        x = guarded(generator.standard_normal((num_columns, 131)).astype(np.float32), at_end=at_end)
        residual = guarded(generator.standard_normal((num_columns, 37)).astype(np.float32), at_end=at_end)
        out = guarded(np.zeros((num_columns, 37), np.float32), at_end=at_end)
        assert layer(x, out, residual) is out
        check(out, x, weight, residual=residual, activation="relu")

    def test_x_of_any_strides_gives_the_same_bits(self, isa, kind):
        weight = sparse_weight((37, 45), 0.8)
        layer = make_layer(kind, weight, isa)
        for num_columns in (1, 3, 18, 40):
            x = np.random.default_rng(7).standard_normal((num_columns, 45)).astype(np.float32)
            expected = layer(x)
            wide = np.zeros((2 * num_columns, 3 * 45), np.float32)
            wide[::2, ::3] = x
            bytes_ = np.zeros(x.nbytes + 1, np.uint8)
            misaligned = bytes_[1:].view(np.float32).reshape(x.shape)
            misaligned[...] = x
            read_only = x.copy()
            read_only.flags.writeable = False
            for same in (
                np.asfortranarray(x),
                wide[::2, ::3],
                np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
                misaligned,
                read_only,
            ):
                np.testing.assert_array_equal(layer(same), expected)

    def test_x_of_many_dimensions(self, isa, kind):
        weight = sparse_weight((9, 5), 0.5)
        layer = make_layer(kind, weight, isa)
        x = np.random.default_rng(8).standard_normal((4, 3, 2, 5)).astype(np.float32)
        expected = layer(x.reshape(24, 5))
        np.testing.assert_array_equal(layer(x).reshape(24, 9), expected)
        swapped = x.transpose(2, 0, 1, 3)
        np.testing.assert_array_equal(layer(swapped), layer(x).transpose(2, 0, 1, 3))
        repeated = np.broadcast_to(x[0, 0, 0], (6, 5))
        np.testing.assert_array_equal(layer(repeated), layer(repeated.copy()))
        assert layer(x[0, 0, 0]).shape == (9,)
        assert layer(x[:0]).shape == (0, 3, 2, 9)

    def test_a_row_of_x_affects_only_its_row_of_y(self, isa, kind):
        weight = sparse_weight((37, 45), 0.8)
        layer = make_layer(kind, weight, isa)
        for num_columns in (2, 18, 90):
            x = np.random.default_rng(9).standard_normal((num_columns, 45)).astype(np.float32)
            expected = layer(x)
            x[1] = [np.nan, np.inf, -np.inf] * 15
            others = np.arange(num_columns) != 1
            np.testing.assert_array_equal(layer(x)[others], expected[others])

    def test_residual_of_any_strides(self, isa, kind):
        weight = sparse_weight((37, 45), 0.8)
        layer = make_layer(kind, weight, isa)
        for num_columns in (1, 3, 40):
            x = np.random.default_rng(10).standard_normal((num_columns, 45)).astype(np.float32)
            residual = np.random.default_rng(11).standard_normal((num_columns, 37)).astype(np.float32)
            expected = layer(x, None, residual)
            np.testing.assert_array_equal(layer(x, None, np.asfortranarray(residual)), expected)
            out = residual.copy()
            np.testing.assert_array_equal(layer(x, out, out), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", ["csr", "bitmap", "sell", "lookup"])
def test_x_at_pruned_positions_is_never_used(isa, kind):
    weight = sparse_weight((40, 100), 0.5)
    weight[:, ::3] = 0
    layer = make_layer(kind, weight, isa)
    for num_columns in (1, 3, 30):
        x = np.random.default_rng(12).standard_normal((num_columns, 100)).astype(np.float32)
        expected = layer(x)
        x[:, ::3] = np.nan
        x[:, ::6] = np.inf
        np.testing.assert_array_equal(layer(x), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_columns", [1, 4, 64, 130])
def test_any_number_of_threads_gives_the_same_bits(isa, kind, num_columns):
    weight = sparse_weight((2500, 300), 0.7)
    x = np.random.default_rng(13).standard_normal((num_columns, 300)).astype(np.float32)
    expected = make_layer(kind, weight, isa)(x)
    for threads in (2, 3, 8):
        layer = make_layer(kind, weight, isa, threads=threads)
        for _ in range(3):
            np.testing.assert_array_equal(layer(x), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (17, 33), (1100, 90), (33, 3000), (5, 0), (0, 5)], ids=str)
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 0.999, 1.0])
def test_packs_turn_back_into_the_same_weight(kind, shape, sparsity):
    generator = np.random.default_rng(14)
    weight = generator.standard_normal(shape).astype(np.float32)
    weight[generator.random(shape) < sparsity] = 0
    pack = make_pack(kind, weight, ISAS[-1])
    if kind == "dense":
        np.testing.assert_array_equal(pack.to_dense(), weight)
        return
    csr = Csr.from_dense(weight)
    for got, expected in zip(pack.to_csr(), (csr.row_offsets, csr.columns, csr.values), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_levels_differ_by_rounding_only():
    weight = sparse_weight((64, 200), 0.6)
    x = np.random.default_rng(15).standard_normal((20, 200)).astype(np.float32)
    results = [make_layer("csr", weight, isa)(x) for isa in ISAS]
    for result in results:
        check(result, x, weight)
    assert math.prod(results[0].shape) == 20 * 64
