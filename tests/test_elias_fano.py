"""Places come back from their low bits and their rests, take the room that they should, and detect lies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparseinf.formats import Csr
from sparseinf.io.elias_fano import decode_places, encode_places, num_encoded_bytes

EXTENTS = [(0, 0), (0, 5), (5, 0), (1, 1), (1, 7), (7, 1), (3, 8), (13, 41), (2, 100_000), (100_000, 2), (700, 800)]


def random_csr(shape, density, seed=0):
    return Csr.from_dense((np.random.default_rng(seed).random(shape) < density).astype(np.float32))


def encoded(csr):
    return encode_places(csr.columns, csr.row_offsets, csr.shape[1])


def assert_comes_back(csr):
    data = encoded(csr)
    assert data.size == num_encoded_bytes(math.prod(csr.shape), csr.num_nonzeros)
    columns, row_offsets = decode_places(data, *csr.shape, csr.num_nonzeros)
    np.testing.assert_array_equal(columns, csr.columns, strict=True)
    np.testing.assert_array_equal(row_offsets, csr.row_offsets, strict=True)


@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("density", [0.0, 0.0005, 0.02, 0.1, 0.5, 1.0])
def test_places_come_back(extent, density):
    assert_comes_back(random_csr(extent, density))


@settings(deadline=None)
@given(extent=st.tuples(st.integers(0, 70), st.integers(0, 70)), density=st.floats(0, 1), seed=st.integers(0, 99))
def test_places_of_any_matrix_come_back(extent, density, seed):
    assert_comes_back(random_csr(extent, density, seed))


@pytest.mark.parametrize("column", [0, 1, 2**31 - 65])
def test_a_nonzero_in_a_vast_matrix_comes_back(column):
    columns = np.array([column], np.int32)
    assert_comes_back(Csr((3, 2**31 - 64), np.ones(1, np.float32), columns, np.array([0, 0, 1, 1])))


def test_bytes_are_those_of_the_picture():
    csr = Csr.from_dense(np.array([[0, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 0]], np.float32))
    bits = np.unpackbits(encoded(csr), bitorder="little")
    assert bits[:8].tolist() == [1, 0, 1, 1, 0, 0, 0, 0]
    assert bits[8:].tolist() == [1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("density", [0.01, 0.03, 0.05, 0.1, 0.2, 0.3])
def test_places_take_little_more_than_any_encoding_must(density):
    csr = random_csr((1000, 1000), density)
    least_bits = -math.log2(density) - (1 - density) / density * math.log2(1 - density)
    assert 8 * encoded(csr).size / csr.num_nonzeros <= least_bits + 0.75


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "nonzeros take 26 bytes, but there are 25"),
        (lambda data: np.append(data, data[:1]), "but there are 27"),
        (np.zeros_like, "other than 40 nonzeros"),
        (lambda data: np.full_like(data, 255), "other than 40 nonzeros"),
        (lambda data: data & np.repeat(np.uint8([0, 255]), [15, 11]), "do not ascend"),
    ],
)
def test_bytes_that_cannot_be_are_refused(change, message):
    columns = np.arange(40, dtype=np.int32) * 2  # two low bits in use, of three
    csr = Csr((1, 330), np.ones(40, np.float32), columns, np.array([0, 40]))
    data = encoded(csr)
    with pytest.raises(ValueError, match=message):
        decode_places(change(data), 1, 330, 40)


def test_a_place_after_the_last_of_the_matrix_is_refused():
    assert decode_places(np.array([0, 4], np.uint8), 1, 5, 1)[0] == [4]
    with pytest.raises(ValueError, match="do not ascend within the matrix"):
        decode_places(np.array([1, 4], np.uint8), 1, 5, 1)


def test_bits_after_the_last_low_part_are_refused():
    with pytest.raises(ValueError, match="bits are set after its last position"):
        decode_places(np.array([2, 4], np.uint8), 1, 5, 1)


@settings(deadline=None)
@given(data=st.binary(max_size=40), extent=st.tuples(st.integers(0, 20), st.integers(0, 20)), count=st.integers(0, 60))
def test_any_bytes_are_the_only_ones_of_what_they_are_read_as(data, extent, count):
    given_bytes = np.frombuffer(data, np.uint8)
    try:
        columns, row_offsets = decode_places(given_bytes, *extent, count)
    except ValueError:
        return
    csr = Csr(extent, np.ones(count, np.float32), columns, row_offsets)  # checks order and range
    np.testing.assert_array_equal(encoded(csr), given_bytes)
