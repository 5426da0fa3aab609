"""int8 layers on the packs for few columns, at every level that this machine has: bit for bit the plain computation.

Packs are made and run by themselves here, so that each test knows which kernel it tests.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from int8_reference import int8_linear
from linear_reference import guarded

from sparseinf import runtime
from sparseinf.compile.activation import make_epilogue
from sparseinf.formats import Csr
from sparseinf.quantize import ActivationQuantization

ISAS = runtime.available_isas()
PACKS = {
    "bitmap": runtime.pack_bitmap_int8,
    "window of 64": partial(runtime.pack_lookup_int8, window=64),
    "window of 128": partial(runtime.pack_lookup_int8, window=128),
}
# (out_features, in_features): slices have 16 rows, windows move by 32 columns, chunks have up to 512 rows.
SHAPES = [*[(m, 97) for m in (1, 3, 15, 16, 17, 67, 600)], *[(19, k) for k in (1, 2, 31, 63, 65, 129, 1031, 9001)]]
COLUMNS = (1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 63, 65, 130)


def integer_weight(shape, sparsity, *, seed=0):
    """Whole numbers from -128 to 127; rows of any length, one of them full and one empty where there are enough."""
    generator = np.random.default_rng([seed, *shape])
    weight = generator.integers(-128, 128, shape)
    weight[generator.random(shape) < sparsity ** generator.uniform(0.2, 2, (shape[0], 1))] = 0
    if shape[0] > 2:
        weight[1] = 0
        weight[2] = 127
    return weight


def make_pack(kind, weight, *, threads=1):
    csr = Csr.from_dense(weight.astype(np.float32))
    return PACKS[kind](csr.row_offsets, csr.columns, csr.values, num_columns=weight.shape[1], num_threads=threads)


class Layer:
    """A compiled layer and its plain twin."""

    def __init__(self, kind, weight, isa, *, activation=None, activations=None, threads=1):
        generator = np.random.default_rng(weight.shape)
        self.weight, self.activation = weight, activation
        self.activations = activations or ActivationQuantization()
        self.scales = generator.uniform(0.01, 2, weight.shape[0]).astype(np.float32)
        self.bias = generator.standard_normal(weight.shape[0]).astype(np.float32)
        said = self.activations
        quantization = runtime.ActivationQuantization(said.scales, said.dtype, said.scale or 0, said.zero_point or 0)
        self.run = runtime.Linear(
            *weight.shape,
            isa=isa,
            plans=[(1, make_pack(kind, weight))],
            bias=self.bias,
            epilogue=make_epilogue(activation),
            num_threads=threads,
            row_scales=self.scales,
            activations=quantization,
        )

    def check(self, x, residual=None):
        """Result and plain computation have the same bits."""
        expected = int8_linear(
            x, self.weight, self.scales, self.bias, self.activation, residual, activations=self.activations
        )
        np.testing.assert_array_equal(self.run(x, None, residual), expected.astype(np.float32))


def normal(shape, *, seed=1):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", PACKS)
def test_layers_are_exact_for_any_shape(kind, isa):
    for shape in SHAPES:
        for sparsity in (0.5, 0.95):
            layer = Layer(kind, integer_weight(shape, sparsity), isa, activation="relu")
            for num_columns in (1, 2, 7):
                layer.check(normal((num_columns, shape[1])))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", PACKS)
def test_layers_are_exact_for_any_number_of_columns(kind, isa):
    layer = Layer(kind, integer_weight((83, 203), 0.8), isa)
    for num_columns in COLUMNS:
        layer.check(normal((num_columns, 203)), normal((num_columns, 83), seed=2))


@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("scales", ["column", "tensor", "static"])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_every_quantization_of_x_is_exact(kind, scales, dtype):
    if scales == "static":
        activations = ActivationQuantization("static", dtype, 0.02, 128 if dtype == "int8" else 90)
    else:
        activations = ActivationQuantization(scales, dtype)
    layer = Layer(kind, integer_weight((40, 130), 0.7), ISAS[-1], activations=activations)
    for num_columns in (1, 6):
        layer.check(normal((num_columns, 130)) * np.arange(1, num_columns + 1, dtype=np.float32)[:, np.newaxis])


@pytest.mark.parametrize("kind", PACKS)
def test_largest_sums_are_exact(kind):
    """No sum of two products may saturate 16 bits, and no sum of all of them 32."""
    weight = np.full((17, 65000), 127)
    weight[::2] = -128
    activations = ActivationQuantization("static", "uint8", 1.0, 0)
    x = np.full((2, 65000), 255, np.float32)
    for isa in ISAS:
        Layer(kind, weight, isa, activations=activations).check(x)


@pytest.mark.parametrize("kind", PACKS)
def test_a_row_of_x_that_is_not_finite_spoils_its_own_row_of_y(kind):
    layer = Layer(kind, integer_weight((20, 70), 0.6), ISAS[-1])
    x = normal((5, 70))
    x[1, 3], x[3, 69] = np.nan, np.inf
    layer.check(x)
    assert np.isnan(layer.run(x)[[1, 3]]).all()


@pytest.mark.parametrize("kind", PACKS)
def test_threads_change_no_bit(kind):
    weight = integer_weight((1500, 700), 0.5)
    for num_columns in (1, 3, 70):
        x = normal((num_columns, 700))
        expected = Layer(kind, weight, ISAS[-1]).run(x)
        for threads in (2, 5):
            np.testing.assert_array_equal(Layer(kind, weight, ISAS[-1], threads=threads).run(x), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", PACKS)
def test_x_may_have_any_strides(kind, isa):
    layer = Layer(kind, integer_weight((21, 77), 0.7), isa)
    wide = normal((9, 3 * 77))
    for x in (wide[:, ::3], wide[::2, :77], np.asfortranarray(wide[:, :77]), wide[::-1, 76::-1]):
        layer.check(x)


@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("at_end", [True, False])
def test_layers_stay_inside_their_arrays(kind, at_end):
    for isa in ISAS:
        for shape in ((5, 3), (17, 65), (33, 130)):
            layer = Layer(kind, integer_weight(shape, 0.5), isa)
            for num_columns in (1, 4, 17):
                x = guarded(normal((num_columns, shape[1])), at_end=at_end)
                y = guarded(np.zeros((num_columns, shape[0]), np.float32), at_end=at_end)
                layer.run(x, y)
                np.testing.assert_array_equal(y, layer.run(x.copy()))


@pytest.mark.parametrize("kind", PACKS)
def test_packs_come_back(kind):
    for shape in [(0, 0), (0, 4), (4, 0), *SHAPES]:
        weight = integer_weight(shape, 0.8)
        csr = Csr.from_dense(weight.astype(np.float32))
        arrays = csr.row_offsets, csr.columns, csr.values
        for threads in (1, 3):
            for came_back, array in zip(make_pack(kind, weight, threads=threads).to_csr(), arrays, strict=True):
                np.testing.assert_array_equal(came_back, array)


@pytest.mark.parametrize(
    ("kind", "name", "kernels"),
    [
        ("bitmap", "bitmap_int8", ("gemv_bitmap_int8", "gemv_bitmap_int8")),
        ("window of 64", "lookup_int8", ("gemv_lookup_int8", "spmm_lookup_int8")),
        ("window of 128", "lookup_int8", ("gemv_lookup_int8", "spmm_lookup_int8")),
    ],
)
def test_packs_tell_what_they_are(kind, name, kernels):
    pack = make_pack(kind, integer_weight((30, 40), 0.5))
    assert pack.kind == name
    assert (runtime.kernel_family(pack, 1), runtime.kernel_family(pack, 2)) == kernels


def test_other_windows_are_refused():
    csr = Csr.from_dense(np.eye(3, dtype=np.float32))
    with pytest.raises(ValueError, match="window must be 64 or 128"):
        runtime.pack_lookup_int8(csr.row_offsets, csr.columns, csr.values, 3, 96, 1)
