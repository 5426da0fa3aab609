"""The column codec gives back what it was given, in the promised room, and detects every lie in its data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparseinf.formats import Csr
from sparseinf.runtime import decode_columns, encode_columns

I32 = np.int32
I64 = np.int64


def columns_of(matrix):
    made = Csr.from_dense(np.asarray(matrix, np.float32))
    return made.columns, made.row_offsets, made.shape[1]


def random_csr(num_rows, num_columns, sparsity, seed=0):
    is_nonzero = np.random.default_rng(seed).random((num_rows, num_columns)) >= sparsity
    return Csr.from_dense(is_nonzero.astype(np.float32))


@st.composite
def column_sets(draw):
    """Columns with gaps of every length class, up to the widest matrix."""
    num_columns = draw(st.sampled_from([1, 7, 8, 9, 64, 231, 232, 233, 500, 70_000, 2**31 - 1]))
    rows = draw(st.lists(st.sets(st.integers(0, num_columns - 1), max_size=20), max_size=8))
    columns = np.array([column for row in rows for column in sorted(row)], I32)
    return columns, np.cumsum([0, *map(len, rows)]).astype(I64), num_columns


def decoded(encoding, data, csr, num_nonzeros=None):
    num_nonzeros = csr.num_nonzeros if num_nonzeros is None else num_nonzeros
    return decode_columns(encoding, data, *csr.shape, num_nonzeros)


@settings(deadline=None)
@given(column_sets())
def test_columns_come_back(given_columns):
    columns, row_offsets, num_columns = given_columns
    encoding, data = encode_columns(columns, row_offsets, num_columns)
    again, offsets_again = decode_columns(encoding, data, len(row_offsets) - 1, num_columns, len(columns))
    np.testing.assert_array_equal(again, columns, strict=True)
    np.testing.assert_array_equal(offsets_again, row_offsets, strict=True)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (3, 8), (3, 9), (40, 1)])
@pytest.mark.parametrize("value", [0, 1])
def test_shapes_at_the_edge_come_back(shape, value):
    columns, row_offsets, num_columns = columns_of(np.full(shape, value))
    encoding, data = encode_columns(columns, row_offsets, num_columns)
    again, offsets_again = decode_columns(encoding, data, shape[0], num_columns, len(columns))
    np.testing.assert_array_equal(again, columns)
    np.testing.assert_array_equal(offsets_again, row_offsets)


def test_bitmap_bytes_are_those_of_the_picture():
    encoding, data = encode_columns(*columns_of([[1, 1, 0, 1, 1, 1, 0, 1, 1, 0]]))
    assert (encoding, bytes(data)) == ("bitmap", bytes([0b10111011, 0b00000001]))


def test_gaps_bytes_are_those_of_the_picture():
    columns = np.array([1, 4, 8, 709], I32)
    encoding, data = encode_columns(columns, np.array([0, 4, 4], I64), 1000)
    assert (encoding, bytes(data)) == ("gaps", bytes([4, 0, 1, 2, 3, 233, 232, 4]))


@pytest.mark.parametrize("sparsity", [0.5, 0.7, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("num_columns", [768, 4096])
def test_columns_take_at_most_1_3_bytes_a_nonzero(sparsity, num_columns):
    made = random_csr(256, num_columns, sparsity)
    _, data = encode_columns(made.columns, made.row_offsets, num_columns)
    assert len(data) <= 1.3 * made.num_nonzeros


@pytest.mark.parametrize("sparsity", [0.5, 0.95])
def test_every_shortened_data_is_refused(sparsity):
    made = random_csr(9, 70, sparsity)
    encoding, data = encode_columns(made.columns, made.row_offsets, 70)
    for length in range(len(data)):
        with pytest.raises(ValueError, match="column data"):
            decoded(encoding, data[:length], made)


@pytest.mark.parametrize("sparsity", [0.5, 0.95])
def test_bytes_left_over_are_refused(sparsity):
    made = random_csr(9, 70, sparsity)
    encoding, data = encode_columns(made.columns, made.row_offsets, 70)
    with pytest.raises(ValueError, match="left over"):
        decoded(encoding, np.append(data, np.uint8(0)), made)


@pytest.mark.parametrize("sparsity", [0.5, 0.95])
@pytest.mark.parametrize("change", [-1, 1])
def test_another_number_of_nonzeros_is_refused(sparsity, change):
    made = random_csr(9, 70, sparsity)
    encoding, data = encode_columns(made.columns, made.row_offsets, 70)
    with pytest.raises(ValueError, match=r"number of nonzeros|too early"):
        decoded(encoding, data, made, made.num_nonzeros + change)


@settings(deadline=None)
@given(st.data())
@pytest.mark.parametrize("sparsity", [0.5, 0.95])
def test_changed_bytes_never_give_invalid_columns(sparsity, data):
    made = random_csr(9, 70, sparsity)
    encoding, encoded = encode_columns(made.columns, made.row_offsets, 70)
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        columns, row_offsets = decoded(encoding, encoded, made)
    except ValueError:
        return
    Csr(made.shape, made.values, columns, row_offsets)  # validates


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 12), st.integers(0, 300), st.integers(0, 40))
@pytest.mark.parametrize("encoding", ["bitmap", "gaps"])
def test_arbitrary_bytes_never_give_invalid_columns(encoding, data, num_rows, num_columns, num_nonzeros):
    bytes_given = np.frombuffer(data, np.uint8)
    try:
        columns, row_offsets = decode_columns(encoding, bytes_given, num_rows, num_columns, num_nonzeros)
    except ValueError:
        return
    Csr((num_rows, num_columns), np.ones(num_nonzeros, np.float32), columns, row_offsets)  # validates


def test_bits_beyond_the_last_column_are_refused():
    with pytest.raises(ValueError, match="outside the matrix"):
        decode_columns("bitmap", np.array([0b100], np.uint8), 1, 2, 1)


def test_a_gap_beyond_the_last_column_is_refused():
    with pytest.raises(ValueError, match="outside the matrix"):
        decode_columns("gaps", np.array([1, 5], np.uint8), 1, 5, 1)


def test_a_row_of_more_nonzeros_than_columns_is_refused():
    with pytest.raises(ValueError, match="outside the matrix"):
        decode_columns("gaps", np.array([3, 0, 0, 0], np.uint8), 1, 2, 3)


@pytest.mark.parametrize("encoding", ["bitmap", "gaps"])
@pytest.mark.parametrize("extents", [(2**62, 8, 0), (1, 8, 2**60), (2**40, 0, 0), (2**62, 2**31 - 1, 2**62)])
def test_absurd_extents_are_refused_before_memory_is_asked_for(encoding, extents):
    with pytest.raises(ValueError, match="column data"):
        decode_columns(encoding, np.zeros(1, np.uint8), *extents)


@pytest.mark.parametrize("extents", [(-1, 8, 0), (1, -1, 0), (1, 2**31, 0), (1, 8, -1)])
def test_impossible_extents_are_refused(extents):
    with pytest.raises(ValueError, match=r"out of range|negative"):
        decode_columns("gaps", np.zeros(1, np.uint8), *extents)


def test_an_unknown_encoding_is_refused():
    with pytest.raises(ValueError, match="'bitmap' or 'gaps', but is 'zip'"):
        decode_columns("zip", np.zeros(1, np.uint8), 1, 8, 0)


@pytest.mark.parametrize(
    ("columns", "row_offsets", "message"),
    [
        ([0, 8], [0, 2], "outside the matrix"),
        ([-1, 0], [0, 2], "outside the matrix"),
        ([2, 1], [0, 2], "do not ascend"),
        ([1, 1], [0, 2], "do not ascend"),
        ([0, 1], [0, 1], "row offsets"),
        ([0, 1], [1, 2], "row offsets"),
        ([0, 1], [0, 5, 2], "row offsets"),
        ([0, 1], [], "out of range"),
    ],
)
def test_the_encoder_refuses_what_is_no_csr_matrix(columns, row_offsets, message):
    with pytest.raises(ValueError, match=message):
        encode_columns(np.array(columns, I32), np.array(row_offsets, I64), 8)


def test_other_dtypes_are_not_converted():
    with pytest.raises(TypeError):
        encode_columns(np.array([0], I64), np.array([0, 1], I64), 8)
    with pytest.raises(TypeError):
        decode_columns("gaps", np.zeros(1, I32), 1, 8, 0)
