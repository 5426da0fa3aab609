"""What was pruned in a pattern: the block shapes and n:m patterns that are worth storing a weight in.

`statistics` counts everything; this is asked at each load, so it looks at a few rows first. Weights whose zeros are
anywhere fail there at once, and only what survives is counted in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.formats.conversion import from_any
from sparseinf.formats.csr import Csr
from sparseinf.formats.dense import Dense
from sparseinf.formats.statistics import (
    BLOCK_SHAPES,
    NM_PATTERNS,
    ROW_ALIGNMENT,
    count_empty_columns,
    count_patterns,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sparseinf.formats.conversion import Weight

__all__ = ["Structure", "detect_structure"]

# Blocks that cover more of the matrix than this leave nearly nothing out: such a weight is dense, and the blocks are
# filled only because it has few zeros.
_MAX_SHARE_OF_BLOCKS = 0.9

# How many bands of rows are looked at first, and how far their fill may be below what is asked of all rows. 4096 x 4096
# at 50 % without structure: 6 ms for 8 bands, 130 ms for everything (Zen 4, one thread, 2026-11-20).
_NUM_SAMPLED_BANDS = 8
_SAMPLE_MARGIN = 0.05

_GOLDEN_RATIO = 0.6180339887498949


@dataclass(frozen=True)
class Structure:
    """The patterns that suit a weight; made by `detect_structure`.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import detect_structure
    >>> found = detect_structure(np.tile([[0, 1, 1, 0]], (16, 8)).astype(np.float32))
    >>> [*found.nm], [*found.blocks], found.num_empty_rows, found.num_empty_columns
    ([(2, 4), (4, 8)], [(16, 1), (8, 1), (4, 1)], 0, 16)
    """

    blocks: Mapping[tuple[int, int], float]
    """Block shapes (rows, cols) worth storing the weight in, the fewest bytes a nonzero first, and their fill: the
    share of nonzeros among the elements of the blocks that hold any."""
    nm: Mapping[tuple[int, int], float]
    """Patterns (n, m) that every group fits, the fewest bytes a nonzero first, and the share of their slots in use."""
    num_empty_rows: int
    """Rows without a nonzero: dead outputs."""
    num_empty_columns: int
    """Columns without a nonzero: dead inputs."""


def detect_structure(weight: Any, *, min_fill: float = 0.6) -> Structure:
    """Find the block shapes and n:m patterns that are worth storing a weight in; often there are none.

    Looked for are blocks of 4x1, 8x1, 16x1, 1x4 and 4x4, and 1:4, 2:4 and 4:8.

    Parameters
    ----------
    weight : shape (out_features, in_features)
        Anything that `from_any` takes.
    min_fill : float
        The least share of nonzeros among the elements stored, above 0 and at most 1.

    Raises
    ------
    TypeError, ValueError
        As `from_any`; `ValueError` also if `min_fill` is out of range.

    Notes
    -----
    The rows looked at first are the same for every weight of a shape, so the answer is reproducible. Blocks that fill
    well over all, but not in those rows, are not found.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import detect_structure
    >>> weight = np.zeros((8, 8), np.float32)
    >>> weight[:4, 2] = weight[4:, 5] = 1
    >>> detect_structure(weight).blocks
    {(4, 1): 1.0}
    """
    if not 0 < min_fill <= 1:
        raise ValueError(f"min_fill must be above 0 and at most 1, but is {min_fill}")
    source = from_any(weight)
    sample = _sample(source)
    blocks, nm = dict.fromkeys(BLOCK_SHAPES, 0.0), dict.fromkeys(NM_PATTERNS, 0.0)
    if sample.num_nonzeros:
        blocks, nm = _fitting(sample, blocks, nm, min_fill, margin=_SAMPLE_MARGIN)
    if isinstance(source, Dense) and not blocks and not nm:  # then there is no need for its compressed rows
        num_empty = [int(np.count_nonzero(~source.values.any(axis=axis))) for axis in (1, 0)]
        return Structure({}, {}, *num_empty)
    csr = source.to_csr()
    if blocks or nm:
        blocks, nm = _fitting(csr, blocks, nm, min_fill, margin=0.0)
    return Structure(
        blocks=dict(sorted(blocks.items(), key=lambda found: _block_bytes(*found))),
        nm=nm,  # each is looked for before those that it fits into, whose positions take more bits
        num_empty_rows=int(np.count_nonzero(np.diff(csr.row_offsets) == 0)),
        num_empty_columns=count_empty_columns(csr),
    )


def _sample(weight: Weight) -> Csr:
    """Return some whole bands of rows from all over the weight; all of it, if it has few."""
    num_bands = weight.shape[0] // ROW_ALIGNMENT
    if num_bands <= 2 * _NUM_SAMPLED_BANDS:
        return weight.to_csr()
    # Steps of the golden ratio spread evenly, and in step with nothing that repeats (attention heads, for instance).
    places = np.arange(_NUM_SAMPLED_BANDS) * _GOLDEN_RATIO % 1.0
    first_rows = np.unique((places * num_bands).astype(np.int64)) * ROW_ALIGNMENT
    rows = (first_rows[:, np.newaxis] + np.arange(ROW_ALIGNMENT)).reshape(-1)
    if isinstance(weight, Dense):
        return Dense.unchecked(weight.values[rows]).to_csr()
    csr = weight.to_csr()
    nonzeros = [slice(csr.row_offsets[row], csr.row_offsets[row + ROW_ALIGNMENT]) for row in first_rows]
    return Csr.unchecked(
        (rows.size, csr.shape[1]),
        np.concatenate([csr.values[band] for band in nonzeros]),
        np.concatenate([csr.columns[band] for band in nonzeros]),
        np.concatenate(([0], np.cumsum(np.diff(csr.row_offsets)[rows]))),
    )


def _fitting(
    csr: Csr,
    blocks: Collection[tuple[int, int]],
    patterns: Collection[tuple[int, int]],
    min_fill: float,
    *,
    margin: float,
) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], float]]:
    """Return those of the block shapes and patterns that suit the weight, each with its fill."""
    num_rows, num_columns = csr.shape
    num_blocks, num_overfull = count_patterns(csr, blocks, patterns)
    fitting_blocks: dict[tuple[int, int], float] = {}
    for (height, width), count in num_blocks.items():
        fill = csr.num_nonzeros / max(1, count * height * width)
        share = count / max(1, -(-num_rows // height) * -(-num_columns // width))
        if fill >= min_fill - margin and share <= _MAX_SHARE_OF_BLOCKS + margin:
            fitting_blocks[height, width] = fill
    fitting_patterns: dict[tuple[int, int], float] = {}
    for (n, m), count in num_overfull.items():
        fill = csr.num_nonzeros / max(1, num_rows * -(-num_columns // m) * n)
        if count == 0 and fill >= min_fill - margin:
            fitting_patterns[n, m] = fill
    return fitting_blocks, fitting_patterns


def _block_bytes(block: tuple[int, int], fill: float) -> float:
    """Return the bytes a nonzero takes: its share of the values and of the block's column."""
    size = block[0] * block[1]
    return (4 + 4 / size) / fill
