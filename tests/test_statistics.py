"""Statistics agree with a plain count, block by block and group by group, for every shape."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparseinf.formats import Csr, Dense, statistics
from sparseinf.formats.float32 import MAX_EXTENT
from sparseinf.formats.statistics import Statistics

matrices = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=37),
    elements=st.sampled_from([0.0, 0.0, 1.0]),
)


def plain_block_fill(matrix, height, width):
    rows, columns = matrix.shape
    blocks = [
        matrix[row : row + height, column : column + width]
        for row in range(0, rows, height)
        for column in range(0, columns, width)
    ]
    num_occupied = sum(block.any() for block in blocks)
    return np.count_nonzero(matrix) / (num_occupied * height * width) if num_occupied else 1.0


def plain_nm_fit(matrix, n, m):
    groups = [row[start : start + m] for row in matrix for start in range(0, len(row), m)]
    return np.mean([np.count_nonzero(group) <= n for group in groups]) if groups else 1.0


@settings(deadline=None)
@given(matrices)
def test_block_fill_is_that_of_a_plain_count(matrix):
    for (height, width), fill in statistics(matrix).block_fill.items():
        assert fill == pytest.approx(plain_block_fill(matrix, height, width))


@settings(deadline=None)
@given(matrices)
def test_nm_fit_is_that_of_a_plain_count(matrix):
    for (n, m), fit in statistics(matrix).nm_fit.items():
        assert fit == pytest.approx(plain_nm_fit(matrix, n, m))


@settings(deadline=None)
@given(matrices)
def test_rows_and_columns_are_those_of_a_plain_count(matrix):
    found = statistics(matrix)
    lengths = np.count_nonzero(matrix, axis=1)
    assert found.shape == matrix.shape
    assert found.num_nonzeros == lengths.sum()
    assert found.num_empty_rows == np.count_nonzero(lengths == 0)
    assert found.num_empty_columns == np.count_nonzero(~matrix.any(axis=0))
    assert found.row_length_max == lengths.max(initial=0)
    assert found.row_length_mean == pytest.approx(lengths.mean() if lengths.size else 0)


def test_all_shapes_and_patterns_are_there():
    found = statistics(np.eye(4, dtype=np.float32))
    assert list(found.block_fill) == [(4, 1), (8, 1), (16, 1), (1, 4), (4, 4)]
    assert list(found.nm_fit) == [(1, 4), (2, 4), (4, 8)]


def test_a_matrix_of_whole_blocks_fills_them():
    matrix = np.zeros((32, 8), np.float32)
    matrix[4:8, 3] = matrix[12:16, 3] = 1
    expected = {(4, 1): 1.0, (8, 1): 0.5, (16, 1): 0.5, (1, 4): 0.25, (4, 4): 0.25}
    assert statistics(matrix).block_fill == expected


def test_skew_is_the_longest_row_over_the_mean():
    matrix = np.zeros((4, 10), np.float32)
    matrix[2] = 1
    assert statistics(matrix).row_length_skew == 4.0


def test_many_bands_of_rows_count_like_one():
    matrix = np.random.default_rng(0).random((1000, 1200)).astype(np.float32)
    matrix[matrix < 0.3] = 0
    found = statistics(matrix)
    assert found.block_fill[16, 1] == pytest.approx(plain_block_fill(matrix, 16, 1))
    assert found.nm_fit[2, 4] == pytest.approx(plain_nm_fit(matrix, 2, 4))


def test_a_column_that_only_the_last_of_many_rows_uses_is_not_empty():
    matrix = np.zeros((1001, 1000), np.float32)
    matrix[:1000, :500] = matrix[1000, 999] = 1
    assert statistics(matrix).num_empty_columns == 499


def test_few_nonzeros_in_a_vast_matrix_take_no_memory_of_its_size():
    far = Csr(
        (2, MAX_EXTENT),
        np.ones(3, np.float32),
        np.array([0, MAX_EXTENT - 1, 5], np.int32),
        np.array([0, 2, 3], np.int64),
    )
    found = statistics(far)
    assert found.num_empty_columns == MAX_EXTENT - 3
    assert found.block_fill[4, 1] == 0.25


def test_formats_give_the_same_statistics_as_their_array():
    matrix = np.triu(np.ones((9, 9), np.float32))
    assert Csr.from_dense(matrix).statistics() == Dense.from_dense(matrix).statistics() == statistics(matrix)


def test_statistics_are_immutable():
    found = statistics(np.eye(2, dtype=np.float32))
    assert isinstance(found, Statistics)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.sparsity = 0.5


def test_what_is_no_matrix_is_refused():
    with pytest.raises(TypeError, match="list"):
        statistics([[1.0]])
