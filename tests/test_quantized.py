"""Quantized weights round by half a scale at most, keep zeros and integers exactly, and refuse what contradicts."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from int8_reference import int8_linear
from weights_of_int8 import (
    KINDS,
    SHAPES,
    checked,
    product,
    random_integers,
    random_quantized,
    random_scales,
    sparse_matrix,
)

import sparseinf
from sparseinf.formats import NM, Block, Csr, Dense, Quantized, detect_structure, from_any, quantize, statistics

# torch says once a process that its quantized tensors will leave it.
pytestmark = pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")

FLOAT32 = np.finfo(np.float32)

values = st.one_of(
    st.sampled_from([0.0, 0.0, -0.0, 1.0, float(FLOAT32.max), -float(FLOAT32.max), float(FLOAT32.smallest_subnormal)]),
    st.floats(-(2.0**-120), 2.0**-120, width=32),  # with subnormal scales
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
matrices = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9), elements=values)
alike = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=17), elements=st.floats(-3, 3, width=32)
)
every_kind = pytest.mark.parametrize("kind", KINDS)


def plain_quantize(matrix):
    """Scales and integers as the formulas say."""
    largest = np.abs(matrix).max(axis=1, initial=0)
    scales = np.where(largest > 0, largest / np.float32(127), np.float32(1))
    return scales, np.rint(matrix / scales[:, np.newaxis])


# Rounding


@settings(deadline=None, max_examples=50)
@given(matrix=matrices)
@every_kind
def test_values_change_by_half_a_scale_at_most(kind, matrix):
    quantized = quantize(KINDS[kind](matrix))
    error = np.abs(matrix.astype(np.float64) - quantized.to_dense())
    half_scales = quantized.scales.astype(np.float64)[:, np.newaxis] / 2
    last_place = np.abs(matrix.astype(np.float64)) * FLOAT32.eps
    assert (error <= half_scales + last_place).all()


@settings(deadline=None, max_examples=50)
@given(matrix=matrices)
@every_kind
def test_zeros_stay_zero_and_integers_use_the_whole_range(kind, matrix):
    quantized = quantize(KINDS[kind](matrix))
    assert not quantized.to_dense()[matrix == 0].any()
    sizes = np.abs(quantized.float32_integers().to_dense()).max(axis=1, initial=0)
    normal = np.abs(matrix).max(axis=1, initial=0) > 127 * FLOAT32.smallest_normal
    assert (sizes <= 127).all()
    assert (sizes[normal] == 127).all()


@pytest.mark.parametrize("shape", SHAPES)
@every_kind
def test_scales_and_integers_are_those_of_the_formulas(kind, shape):
    matrix = sparse_matrix(shape)
    quantized = quantize(KINDS[kind](matrix))
    scales, integers = plain_quantize(matrix)
    np.testing.assert_array_equal(quantized.scales, scales, strict=True)
    np.testing.assert_array_equal(quantized.float32_integers().to_dense(), integers)
    np.testing.assert_array_equal(quantized.to_dense(), product(integers, scales), strict=True)


@pytest.mark.parametrize("shape", [(3, 300_000), (70_001, 3)])
@every_kind
def test_rows_longer_and_shorter_than_what_is_worked_on_together_are_rounded(kind, shape):
    matrix = sparse_matrix(shape)
    _, integers = plain_quantize(matrix)
    np.testing.assert_array_equal(quantize(KINDS[kind](matrix)).float32_integers().to_dense(), integers)


@pytest.mark.parametrize("ulps", range(1, 2000, 7))
def test_subnormal_weights_are_rounded(ulps):
    tiny = FLOAT32.smallest_subnormal
    quantized = quantize(np.array([[ulps, ulps // 2]], np.float32) * tiny)
    assert quantized.scales[0] > 0
    assert abs(quantized.to_dense()[0, 0] / tiny - ulps) <= quantized.scales[0] / tiny / 2


def test_the_largest_float32_comes_back_finite():
    quantized = quantize(np.array([[FLOAT32.max, -FLOAT32.max, 0]], np.float32))
    assert np.isfinite(quantized.to_dense()).all()
    assert quantized.integers.values.tolist() == [[127, -127, 0]]


def test_a_row_of_zeros_has_the_scale_1():
    assert quantize(np.array([[0, -0.0], [0, 3]], np.float32)).scales[0] == 1


@settings(deadline=None, max_examples=50)
@given(matrix=alike)
@every_kind
def test_a_rounded_weight_is_rounded_to_itself(kind, matrix):
    quantized = quantize(KINDS[kind](matrix))
    again = quantize(quantized.dequantize())
    np.testing.assert_array_equal(again.float32_integers().to_dense(), quantized.float32_integers().to_dense())


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_the_dtype_that_values_had_is_remembered(dtype):
    assert quantize(sparse_matrix().astype(dtype)).source_dtype == dtype
    assert quantize(sparse_matrix().astype(dtype)).dequantize().source_dtype == dtype


def test_a_quantized_weight_is_returned_as_it_is():
    quantized = quantize(sparse_matrix())
    assert quantize(quantized) is quantized
    assert from_any(quantized) is quantized


# What becomes of nonzeros that are rounded to zero


def with_small_values(shape=(16, 24)):
    """A weight in which about half of the nonzeros are too small for their row, whole blocks of them."""
    matrix = sparse_matrix(shape, density=0.7)
    matrix[4:8, :12] *= 1e-4
    matrix[:, ::5] *= 1e-4
    return matrix


def test_they_leave_csr():
    quantized = quantize(Csr.from_dense(with_small_values()))
    assert quantized.integers.values.all()
    assert quantized.num_nonzeros < np.count_nonzero(with_small_values())


@pytest.mark.parametrize("block", [(4, 1), (4, 4), (3, 5)])
def test_they_stay_in_blocks_that_hold_others(block):
    weight = Block.from_dense(with_small_values(), block=block)
    quantized = quantize(weight)
    expected = Block.from_dense(plain_quantize(with_small_values())[1].astype(np.float32), block=block)
    np.testing.assert_array_equal(quantized.integers.values, expected.values)
    np.testing.assert_array_equal(quantized.integers.block_columns, expected.block_columns, strict=True)
    np.testing.assert_array_equal(quantized.integers.block_row_offsets, expected.block_row_offsets, strict=True)


@pytest.mark.parametrize("nm", [(4, 4), (1, 1), (9, 9)])
def test_they_come_last_in_their_groups(nm):
    quantized = quantize(NM.from_dense(with_small_values(), nm=nm))
    expected = NM.from_dense(plain_quantize(with_small_values())[1].astype(np.float32), nm=nm)
    np.testing.assert_array_equal(quantized.integers.values, expected.values)
    np.testing.assert_array_equal(quantized.integers.positions, expected.positions, strict=True)


@settings(deadline=None, max_examples=50)
@given(matrix=matrices)
@every_kind
def test_what_is_made_is_what_the_constructor_accepts(kind, matrix):
    quantized = quantize(KINDS[kind](matrix))
    again = checked(quantized)
    assert repr(again) == repr(quantized)
    np.testing.assert_array_equal(again.to_dense(), quantized.to_dense(), strict=True)


# There and back


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
@every_kind
def test_integers_of_the_whole_range_come_back(kind, shape, density):
    integers, scales = random_integers(shape, density), random_scales(shape[0])
    weight = Quantized.from_integers(KINDS[kind](integers), scales)
    assert weight.integers.values.dtype == np.int8
    assert (weight.integers.name, weight.shape) == (kind, shape)
    np.testing.assert_array_equal(weight.float32_integers().to_dense(), integers, strict=True)
    np.testing.assert_array_equal(weight.to_dense(), product(integers, scales), strict=True)
    np.testing.assert_array_equal(weight.to_csr().to_dense(), weight.to_dense())
    again = Quantized.from_integers(weight.float32_integers(), weight.scales)
    np.testing.assert_array_equal(again.integers.values, weight.integers.values, strict=True)


@every_kind
def test_both_ends_of_the_range_are_there(kind):
    values = random_quantized(kind).integers.values
    assert (values.min(), values.max()) == (-128, 127)


@every_kind
def test_dequantized_weights_and_integers_are_formats_of_the_same_kind(kind):
    weight = random_quantized(kind)
    for made in (weight.dequantize(), weight.float32_integers()):
        assert (made.name, made.values.dtype, made.num_nonzeros) == (kind, np.float32, weight.num_nonzeros)
        assert type(made)(*made.__reduce__()[1]).name == kind  # the constructor checks it


@every_kind
def test_what_a_weight_tells_of_itself_is_true(kind):
    weight, integers = random_quantized(kind), random_integers()
    assert weight.num_nonzeros == np.count_nonzero(integers)
    assert weight.sparsity == pytest.approx(1 - np.count_nonzero(integers) / integers.size)
    arrays = [array for array in vars(weight.integers).values() if isinstance(array, np.ndarray)]
    assert weight.nbytes == sum(array.nbytes for array in arrays) + weight.scales.nbytes
    assert weight.name == "quantized"


@every_kind
def test_statistics_and_structure_are_those_of_its_nonzeros(kind):
    weight = random_quantized(kind)
    assert weight.statistics() == statistics(random_integers())
    assert detect_structure(weight) == detect_structure(random_integers())


@every_kind
def test_a_layer_is_made_of_its_values(kind):
    weight, x = random_quantized(kind), sparse_matrix((3, 41), density=1.0)
    layer = sparseinf.load(weight, tune="off")
    np.testing.assert_array_equal(layer.weight.to_dense(), weight.to_dense())
    integers = weight.float32_integers().to_dense().astype(np.int8)
    np.testing.assert_array_equal(layer(x), int8_linear(x, integers, weight.scales))


@pytest.mark.parametrize("scales", [0.5, np.float64(0.5), [0.5], np.full(13, 0.5), np.full((13, 1), 0.5, np.float16)])
def test_an_array_of_integers_is_taken_with_one_scale_or_one_a_row(scales):
    integers = random_integers().astype(np.int8)
    for array in (integers, np.asfortranarray(integers), integers[::-1][::-1]):
        weight = Quantized.from_dense(array, scales=scales)
        np.testing.assert_array_equal(weight.to_dense(), integers * np.float32(0.5), strict=True)
    assert weight.scales.shape == (13,)
    assert weight.source_dtype == "int8"


def test_a_row_of_zeros_may_come_with_the_scale_0():
    weight = Quantized.from_dense(np.array([[0, 0], [0, 1]], np.int8), scales=[0, 2])
    np.testing.assert_array_equal(weight.scales, [1, 2])


# Error statistics


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0.02, 0.3, 1.0])
@every_kind
def test_error_is_that_of_a_plain_sum(kind, shape, density):
    matrix = sparse_matrix(shape, density)
    quantized = quantize(KINDS[kind](matrix))
    noise = matrix.astype(np.float64) - quantized.to_dense()
    for source in (matrix, Csr.from_dense(matrix), KINDS[kind](matrix)):
        found = quantized.error(source)
        assert found.largest_error == np.abs(noise).max(initial=0)
        if noise.any():
            expected = 10 * math.log10((matrix.astype(np.float64) ** 2).sum() / (noise**2).sum())
            assert found.snr_db == pytest.approx(expected)
        else:
            assert found.snr_db == math.inf


def test_error_counts_values_wherever_either_weight_has_some():
    quantized = Quantized.from_dense(np.array([[0, 2], [3, 0]], np.int8), scales=1)
    for source in (np.array([[1, 2], [0, 0]], np.float32), Csr.from_dense(np.array([[1, 2], [0, 0]], np.float32))):
        found = quantized.error(source)
        assert found.snr_db == pytest.approx(10 * math.log10(5 / 10))
        assert found.largest_error == 3


def test_error_of_few_nonzeros_in_a_vast_matrix_is_counted():
    columns = np.array([0, 5, 2**30])
    values = np.array([1, 0.3, -2], np.float32)
    weight = Csr((3, 2**30 + 1), values, columns.astype(np.int32), np.array([0, 2, 2, 3]))
    found = quantize(weight).error(weight)
    assert found.largest_error == pytest.approx(abs(0.3 - 38 / 127), rel=1e-4)


def test_error_against_itself_is_none():
    weight = random_quantized("csr")
    assert weight.error(weight.dequantize()) == weight.error(weight)
    assert (weight.error(weight).snr_db, weight.error(weight).largest_error) == (math.inf, 0.0)


def test_error_against_zeros_is_infinitely_bad():
    assert random_quantized("dense").error(np.zeros((13, 41), np.float32)).snr_db == -math.inf


def test_error_against_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\), but is compared with one of shape \(13, 41\)"):
        random_quantized("csr").error(np.zeros((2, 3), np.float32))


# Immutability


@every_kind
def test_arrays_cannot_be_written(kind):
    for weight in (quantize(KINDS[kind](sparse_matrix())), random_quantized(kind), checked(random_quantized(kind))):
        for array in (weight.integers.values, weight.scales, weight.dequantize().values):
            with pytest.raises(ValueError, match="read-only"):
                array.flat[0] = 1


def test_nothing_follows_changes_of_its_source():
    integers, scales = random_integers().astype(np.int8), random_scales(13)
    made = [
        Quantized.from_dense(integers, scales=scales),
        Quantized(Dense.unchecked(integers), scales),
        Quantized.from_integers(Dense.from_dense(random_integers()), scales),
    ]
    integers[:], scales[:] = 1, 7
    for weight in made:
        np.testing.assert_array_equal(weight.to_dense(), product(random_integers(), random_scales(13)))


@every_kind
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda weight: pickle.loads(pickle.dumps(weight))])
def test_a_copy_is_the_same_and_as_read_only(kind, copied):
    weight = random_quantized(kind)
    again = copied(weight)
    assert repr(again) == repr(weight)
    np.testing.assert_array_equal(again.integers.values, weight.integers.values, strict=True)
    np.testing.assert_array_equal(again.scales, weight.scales, strict=True)
    assert not again.scales.flags.writeable


def test_a_pickle_is_checked_like_any_other_source():
    lie = Csr.unchecked((1, 2), np.ones(1, np.int8), np.array([5], np.int32), np.array([0, 1]))
    with pytest.raises(ValueError, match="in_features is 2"):
        pickle.loads(pickle.dumps(Quantized.unchecked(lie, np.ones(1, np.float32))))


# What is refused


def int8_csr(values=(1, 2), columns=(0, 1), row_offsets=(0, 2)):
    arrays = np.array(values, np.int8), np.array(columns, np.int32), np.array(row_offsets)
    return Csr.unchecked((1, 3), *arrays)


@pytest.mark.parametrize(
    ("integers", "error", "message"),
    [
        (np.zeros((1, 3), np.int8), TypeError, "integers must be a Dense, Csr, Block or NM, but got ndarray"),
        (
            Dense.from_dense(np.zeros((1, 3), np.float32)),
            TypeError,
            r"integers\.values must be .* int8, but is float32",
        ),
        (Dense.unchecked(np.zeros((1, 3), np.uint8)), TypeError, "but is uint8"),
        (Dense.unchecked(np.zeros(3, np.int8)), ValueError, "two dimensions"),
        (int8_csr(values=(1, 0)), ValueError, r"values\[1\] is zero"),
        (int8_csr(columns=(1, 0)), ValueError, "must ascend"),
        (int8_csr(columns=(0, 3)), ValueError, "in_features is 3"),
        (int8_csr(row_offsets=(0, 3)), ValueError, "row_offsets must rise"),
    ],
)
def test_integers_that_cannot_be_are_refused(integers, error, message):
    with pytest.raises(error, match=message):
        Quantized(integers, np.ones(1, np.float32))


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ([1.0, 1.0], r"shape \(3,\), one for each row of the weight, but have \(2,\)"),
        ([[1.0], [1.0], [1.0]], r"but have \(3, 1\)"),
        ([1.0, 0.0, 1.0], r"scales\[1\] is 0"),
        ([1.0, 1.0, -1.0], r"scales\[2\] is -1"),
        ([np.nan, 1.0, 1.0], r"scales\[0\] is nan"),
        ([1.0, 1.0, np.inf], r"scales\[2\] is inf"),
        ([1.0, 1.0, 1e38], "row 2 has an integer of size 128 and the scale .*: their product does not fit"),
    ],
)
@every_kind
def test_scales_that_cannot_be_are_refused(kind, scales, message):
    integers = KINDS[kind](np.array([[0, 0, 0], [1, 2, 3], [0, -128, 0]], np.float32))
    with pytest.raises(ValueError, match=message):
        Quantized.from_integers(integers, np.array(scales, np.float32))
    with pytest.raises(ValueError, match=message):
        Quantized(Quantized.from_integers(integers, np.ones(3, np.float32)).integers, np.array(scales, np.float32))


def test_scales_of_another_dtype_are_refused():
    with pytest.raises(TypeError, match="scales must be a NumPy array of float32, but is float64"):
        Quantized(int8_csr(), np.ones(1))


@pytest.mark.parametrize("value", [0.5, 128, -129, 3e38])
def test_values_that_are_no_integers_are_refused(value):
    with pytest.raises(ValueError, match="is among the integers"):
        Quantized.from_integers(Dense.from_dense(np.array([[1, value]], np.float32)), np.ones(1, np.float32))


@pytest.mark.parametrize(
    ("integers", "scales", "error", "message"),
    [
        (np.zeros((2, 2), np.uint8), 1, TypeError, "integers must be a NumPy array of int8, but is uint8"),
        (np.zeros(2, np.int8), 1, ValueError, r"\(out_features, in_features\), but have \(2,\)"),
        (np.zeros((2, 3), np.int8), [1, 1, 1], ValueError, r"shape \(2,\), one for each row of the weight, but have"),
        (np.zeros((2, 4), np.int8), np.ones((2, 2)), ValueError, "multiply them in"),
        (np.ones((2, 3), np.int8), 0, ValueError, r"scales\[0\] is 0"),
        (np.zeros((2, 3), np.int8), np.nan, ValueError, r"scales\[0\] is nan"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(integers, scales, error, message):
    with pytest.raises(error, match=message):
        Quantized.from_dense(integers, scales=scales)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_not_quantized(value):
    with pytest.raises(ValueError, match="must be finite"):
        quantize(np.array([[1, value]], np.float32))


# Tensors of torch


@pytest.fixture(name="torch", scope="module")
def _torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def test_a_torch_tensor_with_one_scale_is_taken_as_it_is(torch):
    tensor = torch.quantize_per_tensor(torch.tensor(sparse_matrix()), 0.02, 0, torch.qint8)
    weight = from_any(tensor)
    np.testing.assert_array_equal(weight.integers.values, tensor.int_repr().numpy(), strict=True)
    np.testing.assert_array_equal(weight.scales, np.full(13, 0.02, np.float32), strict=True)
    np.testing.assert_array_equal(weight.to_dense(), tensor.dequantize().numpy(), strict=True)


@pytest.mark.parametrize("zero_dtype", ["int64", "float32"])
def test_a_torch_tensor_with_a_scale_a_row_is_taken_as_it_is(torch, zero_dtype):
    zeros = torch.zeros(13, dtype=getattr(torch, zero_dtype))
    scales = torch.tensor(random_scales(13))
    tensor = torch.quantize_per_channel(torch.tensor(sparse_matrix()), scales, zeros, 0, torch.qint8)
    weight = Quantized.from_torch(tensor)
    np.testing.assert_array_equal(weight.scales, random_scales(13), strict=True)
    np.testing.assert_array_equal(weight.to_dense(), tensor.dequantize().numpy(), strict=True)


def test_torch_tensors_that_are_quantized_in_other_ways_are_refused(torch):
    matrix, zeros = torch.tensor(sparse_matrix()), torch.zeros(41, dtype=torch.int64)
    shifted = torch.arange(13)
    for tensor, error, message in [
        (torch.quantize_per_tensor(matrix, 0.02, 3, torch.qint8), ValueError, "zero point of 3"),
        (torch.quantize_per_channel(matrix, torch.ones(13), shifted, 0, torch.qint8), ValueError, "zero point of 1"),
        (torch.quantize_per_channel(matrix, torch.ones(41), zeros, 1, torch.qint8), ValueError, "axis 1"),
        (torch.quantize_per_tensor(matrix, 0.02, 0, torch.quint8), TypeError, "dtype quint8, but"),
        (torch.quantize_per_tensor(matrix[0], 0.02, 0, torch.qint8), ValueError, "two dimensions"),
    ]:
        with pytest.raises(error, match=message):
            from_any(tensor)
    with pytest.raises(TypeError, match=r"float32, but of quantized ones torch\.qint8"):
        Quantized.from_torch(matrix)
