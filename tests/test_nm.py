"""n:m weights keep exactly the values of a matrix that has the pattern, and refuse one that has not."""

from __future__ import annotations

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sparseinf
from sparseinf.formats import NM, Csr, Dense, from_any, statistics
from sparseinf.formats.float32 import MAX_EXTENT
from sparseinf.formats.pattern import checked_nm

PATTERNS = [(1, 4), (2, 4), (4, 8), (1, 1), (4, 4), (64, 64), (1, 64), (3, 5)]
VALUES = st.sampled_from([0.0, -0.0, 1.0, -2.5, 1e-40])

patterns = st.sampled_from(PATTERNS) | st.integers(1, 9).flatmap(
    lambda m: st.tuples(st.integers(1, m), st.just(m)),
)


def pruned(matrix, nm):
    """The matrix with all but the last n nonzeros of each group set to zero, by plain loops."""
    n, m = nm
    matrix = matrix.copy()
    for row in matrix:
        for start in range(0, len(row), m):
            group = row[start : start + m]
            group[np.flatnonzero(group)[:-n]] = 0
    return matrix


@st.composite
def weights(draw):
    """A matrix and a pattern that it has."""
    nm = draw(patterns)
    shape = draw(st.tuples(st.integers(0, 6), st.integers(0, 30)))
    count = shape[0] * shape[1]
    matrix = np.array(draw(st.lists(VALUES, min_size=count, max_size=count)), np.float32)
    return pruned(matrix.reshape(shape), nm), nm


def random_weight(shape, nm, seed=0):
    return pruned(np.random.default_rng(seed).standard_normal(shape).astype(np.float32), nm)


def fields_of(made):
    return {"shape": made.shape, "nm": made.nm, "values": made.values.copy(), "positions": made.positions.copy()}


# Round trips


@settings(deadline=None)
@given(weights())
def test_matrix_comes_back_without_loss(given_weight):
    matrix, nm = given_weight
    made = NM.from_dense(matrix, nm=nm)
    np.testing.assert_array_equal(made.to_dense(), matrix, strict=True)
    assert made.to_dense().flags.writeable
    assert (made.shape, made.nm) == (matrix.shape, nm)
    assert made.num_nonzeros == np.count_nonzero(matrix)


@settings(deadline=None)
@given(weights())
def test_slots_are_those_of_a_plain_loop(given_weight):
    matrix, (n, m) = given_weight
    made = NM.from_dense(matrix, nm=(n, m))
    assert made.values.shape == made.positions.shape == (matrix.shape[0], -(-matrix.shape[1] // m), n)
    for row, column in np.ndindex(made.values.shape[:2]):
        group = matrix[row, column * m : (column + 1) * m]
        positions = np.flatnonzero(group)
        padding = [0] * (n - len(positions))
        assert [*made.positions[row, column]] == [*positions, *padding]
        assert [*made.values[row, column]] == [*group[positions], *padding]


@settings(deadline=None)
@given(weights())
def test_what_is_made_is_what_the_constructor_accepts(given_weight):
    matrix, nm = given_weight
    made = NM.from_dense(matrix, nm=nm)
    np.testing.assert_array_equal(NM(**fields_of(made)).to_dense(), matrix)
    assert (made.values.dtype, made.positions.dtype) == ("f4", "u1")
    assert made.values.flags.c_contiguous
    assert made.positions.flags.c_contiguous


@settings(deadline=None)
@given(weights())
def test_compressed_rows_are_those_of_the_matrix(given_weight):
    matrix, nm = given_weight
    csr, again = Csr.from_dense(matrix), NM.from_dense(matrix, nm=nm).to_csr()
    np.testing.assert_array_equal(again.values, csr.values, strict=True)
    np.testing.assert_array_equal(again.columns, csr.columns, strict=True)
    np.testing.assert_array_equal(again.row_offsets, csr.row_offsets, strict=True)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 9), (9, 1), (5, 7)])
@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("nm", PATTERNS)
def test_shapes_at_the_edge_work(shape, value, nm):
    matrix = pruned(np.full(shape, value, np.float32), nm)
    made = NM.from_dense(matrix, nm=nm)
    np.testing.assert_array_equal(made.to_dense(), matrix)
    assert made.num_nonzeros == np.count_nonzero(matrix)
    assert made.sparsity == pytest.approx(np.mean(matrix == 0) if matrix.size else 0.0)


