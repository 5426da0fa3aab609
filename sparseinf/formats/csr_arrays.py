"""The arrays of a CSR matrix: made from dense and scipy, checked, and turned back into a dense array.

`csr.py` holds the class; this file holds the loops over nonzeros: a few NumPy calls over some rows at a time,
so that temporary arrays stay in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sparseinf.formats.float32 import (
    check_extents,
    check_float,
    check_matrix,
    first_nonfinite,
    nonfinite_error,
    to_float32,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "bands",
    "check_indices",
    "check_order",
    "check_values",
    "compress",
    "drop_zeros",
    "expand",
    "scipy_arrays",
]

Values = npt.NDArray[np.float32]
Columns = npt.NDArray[np.int32]
RowOffsets = npt.NDArray[np.int64]

# How many elements are worked on together. compress takes 1.7 to 2.1 ns an element of a 4096 x 4096 matrix at
# 90 % zeros from 2^16 to 2^19, 7 at 2^13; np.nonzero of the 2-D array alone takes 7 (Zen 4, 2026-11-20).
_BLOCK_ELEMENTS = 1 << 17


def compress(weight: npt.NDArray[Any]) -> tuple[tuple[int, int], Values, Columns, RowOffsets]:
    """Return shape, values, columns and row offsets of the nonzeros of a dense array."""
    check_matrix(weight)
    num_rows, num_columns = weight.shape
    row_offsets = np.zeros(num_rows + 1, np.int64)
    blocks = _row_blocks(num_rows, num_columns)
    # Counting first costs one pass more, but the result is then written once, where it stays.
    num_nonzeros = sum(np.count_nonzero(to_float32(weight[rows]) != 0) for rows in blocks)
    values, columns = np.empty(num_nonzeros, np.float32), np.empty(num_nonzeros, np.int32)
    end = 0
    for rows in blocks:
        block = to_float32(weight[rows])
        places = np.flatnonzero(block != 0)
        start, end = end, end + places.size
        np.take(block.reshape(-1), places, out=values[start:end], mode="clip")  # "raise" would buffer the output
        row_starts = np.arange(block.shape[0] + 1) * num_columns
        offsets = np.searchsorted(places, row_starts)
        row_offsets[rows.start : rows.stop + 1] = offsets + start
        np.subtract(places, np.repeat(row_starts[:-1], np.diff(offsets)), out=columns[start:end], casting="same_kind")
        if (place := first_nonfinite(values[start:end])) is not None:
            row, column = divmod(int(places[place]), num_columns)
            raise nonfinite_error(weight[rows.start + row, column], rows.start + row, column)
    return (num_rows, num_columns), values, columns, row_offsets


def expand(shape: tuple[int, int], values: Values, columns: Columns, row_offsets: RowOffsets) -> Values:
    """Return the dense float32 array."""
    dense = np.zeros(shape, np.float32)
    for rows in _row_blocks(*shape):
        offsets = row_offsets[rows.start : rows.stop + 1]
        nonzeros = slice(offsets[0], offsets[-1])
        row_starts = np.arange(rows.stop - rows.start) * shape[1]
        places = np.repeat(row_starts, np.diff(offsets))
        places += columns[nonzeros]
        dense[rows].reshape(-1)[places] = values[nonzeros]
    return dense


def scipy_arrays(matrix: Any) -> tuple[tuple[int, int], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return shape, values, columns and row offsets of a scipy.sparse matrix, put in order."""
    from scipy.sparse import issparse

    if not issparse(matrix):
        raise TypeError(f"a scipy.sparse matrix is expected, but got {type(matrix).__name__}")
    if matrix.ndim != 2:
        raise ValueError(
            f"a weight has two dimensions (out_features, in_features), but got shape {matrix.shape}; reshape it"
        )
    check_extents(*matrix.shape)
    check_float(matrix.dtype.name)
    if hasattr(matrix, "check_format"):  # scipy's conversions trust the indices of a compressed matrix
        matrix.check_format(full_check=True)
    rows = matrix.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy() if rows is matrix else rows
        rows.sum_duplicates()
    return rows.shape, rows.data, rows.indices, rows.indptr


def check_indices(
    shape: Any, values: npt.NDArray[Any], columns: npt.NDArray[Any], row_offsets: npt.NDArray[Any]
) -> tuple[int, int]:
    """Refuse arrays that are not CSR arrays of a matrix of this shape; return the shape as two ints."""
    num_rows, num_columns = (int(extent) for extent in shape)
    check_extents(num_rows, num_columns)
    if values.ndim != 1 or columns.shape != values.shape:
        raise ValueError(
            f"values and columns must be 1-D and of one length, but have shapes {values.shape} and {columns.shape}"
        )
    check_order(num_rows, num_columns, columns, row_offsets)
    return num_rows, num_columns


