"""Every int8 pack at every level, on its own, against NumPy: integers bit for bit, so all of y but for the activations.

The packs are those of the table of candidates, so that a new one is tested from its first day.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_reference import int8_linear
from linear_reference import guarded
from weights_of_int8 import random_integers, random_scales

import sparseinf
from sparseinf import SparseLinear, runtime
from sparseinf.compile import plans
from sparseinf.compile.candidates import CANDIDATES
from sparseinf.formats import Quantized
from sparseinf.quantize import ActivationQuantization

ISAS = runtime.available_isas()
PACKS = tuple(name for name, candidate in CANDIDATES.items() if candidate.precision == "int8")
# (out_features, in_features): tiles are 4 and 16 rows; features are taken in fours, 16s, 64s, 128s, K blocks in 384s.
SHAPES = [
    (0, 0), (0, 7), (7, 0),
    *[(m, 37) for m in (1, 2, 3, 5, 15, 16, 17, 31, 63, 64, 65, 131)],
    *[(19, k) for k in (1, 2, 3, 5, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 257, 383, 385, 521)],
    (1031, 13), (3, 1031),
]  # fmt: skip
COLUMNS = (1, 2, 7, 8, 15, 16, 17, 31, 33, 48, 63, 64, 65, 130)
MODES = [
    ActivationQuantization(scales, dtype, *fixed)
    for scales, dtype, *fixed in [
        ("column", "uint8"), ("column", "int8"), ("tensor", "uint8"), ("tensor", "int8"),
        ("static", "uint8", 0.02, 113), ("static", "int8", 0.02, 128),
    ]
]  # fmt: skip


@pytest.fixture
def compiled(monkeypatch):
    """Make a layer of int8 that has one pack, and look that this is what runs."""

    def compile_it(pack, isa, integers, scales, *, activations=MODES[0], bias=None, activation=None, threads=1):
        with monkeypatch.context() as patch, sparseinf.use_isa(isa):
            patch.setattr(plans, "candidates_of", lambda *_: [pack])
            layer = SparseLinear.from_format(
                Quantized.from_dense(integers, scales=scales),
                activations=activations.to_dict(),
                bias=bias,
                activation=activation,
                threads=threads,
                tune="off",
            )
        for n in COLUMNS:
            plan = layer.plan(n)
            assert (plan.pack, plan.isa, plan.precision) == (pack, isa, "int8")
            assert plan.kernel in (f"gemv_{pack}_{isa}", f"spmm_{pack}_{isa}")
        return layer

    return compile_it


@lru_cache(maxsize=256)
def weight_of(shape, sparsity=0.6):
    """From -128 to 127; a row in the middle is full, and the second one empty."""
    integers = random_integers(shape, 1 - sparsity).astype(np.int8)
    if shape[0] > 3:
        integers[shape[0] // 2] = np.random.default_rng(1).integers(-128, 128, shape[1])
    return integers, random_scales(shape[0])


def columns_of(num_columns, in_features, seed=0):
    """Rows of many sizes, of both signs, of one, and of zeros alone."""
    generator = np.random.default_rng([seed, num_columns, in_features])
    x = generator.standard_normal((num_columns, in_features)) * 10.0 ** generator.integers(-3, 4, (num_columns, 1))
    x[2::7] = np.abs(x[2::7])
    x[4::7] = -np.abs(x[4::7])
    x[6::7] = 0
    return x.astype(np.float32)


@lru_cache(maxsize=1024)
def expected_of(shape, sparsity, num_columns, activations=MODES[0]):
    integers, scales = weight_of(shape, sparsity)
    x = columns_of(num_columns, shape[1])
    return x, int8_linear(x, integers, scales, random_bias(shape[0]), activations=activations).astype(np.float32)


def random_bias(num_rows):
    return np.random.default_rng(num_rows).standard_normal(num_rows).astype(np.float32)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("pack", PACKS)
class TestProducts:
    @pytest.mark.parametrize("sparsity", [0.0, 0.6, 0.97])
    def test_awkward_shapes(self, compiled, isa, pack, sparsity):
        for shape in SHAPES:
            layer = compiled(pack, isa, *weight_of(shape, sparsity), bias=random_bias(shape[0]))
            for num_columns in (1, 2, 9, 17, 66):
                x, expected = expected_of(shape, sparsity, num_columns)
                np.testing.assert_array_equal(layer(x), expected, err_msg=f"{shape}, {num_columns} columns")

    @pytest.mark.parametrize("activations", MODES, ids=lambda mode: f"{mode.scales}-{mode.dtype}")
    def test_every_number_of_columns(self, compiled, isa, pack, activations):
        shape = (37, 150)
        layer = compiled(pack, isa, *weight_of(shape), activations=activations, bias=random_bias(37))
        assert layer(np.ones((0, 150), np.float32)).shape == (0, 37)
        for num_columns in COLUMNS:
            x, expected = expected_of(shape, 0.6, num_columns, activations)
            np.testing.assert_array_equal(layer(x), expected, err_msg=f"{num_columns} columns")

    def test_one_huge_row_and_several_chunks_of_rows(self, compiled, isa, pack):
        integers = np.zeros((1100, 900), np.int8)
        integers[17] = np.random.default_rng(2).integers(-128, 128, 900)
        integers[np.arange(1100), np.arange(1100) % 900] = -128
        scales = random_scales(1100)
        layer = compiled(pack, isa, integers, scales)
        for num_columns in (1, 5, 33):
            x = columns_of(num_columns, 900)
            np.testing.assert_array_equal(layer(x), int8_linear(x, integers, scales).astype(np.float32))

    @pytest.mark.parametrize("value", [-128, 127])
    @pytest.mark.parametrize("sign", [-1, 1])
    def test_nothing_saturates(self, compiled, isa, pack, value, sign):
        integers = np.full((9, 70), value, np.int8)
        layer = compiled(pack, isa, integers, np.ones(9, np.float32))
        for num_columns in (1, 3, 40):
            x = np.full((num_columns, 70), sign, np.float32)
            expected = sign * 255 * value * 70 * np.float32(1 / np.float32(255))
            np.testing.assert_array_equal(layer(x), np.full((num_columns, 9), expected, np.float32))

    def test_the_longest_rows_that_32_bits_hold(self, compiled, isa, pack):
        generator = np.random.default_rng(3)
        integers = np.full((4, 65793), -128, np.int8)  # 255 * 128 * 65793 < 2^31
        integers[1] = 127
        integers[2] = generator.integers(-128, 128, 65793)
        integers[3] = np.where(generator.random(65793) < 0.9, 0, 127)
        scales = random_scales(4)
        layer = compiled(pack, isa, integers, scales)
        for x in (np.full((1, 65793), -1, np.float32), np.ones((2, 65793), np.float32), columns_of(17, 65793)):
            np.testing.assert_array_equal(layer(x), int8_linear(x, integers, scales).astype(np.float32))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("pack", PACKS)
class TestMemory:
    def test_x_of_any_strides_gives_the_same_bits(self, compiled, isa, pack):
        integers, scales = weight_of((21, 45))
        layer = compiled(pack, isa, integers, scales)
        for num_columns in (1, 3, 18, 40):
            x = columns_of(num_columns, 45)
            expected = int8_linear(x, integers, scales).astype(np.float32)
            wide = np.zeros((2 * num_columns, 3 * 45), np.float32)
            wide[::2, ::3] = x
            misaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
            misaligned[...] = x
            read_only = x.copy()
            read_only.flags.writeable = False
            backwards = np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
            for same in (x, np.asfortranarray(x), wide[::2, ::3], backwards, misaligned, read_only):
                np.testing.assert_array_equal(layer(same), expected)

    @pytest.mark.parametrize("at_end", [True, False])
    @pytest.mark.parametrize("shape", [(37, 131), (16, 64), (3, 5)], ids=str)
    def test_nothing_outside_the_arrays_is_touched(self, compiled, isa, pack, shape, at_end):
        integers, scales = weight_of(shape)
        layer = compiled(pack, isa, integers, scales, bias=random_bias(shape[0]), activation="relu")
        for num_columns in (1, 3, 8, 17, 70):
            x = guarded(columns_of(num_columns, shape[1]), at_end=at_end)
            residual = guarded(columns_of(num_columns, shape[0]), at_end=at_end)
            out = guarded(np.zeros((num_columns, shape[0]), np.float32), at_end=at_end)
            assert layer(x, out=out, residual=residual) is out
            expected = int8_linear(x, integers, scales, random_bias(shape[0]), "relu", residual)
            np.testing.assert_array_equal(out, expected.astype(np.float32))

    def test_residual_of_any_strides_and_in_place(self, compiled, isa, pack):
        integers, scales = weight_of((21, 45))
        layer = compiled(pack, isa, integers, scales, bias=random_bias(21))
        for num_columns in (1, 3, 40):
            x, residual = columns_of(num_columns, 45), columns_of(num_columns, 21, seed=1)
            expected = int8_linear(x, integers, scales, random_bias(21), residual=residual).astype(np.float32)
            out = residual.copy()
            np.testing.assert_array_equal(layer(x, residual=np.asfortranarray(residual)), expected)
            np.testing.assert_array_equal(layer(x, out=out, residual=out), expected)

    def test_x_of_many_dimensions(self, compiled, isa, pack):
        integers, scales = weight_of((9, 5))
        layer = compiled(pack, isa, integers, scales)
        x = columns_of(24, 5).reshape(4, 3, 2, 5)
        np.testing.assert_array_equal(layer(x).reshape(24, 9), layer(x.reshape(24, 5)))
        np.testing.assert_array_equal(layer(x.transpose(2, 0, 1, 3)), layer(x).transpose(2, 0, 1, 3))
        np.testing.assert_array_equal(layer(np.broadcast_to(x[0, 0, 0], (6, 5)))[5], layer(x[0, 0, 0]))


ACTIVATIONS = [
    None, "relu", "relu6", ("clip", -0.5, 1.25), "gelu", "gelu_tanh", "silu", "hardswish", "hardsigmoid", "sigmoid",
    "tanh", ("leaky_relu", 0.125),
]  # fmt: skip
EXACT = ACTIVATIONS[:4]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations(compiled, isa, pack, activation):
    integers, scales = weight_of((37, 45))
    scales = scales / 400  # sums of a few units
    layer = compiled(pack, isa, integers, scales, bias=random_bias(37), activation=activation)
    for num_columns in (1, 3, 19):
        x = np.random.default_rng(num_columns).standard_normal((num_columns, 45)).astype(np.float32)
        residual = columns_of(1, 37)[0] * np.ones((num_columns, 1), np.float32)
        expected = int8_linear(x, integers, scales, random_bias(37), activation, residual)
        y = layer(x, residual=residual)
        if activation in EXACT:
            np.testing.assert_array_equal(y, expected.astype(np.float32))
        else:
            assert np.abs(y - expected).max() <= 2e-6 * max(1, np.abs(expected).max())


def some_rows_are_strange(num_columns, in_features):
    """Columns of which some rows have no finite range, and which."""
    x = columns_of(num_columns, in_features)
    strange = np.zeros(num_columns, bool)
    for n, value in zip(range(0, num_columns, 3), (np.nan, np.inf, -np.inf, 3e38) * num_columns, strict=False):
        x[n, -1 - n % in_features] = value
        strange[n] = not np.isfinite(value)
    return x, strange


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
class TestStrangeX:
    def test_a_row_without_a_finite_range_is_nan_and_no_other(self, compiled, isa, pack, dtype):
        integers, scales = weight_of((21, 70))
        scales = scales * np.float32(1e-5)  # so that y is finite
        activations = ActivationQuantization("column", dtype)
        layer = compiled(pack, isa, integers, scales, activations=activations)
        for num_columns in (1, 4, 20, 70):
            x, strange = some_rows_are_strange(num_columns, 70)
            y = layer(x)
            assert np.isnan(y[strange]).all()
            assert np.isfinite(y[~strange]).all()
            expected = int8_linear(x, integers, scales, activations=activations)
            np.testing.assert_array_equal(y, expected.astype(np.float32))

    # 255 / 7.49e-37 is the last inverse that float32 holds, or 127 / 3.73e-37.
    @pytest.mark.parametrize("size", [1e-45, 1e-40, 3.7e-37, 3.8e-37, 7.4e-37, 7.5e-37, 1e-36, 1.7e38, 3.4e38])
    @pytest.mark.parametrize("signs", ["positive", "negative", "both"])
    def test_ranges_at_the_ends_of_float32(self, compiled, isa, pack, dtype, size, signs):
        integers, scales = weight_of((5, 33))
        scales = scales * np.float32(1e-4)  # so that y is finite
        activations = ActivationQuantization("column", dtype)
        layer = compiled(pack, isa, integers, scales, activations=activations)
        low, high = {"positive": (0, 1), "negative": (-1, 0), "both": (-1, 1)}[signs]
        for num_columns in (1, 20):
            x = (np.linspace(low, high, 33) * size * np.ones((num_columns, 1))).astype(np.float32)
            y = layer(x)
            with np.errstate(invalid="ignore"):
                expected = int8_linear(x, integers, scales, activations=activations).astype(np.float32)
            np.testing.assert_array_equal(y, expected)
            is_too_wide = dtype == "uint8" and signs == "both" and size == 3.4e38
            assert np.isnan(y).all() if is_too_wide else np.isfinite(y).all()


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("shape", [(1, 1), (17, 33), (1100, 90), (33, 1030), (5, 0), (0, 5)], ids=str)
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
def test_packs_turn_back_into_the_same_weight(compiled, pack, shape, sparsity):
    integers, scales = weight_of(shape, sparsity)
    weight = compiled(pack, ISAS[-1], integers, scales).weight
    assert isinstance(weight, Quantized)
    np.testing.assert_array_equal(weight.float32_integers().to_dense(), integers)
    np.testing.assert_array_equal(weight.scales, scales)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("pack", PACKS)
def test_any_number_of_threads_gives_the_same_bits(compiled, isa, pack):
    integers, scales = weight_of((2100, 300), 0.7)
    for num_columns in (1, 4, 64, 130):
        x = columns_of(num_columns, 300)
        expected = compiled(pack, isa, integers, scales)(x)
        for threads in (2, 3):
            np.testing.assert_array_equal(compiled(pack, isa, integers, scales, threads=threads)(x), expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_layer_matches_the_reference(data):
    shape = data.draw(st.tuples(st.integers(0, 70), st.integers(0, 140)), label="shape")
    num_columns = data.draw(st.integers(0, 80), label="columns")
    activations = data.draw(st.sampled_from(MODES), label="activations")
    activation = data.draw(st.sampled_from(EXACT), label="activation")
    pack, isa = (data.draw(st.sampled_from(names)) for names in (PACKS, ISAS))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    is_zero = generator.random(shape) < data.draw(st.floats(0, 1), label="sparsity")
    integers = np.where(is_zero, 0, generator.integers(-128, 128, shape)).astype(np.int8)
    scales = generator.uniform(1e-3, 1, shape[0]).astype(np.float32)
    x = columns_of(num_columns, shape[1], seed=int(generator.integers(1 << 32)))
    bias = generator.standard_normal(shape[0]).astype(np.float32)
    residual = generator.standard_normal((num_columns, shape[0])).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch, sparseinf.use_isa(isa):
        patch.setattr(plans, "candidates_of", lambda *_: [pack])
        layer = SparseLinear.from_format(
            Quantized.from_dense(integers, scales=scales),
            activations=activations.to_dict(),
            bias=bias,
            activation=activation,
            threads=data.draw(st.integers(1, 3), label="threads"),
            tune="off",
        )
    expected = int8_linear(x, integers, scales, bias, activation, residual, activations)
    np.testing.assert_array_equal(layer(x, residual=residual), expected.astype(np.float32))