@pytest.mark.parametrize("shape", [(700, 900), (3, 200_001), (20_000, 40)])
def test_many_bands_of_rows_come_back(shape):
    matrix = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    matrix[:, ::2] = 0
    np.testing.assert_array_equal(NM.from_dense(matrix, nm=(2, 4)).to_dense(), matrix)


def test_a_vast_shape_without_rows_takes_no_memory_of_its_size():
    empty = Csr((0, MAX_EXTENT), np.empty(0, np.float32), np.empty(0, np.int32), np.zeros(1, np.int64))
    tracemalloc.start()
    made = NM(**fields_of(NM.from_csr(empty, nm=(2, 4))))
    again = made.to_csr()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (made.nbytes, again.shape, again.num_nonzeros) == (0, (0, MAX_EXTENT), 0)
    assert peak_bytes < 1e6


def test_arrays_are_those_of_the_picture():
    made = NM.from_dense(np.array([[0, 5, 0, 7, 0, 0, 9], [1, 0, 0, 0, 0, 0, 0.0]]), nm=(2, 4))
    np.testing.assert_array_equal(made.values, [[[5, 7], [9, 0]], [[1, 0], [0, 0]]])
    np.testing.assert_array_equal(made.positions, [[[1, 3], [2, 0]], [[0, 0], [0, 0]]])
    assert made.nbytes == 8 * 4 + 8


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_converted_and_remembered(dtype):
    matrix = random_weight((6, 16), (2, 4)).astype(dtype)
    made = NM.from_dense(matrix, nm=(2, 4))
    assert made.source_dtype == made.to_csr().source_dtype == dtype
    np.testing.assert_array_equal(made.to_dense(), matrix.astype(np.float32))


# Immutability


@pytest.mark.parametrize("field", ["values", "positions"])
def test_arrays_are_copied_and_cannot_be_written(field):
    fields = fields_of(NM.from_dense(np.eye(4), nm=(2, 4)))
    for made in (NM.from_dense(np.eye(4), nm=(2, 4)), NM(**fields)):
        with pytest.raises(ValueError, match="read-only"):
            getattr(made, field)[0] = 0
    assert not np.shares_memory(getattr(made, field), fields[field])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda weight: pickle.loads(pickle.dumps(weight))])
def test_a_copy_is_as_read_only(copied):
    again = copied(NM.from_dense(np.eye(5), nm=(1, 4)))
    np.testing.assert_array_equal(again.to_dense(), np.eye(5))
    assert (again.source_dtype, again.nm) == ("float64", (1, 4))
    assert not again.values.flags.writeable


def test_a_pickle_is_checked_like_any_other_source():
    fields = fields_of(NM.from_dense(np.eye(4), nm=(1, 4)))
    fields["positions"][0] = 4
    with pytest.raises(ValueError, match="that group has 4 columns"):
        pickle.loads(pickle.dumps(NM.unchecked(**fields)))


# What is refused


def test_the_first_group_with_too_many_nonzeros_is_named():
    matrix = np.zeros((6, 16), np.float32)
    matrix[5, :4] = matrix[3, 8:11] = matrix[3, 12:16] = 1
    message = r"row 3 has 3 nonzeros in columns 8 to 11, but 2:4 allows 2: prune it to the pattern, or use format='csr'"
    with pytest.raises(ValueError, match=message):
        NM.from_dense(matrix, nm=(2, 4))


def test_a_short_last_group_is_named_by_the_columns_that_it_has():
    with pytest.raises(ValueError, match="row 0 has 2 nonzeros in columns 4 to 5, but 1:4 allows 1"):
        NM.from_dense(np.array([[0, 0, 0, 0, 1, 1.0]]), nm=(1, 4))


def test_rows_beyond_the_first_band_are_named_by_their_own_number():
    matrix = np.zeros((3000, 400), np.float32)
    matrix[:, ::4] = 1
    matrix[2999, 398] = 1
    with pytest.raises(ValueError, match="row 2999 has 2 nonzeros in columns 396 to 399"):
        NM.from_dense(matrix, nm=(1, 4))


