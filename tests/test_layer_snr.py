"""The estimated signal-to-noise ratio of an int8 layer is that of a plain computation, from few outputs and rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from int8_reference import quantize_weight
from linear_reference import sparse_weight

from sparseinf.formats import NM, Block, Csr, Dense
from sparseinf.formats.float32 import MAX_EXTENT
from sparseinf.quantize import ActivationQuantization, layer_snr_db
from sparseinf.quantize.round_trip import round_trip

ACTIVATIONS = [ActivationQuantization(scales, dtype) for scales in ("column", "tensor") for dtype in ("uint8", "int8")]


def csr_of_integers(integers):
    plain = Csr.from_dense(integers.astype(np.float32))
    return Csr.unchecked(plain.shape, plain.values.astype(np.int8), plain.columns, plain.row_offsets)


def layer(weight, form="csr"):
    """A weight and its quantized twin in the same format."""
    integers, scales = quantize_weight(weight)
    if form == "dense":
        return Dense.from_dense(weight), SimpleNamespace(integers=Dense.unchecked(integers), scales=scales)
    return Csr.from_dense(weight), SimpleNamespace(integers=csr_of_integers(integers), scales=scales)


def plain_snr_db(weight, x, activations):
    """By definition: all outputs and all rows of x, an array of them or several, in float64."""
    integers, scales = quantize_weight(weight)
    rounded = integers * scales[:, np.newaxis].astype(np.float64)
    signal = noise = 0.0
    for rows in x if isinstance(x, list) else [x]:
        y = rows.astype(np.float64) @ weight.T.astype(np.float64)
        signal += (y**2).sum()
        noise += ((round_trip(rows, activations) @ rounded.T - y) ** 2).sum()
    return 10 * np.log10(signal / noise)


def normal(shape, *, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def uneven_weight(outlier, *, num_rows=3000):
    """Half the rows are empty, and one in thirty of the others has an outlier; the estimate sees a part of them."""
    weight = normal((num_rows, 1500))
    weight[1::2] = 0
    rows = np.arange(0, num_rows, 60)
    weight[rows, rows // 3] = outlier
    return weight


@pytest.mark.parametrize(
    "activations", ACTIVATIONS, ids=lambda activations: f"{activations.scales} {activations.dtype}"
)
@pytest.mark.parametrize("form", ["csr", "dense"])
def test_without_samples_it_is_that_of_normal_x(activations, form):
    weight = sparse_weight((150, 1000), 0.8)
    expected = plain_snr_db(weight, [normal((20, 1000), seed=seed) for seed in range(20)], activations)
    assert layer_snr_db(*layer(weight, form), activations) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("activations", [*ACTIVATIONS, ActivationQuantization.from_range(-1, 2)])
def test_few_samples_are_taken_as_they_are(activations):
    weight = sparse_weight((150, 400), 0.8)
    x = np.maximum(normal((30, 400)), 0) + np.float32(0.3)
    expected = plain_snr_db(weight, x, activations)
    assert layer_snr_db(*layer(weight), activations, x) == pytest.approx(expected, abs=1e-6)


def test_some_rows_of_many_samples_tell_of_all():
    weight = sparse_weight((150, 400), 0.8)
    x = np.repeat(normal((200, 400)), 10, axis=0) + np.float32(0.3)
    expected = plain_snr_db(weight, x, ACTIVATIONS[0])
    assert layer_snr_db(*layer(weight), ACTIVATIONS[0], [x[:700], x[700:]]) == pytest.approx(expected, abs=0.5)


def test_one_scale_for_all_x_comes_from_all_samples():
    weight = sparse_weight((150, 400), 0.8)
    x = normal((100, 400))
    without_outlier = layer_snr_db(*layer(weight), ActivationQuantization("tensor"), x)
    x[1, 0] = 1000  # in a row that is not looked at
    assert layer_snr_db(*layer(weight), ActivationQuantization("tensor"), x) < without_outlier - 20


@pytest.mark.parametrize("form", ["csr", "dense"])
@pytest.mark.parametrize("samples", [None, normal((32, 1500), seed=2)], ids=["no samples", "samples"])
@pytest.mark.parametrize("outlier", [1, 40, 10_000])
def test_some_outputs_of_a_large_layer_tell_of_all(form, samples, outlier):
    weight = uneven_weight(outlier)
    expected = plain_snr_db(weight, normal((50, 1500), seed=3) if samples is None else samples, ACTIVATIONS[0])
    assert layer_snr_db(*layer(weight, form), ACTIVATIONS[0], samples) == pytest.approx(expected, abs=0.5)


def test_it_is_the_same_every_time():
    weight = layer(uneven_weight(40))
    assert layer_snr_db(*weight, ACTIVATIONS[0]) == layer_snr_db(*weight, ACTIVATIONS[0])


def test_what_a_static_range_clips_is_seen_with_samples():
    weight = layer(sparse_weight((150, 400), 0.8))
    x = normal((32, 400))
    fitting, narrow = ActivationQuantization.from_range(x.min(), x.max()), ActivationQuantization.from_range(-1, 1)
    assert layer_snr_db(*weight, fitting, x) > 35
    assert layer_snr_db(*weight, narrow, x) < 10
    assert layer_snr_db(*weight, narrow) == layer_snr_db(*weight, ActivationQuantization("tensor"))


@pytest.mark.parametrize(
    "form", [lambda weight: Block.from_dense(weight, block=(4, 1)), lambda w: NM.from_dense(w, nm=(2, 4))]
)
def test_every_format_counts_by_its_nonzeros(form):
    weight = np.kron(normal((20, 50)), np.array([[1, 0, 0, 1]] * 4, np.float32))
    _, quantized = layer(weight)
    expected = layer_snr_db(*layer(weight), ACTIVATIONS[0])
    assert layer_snr_db(form(weight), quantized, ACTIVATIONS[0]) == pytest.approx(expected, abs=1e-9)


def test_a_row_of_few_large_weights_among_small_ones_costs_most():
    weight = normal((100, 400))
    even = layer_snr_db(*layer(weight), ACTIVATIONS[0])
    weight[:, 0] = 100
    assert layer_snr_db(*layer(weight), ACTIVATIONS[0], normal((32, 400)) * (np.arange(400) > 0)) < even - 20


@pytest.mark.parametrize("form", ["csr", "dense"])
@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (5, 7), (3000, 200)])
def test_nothing_is_lost_of_zeros(shape, form):
    weight = layer(np.zeros(shape, np.float32), form)
    x = normal((3, shape[1]))
    assert layer_snr_db(*weight, ACTIVATIONS[0]) == layer_snr_db(*weight, ACTIVATIONS[0], x) == np.inf


def test_nothing_is_lost_of_integers():
    generator = np.random.default_rng(0)
    weight, x = (generator.integers(-127, 128, (9, 50)).astype(np.float32) for _ in range(2))
    weight[:, 0] = x[:, 0] = 127
    assert layer_snr_db(*layer(weight), ActivationQuantization("column", "int8"), x) == np.inf


@pytest.mark.parametrize("shape", [(5, 7), (3000, 200)])
def test_all_is_lost_of_a_weight_without_integers(shape):
    weight, quantized = layer(normal(shape), "dense")
    quantized.integers = Dense.unchecked(np.zeros(shape, np.int8))
    assert layer_snr_db(weight, quantized, ACTIVATIONS[0], normal((3, shape[1]))) == pytest.approx(0)


def test_x_beyond_the_range_of_float32_is_all_noise():
    x = np.array([[3e38, -3e38]], np.float32)
    assert layer_snr_db(*layer(np.ones((2, 2), np.float32)), ActivationQuantization(), x) == -np.inf


def test_few_nonzeros_in_a_vast_weight_take_no_memory_of_its_size():
    columns, offsets = np.array([0, 7, MAX_EXTENT - 1, 5], np.int32), np.array([0, 3, 4], np.int64)
    weight = Csr((2, MAX_EXTENT), np.array([1, 0.4, -0.7, 2], np.float32), columns, offsets)
    integers = Csr.unchecked(weight.shape, np.array([127, 51, -89, 127], np.int8), columns, offsets)
    quantized = SimpleNamespace(integers=integers, scales=np.array([1 / 127, 2 / 127], np.float32))
    estimate = layer_snr_db(weight, quantized, ACTIVATIONS[0])
    together = np.array([0, 7, 9, 5], np.int32)
    weight = Csr((2, 2**16), weight.values, together, offsets)
    quantized.integers = Csr.unchecked(weight.shape, integers.values, together, offsets)
    assert estimate == pytest.approx(layer_snr_db(weight, quantized, ACTIVATIONS[0]))


def test_columns_far_apart_are_those_of_x():
    weight = np.zeros((3, 100_000), np.float32)
    weight[0, [3, 99_999]], weight[1, 50_000], weight[2, [7, 3]] = [1, -0.3], 2, [0.11, 1]
    x = normal((5, 100_000))
    expected = plain_snr_db(weight, x, ACTIVATIONS[0])
    assert layer_snr_db(*layer(weight), ACTIVATIONS[0], x) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("samples", [np.ones((2, 3), np.float32), np.ones((2, 4)), []])
def test_wrong_samples_are_refused_by_name(samples):
    with pytest.raises((TypeError, ValueError), match=r"^samples"):
        layer_snr_db(*layer(np.ones((2, 4), np.float32)), ACTIVATIONS[0], samples)
