"""Blocks keep exactly the values of a matrix, only where it has some, and refuse arrays that contradict."""

from __future__ import annotations

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import sparseinf
from sparseinf.formats import Block, Csr, Dense, from_any, statistics
from sparseinf.formats.float32 import MAX_EXTENT
from sparseinf.formats.pattern import checked_block

BLOCKS = [(4, 1), (8, 1), (16, 1), (1, 4), (4, 4), (1, 1), (64, 64), (3, 5)]

matrices = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=17),
    elements=st.sampled_from([0.0, 0.0, 0.0, -0.0, 1.0, -2.5, 1e-40]),
)
blocks = st.tuples(st.integers(1, 7), st.integers(1, 7)) | st.sampled_from(BLOCKS)


def sparse_matrix(shape=(12, 20), sparsity=0.9, seed=0):
    random = np.random.default_rng(seed)
    matrix = random.standard_normal(shape).astype(np.float32)
    matrix[random.random(shape) < sparsity] = 0
    return matrix


def plain_blocks(matrix, block):
    """(block row, block column, values) of the blocks that hold a nonzero, by loops over a padded copy."""
    height, width = block
    padded = np.pad(matrix, [(0, -extent % size) for extent, size in zip(matrix.shape, block, strict=True)])
    cut = [
        (row // height, column // width, padded[row : row + height, column : column + width])
        for row in range(0, padded.shape[0], height)
        for column in range(0, padded.shape[1], width)
    ]
    return [entry for entry in cut if entry[2].any()]


def arrays_of(made):
    return {
        "shape": made.shape,
        "values": made.values.copy(),
        "block_columns": made.block_columns.copy(),
        "block_row_offsets": made.block_row_offsets.copy(),
    }


# Round trips


@settings(deadline=None)
@given(matrices, blocks)
def test_matrix_comes_back_without_loss(matrix, block):
    made = Block.from_dense(matrix, block=block)
    np.testing.assert_array_equal(made.to_dense(), matrix, strict=True)
    assert made.to_dense().flags.writeable
    assert (made.shape, made.block) == (matrix.shape, block)
    assert made.num_nonzeros == np.count_nonzero(matrix)


@settings(deadline=None)
@given(matrices, blocks)
def test_blocks_are_those_of_a_plain_loop(matrix, block):
    made = Block.from_dense(matrix, block=block)
    expected = plain_blocks(matrix, block)
    block_rows = np.repeat(np.arange(len(made.block_row_offsets) - 1), np.diff(made.block_row_offsets))
    assert made.num_blocks == len(expected)
    assert [*zip(block_rows, made.block_columns, strict=True)] == [(row, column) for row, column, _ in expected]
    for values, (_, _, expected_values) in zip(made.values, expected, strict=True):
        np.testing.assert_array_equal(values, expected_values)


@settings(deadline=None)
@given(matrices, blocks)
def test_what_is_made_is_what_the_constructor_accepts(matrix, block):
    made = Block.from_dense(matrix, block=block)
    again = Block(**arrays_of(made))
    np.testing.assert_array_equal(again.to_dense(), matrix)
    for array in (made.values, made.block_columns, made.block_row_offsets):
        assert array.flags.c_contiguous
    assert (made.values.dtype, made.block_columns.dtype, made.block_row_offsets.dtype) == ("f4", "i4", "i8")


@settings(deadline=None)
@given(matrices, blocks)
def test_compressed_rows_are_those_of_the_matrix(matrix, block):
    csr, again = Csr.from_dense(matrix), Block.from_dense(matrix, block=block).to_csr()
    np.testing.assert_array_equal(again.values, csr.values, strict=True)
    np.testing.assert_array_equal(again.columns, csr.columns, strict=True)
    np.testing.assert_array_equal(again.row_offsets, csr.row_offsets, strict=True)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 9), (9, 1), (5, 7)])
