"""Operators that compute each element by itself: natively what NumPy gives, float32 within rounding."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from single_nodes import NUMBERS, check_node, load_node, numbers, run_native

WHOLES = ("int64", "int32", "int8", "uint8")
SPECIAL = np.array(
    [0.0, -0.0, 1e-30, 0.3, -0.7, 1.0, -1.0, 5.5, -5.5, 30.0, -90.0, 100.0, np.inf, -np.inf, np.nan], np.float32
)


def softplus(x):
    return np.logaddexp(x, 0)


UNARY = {
    "Sin": np.sin,
    "Cos": np.cos,
    "Tan": np.tan,
    "Asin": np.arcsin,
    "Acos": np.arccos,
    "Atan": np.arctan,
    "Sinh": np.sinh,
    "Cosh": np.cosh,
    "Asinh": np.arcsinh,
    "Acosh": np.arccosh,
    "Atanh": np.arctanh,
    "Softplus": softplus,
    "Softsign": lambda x: np.where(np.isinf(x), np.nan, x / (1 + abs(x))),
    "Mish": lambda x: x * np.tanh(softplus(x)),
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Sign": np.sign,
}


@pytest.mark.parametrize("op", UNARY)
@np.errstate(all="ignore")
def test_functions_of_floats(op):
    for x in (SPECIAL, numbers("float32"), numbers("float32", 0, 3), numbers("float32", 70001) / np.float32(9)):
        (y,) = run_native(op, [x])
        expected = UNARY[op](x.astype(np.float64)).astype(np.float32)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


ACTIVATIONS = [
    ("LeakyRelu", {"alpha": 0.1}),
    ("LeakyRelu", {}),
    ("Elu", {"alpha": 2.0}),
    ("Elu", {}),
    ("Celu", {"alpha": 2.0}),
    ("Celu", {}),
    ("Selu", {"alpha": 2.0, "gamma": 3.0}),
    ("Selu", {}),
    ("HardSigmoid", {"alpha": 0.5, "beta": 0.6}),
    ("HardSigmoid", {}),
    ("ThresholdedRelu", {"alpha": 2.0}),
    ("ThresholdedRelu", {}),
    ("Gelu", {}),
    ("Gelu", {"approximate": "tanh"}),
]


@pytest.mark.parametrize(("op", "attributes"), ACTIVATIONS)
@np.errstate(all="ignore")
def test_activations(op, attributes):
    for x in (SPECIAL[:-3], numbers("float32"), numbers("float32", 5, 0), numbers("float32", 301, 110)):
        check_node(op, [x], rtol=1e-5, atol=1e-6, **attributes)


def test_kinds_of_floats():
    check_node("IsNaN", [SPECIAL], ["bool"])
    for negative, positive in itertools.product((0, 1), (0, 1)):
        check_node("IsInf", [SPECIAL], ["bool"], detect_negative=negative, detect_positive=positive)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_any_number_of_arrays(dtype):
    arrays = [numbers(dtype, 3, 1, 4), numbers(dtype, 5, 1, seed=2), numbers(dtype, seed=3), numbers(dtype, 1, 4)]
    for op, combine in {"Min": np.minimum, "Max": np.maximum, "Sum": np.add}.items():
        if op == "Sum" and dtype != "float32":
            continue
        for count in range(1, 5):
            expected = arrays[0]
            for array in arrays[1:count]:
                expected = combine(expected, array)
            (y,) = run_native(op, arrays[:count], [dtype], [expected.ndim])
            assert np.array_equal(y, expected)
        (y,) = run_native(op, [arrays[0][:, :, :0], arrays[1][:, :1]], [dtype], [3])
        assert y.shape == (3, 5, 0)


def test_means_of_arrays():
    check_node(
        "Mean", [numbers("float32", 2, 3), numbers("float32", 3, seed=1), numbers("float32", 2, 1, seed=2)], rtol=1e-6
    )


def test_what_is_no_number_stays_so():
    other = np.ones_like(SPECIAL)
    for op in ("Min", "Max"):
        check_node(op, [SPECIAL, other])
        check_node(op, [other, SPECIAL, other])


@pytest.mark.parametrize("dtype", NUMBERS)
def test_clipping(dtype):
    x, low, high = numbers(dtype, 4, 5), np.array(2, dtype), np.array(5, dtype)
    for bounds in ([low], [None, high], [low, high], [high, low], []):
        check_node("Clip", [x, *bounds], [dtype])
    if dtype == "float32":
        check_node("Clip", [SPECIAL, low, high])
        check_node("Clip", [SPECIAL])


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32"])
def test_slopes(dtype):
    x = numbers(dtype, 2, 3, 4)
    for slope in (numbers(dtype, 1), numbers(dtype, 3, 1), numbers(dtype, 2, 3, 4, seed=5)):
        check_node("PRelu", [x, slope], [dtype], rtol=1e-6)


@pytest.mark.parametrize(("base", "exponent"), list(itertools.product(["float32", "int64", "int32"], NUMBERS)))
def test_powers(base, exponent):
    x = numbers(base, 6, 5)
    if "float32" in (base, exponent) and exponent != "uint8":
        x = abs(x) + np.array(1, base)
    exponents = numbers(exponent, 5) // np.array(2, exponent)
    if base != "float32" and exponent in WHOLES:
        exponents = abs(exponents)
    (y,) = run_native("Pow", [x, exponents], [base])
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), exponents.astype(np.float64)).astype(base)
    np.testing.assert_allclose(y, expected, rtol=1e-6)


@np.errstate(all="ignore")
def test_powers_of_one_exponent():
    for exponent in (0.0, 0.5, 1.0, 2.0, 3.0, -1.0, -0.5, 1.7):
        (y,) = run_native("Pow", [SPECIAL, np.array(exponent, np.float32)])
        expected = np.power(SPECIAL.astype(np.float64), np.full(SPECIAL.shape, exponent))
        np.testing.assert_allclose(y, expected.astype(np.float32), rtol=1e-6)
        (y,) = run_native("Pow", [SPECIAL[:0], np.array([exponent], np.float32)])
        assert y.shape == (0,)


def test_powers_of_integers_wrap_around_and_negative_exponents_round_to_zero():
    x = np.array([3, -3, 1, -1, -1, 0, 2, 2, 2], np.int64)
    exponents = np.array([50, 41, -5, -5, -4, -1, -1, 62, 64], np.int64)
    (y,) = run_native("Pow", [x, exponents], ["int64"])
    wrapped = [(a**b + 2**63) % 2**64 - 2**63 for a, b in ((3, 50), (-3, 41))]
    assert y.tolist() == [*wrapped, 1, -1, 1, 0, 0, 2**62, 0]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_remainders(dtype):
    x, y = numbers(dtype, 40), numbers(dtype, 40, seed=4)
    y[y == 0] = 3
    if dtype != "float32":
        check_node("Mod", [x, y], [dtype])
    (found,) = run_native("Mod", [x, y], [dtype], fmod=1)
    assert np.array_equal(found, np.fmod(x, y))


@pytest.mark.parametrize("dtype", WHOLES)
def test_remainders_that_have_no_result(dtype):
    least = np.iinfo(dtype).min
    x, y = np.array([5, 0, least, least], dtype), np.array([0, 0, 0, 1], dtype) - np.array([0, 0, 0, 2], dtype)
    for fmod in (0, 1):
        (found,) = run_native("Mod", [x, y], [dtype], fmod=fmod)
        assert not found.any()


@pytest.mark.parametrize("dtype", WHOLES)
def test_bits(dtype):
    x, y = numbers(dtype, 3, 5), numbers(dtype, 5, seed=8)
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        check_node(op, [x, y], [dtype])
    check_node("BitwiseNot", [x], [dtype])
    check_node("Sign", [x], [dtype])


def test_shifts():
    x = np.array([255, 1, 129, 7, 200, 3], np.uint8)
    by = np.array([0, 7, 1, 2, 8, 255], np.uint8)
    (left,) = run_native("BitShift", [x, by], ["uint8"], direction="LEFT")
    assert left.tolist() == [255, 128, 2, 28, 0, 0]
    (right,) = run_native("BitShift", [x, by], ["uint8"], direction="RIGHT")
    assert right.tolist() == [255, 0, 64, 1, 0, 0]


def test_bounds_that_are_no_single_numbers_are_refused():
    x = numbers("float32", 3)
    with pytest.raises(ValueError, match="a bound must be one element"):
        load_node("Clip", [x, x])(x, x)
    with pytest.raises(ValueError, match="do not fit each other"):
        load_node("Max", [x, x])(x, x[:2])