class _Words(NamedTuple):
    """What rows and columns are called in errors."""

    prefix: str
    num_rows: str
    num_columns: str
    row: str
    stored: str
    repair: str


_WORDS_OF_VALUES = _Words(
    "", "out_features", "in_features", "row", "nonzeros", "sort them, in scipy with matrix.sum_duplicates()"
)
_WORDS_OF_BLOCKS = _Words(
    "block_",
    "the number of block rows",
    "the number of block columns",
    "block row",
    "blocks",
    "sort them, each with its values",
)


def check_order(
    num_rows: int,
    num_columns: int,
    columns: npt.NDArray[Any],
    row_offsets: npt.NDArray[Any],
    *,
    of_blocks: bool = False,
) -> None:
    """Refuse columns and row offsets that are out of range or out of order; rows and columns may be of blocks."""
    words = _WORDS_OF_BLOCKS if of_blocks else _WORDS_OF_VALUES
    columns_name, offsets_name = f"{words.prefix}columns", f"{words.prefix}row_offsets"
    if row_offsets.shape != (num_rows + 1,):
        raise ValueError(
            f"{offsets_name} must have shape ({num_rows + 1},), {words.num_rows} + 1, but has {row_offsets.shape}"
        )
    if row_offsets[0] != 0 or row_offsets[-1] != columns.size or (row_offsets[1:] < row_offsets[:-1]).any():
        raise ValueError(
            f"{offsets_name} must rise from 0 to the number of {words.stored}, {columns.size}, but go from "
            f"{row_offsets[0]} to {row_offsets[-1]}, and must never fall on the way"
        )
    if columns.size and (columns.min() < 0 or columns.max() >= num_columns):
        place = int(np.flatnonzero((columns < 0) | (columns >= num_columns))[0])
        raise ValueError(f"{columns_name}[{place}] is {columns[place]}, but {words.num_columns} is {num_columns}")
    ascends = columns[1:] > columns[:-1]
    row_starts = row_offsets[1:-1]
    ascends[row_starts[(row_starts > 0) & (row_starts < columns.size)] - 1] = True
    if not ascends.all():
        place = int(np.flatnonzero(~ascends)[0])
        row = int(np.searchsorted(row_offsets, place, side="right")) - 1
        raise ValueError(
            f"{columns_name} must ascend within a {words.row}, but {words.row} {row} has {columns[place]} before "
            f"{columns[place + 1]}; {words.repair}"
        )


def check_values(
    values: Values, source_values: npt.NDArray[Any], columns: npt.NDArray[Any], row_offsets: npt.NDArray[Any]
) -> None:
    """Refuse a value that is not finite, by its place in the matrix and its value before conversion."""
    place = first_nonfinite(values)
    if place is not None:
        row = int(np.searchsorted(row_offsets, place, side="right")) - 1
        raise nonfinite_error(source_values[place], row, int(columns[place]))


def drop_zeros(
    values: npt.NDArray[Any], columns: npt.NDArray[Any], row_offsets: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], Columns, RowOffsets]:
    """Return copies of the arrays without the nonzeros that are zero, or without the blocks that are."""
    keep = values.reshape(len(values), -1).any(axis=1) if values.ndim > 1 else values != 0
    if keep.all():
        return values.copy(), columns.astype(np.int32), row_offsets.astype(np.int64)
    num_kept_before = np.concatenate(([0], np.cumsum(keep)))
    return values[keep], columns[keep].astype(np.int32), num_kept_before[row_offsets]


def bands(row_offsets: RowOffsets, alignment: int, num_together: int) -> Iterator[slice]:
    """Cut the rows where `alignment` divides them, into bands of at most `num_together` nonzeros where that can be."""
    num_rows = row_offsets.size - 1
    ends = np.append(row_offsets[alignment:num_rows:alignment], row_offsets[-1])
    start = 0
    while start < num_rows:
        num_ended = int(np.searchsorted(ends, row_offsets[start] + num_together, side="right"))
        stop = min(num_rows, max(start // alignment + 1, num_ended) * alignment)
        yield slice(start, stop)
        start = stop


def _row_blocks(num_rows: int, num_columns: int) -> list[slice]:
    num_rows_together = max(1, _BLOCK_ELEMENTS // max(1, num_columns))
    return [slice(start, min(start + num_rows_together, num_rows)) for start in range(0, num_rows, num_rows_together)]
