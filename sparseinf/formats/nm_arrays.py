"""The arrays of an n:m matrix: made from compressed rows, checked, and turned back into them.

`nm.py` holds the class; this file holds the loops, over some rows at a time as in `csr_arrays.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparseinf.formats.csr_arrays import bands
from sparseinf.formats.float32 import check_extents, first_nonfinite, nonfinite_error

if TYPE_CHECKING:
    from sparseinf.formats.csr import Csr

__all__ = ["check_groups", "compress_groups", "expand_groups", "num_groups_of", "put_zeros_last"]

GroupValues = npt.NDArray[np.float32]
GroupPositions = npt.NDArray[np.uint8]

_NONZEROS_TOGETHER = 1 << 18


def num_groups_of(num_columns: int, m: int) -> int:
    """Return how many groups a row has; the last may be shorter than m."""
    return -(-num_columns // m)


def compress_groups(csr: Csr, nm: tuple[int, int]) -> tuple[GroupValues, GroupPositions]:
    """Return values and positions, or refuse the first group that has more than n nonzeros."""
    n, m = nm
    num_rows, num_columns = csr.shape
    num_groups = num_groups_of(num_columns, m)
    values = np.zeros((num_rows, num_groups, n), np.float32)
    positions = np.zeros((num_rows, num_groups, n), np.uint8)
    for rows in bands(csr.row_offsets, 1, _NONZEROS_TOGETHER):
        nonzeros = slice(csr.row_offsets[rows.start], csr.row_offsets[rows.stop])
        row_lengths = np.diff(csr.row_offsets[rows.start : rows.stop + 1])
        row = np.repeat(np.arange(row_lengths.size), row_lengths)
        group_inside, position = np.divmod(csr.columns[nonzeros], m)
        group = row * num_groups + group_inside  # ascending, so a group's nonzeros stand together
        is_first = np.ones(group.size, np.bool_)
        is_first[1:] = group[1:] != group[:-1]
        number = np.arange(group.size)
        slot = number - np.maximum.accumulate(np.where(is_first, number, 0))
        overfull = np.flatnonzero(slot >= n)
        if overfull.size:
            place = overfull[0]
            count = int(np.count_nonzero(group == group[place]))
            raise _overfull_error(rows.start + int(row[place]), int(group_inside[place]), count, nm, num_columns)
        values[rows].reshape(-1)[group * n + slot] = csr.values[nonzeros]
        positions[rows].reshape(-1)[group * n + slot] = position
    return values, positions


def expand_groups(
    nm: tuple[int, int], values: GroupValues, positions: GroupPositions
) -> tuple[GroupValues, npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return values, columns and row offsets of the nonzeros, as CSR has them."""
    if values.size == 0:  # there may be groups without end, in no row
        return np.empty(0, np.float32), np.empty(0, np.int32), np.zeros(len(values) + 1, np.int64)
    is_nonzero = values != 0
    first_columns = np.arange(values.shape[1], dtype=np.int32)[:, np.newaxis] * nm[1]
    columns = (positions + first_columns)[is_nonzero]
    row_offsets = np.concatenate(([0], np.cumsum(np.count_nonzero(is_nonzero, axis=(1, 2)))))
    return values[is_nonzero], columns, row_offsets


def put_zeros_last(values: npt.NDArray[Any], positions: GroupPositions) -> tuple[npt.NDArray[Any], GroupPositions]:
    """Return copies of the arrays with the zeros of each group after its nonzeros, at position 0."""
    is_zero = values == 0
    order = np.argsort(is_zero, axis=2, kind="stable")
    sorted_values = np.take_along_axis(values, order, axis=2)
    sorted_positions = np.take_along_axis(positions, order, axis=2)
    return sorted_values, np.where(sorted_values == 0, np.uint8(0), sorted_positions)


def check_groups(
    shape: Any, nm: tuple[int, int], values: npt.NDArray[Any], positions: npt.NDArray[Any]
) -> tuple[int, int]:
    """Refuse arrays that are not the groups of a matrix of this shape; return the shape as two ints."""
    num_rows, num_columns = (int(extent) for extent in shape)
    check_extents(num_rows, num_columns)
    n, m = nm
    num_groups = num_groups_of(num_columns, m)
    if values.shape != (num_rows, num_groups, n) or positions.shape != values.shape:
        raise ValueError(
            f"values and positions must have shape ({num_rows}, {num_groups}, {n}), a row for each output and a "
            f"group for each {m} columns, but have {values.shape} and {positions.shape}"
        )
    last_width = num_columns - (num_groups - 1) * m
    is_outside = positions >= m
    is_outside[:, -1:] = positions[:, -1:] >= last_width
    if (first := _first(is_outside)) is not None:
        width = last_width if first[1] == num_groups - 1 else m
        raise ValueError(f"positions[{_text(first)}] is {positions[first]}, but that group has {width} columns")
    if (place := first_nonfinite(values)) is not None:
        row, group, slot = (int(index) for index in np.unravel_index(place, values.shape))
        raise nonfinite_error(values.flat[place], row, group * m + int(positions[row, group, slot]))
    is_nonzero = values != 0
    if (first := _first(is_nonzero[:, :, 1:] & ~is_nonzero[:, :, :-1])) is not None:
        raise ValueError(f"values[{_text(first)}] is zero, but a nonzero of its group follows; put the zeros last")
    if (first := _first(is_nonzero[:, :, 1:] & (positions[:, :, 1:] <= positions[:, :, :-1]))) is not None:
        raise ValueError(
            f"positions must ascend within a group, but positions[{_text(first)}] is {positions[first]}, and the "
            "next is not larger; sort them, each with its value"
        )
    if (first := _first(~is_nonzero & (positions != 0))) is not None:
        raise ValueError(
            f"positions[{_text(first)}] is {positions[first]}, but its value is zero; give it the position 0"
        )
    return num_rows, num_columns


def _overfull_error(row: int, group: int, count: int, nm: tuple[int, int], num_columns: int) -> ValueError:
    n, m = nm
    return ValueError(
        f"row {row} has {count} nonzeros in columns {group * m} to {min((group + 1) * m, num_columns) - 1}, but "
        f"{n}:{m} allows {n}: prune it to the pattern, or use format='csr'"
    )


def _first(is_wrong: npt.NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Return the indices of the first that is true, or None."""
    if not is_wrong.any():
        return None
    return tuple(int(index) for index in np.unravel_index(int(is_wrong.argmax()), is_wrong.shape))


def _text(indices: tuple[int, ...]) -> str:
    return ", ".join(map(str, indices))