@settings(deadline=None)
@given(weights(), st.data())
def test_a_matrix_without_the_pattern_is_refused(given_weight, data):
    matrix, (n, m) = given_weight
    if n == m or matrix.shape[0] == 0 or matrix.shape[1] <= n:
        return
    row = data.draw(st.integers(0, matrix.shape[0] - 1))
    matrix[row, : n + 1] = 1
    with pytest.raises(ValueError, match=rf"row \d+ has \d+ nonzeros in columns \d+ to \d+, but {n}:{m} allows {n}:"):
        NM.from_dense(matrix, nm=(n, m))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (1, 9)}, r"shape \(1, 3, 2\)"),
        ({"shape": (2, 7)}, r"shape \(2, 2, 2\)"),
        ({"shape": (1, 2**31)}, "in_features"),
        ({"shape": (-1, 7)}, "out_features"),
        ({"shape": (1, 6)}, r"positions\[0, 1, 0\] is 2, but that group has 2 columns"),
        ({"nm": (1, 4)}, r"shape \(1, 2, 1\)"),
        ({"nm": (3, 2)}, "1 <= n <= m"),
        ({"positions": [[[1, 3]]]}, "positions must have shape"),
        ({"positions": [[[1, 4], [2, 0]]]}, r"positions\[0, 0, 1\] is 4, but that group has 4 columns"),
        ({"positions": [[[1, 3], [3, 0]]]}, r"positions\[0, 1, 0\] is 3, but that group has 3 columns"),
        ({"positions": [[[3, 1], [2, 0]]]}, r"ascend within a group, but positions\[0, 0, 0\] is 3"),
        ({"positions": [[[1, 1], [2, 0]]]}, "ascend within a group"),
        ({"positions": [[[1, 3], [2, 1]]]}, r"positions\[0, 1, 1\] is 1, but its value is zero"),
        ({"values": [[[5, 7], [0, 9]]]}, r"values\[0, 1, 0\] is zero, but a nonzero"),
        ({"values": [[[5, np.nan], [9, 0]]]}, r"weight\[0, 3\] is nan"),
        ({"values": [[[5, 7], [np.inf, 0]]]}, r"weight\[0, 6\] is inf"),
    ],
)
def test_constructor_refuses_arrays_that_contradict(change, message):
    sound = {"shape": (1, 7), "nm": (2, 4), "values": [[[5, 7], [9, 0]]], "positions": [[[1, 3], [2, 0]]]}
    fields = {**sound, **change}
    with pytest.raises(ValueError, match=message):
        NM(
            fields["shape"],
            fields["nm"],
            np.array(fields["values"], np.float32),
            np.array(fields["positions"], np.uint8),
        )


@pytest.mark.parametrize("field", ["values", "positions"])
def test_constructor_refuses_other_dtypes(field):
    fields = fields_of(NM.from_dense(np.eye(4), nm=(1, 4)))
    fields[field] = fields[field].astype(np.int64)
    with pytest.raises(TypeError, match=field):
        NM(**fields)


@pytest.mark.parametrize("nm", [4, None, "24", (4,), (2, 4, 8), (2.0, 4)])
def test_what_is_no_pair_of_whole_numbers_is_refused(nm):
    with pytest.raises(TypeError, match=r"nm must be a pair of whole numbers \(n, m\)"):
        NM.from_dense(np.eye(2), nm=nm)


@pytest.mark.parametrize("nm", [(0, 4), (5, 4), (1, 65), (65, 65), (-1, 4)])
def test_patterns_out_of_range_are_refused(nm):
    with pytest.raises(ValueError, match="1 <= n <= m <= 64"):
        NM.from_dense(np.eye(2), nm=nm)


def test_pairs_of_any_whole_numbers_are_taken():
    assert checked_nm(np.array([2, 4], np.int16)) == checked_nm([2, 4]) == (2, 4)
    assert [type(number) for number in checked_nm(np.array([2, 4]))] == [int, int]


@pytest.mark.parametrize("source", [np.eye(3), None, Dense.from_dense(np.eye(3))])
def test_from_csr_refuses_all_else(source):
    with pytest.raises(TypeError, match="a Csr is expected"):
        NM.from_csr(source, nm=(2, 4))


# Among the other formats


def test_from_any_returns_it_as_it_is():
    made = NM.from_dense(np.eye(2), nm=(1, 2))
    assert from_any(made) is made


def test_statistics_are_those_of_the_matrix():
    matrix = random_weight((9, 30), (2, 4))
    assert NM.from_dense(matrix, nm=(2, 4)).statistics() == statistics(matrix)


@pytest.mark.parametrize("key", ["fc.weight", None])
def test_it_loads_and_computes(key):
    matrix, x = random_weight((24, 32), (2, 4)), np.random.default_rng(1).standard_normal((5, 32)).astype(np.float32)
    made = NM.from_dense(matrix, nm=(2, 4))
    layer = sparseinf.load(made) if key is None else sparseinf.load({key: made})["fc"]
    np.testing.assert_allclose(layer(x), x @ matrix.T, rtol=1e-5, atol=1e-5)
