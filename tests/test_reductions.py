"""Operators that make one element of many: natively what NumPy gives in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from single_nodes import NUMBERS, check_node, load_node, numbers, run_native


def log_sum_exp(x, axis, keepdims):
    largest = x.max(axis=axis, keepdims=True, initial=-np.inf)
    total = np.log(np.exp(x - np.where(np.isinf(largest), 0, largest)).sum(axis=axis, keepdims=True)) + largest
    return total if keepdims else total.squeeze(axis)


REDUCTIONS = {
    "ReduceSum": np.sum,
    "ReduceMean": np.mean,
    "ReduceProd": np.prod,
    "ReduceL1": lambda x, **how: np.sum(abs(x), **how),
    "ReduceL2": lambda x, **how: np.sqrt(np.sum(x * x, **how)),
    "ReduceSumSquare": lambda x, **how: np.sum(x * x, **how),
    "ReduceLogSum": lambda x, **how: np.log(np.sum(x, **how)),
    "ReduceLogSumExp": log_sum_exp,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
}
OF_FLOATS = ("ReduceL2", "ReduceLogSum", "ReduceLogSumExp")
SHAPES = [(5,), (1,), (2, 3, 4), (3, 1, 17), (1, 1), (7, 300), (300, 7), (2, 3, 4, 5), (2, 15, 2, 16), (31, 33)]


def reduce(op, x, axes, **attributes):
    keeps = attributes.get("keepdims", 1)
    rank = x.ndim if keeps else x.ndim - len(axes)
    return run_native(op, [x, np.array(axes, np.int64)], [x.dtype.name], [rank], **attributes)[0]


@pytest.mark.parametrize("op", REDUCTIONS)
def test_any_axes_of_floats(op):
    for shape in SHAPES:
        x = (
            abs(numbers("float32", *shape)) / np.float32(9) + np.float32(0.5)
            if op in ("ReduceProd", "ReduceLogSum")
            else numbers("float32", *shape)
        )
        for count in range(1, len(shape) + 1):
            for axes in itertools.combinations(range(len(shape)), count):
                expected = REDUCTIONS[op](x.astype(np.float64), axis=axes, keepdims=True)
                y = reduce(op, x, [axis - len(shape) if axis % 2 else axis for axis in axes])
                np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6, strict=False)
                assert y.shape == expected.shape


@pytest.mark.parametrize("op", [op for op in REDUCTIONS if op not in OF_FLOATS])
@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_whole_numbers(op, dtype):
    x = numbers(dtype, 3, 4, 5)
    for axes in ([0], [1], [2], [0, 2], [0, 1, 2]):
        y = reduce(op, x, axes, keepdims=0)
        expected = REDUCTIONS[op](x.astype(np.int64), axis=tuple(axes), keepdims=False)
        assert np.array_equal(y, np.asarray(expected).astype(dtype))


def test_sums_of_whole_numbers_wrap_around():
    x = np.full(3, np.iinfo(np.int64).max)
    assert reduce("ReduceSum", x, [0]) == np.sum(x)
    assert reduce("ReduceSum", x.astype(np.int32), [0]) == np.array(-3, np.int32)


@pytest.mark.parametrize("dtype", [*NUMBERS, "bool"])
def test_extremes_of_every_type(dtype):
    x = numbers(dtype, 6, 40)
    for op in ("ReduceMax", "ReduceMin"):
        for axis in (0, 1):
            assert np.array_equal(reduce(op, x, [axis]), REDUCTIONS[op](x, axis=axis, keepdims=True))


@pytest.mark.parametrize("op", REDUCTIONS)
def test_axes_that_are_not_said(op):
    x = abs(numbers("float32", 2, 3, 4)) / np.float32(9)
    for inputs in ([x], [x, np.zeros(0, np.int64)]):
        for keeps in (0, 1):
            (y,) = run_native(op, inputs, ranks=[3 * keeps], keepdims=keeps)
            expected = REDUCTIONS[op](x.astype(np.float64), axis=(0, 1, 2), keepdims=True).reshape((1,) * 3 * keeps)
            np.testing.assert_allclose(y, expected, rtol=1e-6)
        (y,) = run_native(op, inputs, noop_with_empty_axes=1)
        assert np.array_equal(y, x)
    (y,) = run_native(op, [np.array(0.5, np.float32)])
    np.testing.assert_allclose(y, REDUCTIONS[op](np.array(0.5), axis=(), keepdims=True).astype(np.float32), rtol=1e-6)


NEUTRAL = {
    "ReduceSum": 0,
    "ReduceMean": np.nan,
    "ReduceProd": 1,
    "ReduceL1": 0,
    "ReduceL2": 0,
    "ReduceSumSquare": 0,
    "ReduceLogSum": -np.inf,
    "ReduceLogSumExp": -np.inf,
    "ReduceMax": -np.inf,
    "ReduceMin": np.inf,
}


@pytest.mark.parametrize("op", REDUCTIONS)
def test_nothing_to_reduce(op):
    for shape, axes in (((2, 0, 3), [1]), ((0, 3), [0]), ((3, 0), [1]), ((0,), [0]), ((2, 0, 0), [1, 2])):
        y = reduce(op, np.zeros(shape, np.float32), axes)
        np.testing.assert_array_equal(y, np.full([1 if d in axes else n for d, n in enumerate(shape)], NEUTRAL[op]))
    assert reduce(op, np.zeros((2, 0, 3), np.float32), [0]).shape == (1, 0, 3)


@pytest.mark.parametrize("axis", [0, 1])
def test_errors_stay_small_over_a_million_elements(axis):
    x = np.random.default_rng(0).random((1 << 20, 3) if axis == 0 else (3, 1 << 20), np.float32)
    exact = x.astype(np.float64)
    for op in ("ReduceSum", "ReduceMean", "ReduceL2", "ReduceLogSumExp"):
        expected = REDUCTIONS[op](exact, axis=axis, keepdims=True)
        np.testing.assert_allclose(reduce(op, x, [axis]), expected, rtol=1e-7)


def test_large_and_special_values():
    x = np.array([[1e38, 3e38], [1000, 1001], [-2000, -2001], [np.inf, 1], [-np.inf, -np.inf], [np.nan, 1]], np.float32)
    y = reduce("ReduceLogSumExp", x, [1])[:, 0]
    np.testing.assert_allclose(y, [3e38, 1001.3133, -1999.6867, np.inf, -np.inf, np.nan], rtol=1e-6)
    for op in ("ReduceMax", "ReduceMin"):
        for flipped in (x, x[:, ::-1].copy()):
            np.testing.assert_array_equal(reduce(op, flipped, [1]), REDUCTIONS[op](flipped, axis=1, keepdims=True))


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
def test_positions_of_extremes(op, dtype):
    for shape in ((7,), (1, 1), (4, 50), (3, 4, 5)):
        x = numbers(dtype, *shape) // np.array(3, dtype)  # with equal ones
        for axis, keeps, last in itertools.product(range(-1, len(shape)), (0, 1), (0, 1)):
            check_node(op, [x], ["int64"], axis=axis, keepdims=keeps, select_last_index=last)


def test_positions_of_what_is_no_number():
    x = np.array([1, np.nan, 3, np.nan], np.float32)
    for op in ("ArgMax", "ArgMin"):
        assert run_native(op, [x], ["int64"], keepdims=0, ranks=[0])[0] == 1
        assert run_native(op, [x], ["int64"], keepdims=0, ranks=[0], select_last_index=1)[0] == 3


@pytest.mark.parametrize("dtype", NUMBERS)
def test_the_best_come_in_order_and_equal_ones_as_they_stand(dtype):
    for shape, axis in (((40,), 0), ((5, 9), 1), ((5, 9), 0), ((3, 20, 2), -2)):
        x = numbers(dtype, *shape) // np.array(3, dtype)
        for k, largest in itertools.product((0, 1, 3, x.shape[axis]), (0, 1)):
            y, positions = run_native("TopK", [x, np.array([k])], [dtype, "int64"], axis=axis, largest=largest)
            keys = -x.astype(np.float64) if largest else x
            expected = np.argsort(keys, axis=axis, kind="stable").take(range(k), axis=axis)
            assert np.array_equal(positions, expected)
            assert np.array_equal(y, np.take_along_axis(x, expected, axis))


def test_results_do_not_depend_on_threads():
    x = numbers("float32", 37, 129, 65)
    for op, axes in itertools.product(("ReduceSum", "ReduceLogSumExp"), ([0], [1], [2], [0, 2])):
        one, many = (load_node(op, [x, np.array(axes)], num_threads=threads) for threads in (1, 3))
        assert np.array_equal(one(x, np.array(axes)), many(x, np.array(axes)))


X = numbers("float32", 2, 3)


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "words"),
    [
        ("ReduceSum", [X, np.array([2])], {}, "axis 2 is none"),
        ("ReduceSum", [X, np.array([0, -2])], {}, "axis -2 is named twice"),
        ("ArgMax", [X[:, :0]], {"axis": 1}, "along an extent of 0"),
        ("TopK", [X, np.array([4])], {}, "best 4 of 3"),
        ("TopK", [X, np.array([-1])], {}, "best -1 of 3"),
        ("TopK", [X, np.array([1, 1])], {}, "k must be one number"),
    ],
)
def test_what_does_not_fit_is_refused(op, inputs, attributes, words):
    outputs = {"ArgMax": ["int64"], "TopK": ["float32", "int64"]}.get(op, ["float32"])
    with pytest.raises(ValueError, match=words):
        load_node(op, inputs, outputs, **attributes)(*inputs)
