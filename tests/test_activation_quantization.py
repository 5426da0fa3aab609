"""In every mode x becomes 8 bits and back by the formula; what cannot be is refused, and saved data come back."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from int8_reference import int8_linear, integer_sums, quantize_rows, quantize_weight
from linear_reference import product, sparse_weight

from sparseinf.quantize import ActivationQuantization
from sparseinf.quantize.round_trip import round_trip

DYNAMIC = [ActivationQuantization(scales, dtype) for scales in ("column", "tensor") for dtype in ("uint8", "int8")]
STATIC = [
    ActivationQuantization("static", "uint8", 0.02, 100),
    ActivationQuantization("static", "uint8", 1.0, 0),
    ActivationQuantization("static", "uint8", 3e-39, 255),
    ActivationQuantization("static", "uint8", 0.0, 0),
    ActivationQuantization("static", "int8", 0.5, 128),
    ActivationQuantization("static", "int8", 0.0, 128),
]

arrays = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**126), max_value=2.0**126),
)
finite = st.floats(width=32, min_value=-(2.0**126), max_value=2.0**126)


@settings(deadline=None)
@given(arrays, st.sampled_from(DYNAMIC + STATIC))
@example(np.array([[1e-45, 0], [0, 0], [3.7e-37, -3.7e-37]], np.float32), DYNAMIC[0])
@example(np.array([[255, 0, 127.5], [-255, 0, -0.5]], np.float32), DYNAMIC[0])
def test_a_round_trip_is_that_of_the_reference(x, activations):
    q, scales, zeros = quantize_rows(x, activations)
    expected = scales.astype(np.float64)[:, np.newaxis] * (q.astype(np.float64) - zeros[:, np.newaxis])
    np.testing.assert_array_equal(round_trip(x, activations), expected)


@settings(deadline=None)
@given(arrays, st.sampled_from(DYNAMIC))
def test_dynamic_scales_keep_zero_and_lose_half_a_step_of_the_rest(x, activations):
    _, scales, _ = quantize_rows(x, activations)
    came_back = round_trip(x, activations)
    assert (came_back[x == 0] == 0).all()
    # Below 3.8e-37 in all nothing is kept. The ends of an asymmetric range may miss half a step, by the zero point.
    limit = np.where(scales > 0, 0.501 * scales.astype(np.float64), 3.8e-37)[:, np.newaxis]
    assert (np.abs(came_back - x) <= limit).all()


@given(finite, finite, st.sampled_from(["uint8", "int8"]))
def test_a_static_range_is_the_dynamic_one_of_its_ends(first, second, dtype):
    low, high = sorted((first, second))
    static = ActivationQuantization.from_range(low, high, dtype)
    _, scales, zeros = quantize_rows(np.array([[low, high]], np.float32), ActivationQuantization("tensor", dtype))
    assert (static.scale, static.zero_point) == (scales[0], zeros[0])


@pytest.mark.parametrize(("low", "high"), [(np.nan, 1), (0, np.nan), (-np.inf, 0), (-3e38, 3e38), (2, 1)])
def test_a_range_that_float32_cannot_hold_is_refused(low, high):
    with pytest.raises(ValueError, match="has no range in float32"):
        ActivationQuantization.from_range(low, high)


def test_scale_is_a_float32_and_so_is_its_inverse():
    activations = ActivationQuantization("static", "uint8", 0.1, 3)
    assert activations.scale == np.float32(0.1)
    assert activations.inverse == np.float32(1) / np.float32(0.1)
    assert ActivationQuantization("static", "int8", 0, 128).inverse == 0
    assert ActivationQuantization().inverse is None


@given(
    st.sampled_from(DYNAMIC)
    | st.builds(
        ActivationQuantization,
        st.just("static"),
        st.just("uint8"),
        st.floats(min_value=2.0**-120, max_value=2.0**120),
        st.integers(0, 255),
    )
)
def test_saved_data_come_back(activations):
    assert ActivationQuantization.from_dict(json.loads(json.dumps(activations.to_dict()))) == activations


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"scales": "row"}, ValueError, "scales must be one of 'column', 'tensor', 'static', but is 'row'"),
        ({"dtype": "int4"}, ValueError, "dtype must be one of 'uint8', 'int8', but is 'int4'"),
        ({"scale": 1.0}, ValueError, "belong to scales='static', but scales is 'column'"),
        ({"zero_point": 0}, ValueError, "belong to scales='static'"),
        ({"scales": "static"}, TypeError, "need a scale, a number, but it is None"),
        ({"scales": "static", "scale": "1", "zero_point": 0}, TypeError, "need a scale"),
        ({"scales": "static", "scale": True, "zero_point": 0}, TypeError, "need a scale"),
        ({"scales": "static", "scale": 1.0}, TypeError, "need a zero_point, a whole number, but it is None"),
        ({"scales": "static", "scale": 1.0, "zero_point": 1.0}, TypeError, "need a zero_point"),
        ({"scales": "static", "scale": 1.0, "zero_point": True}, TypeError, "need a zero_point"),
        ({"scales": "static", "scale": -1.0, "zero_point": 0}, ValueError, "scale must be 0 or a positive float32"),
        ({"scales": "static", "scale": float("nan"), "zero_point": 0}, ValueError, "scale must be 0 or"),
        ({"scales": "static", "scale": 1e39, "zero_point": 0}, ValueError, "scale must be 0 or"),
        ({"scales": "static", "scale": 10**400, "zero_point": 0}, ValueError, "scale must be 0 or"),
        ({"scales": "static", "scale": 1e-40, "zero_point": 0}, ValueError, "scale must be 0 or"),
        ({"scales": "static", "scale": 1.0, "zero_point": 256}, ValueError, "from 0 to 255"),
        ({"scales": "static", "scale": 1.0, "zero_point": -1}, ValueError, "from 0 to 255"),
        ({"scales": "static", "dtype": "int8", "scale": 1.0, "zero_point": 0}, ValueError, "128 for dtype='int8'"),
        ({"scales": "static", "scale": 0.0, "zero_point": 7}, ValueError, "zero_point must be 0 for scale=0"),
    ],
)
def test_what_cannot_be_is_refused(fields, error, message):
    with pytest.raises(error, match=message):
        ActivationQuantization(**fields)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ([], TypeError),
        ({}, ValueError),
        ({"scales": "column"}, ValueError),
        ({"scales": "column", "dtype": "uint8", "scale": None}, ValueError),
        ({"scales": "static", "dtype": "uint8", "scale": 1.0}, ValueError),
        ({"scales": "column", "dtype": "uint8", "bits": 8}, ValueError),
        ({"scales": [], "dtype": "uint8"}, ValueError),
    ],
)
def test_data_that_were_never_saved_are_refused(data, error):
    with pytest.raises(error, match=r"quantization of x|must be one of"):
        ActivationQuantization.from_dict(data)


def test_it_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ActivationQuantization().dtype = "int8"


def test_the_reference_is_exact_where_integers_are():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (5, 300)).astype(np.float32)
    x[:, 0], x[:, 1] = 0, 255
    integers = generator.integers(-128, 128, (7, 300)).astype(np.int8)
    integers[:, 2:4] = -128, 127
    y = int8_linear(x, integers, np.ones(7, np.float32), bias=np.full(7, 2, np.float32), activation="relu")
    np.testing.assert_array_equal(y, np.maximum(x.astype(np.int64) @ integers.T.astype(np.int64) + 2, 0))


@pytest.mark.parametrize("activations", DYNAMIC)
def test_the_reference_is_near_float32(activations):
    weight = sparse_weight((20, 101), 0.5)
    x = np.random.default_rng(1).standard_normal((9, 101)).astype(np.float32)
    integers, weight_scales = quantize_weight(weight)
    residual = np.ones((9, 20), np.float32)
    y = int8_linear(x, integers, weight_scales, residual=residual, activations=activations)
    _, x_scales, _ = quantize_rows(x, activations)
    magnitudes = np.abs(x).sum(axis=1)[:, np.newaxis] * weight_scales + np.abs(weight).sum(axis=1) * x_scales.max()
    assert (np.abs(y - product(x, weight, residual=residual)[0]) <= 0.51 * magnitudes + 0.3 * weight_scales).all()


def test_the_reference_gives_nan_for_a_row_with_nan_and_no_other():
    x = np.array([[1, 2], [np.nan, 1], [np.inf, 1], [3e38, -3e38]], np.float32)
    with np.errstate(invalid="ignore"):
        y = int8_linear(x, np.array([[1, 0], [0, 1], [0, 0]], np.int8), np.ones(3, np.float32))
    assert np.isnan(y).all(axis=1).tolist() == [False, True, True, True]
    assert not np.isnan(y[0]).any()


def test_the_reference_notices_overflow():
    q, integers = np.full((1, 2**16), 255, np.uint8), np.full((1, 2**16), 127, np.int8)
    assert integer_sums(q, np.zeros(1, np.int32), integers) == 255 * 127 * 2**16
    integers[:] = -128
    with pytest.raises(AssertionError, match="overflows"):
        integer_sums(np.full((1, 2**17), 255, np.uint8), np.zeros(1, np.int32), np.repeat(integers, 2, axis=1))
