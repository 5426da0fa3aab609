"""What a weight was pruned to is found, and nothing is found where zeros stand anywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparseinf.formats import NM, Block, Csr, Dense, detect_structure, statistics

BLOCKS = [(4, 1), (8, 1), (16, 1), (1, 4), (4, 4)]
PATTERNS = [(1, 4), (2, 4), (4, 8)]

seeds = st.integers(0, 2**32 - 1)
# From weights that are looked at whole to those of which some rows are looked at first.
shapes = st.tuples(st.integers(5, 50).map(lambda n: 16 * n), st.integers(8, 20).map(lambda n: 8 * n))


def planted_blocks(shape, block, density, seed=0):
    random = np.random.default_rng(seed)
    is_kept = random.random((shape[0] // block[0], shape[1] // block[1])) < density
    values = 1 + random.random(shape)
    return (np.kron(is_kept, np.ones(block)) * values).astype(np.float32)


def planted_nm(shape, nm, seed=0):
    n, m = nm
    values = np.random.default_rng(seed).random((shape[0], shape[1] // m, m)) + 1
    values[np.argsort(np.argsort(values)) < m - n] = 0
    return values.reshape(shape).astype(np.float32)


def unstructured(shape, density, seed=0):
    random = np.random.default_rng(seed)
    return ((1 + random.random(shape)) * (random.random(shape) < density)).astype(np.float32)


@settings(deadline=None)
@given(shapes, st.sampled_from(BLOCKS), st.floats(0.05, 0.6), seeds)
def test_planted_blocks_are_found_first(shape, block, density, seed):
    found = detect_structure(planted_blocks(shape, block, density, seed))
    assert next(iter(found.blocks.items())) == (block, 1.0)


@settings(deadline=None)
@given(shapes, st.sampled_from(PATTERNS), seeds)
def test_planted_pattern_is_found_first(shape, nm, seed):
    found = detect_structure(planted_nm(shape, nm, seed))
    assert next(iter(found.nm.items())) == (nm, 1.0)
    assert not found.blocks


@settings(deadline=None)
@given(shapes, st.floats(0.01, 0.99), seeds)
def test_zeros_anywhere_are_no_structure(shape, density, seed):
    found = detect_structure(unstructured(shape, density, seed))
    assert (found.blocks, found.nm) == ({}, {})


@settings(deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(0, 40), st.integers(0, 20)), elements=st.sampled_from([0, 0, 0, 1]))
)
def test_what_is_found_is_what_statistics_count(matrix):
    found, counted = detect_structure(matrix, min_fill=0.25), statistics(matrix)
    assert found.num_empty_rows == counted.num_empty_rows
    assert found.num_empty_columns == counted.num_empty_columns
    for block, fill in found.blocks.items():
        assert fill == pytest.approx(counted.block_fill[block])
    assert all(counted.nm_fit[nm] == 1.0 for nm in found.nm)
    assert found.blocks.keys() <= set(BLOCKS)
    assert min([*found.blocks.values(), *found.nm.values()], default=1.0) >= 0.25


def test_every_pattern_that_fits_is_named_best_first():
    found = detect_structure(planted_nm((32, 64), (2, 4)))
    assert found.nm == {(2, 4): 1.0, (4, 8): 1.0}
    assert [*found.nm] == [(2, 4), (4, 8)]


def test_larger_blocks_come_first_where_they_are_as_full():
    found = detect_structure(planted_blocks((64, 64), (16, 1), 0.3))
    assert [*found.blocks] == [(16, 1), (8, 1), (4, 1)]


@pytest.mark.parametrize(("min_fill", "expected"), [(0.5, [(4, 1), (16, 1), (8, 1)]), (0.51, [(4, 1)])])
def test_min_fill_draws_the_line(min_fill, expected):
    matrix = np.zeros((64, 64), np.float32)
    matrix[:3, ::3] = matrix[8:13, ::3] = 1  # blocks of four hold 3, 4 and 1, those of eight 3 and 5
    assert [*detect_structure(matrix, min_fill=min_fill).blocks] == expected


def test_slots_that_are_mostly_empty_are_no_pattern():
    matrix = np.zeros((64, 64), np.float32)
    matrix[:, ::8] = 1
    assert detect_structure(matrix).nm == {}
    assert detect_structure(matrix, min_fill=0.25).nm == {(1, 4): 0.5, (2, 4): 0.25, (4, 8): 0.25}


@pytest.mark.parametrize("density", [0.95, 1.0])
def test_a_dense_weight_has_no_structure(density):
    found = detect_structure(planted_blocks((64, 64), (4, 1), density))
    assert (found.blocks, found.nm) == ({}, {})


@pytest.mark.parametrize("row", range(0, 2000, 97))
def test_one_group_that_does_not_fit_is_never_overlooked(row):
    matrix = np.zeros((2000, 16), np.float32)
    matrix[:, ::4] = 1
    assert [*detect_structure(matrix).nm] == [(1, 4)]
    matrix[row, 13] = 1
    assert (1, 4) not in detect_structure(matrix).nm


@pytest.mark.parametrize("live_row", [0, 16, 1008, 2032])
def test_structure_in_few_live_rows_is_found(live_row):
    matrix = np.zeros((2048, 64), np.float32)
    matrix[live_row : live_row + 16, ::5] = 1
    found = detect_structure(matrix)
    assert found.blocks == {(16, 1): 1.0, (8, 1): 1.0, (4, 1): 1.0}
    assert (found.num_empty_rows, found.num_empty_columns) == (2032, 51)


@pytest.mark.parametrize("shape", [(0, 0), (0, 7), (7, 0), (40, 24), (1000, 24)])
def test_a_weight_of_zeros_has_no_structure(shape):
    found = detect_structure(np.zeros(shape, np.float32))
    assert (found.blocks, found.nm) == ({}, {})
    assert (found.num_empty_rows, found.num_empty_columns) == shape


@pytest.mark.parametrize(
    "matrix",
    [planted_blocks((640, 64), (4, 4), 0.3), planted_nm((640, 64), (2, 4)), unstructured((640, 64), 0.3)],
    ids=["blocks", "nm", "unstructured"],
)
def test_every_format_gives_the_same_answer(matrix):
    expected = detect_structure(matrix)
    assert detect_structure(Csr.from_dense(matrix)) == detect_structure(Dense.from_dense(matrix)) == expected
    assert detect_structure(Block.from_dense(matrix, block=(3, 5))) == expected
    assert detect_structure(NM.from_dense(matrix, nm=(8, 8))) == expected


@pytest.mark.parametrize("min_fill", [0, -0.1, 1.1, float("nan")])
def test_min_fill_out_of_range_is_refused(min_fill):
    with pytest.raises(ValueError, match="min_fill must be above 0"):
        detect_structure(np.eye(4), min_fill=min_fill)


def test_what_is_no_matrix_is_refused():
    with pytest.raises(TypeError, match="list"):
        detect_structure([[1.0]])
