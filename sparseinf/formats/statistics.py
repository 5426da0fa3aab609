"""Where the nonzeros of a weight are: what decides which format and kernel suit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparseinf.formats.conversion import from_any
from sparseinf.formats.csr_arrays import bands

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sparseinf.formats.csr import Csr

__all__ = [
    "BLOCK_SHAPES",
    "NM_PATTERNS",
    "ROW_ALIGNMENT",
    "Statistics",
    "count_empty_columns",
    "count_patterns",
    "statistics",
]

BLOCK_SHAPES = ((4, 1), (8, 1), (16, 1), (1, 4), (4, 4))
"""(rows, cols) of the blocks that are looked for."""

NM_PATTERNS = ((1, 4), (2, 4), (4, 8))
"""(n, m) of the patterns that are looked for."""

ROW_ALIGNMENT = 16
"""No block that is looked for reaches over a multiple of this many rows."""

_NONZEROS_TOGETHER = 1 << 18
_LIMIT_OF_FLAGS = 1 << 20


@dataclass(frozen=True)
class Statistics:
    """Where the nonzeros of a weight are; made by `statistics`.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import statistics
    >>> found = statistics(np.array([[1, 0, 2], [0, 0, 0]], np.float32))
    >>> found.num_empty_rows, found.num_empty_columns, found.row_length_skew
    (1, 1, 2.0)
    """

    shape: tuple[int, int]
    """(out_features, in_features)."""
    num_nonzeros: int
    """Values that are not zero."""
    sparsity: float
    """Share of zeros; 0.0 for an empty matrix."""
    block_fill: Mapping[tuple[int, int], float]
    """For each block shape (rows, columns): share of nonzeros among the elements of the blocks that hold any.

    Blocks start at multiples of their shape; one that reaches over the edge counts in full, as it is stored.
    1.0 if there are no nonzeros: nothing is wasted.
    """
    nm_fit: Mapping[tuple[int, int], float]
    """For each pattern (n, m): share of the groups of m columns of a row that hold at most n nonzeros."""
    num_empty_rows: int
    """Rows without a nonzero."""
    num_empty_columns: int
    """Columns without a nonzero."""
    row_length_mean: float
    """Nonzeros a row; 0.0 without rows."""
    row_length_max: int
    """Nonzeros of the longest row."""
    row_length_skew: float
    """Longest row over mean row: 1.0 is even; 1.0 also if there are no nonzeros."""


def statistics(weight: Any) -> Statistics:
    """Describe where the nonzeros of a weight are.

    Parameters
    ----------
    weight : shape (out_features, in_features)
        Anything that `from_any` takes.

    Raises
    ------
    TypeError, ValueError
        As `from_any`.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import statistics
    >>> weight = np.zeros((8, 8), np.float32)
    >>> weight[:4, 2] = 1
    >>> found = statistics(weight)
    >>> found.sparsity, found.block_fill[4, 1], found.block_fill[8, 1], found.nm_fit[1, 4]
    (0.9375, 1.0, 0.5, 1.0)
    """
    csr = from_any(weight).to_csr()
    num_rows, num_columns = csr.shape
    num_blocks, num_overfull = count_patterns(csr, BLOCK_SHAPES, NM_PATTERNS)
    row_lengths = np.diff(csr.row_offsets)
    longest = int(row_lengths.max(initial=0))
    mean = csr.num_nonzeros / num_rows if num_rows else 0.0
    return Statistics(
        shape=csr.shape,
        num_nonzeros=csr.num_nonzeros,
        sparsity=csr.sparsity,
        block_fill={
            (height, width): csr.num_nonzeros / (count * height * width) if count else 1.0
            for (height, width), count in num_blocks.items()
        },
        nm_fit={
            (n, m): 1.0 - count / (num_rows * -(-num_columns // m)) if count else 1.0
            for (n, m), count in num_overfull.items()
        },
        num_empty_rows=int(np.count_nonzero(row_lengths == 0)),
        num_empty_columns=count_empty_columns(csr),
        row_length_mean=mean,
        row_length_max=longest,
        row_length_skew=longest / mean if mean else 1.0,
    )


def count_patterns(
    csr: Csr, blocks: Collection[tuple[int, int]], patterns: Collection[tuple[int, int]]
) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """Count, for each block shape, the blocks that hold a nonzero; for each pattern, the groups that do not fit it.

    The rows of a block must divide `ROW_ALIGNMENT`.
    """
    num_blocks, num_overfull = dict.fromkeys(blocks, 0), dict.fromkeys(patterns, 0)
    num_columns = csr.shape[1]
    for band in bands(csr.row_offsets, ROW_ALIGNMENT, _NONZEROS_TOGETHER):
        lengths = np.diff(csr.row_offsets[band.start : band.stop + 1])
        rows = np.repeat(np.arange(lengths.size), lengths)
        columns = csr.columns[csr.row_offsets[band.start] : csr.row_offsets[band.stop]]
        for height, width in blocks:
            num_blocks[height, width] += _count_blocks(rows, columns, height, width, num_columns)
        for n, m in patterns:
            num_overfull[n, m] += _count_overfull_groups(rows, columns, n, m, num_columns)
    return num_blocks, num_overfull


def count_empty_columns(csr: Csr) -> int:
    """Count the columns without a nonzero."""
    num_columns = csr.shape[1]
    if num_columns > _LIMIT_OF_FLAGS:
        return num_columns - _count_distinct(csr.columns, num_columns)
    is_empty = np.ones(num_columns, np.bool_)
    for start in range(0, csr.num_nonzeros, _NONZEROS_TOGETHER):
        is_empty[csr.columns[start : start + _NONZEROS_TOGETHER]] = False
        if not is_empty.any():  # mostly true of the first rows already
            break
    return int(np.count_nonzero(is_empty))


def _count_blocks(
    rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int32], height: int, width: int, num_columns: int
) -> int:
    """Count the blocks that hold a nonzero."""
    num_block_columns = -(-num_columns // width)
    blocks = rows // height * num_block_columns + columns // width
    return _count_distinct(blocks, (int(rows[-1]) // height + 1) * num_block_columns if rows.size else 0)


def _count_overfull_groups(
    rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int32], n: int, m: int, num_columns: int
) -> int:
    """Count the groups of m columns with more than n nonzeros."""
    groups = rows * -(-num_columns // m) + columns // m  # ascending, so a group's nonzeros stand together
    has_n_more = groups[n:] == groups[:-n]
    is_first = np.ones(has_n_more.size, np.bool_)
    is_first[1:] = groups[1:-n] != groups[: -n - 1]
    return int(np.count_nonzero(has_n_more & is_first))


def _count_distinct(numbers: npt.NDArray[Any], limit: int) -> int:
    """Count the different numbers, all from 0 to limit - 1."""
    # For few numbers from a wide range, flags would cost more than sorting.
    if limit > 16 * numbers.size + _LIMIT_OF_FLAGS:
        return np.unique(numbers).size
    seen = np.zeros(limit, np.bool_)
    seen[numbers] = True
    return int(np.count_nonzero(seen))
