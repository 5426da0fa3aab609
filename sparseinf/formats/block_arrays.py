"""The arrays of a block-sparse matrix: made from compressed rows, checked, and turned back into them.

`block.py` holds the class; this file holds the loops, over some rows of blocks at a time as in `csr_arrays.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparseinf.formats.csr_arrays import bands, check_order
from sparseinf.formats.float32 import check_extents, first_nonfinite, nonfinite_error
from sparseinf.formats.pattern import checked_block

if TYPE_CHECKING:
    from sparseinf.formats.csr import Csr

__all__ = ["check_blocks", "compress_blocks", "expand_blocks"]

BlockValues = npt.NDArray[np.float32]
BlockColumns = npt.NDArray[np.int32]
BlockRowOffsets = npt.NDArray[np.int64]

_VALUES_TOGETHER = 1 << 18


def compress_blocks(csr: Csr, block: tuple[int, int]) -> tuple[BlockValues, BlockColumns, BlockRowOffsets]:
    """Return values, block columns and block row offsets of the blocks that hold a nonzero."""
    height, width = block
    num_block_rows, num_block_columns = _num_blocks(csr.shape, block)
    all_values, all_columns = [np.empty((0, *block), np.float32)], [np.empty(0, np.int32)]
    offsets = np.zeros(num_block_rows + 1, np.int64)
    num_blocks = 0
    for rows in bands(csr.row_offsets, height, _VALUES_TOGETHER):
        nonzeros = slice(csr.row_offsets[rows.start], csr.row_offsets[rows.stop])
        row_lengths = np.diff(csr.row_offsets[rows.start : rows.stop + 1])
        row, row_inside = np.divmod(np.repeat(np.arange(row_lengths.size), row_lengths), height)
        column, column_inside = np.divmod(csr.columns[nonzeros], width)
        num_rows = -(-row_lengths.size // height)
        blocks, block_of_nonzero = _distinct(row * num_block_columns + column, num_rows * num_block_columns)
        values = np.zeros((blocks.size, height, width), np.float32)
        values[block_of_nonzero, row_inside, column_inside] = csr.values[nonzeros]
        row_ends = np.searchsorted(blocks, np.arange(1, num_rows + 1) * num_block_columns)
        first = rows.start // height
        offsets[first + 1 : first + 1 + num_rows] = num_blocks + row_ends
        num_blocks += blocks.size
        all_values.append(values)
        all_columns.append((blocks % max(1, num_block_columns)).astype(np.int32))
    return np.concatenate(all_values), np.concatenate(all_columns), offsets


def expand_blocks(
    shape: tuple[int, int], values: BlockValues, columns: BlockColumns, row_offsets: BlockRowOffsets
) -> tuple[BlockValues, BlockColumns, BlockRowOffsets]:
    """Return values, columns and row offsets of the nonzeros, as CSR has them."""
    _, height, width = values.shape
    num_nonzeros = np.count_nonzero(values)
    made_values, made_columns = np.empty(num_nonzeros, np.float32), np.empty(num_nonzeros, np.int32)
    row_lengths = np.zeros(shape[0], np.int64)
    end = 0
    for block_rows in bands(row_offsets, 1, _VALUES_TOGETHER // (height * width)):
        blocks = slice(row_offsets[block_rows.start], row_offsets[block_rows.stop])
        row_of_block = np.repeat(
            np.arange(block_rows.stop - block_rows.start), np.diff(row_offsets[block_rows.start : block_rows.stop + 1])
        )
        block, row_inside, column_inside = np.nonzero(values[blocks])
        row = row_of_block[block] * height + row_inside
        # Blocks ascend within a row of them, so what is stable keeps columns in order; few rows sort by radix.
        order = np.argsort(row.astype(np.min_scalar_type(row.max(initial=0))), kind="stable")
        start, end = end, end + block.size
        made_values[start:end] = values[blocks][block, row_inside, column_inside][order]
        made_columns[start:end] = (columns[blocks][block] * width + column_inside)[order]
        rows = slice(block_rows.start * height, min(block_rows.stop * height, shape[0]))
        row_lengths[rows] = np.bincount(row, minlength=rows.stop - rows.start)
    return made_values, made_columns, np.concatenate(([0], np.cumsum(row_lengths)))


def check_blocks(
    shape: Any, values: npt.NDArray[Any], columns: npt.NDArray[Any], row_offsets: npt.NDArray[Any]
) -> tuple[int, int]:
    """Refuse arrays that are not the blocks of a matrix of this shape; return the shape as two ints."""
    num_rows, num_columns = (int(extent) for extent in shape)
    check_extents(num_rows, num_columns)
    if values.ndim != 3 or columns.shape != values.shape[:1]:
        raise ValueError(
            "values must have shape (num_blocks, rows, cols) and block_columns (num_blocks,), but they have "
            f"{values.shape} and {columns.shape}"
        )
    height, width = block = checked_block(values.shape[1:])
    num_block_rows, num_block_columns = _num_blocks((num_rows, num_columns), block)
    check_order(num_block_rows, num_block_columns, columns, row_offsets, of_blocks=True)
    if (place := first_nonfinite(values)) is not None:
        number, row, column = (int(index) for index in np.unravel_index(place, values.shape))
        block_row = int(np.searchsorted(row_offsets, number, side="right")) - 1
        raise nonfinite_error(values.flat[place], block_row * height + row, int(columns[number]) * width + column)
    is_empty = ~values.any(axis=(1, 2))
    if is_empty.any():
        raise ValueError(
            f"values[{np.flatnonzero(is_empty)[0]}] is a block of zeros alone, which is not stored; "
            "Block.from_dense leaves it out"
        )
    rows_beyond, columns_beyond = num_block_rows * height - num_rows, num_block_columns * width - num_columns
    last_row = values[row_offsets[-2] :] if num_block_rows else values
    last_column = values[columns == num_block_columns - 1]
    if last_row[:, height - rows_beyond :].any() or last_column[:, :, width - columns_beyond :].any():
        raise ValueError(
            f"a block reaches over the edge of the weight of shape ({num_rows}, {num_columns}) with a value that is "
            "not zero; give the right shape, or zeros there"
        )
    return num_rows, num_columns


def _num_blocks(shape: tuple[int, int], block: tuple[int, int]) -> tuple[int, int]:
    return -(-shape[0] // block[0]), -(-shape[1] // block[1])


def _distinct(numbers: npt.NDArray[np.int64], limit: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the different numbers in order, all from 0 to limit - 1, and the place of each number among them."""
    # For few numbers from a wide range, flags would cost more than sorting.
    if limit > 16 * numbers.size + (1 << 20):
        found, places = np.unique(numbers, return_inverse=True)
        return found, places
    is_there = np.zeros(limit, np.bool_)
    is_there[numbers] = True
    found = np.flatnonzero(is_there)
    place_of_number = np.empty(limit, np.int64)
    place_of_number[found] = np.arange(found.size)
    return found, place_of_number[numbers]
