"""How the weight of a layer lies in a saved file, format by format.

    format      in the description       tensors beside `values`
    dense
    csr         columns                  columns: where the nonzeros are, in the encoding that the description names
    block       columns, block           columns: likewise, where the blocks are among the rows and columns of blocks
    nm          nm                       positions: as many bits each as m needs (`packed_bits.py`)
    quantized   integers, activations    scales: float32, one a row; values: int8 instead of float32

"integers" names the format of a quantized weight, whose fields and tensors are there, too; "activations" says how x is
quantized (`records.py`), or is null. `saved_columns.py` tells of the encodings of columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sparseinf.errors import CorruptFileError
from sparseinf.formats import NM, Block, Csr, Dense, Format, Quantized, Weight
from sparseinf.formats.block_arrays import check_blocks
from sparseinf.formats.float32 import SOURCE_DTYPES, first_nonfinite
from sparseinf.formats.nm_arrays import check_groups, num_groups_of
from sparseinf.formats.pattern import checked_block, checked_nm
from sparseinf.formats.quantized_arrays import check_scales
from sparseinf.io.packed_bits import pack_bits, unpack_bits
from sparseinf.io.saved_columns import describe_columns, restore_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparseinf.io.saved_tensors import SavedTensors

__all__ = ["describe_weight", "fields_of_weight", "first_version_of", "read_weight"]

_QUANTIZED_VERSION = 3  # of saved files, the first that knows int8


class _SavedFormat(NamedTuple):
    first_version: int
    """The version of saved files that brought this format."""
    fields: frozenset[str]
    """What the description of a layer says of this format alone."""


_FORMATS = {
    "dense": _SavedFormat(1, frozenset()),
    "csr": _SavedFormat(1, frozenset({"columns"})),
    "block": _SavedFormat(2, frozenset({"columns", "block"})),
    "nm": _SavedFormat(2, frozenset({"nm"})),
}


class _Layer(NamedTuple):
    """What the weight of a layer is read from."""

    tensors: SavedTensors
    entry: dict[str, Any]
    shape: tuple[int, int]
    is_quantized: bool

    @property
    def prefix(self) -> str:
        return f"layer/{self.entry['name']}/"


def first_version_of(weight: Weight) -> int:
    """Return the lowest version of saved files that can hold a weight."""
    is_of_int8 = isinstance(weight, Quantized) or weight.source_dtype not in SOURCE_DTYPES
    return _QUANTIZED_VERSION if is_of_int8 else _FORMATS[weight.name].first_version


def fields_of_weight(entry: dict[str, Any], version: int) -> frozenset[str]:
    """Return the fields that the description of a layer must have because of its format.

    Raises
    ------
    ValueError
        If files of this version do not know what it says of the weight.
    """
    is_quantized = entry["format"] == "quantized" and version >= _QUANTIZED_VERSION
    name = entry.get("integers") if is_quantized else entry["format"]
    saved_format = _FORMATS.get(name) if isinstance(name, str) else None
    if saved_format is None or saved_format.first_version > version:
        raise ValueError(f"it has the format {name!r:.40}, which version {version} does not know")
    source_dtype = entry["source_dtype"]
    if source_dtype not in SOURCE_DTYPES and not (source_dtype == "int8" and version >= _QUANTIZED_VERSION):
        raise ValueError(f"it has the source_dtype {source_dtype!r:.40}, which version {version} does not know")
    return saved_format.fields | {"integers", "activations"} if is_quantized else saved_format.fields


def describe_weight(weight: Weight, prefix: str, tensors: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Add the tensors of a weight; return the fields of its format, but for the activations."""
    is_quantized = isinstance(weight, Quantized)
    if isinstance(weight, Quantized):
        tensors[f"{prefix}scales"] = weight.scales
        description: dict[str, Any] = {"integers": weight.integers.name}
        weight = weight.integers
    else:
        description = {}
    tensors[f"{prefix}values"] = weight.values
    if isinstance(weight, Csr):
        description["columns"], tensors[f"{prefix}columns"] = describe_columns(
            weight.columns, weight.row_offsets, weight.shape[1], is_quantized=is_quantized
        )
    elif isinstance(weight, Block):
        num_block_columns = -(-weight.shape[1] // weight.block[1])
        description["columns"], tensors[f"{prefix}columns"] = describe_columns(
            weight.block_columns, weight.block_row_offsets, num_block_columns, is_quantized=is_quantized
        )
        description["block"] = weight.block
    elif isinstance(weight, NM):
        tensors[f"{prefix}positions"] = pack_bits(weight.positions.reshape(-1), _num_bits(weight.nm[1]))
        description["nm"] = weight.nm
    return description


def read_weight(tensors: SavedTensors, entry: dict[str, Any], shape: tuple[int, int]) -> Weight:
    """Claim the tensors of a weight, and check all that they and the description say.

    Values are views of the mapped file; all else is copied.

    Raises
    ------
    CorruptFileError
        If something is missing, or cannot be.
    """
    layer = _Layer(tensors, entry, shape, is_quantized=entry["format"] == "quantized")
    try:
        if not layer.is_quantized:
            return _read_format(layer, entry["format"])
        # First the scales: then the file is as long as a weight with so many rows needs.
        scales = tensors.take_exactly(f"{layer.prefix}scales", np.float32, (shape[0],)).copy()
        integers = _read_format(layer, entry["integers"])
        check_scales(integers, scales)
        return Quantized.unchecked(integers, scales)
    except CorruptFileError:
        raise
    except (TypeError, ValueError) as error:
        raise tensors.error(f"layer {entry['name']!r}: {error}") from None


def _read_format(layer: _Layer, name: str) -> Format:
    readers: dict[str, Callable[[_Layer], Format]] = {
        "dense": _read_dense,
        "csr": _read_csr,
        "block": _read_block,
        "nm": _read_nm,
    }
    return readers[name](layer)


def _read_dense(layer: _Layer) -> Dense:
    return Dense.unchecked(_read_values(layer, layer.shape), source_dtype=layer.entry["source_dtype"])


def _read_csr(layer: _Layer) -> Csr:
    values = _read_values(layer, (None,))
    columns, row_offsets = _read_columns(layer, layer.shape, values.size)
    if not values.all():
        raise ValueError("it stores a zero among its nonzeros")
    return Csr.unchecked(layer.shape, values, columns, row_offsets, source_dtype=layer.entry["source_dtype"])


def _read_block(layer: _Layer) -> Block:
    block = checked_block(layer.entry["block"])
    values = _read_values(layer, (None, *block))
    num_blocks = (-(-layer.shape[0] // block[0]), -(-layer.shape[1] // block[1]))
    columns, row_offsets = _read_columns(layer, num_blocks, len(values))
    check_blocks(layer.shape, values, columns, row_offsets)
    return Block.unchecked(layer.shape, values, columns, row_offsets, source_dtype=layer.entry["source_dtype"])


def _read_nm(layer: _Layer) -> NM:
    n, m = nm = checked_nm(layer.entry["nm"])
    values = _read_values(layer, (layer.shape[0], num_groups_of(layer.shape[1], m), n))
    data = layer.tensors.take_exactly(f"{layer.prefix}positions", np.uint8, (None,))
    positions = unpack_bits(data, _num_bits(m), values.size).reshape(values.shape)
    check_groups(layer.shape, nm, values, positions)
    return NM.unchecked(layer.shape, nm, values, positions, source_dtype=layer.entry["source_dtype"])


def _read_values(layer: _Layer, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    dtype = np.int8 if layer.is_quantized else np.float32
    values = layer.tensors.take_exactly(f"{layer.prefix}values", dtype, shape)
    if not layer.is_quantized and first_nonfinite(values) is not None:
        raise ValueError("it holds a weight that is NaN or infinite")
    return values


def _read_columns(
    layer: _Layer, extent: tuple[int, int], count: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    data = layer.tensors.take_exactly(f"{layer.prefix}columns", np.uint8, (None,))
    encoding = str(layer.entry["columns"])
    return restore_columns(encoding, data, *extent, count, is_quantized=layer.is_quantized)


def _num_bits(m: int) -> int:
    """Return how many bits a position in a group of m takes."""
    return (m - 1).bit_length()
