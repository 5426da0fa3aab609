"""Operators that move elements: natively the same bits as onnx's reference, or NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from single_nodes import NUMBERS, check_node, load_node, numbers, run_native

ALL = (*NUMBERS, "bool")


def whole(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("dtype", ALL)
def test_every_type_moves(dtype):
    x = numbers(dtype, 5, 3, 4)
    check_node("Transpose", [x], [dtype], perm=[2, 0, 1])
    check_node("Concat", [x, x[:2]], [dtype], axis=0)
    check_node("Slice", [x, whole(-1), whole(-9), whole(2), whole(-1)], [dtype])
    check_node("Split", [x, whole(1, 0, 4)], [dtype] * 3, axis=0)
    check_node("Gather", [x, whole(2, -1, 0)], [dtype], axis=1)
    check_node("Expand", [x[:, :1], whole(2, 1, 3, 1)], [dtype])
    check_node("Tile", [x, whole(1, 2, 3)], [dtype])
    check_node("Where", [numbers("bool", 3, 4), x, x[:1]], [dtype])
    check_node("Pad", [x, whole(0, 1, 2, 1, 0, 1)], [dtype])
    check_node("GatherElements", [x, np.broadcast_to(whole(1, -2, 0)[:, None, None], (3, 3, 4)).copy()], [dtype])
    check_node("GatherND", [x, whole(4, 1, 0, -1).reshape(2, 2)], [dtype])
    check_node("ScatterND", [x, whole(4, 0)[:, None], x[:2]], [dtype])
    check_node("ScatterElements", [x, whole(2, -1).reshape(1, 2, 1), x[:1, :2, :1]], [dtype], axis=1)
    check_node("Trilu", [x], [dtype], upper=0)
    check_node("Compress", [x, np.array([True, False, True])], [dtype], axis=1)
    check_node("NonZero", [x], ["int64"])
    check_node("ReverseSequence", [x, whole(4, 0, 5)], [dtype], time_axis=0, batch_axis=1)


SHAPES = [(), (1,), (7,), (0,), (2, 0, 3), (1, 5, 1), (3, 5, 7), (33, 65), (2, 3, 4, 5), (2, 1, 3, 1, 2, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_transposing(shape):
    for dtype in ("float32", "int64", "int8"):
        x = numbers(dtype, *shape)
        orders = list(itertools.permutations(range(len(shape))))
        for order in orders[:: max(1, len(orders) // 12)] if shape else ():
            (y,) = run_native("Transpose", [x], [dtype], perm=list(order))
            assert np.array_equal(y, x.transpose(order))
        (y,) = run_native("Transpose", [x], [dtype])
        assert np.array_equal(y, x.T)


@pytest.mark.parametrize("shape", [(300, 257), (4, 130, 3, 70), (1, 3, 70, 70), (64, 5000), (31, 1, 33, 16)])
def test_transposing_what_is_larger_than_a_square(shape):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    for order in ([*range(len(shape))][::-1], [0, *range(2, len(shape)), 1], [*range(1, len(shape)), 0]):
        (y,) = run_native("Transpose", [x], perm=order)
        assert np.array_equal(y, x.transpose(order))


BOUNDS = [None, 0, 1, 3, 6, 7, 8, -1, -3, -7, -8, 2**63 - 1, -(2**63)]


@pytest.mark.parametrize("step", [1, 2, 7, 2**62, -1, -3, -(2**63)])
def test_slices_are_those_of_python(step):
    x = numbers("int32", 2, 7, 3)
    loaded = load_node("Slice", [x, whole(0), whole(0), whole(0), whole(0)], ["int32"])
    for start, end in itertools.product(BOUNDS[1:], repeat=2):
        expected = x[:, slice(start, end if end > -8 or step > 0 else None, step)]
        assert np.array_equal(loaded(x, whole(start), whole(end), whole(-2), whole(step)), expected), (start, end)


def test_slices_of_several_axes_and_of_nothing():
    x = numbers("float32", 5, 6, 7)
    check_node("Slice", [x, whole(1, -3), whole(4, 100)], ["float32"])
    check_node("Slice", [x, whole(5, -1), whole(0, 0), whole(2, 0), whole(-2, -1)], ["float32"])
    check_node("Slice", [x, whole(0, 0, 0).astype(np.int32), whole(9, 9, 9).astype(np.int32)], ["float32"])
    check_node("Slice", [x[:0], whole(0), whole(3)], ["float32"])
    check_node("Slice", [x, whole(3), whole(3), whole(1)], ["float32"])


def test_splitting():
    x = numbers("float32", 4, 7)
    check_node("Split", [x], ["float32"] * 2, axis=0, num_outputs=2)
    check_node("Split", [x], ["float32"] * 3, axis=-1, num_outputs=3)
    check_node("Split", [x, whole(0, 7)], ["float32"] * 2, axis=1)
    check_node("Split", [x[:0], whole(3, 4)], ["float32"] * 2, axis=1)
    (y,) = run_native("Split", [x, whole(1, 3)], ["", "float32"], axis=0)
    assert np.array_equal(y, x[1:])


def test_joining():
    x = numbers("float32", 3, 4, 5)
    check_node("Concat", [x], ["float32"], axis=1)
    for axis in (-3, 0, 1, 2, -1):
        check_node("Concat", [x, x[:0] if axis in (0, -3) else x, x], ["float32"], axis=axis)
    check_node("Concat", [x[..., :1], x, x[..., :3]], ["float32"], axis=-1)


@pytest.mark.parametrize("index_type", ["int64", "int32"])
def test_gathering(index_type):
    x = numbers("float32", 6, 5, 4)
    for axis in (0, 1, 2, -1):
        for indices in (np.array(3), np.array([1, -1, 0, 1]), np.zeros((2, 0)), np.array([[0, 1], [-4, 3]])):
            check_node("Gather", [x, indices.astype(index_type)], axis=axis)
    wide = numbers("float32", 50, 1000)
    check_node("Gather", [wide, np.arange(-50, 50).astype(index_type)])


def test_gathering_elements_and_slices():
    x = numbers("float32", 2, 3, 4)
    check_node("GatherElements", [x, numbers("int64", 2, 3, 4) % 3], axis=1)
    check_node("GatherElements", [x, np.zeros((2, 3, 0), np.int64)], axis=2)
    for batch_dims in (0, 1, 2):
        check_node("GatherND", [x, numbers("int64", 2, 3, 1) % 2], batch_dims=batch_dims)
    check_node("GatherND", [x, np.zeros((3, 2, 3), np.int64)])


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "min", "max"])
def test_scattering(reduction):
    for dtype in ("float32", "int64", "int32"):
        x, updates = numbers(dtype, 4, 3), numbers(dtype, 5, 3, seed=1)
        indices = whole(0, 2, -1, 2, 2)  # one place several times
        check_node("ScatterND", [x, indices[:, None], updates], [dtype], reduction=reduction, rtol=1e-6)
        elements = numbers("int64", 3, 3) % 4
        check_node("ScatterElements", [x, elements, updates[:3]], [dtype], reduction=reduction, rtol=1e-6)
        check_node("ScatterElements", [x, elements[:, :0], updates[:3, :0]], [dtype], axis=1, reduction=reduction)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_padding(mode):
    x = numbers("float32", 3, 4, 5)
    check_node("Pad", [x, whole(0, 0, 2, 0, 0, 3)], mode=mode)
    check_node("Pad", [x, whole(1, 2, 0, 2, 1, 4)], mode=mode)
    check_node("Pad", [x, whole(2, 1), None, whole(-2)], mode=mode)
    # Borders wider than the array, and borders that cut off, against NumPy.
    (y,) = run_native("Pad", [x, whole(7, 13), None, whole(1)], mode=mode)
    assert np.array_equal(y, np.pad(x, [(0, 0), (7, 13), (0, 0)], mode=mode))
    (y,) = run_native("Pad", [x, whole(-1, 2), None, whole(2)], mode=mode)
    assert np.array_equal(y, np.pad(x[..., 1:], [(0, 0), (0, 0), (0, 2)], mode=mode))
    (y,) = run_native("Pad", [x, whole(-2, -2), None, whole(1)], mode=mode)
    assert y.shape == (3, 0, 5)
    check_node("Pad", [x, np.zeros(6, np.int64)], mode=mode)


def test_padding_with_a_value():
    check_node("Pad", [numbers("int32", 2, 3), whole(1, 0, 0, 2), np.array(7, np.int32)], ["int32"])
    check_node("Pad", [numbers("float32", 0, 3), whole(1, 0, 0, 2), np.array(2.5, np.float32)])


def test_expanding_and_tiling():
    x = numbers("float32", 3, 1)
    check_node("Expand", [x, whole(2, 1, 6)])
    check_node("Expand", [x, whole(1)])
    check_node("Expand", [x, whole(0)])
    check_node("Expand", [numbers("float32"), whole(2, 2)])
    check_node("Expand", [x, np.zeros(0, np.int64)])
    check_node("Tile", [x, whole(1, 1)])
    check_node("Tile", [x, whole(0, 2)])
    check_node("Tile", [numbers("int8", 2, 3, 2, 1), whole(2, 3, 2, 5)], ["int8"])


@pytest.mark.parametrize("k", [None, 0, 1, -2, 9, -9, 2**62, -(2**63)])
def test_triangles(k):
    for shape in ((4, 6), (2, 6, 3), (3, 0, 2), (1, 1)):
        x = numbers("float32", *shape)
        for upper in (0, 1):
            (y,) = run_native("Trilu", [x, None if k is None else np.array(k)], upper=upper)
            diagonal = int(np.clip(k or 0, -20, 20))
            assert np.array_equal(y, np.triu(x, diagonal) if upper else np.tril(x, diagonal))


@pytest.mark.parametrize("block", [1, 2, 3])
def test_squares_and_channels(block):
    for mode in ("DCR", "CRD"):
        check_node("DepthToSpace", [numbers("float32", 2, 36, 3, 5)], blocksize=block, mode=mode)
    check_node("SpaceToDepth", [numbers("float32", 2, 3, 6, 12)], blocksize=block)


EXTREMES = [0.0, -0.4, 1.5, -1.5, 200.7, -200.7, 3e9, -3e9, 1e19, -1e30, np.inf, -np.inf, np.nan, 127.9, 2147483520.0]


@pytest.mark.parametrize(("source", "target"), list(itertools.product(ALL, ALL)))
def test_casting(source, target):
    if source == "float32":
        x = np.array(EXTREMES, np.float32)
    elif source == "bool":
        x = np.array([True, False])
    else:
        limits = np.iinfo(source)
        x = np.array([0, 1, 2, 100, limits.max, limits.max - 1, limits.min, limits.min + 1], source)
    (y,) = run_native("Cast", [x], [target], to=int(np_to_onnx(target)))
    with np.errstate(invalid="ignore"):
        expected = x.astype(target)
    if source == "float32" and target in ("int8", "uint8"):  # NumPy's differ from version to version out of range
        in_range = np.abs(x) < 2**31
        y, expected = y[in_range], x[in_range].astype(np.int32).astype(target)
    np.testing.assert_array_equal(y, expected)
    (like,) = run_native("CastLike", [x, numbers(target, 2)], [target])
    assert like.dtype == target


def np_to_onnx(dtype):
    import onnx

    return onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def test_making_arrays():
    from onnx import numpy_helper

    for dtype in ALL:
        value = numpy_helper.from_array(numbers(dtype, 1))
        check_node("ConstantOfShape", [whole(2, 0, 3)], [dtype], value=value)
        check_node("ConstantOfShape", [whole(2, 3)], [dtype], value=value)
        check_node("EyeLike", [numbers(dtype, 3, 5)], [dtype], k=1, dtype=np_to_onnx(dtype))
    check_node("ConstantOfShape", [np.zeros(0, np.int64)])
    check_node("EyeLike", [numbers("float32", 4, 3)], k=-2)
    check_node("EyeLike", [numbers("float32", 4, 3)], k=50)
    check_node("Size", [numbers("float32", 4, 0)], ["int64"])
    check_node("Size", [numbers("float32")], ["int64"])


def test_ranges():
    for dtype, triples in {
        "int64": [(0, 7, 2), (7, 0, -3), (3, 3, 1), (5, 2, 1), (2**62, 2**62 + 3, 1), (-(2**63), 2**63 - 1, 2**62)],
        "int32": [(0, 7, 2), (-3, 4, 3)],
        "float32": [(0, 1, 0.25), (1, -1, -0.5), (0, 0, 1)],
    }.items():
        for triple in triples:
            (y,) = run_native("Range", [np.array(value, dtype) for value in triple], [dtype], [1])
            assert np.array_equal(
                y, np.array(list(range(*triple)) if dtype != "float32" else np.arange(*triple), dtype)
            )


def test_one_hot():
    values = np.array([2, 5], np.float32)
    for axis in (-1, 0, 1):
        check_node("OneHot", [whole(0, 2, -1, 3), np.array(4), values], axis=axis)
    (y,) = run_native("OneHot", [whole(4, -5), np.array(4), values], ranks=[2])
    assert np.array_equal(y, np.full((2, 4), 2))
    (y,) = run_native("OneHot", [numbers("uint8", 2, 3), np.array(10.0, np.float32), whole(0, 1)], ["int64"], [3])
    assert np.array_equal(y, np.eye(10)[numbers("uint8", 2, 3)])


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32"])
def test_cumulative_sums(dtype):
    x = numbers(dtype, 3, 4, 5)
    for axis, exclusive, reverse in itertools.product((0, 1, -1), (0, 1), (0, 1)):
        check_node("CumSum", [x, np.array(axis)], [dtype], exclusive=exclusive, reverse=reverse, rtol=1e-5, atol=1e-5)
    check_node("CumSum", [x[:, :0], np.array(1, np.int32)], [dtype])


def test_cumulative_sums_stay_exact_over_many_elements():
    x = np.full(1 << 20, 0.1, np.float32)
    (y,) = run_native("CumSum", [x, np.array(0)])
    np.testing.assert_allclose(y, np.cumsum(x.astype(np.float64)), rtol=1e-7)


def test_selecting_broadcasts():
    condition, a, b = numbers("bool", 3, 1, 4), numbers("float32", 5, 1), numbers("float32", 1, 1, 4, seed=3)
    check_node("Where", [condition, a, b])
    check_node("Where", [numbers("bool", 2, 3), numbers("float32"), numbers("float32", 2, 3)])
    check_node("Where", [numbers("bool", 2, 0), numbers("float32", 2, 1), numbers("float32", 1)])
