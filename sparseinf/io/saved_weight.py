"""How the weight of a layer lies in a saved file, format by format.

    format   in the description   tensors beside `values`
    dense
    csr      columns              columns: where the nonzeros are, in the encoding that the description names
    block    columns, block       columns: likewise, where the blocks are among the rows and columns of blocks
    nm       nm                   positions: as many bits each as m needs, the lowest first, in bytes without gaps

`csrc/pack/column_codec.h` tells of the encodings of columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sparseinf.errors import CorruptFileError
from sparseinf.formats import NM, Block, Csr, Dense, Format
from sparseinf.formats.block_arrays import check_blocks
from sparseinf.formats.float32 import first_nonfinite
from sparseinf.formats.nm_arrays import check_groups, num_groups_of
from sparseinf.formats.pattern import checked_block, checked_nm
from sparseinf.runtime import decode_columns, encode_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparseinf.io.saved_tensors import SavedTensors

__all__ = ["SAVED_FORMATS", "describe_weight", "read_weight"]


class _SavedFormat(NamedTuple):
    first_version: int
    """The version of saved files that brought this format."""
    fields: frozenset[str]
    """What the description of a layer says of this format alone."""


SAVED_FORMATS = {
    "dense": _SavedFormat(1, frozenset()),
    "csr": _SavedFormat(1, frozenset({"columns"})),
    "block": _SavedFormat(2, frozenset({"columns", "block"})),
    "nm": _SavedFormat(2, frozenset({"nm"})),
}
"""The formats that a file can hold."""


def describe_weight(weight: Format, prefix: str, tensors: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Add the tensors of a weight; return the fields of its format."""
    tensors[f"{prefix}values"] = weight.values
    if isinstance(weight, Csr):
        encoding, tensors[f"{prefix}columns"] = encode_columns(weight.columns, weight.row_offsets, weight.shape[1])
        return {"columns": encoding}
    if isinstance(weight, Block):
        num_block_columns = -(-weight.shape[1] // weight.block[1])
        encoding, tensors[f"{prefix}columns"] = encode_columns(
            weight.block_columns, weight.block_row_offsets, num_block_columns
        )
        return {"columns": encoding, "block": weight.block}
    if isinstance(weight, NM):
        tensors[f"{prefix}positions"] = _pack(weight.positions.reshape(-1), _num_bits(weight.nm[1]))
        return {"nm": weight.nm}
    return {}


def read_weight(tensors: SavedTensors, entry: dict[str, Any], shape: tuple[int, int]) -> Format:
    """Claim the tensors of a weight, and check all that they and the description say.

    Values are views of the mapped file; all else is copied.

    Raises
    ------
    CorruptFileError
        If something is missing, or cannot be.
    """
    readers: dict[str, Callable[..., Format]] = {
        "dense": _read_dense,
        "csr": _read_csr,
        "block": _read_block,
        "nm": _read_nm,
    }
    try:
        return readers[entry["format"]](tensors, entry, f"layer/{entry['name']}/", shape)
    except CorruptFileError:
        raise
    except (TypeError, ValueError) as error:
        raise tensors.error(f"layer {entry['name']!r}: {error}") from None


def _read_dense(tensors: SavedTensors, entry: dict[str, Any], prefix: str, shape: tuple[int, int]) -> Dense:
    return Dense.unchecked(_read_values(tensors, prefix, shape), source_dtype=entry["source_dtype"])


def _read_csr(tensors: SavedTensors, entry: dict[str, Any], prefix: str, shape: tuple[int, int]) -> Csr:
    values = _read_values(tensors, prefix, (None,))
    columns, row_offsets = _read_columns(tensors, entry, prefix, shape, values.size)
    if not values.all():
        raise ValueError("it stores a zero among its nonzeros")
    return Csr.unchecked(shape, values, columns, row_offsets, source_dtype=entry["source_dtype"])


def _read_block(tensors: SavedTensors, entry: dict[str, Any], prefix: str, shape: tuple[int, int]) -> Block:
    block = checked_block(entry["block"])
    values = _read_values(tensors, prefix, (None, *block))
    num_blocks = (-(-shape[0] // block[0]), -(-shape[1] // block[1]))
    columns, row_offsets = _read_columns(tensors, entry, prefix, num_blocks, len(values))
    check_blocks(shape, values, columns, row_offsets)
    return Block.unchecked(shape, values, columns, row_offsets, source_dtype=entry["source_dtype"])


def _read_nm(tensors: SavedTensors, entry: dict[str, Any], prefix: str, shape: tuple[int, int]) -> NM:
    nm = checked_nm(entry["nm"])
    values = _read_values(tensors, prefix, (shape[0], num_groups_of(shape[1], nm[1]), nm[0]))
    data = tensors.take_exactly(f"{prefix}positions", np.uint8, (None,))
    positions = _unpack(data, _num_bits(nm[1]), values.size).reshape(values.shape)
    check_groups(shape, nm, values, positions)
    return NM.unchecked(shape, nm, values, positions, source_dtype=entry["source_dtype"])


def _read_values(tensors: SavedTensors, prefix: str, shape: tuple[int | None, ...]) -> npt.NDArray[np.float32]:
    values = tensors.take_exactly(f"{prefix}values", np.float32, shape)
    if first_nonfinite(values) is not None:
        raise ValueError("it holds a weight that is NaN or infinite")
    return values


def _read_columns(
    tensors: SavedTensors, entry: dict[str, Any], prefix: str, extent: tuple[int, int], count: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    data = tensors.take_exactly(f"{prefix}columns", np.uint8, (None,))
    return decode_columns(str(entry["columns"]), data, *extent, count)


def _num_bits(m: int) -> int:
    """Return how many bits a position in a group of m takes."""
    return (m - 1).bit_length()


def _pack(numbers: npt.NDArray[np.uint8], num_bits: int) -> npt.NDArray[np.uint8]:
    """Return so many bits of each number, the lowest first, in bytes without gaps."""
    num_words = -(-numbers.size // 8)
    lanes = np.zeros((num_words, 8), np.uint8)  # eight numbers become a word, of which `num_bits` bytes are used
    lanes.reshape(-1)[: numbers.size] = numbers
    words = np.zeros(num_words, "<u8")
    for lane in range(8):
        words |= lanes[:, lane].astype(np.uint64) << lane * num_bits
    return words.view(np.uint8).reshape(-1, 8)[:, :num_bits].reshape(-1)[: _num_bytes(numbers.size, num_bits)]


def _unpack(data: npt.NDArray[np.uint8], num_bits: int, count: int) -> npt.NDArray[np.uint8]:
    """Return the numbers that `_pack` was given, if `data` can be what it made of so many."""
    num_bytes, num_words = _num_bytes(count, num_bits), -(-count // 8)
    if data.size != num_bytes:
        raise ValueError(f"{count} positions of {num_bits} bits take {num_bytes} bytes, but there are {data.size}")
    packed = np.zeros(num_words * num_bits, np.uint8)
    packed[:num_bytes] = data
    words = np.zeros((num_words, 8), np.uint8)
    words[:, :num_bits] = packed.reshape(num_words, num_bits)
    lanes = np.empty((num_words, 8), np.uint8)
    for lane in range(8):
        lanes[:, lane] = words.view("<u8")[:, 0] >> lane * num_bits & (1 << num_bits) - 1
    if lanes.reshape(-1)[count:].any():
        raise ValueError("bits are set after its last position")
    return lanes.reshape(-1)[:count]


def _num_bytes(count: int, num_bits: int) -> int:
    return -(-count * num_bits // 8)