@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("block", BLOCKS)
def test_shapes_at_the_edge_work(shape, value, block):
    made = Block.from_dense(np.full(shape, value, np.float32), block=block)
    np.testing.assert_array_equal(made.to_dense(), np.full(shape, value))
    assert made.num_blocks == value * (-(-shape[0] // block[0])) * (-(-shape[1] // block[1]))
    assert made.sparsity == (0.0 if value or 0 in shape else 1.0)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("shape", [(700, 900), (3, 100_000), (100_000, 3)])
def test_many_bands_of_rows_come_back(shape, block):
    matrix = sparse_matrix(shape, sparsity=0.5)
    np.testing.assert_array_equal(Block.from_dense(matrix, block=block).to_dense(), matrix)


def test_few_nonzeros_in_a_vast_matrix_take_no_memory_of_its_size():
    columns = np.array([0, MAX_EXTENT - 1, 5], np.int32)
    far = Csr((2, MAX_EXTENT), np.ones(3, np.float32), columns, np.array([0, 2, 3]))
    tracemalloc.start()
    made = Block.from_csr(far, block=(4, 4))
    again = Block(**arrays_of(made)).to_csr()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(made.block_columns, [0, 1, (MAX_EXTENT - 1) // 4])
    np.testing.assert_array_equal(again.columns, columns)
    assert peak_bytes < 1e6


def test_arrays_are_those_of_the_picture():
    made = Block.from_dense(np.array([[0, 0, 5, 7], [0, 0, 0, 1], [2, 0, 0, 0], [3, 0, 0, 0.0]]), block=(2, 2))
    np.testing.assert_array_equal(made.values, [[[5, 7], [0, 1]], [[2, 0], [3, 0]]])
    np.testing.assert_array_equal(made.block_columns, [1, 0])
    np.testing.assert_array_equal(made.block_row_offsets, [0, 1, 2])
    assert made.nbytes == 8 * 4 + 2 * 4 + 3 * 8
    assert (made.num_blocks, made.num_nonzeros, made.sparsity) == (2, 5, 11 / 16)


def test_a_block_with_one_nonzero_counts_one():
    made = Block.from_dense(np.eye(1, 100), block=(64, 64))
    assert (made.num_nonzeros, made.values.size, made.sparsity) == (1, 64 * 64, 0.99)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_converted_and_remembered(dtype):
    made = Block.from_dense(sparse_matrix().astype(dtype), block=(4, 1))
    assert made.source_dtype == made.to_csr().source_dtype == dtype
    np.testing.assert_array_equal(made.to_dense(), sparse_matrix().astype(dtype))


# Immutability


@pytest.mark.parametrize("field", ["values", "block_columns", "block_row_offsets"])
def test_arrays_are_copied_and_cannot_be_written(field):
    arrays = arrays_of(Block.from_dense(sparse_matrix(), block=(4, 1)))
    for made in (Block.from_dense(sparse_matrix(), block=(4, 1)), Block(**arrays)):
        with pytest.raises(ValueError, match="read-only"):
            getattr(made, field)[0] = 0
    assert not np.shares_memory(getattr(made, field), arrays[field])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda weight: pickle.loads(pickle.dumps(weight))])
def test_a_copy_is_as_read_only(copied):
    again = copied(Block.from_dense(np.eye(3), block=(2, 2)))
    np.testing.assert_array_equal(again.to_dense(), np.eye(3))
    assert again.source_dtype == "float64"
    assert not again.values.flags.writeable


def test_a_pickle_is_checked_like_any_other_source():
    arrays = arrays_of(Block.from_dense(np.eye(4), block=(2, 2)))
    arrays["block_columns"][0] = 7
    with pytest.raises(ValueError, match="number of block columns is 2"):
        pickle.loads(pickle.dumps(Block.unchecked(**arrays)))


# What is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (6, 4)}, r"block_row_offsets must have shape \(4,\), the number of block rows \+ 1"),
        ({"shape": (4, 2)}, r"block_columns\[1\] is 1, but the number of block columns is 1"),
        ({"shape": (3, 4)}, "over the edge"),
        ({"shape": (4, 3)}, "over the edge"),
        ({"shape": (-1, 4)}, "out_features"),
        ({"shape": (4, 2**31)}, "in_features"),
        ({"values": np.ones((3, 4))}, r"shape \(num_blocks, rows, cols\)"),
        ({"values": np.ones((2, 2, 2))}, "num_blocks"),
        ({"values": np.ones((3, 0, 2))}, "from 1 to 64"),
        ({"values": np.ones((3, 2, 65))}, "from 1 to 64"),
        ({"values": np.zeros((3, 2, 2))}, r"values\[0\] is a block of zeros alone"),
        ({"values": np.full((3, 2, 2), np.nan)}, r"weight\[0, 0\] is nan"),
        ({"values": np.array([1.0, 1.0, np.inf]).repeat(4).reshape(3, 2, 2)}, r"weight\[2, 2\] is inf"),
        ({"block_columns": [0, -1, 1]}, r"block_columns\[1\] is -1"),
        ({"block_columns": [1, 0, 1]}, "block row 0 has 1 before 0"),
        ({"block_columns": [1, 1, 1]}, "block row 0 has 1 before 1"),
        ({"block_columns": [0, 1]}, "num_blocks"),
        ({"block_row_offsets": [1, 2, 3]}, "rise from 0 to the number of blocks, 3"),
        ({"block_row_offsets": [0, 2, 4]}, "rise from 0"),
        ({"block_row_offsets": [0, 4, 3]}, "never fall"),
        ({"block_row_offsets": [0, 3]}, "block_row_offsets must have shape"),
    ],
)
def test_constructor_refuses_arrays_that_contradict(change, message):
    sound = {
        "shape": (4, 4),
        "values": np.ones((3, 2, 2)),
        "block_columns": [0, 1, 1],
        "block_row_offsets": [0, 2, 3],
    }
    arrays = {**sound, **change}
    with pytest.raises(ValueError, match=message):
        Block(
            arrays["shape"],
            np.array(arrays["values"], np.float32),
            np.array(arrays["block_columns"], np.int32),
            np.array(arrays["block_row_offsets"], np.int64),
        )


@pytest.mark.parametrize("field", ["values", "block_columns", "block_row_offsets"])
def test_constructor_refuses_other_dtypes(field):
    arrays = arrays_of(Block.from_dense(sparse_matrix(), block=(4, 1)))
    arrays[field] = arrays[field].astype(np.float64)
    with pytest.raises(TypeError, match=field):
        Block(**arrays)


@pytest.mark.parametrize("block", [4, None, "41", (4,), (4, 1, 1), (4.0, 1), ("4", "1")])
def test_what_is_no_pair_of_whole_numbers_is_refused(block):
    with pytest.raises(TypeError, match=r"block must be a pair of whole numbers \(rows, cols\)"):
        Block.from_dense(np.eye(2), block=block)


@pytest.mark.parametrize("block", [(0, 1), (1, 0), (65, 1), (1, 65), (-4, 1)])
def test_blocks_out_of_range_are_refused(block):
    with pytest.raises(ValueError, match="from 1 to 64"):
        Block.from_dense(np.eye(2), block=block)


@pytest.mark.parametrize("block", [[4, 1], np.array([4, 1], np.int8), (np.int64(4), True)])
def test_pairs_of_any_whole_numbers_are_taken(block):
    assert checked_block(block) == (4, 1)
    assert [type(number) for number in checked_block(block)] == [int, int]


def test_values_that_are_not_finite_are_named_by_position():
    matrix = np.zeros((9, 9), np.float32)
    matrix[7, 3] = np.nan
    with pytest.raises(ValueError, match=r"weight\[7, 3\] is nan"):
        Block.from_dense(matrix, block=(4, 4))


@pytest.mark.parametrize("source", [np.eye(3), None, Dense.from_dense(np.eye(3))])
def test_from_csr_refuses_all_else(source):
    with pytest.raises(TypeError, match="a Csr is expected"):
        Block.from_csr(source, block=(4, 1))


# Among the other formats


def test_from_any_returns_blocks_as_they_are():
    made = Block.from_dense(np.eye(2), block=(2, 1))
    assert from_any(made) is made


def test_statistics_are_those_of_the_matrix():
    matrix = sparse_matrix()
    assert Block.from_dense(matrix, block=(3, 5)).statistics() == statistics(matrix)


@pytest.mark.parametrize("key", ["fc.weight", None])
def test_blocks_load_and_compute(key):
    matrix, x = sparse_matrix((24, 32)), np.random.default_rng(1).standard_normal((5, 32)).astype(np.float32)
    made = Block.from_dense(matrix, block=(4, 1))
    layer = sparseinf.load(made) if key is None else sparseinf.load({key: made})["fc"]
    np.testing.assert_allclose(layer(x), x @ matrix.T, rtol=1e-5, atol=1e-5)
