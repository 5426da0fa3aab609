"""Describes where a weight's nonzeros are, so briefly that weights which run alike are described alike.

Measurements are remembered under this text. Numbers are rounded to steps that are coarser than the chance differences
of masks pruned alike, and finer than what changes a choice.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sparseinf.formats import Dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparseinf.formats import Csr

__all__ = ["structure_of"]

_DENSITY_STEPS = 14  # for each factor of two: 5 %, what a measurement must differ by to count
_ROW_QUANTILES = (0.1, 0.5, 0.9)
_ROWS_TOGETHER = 4
_SAMPLED_POSITIONS = 1 << 17


def structure_of(weight: Csr | Dense) -> str:
    """Return shape, density, spread of row lengths, and how much nonzeros stand together in columns and rows.

    Looks at about a hundred thousand positions at most.
    """
    rows, columns = weight.shape
    if not weight.num_nonzeros:
        return f"{rows}x{columns}, empty"
    density = weight.num_nonzeros / (rows * columns)
    mask = _sampled_rows(weight)
    lengths = np.count_nonzero(mask, axis=1) / (density * columns)
    spread = " ".join(f"{round(4 * quantile) / 4:g}" for quantile in np.quantile(lengths, _ROW_QUANTILES).tolist())
    together = " ".join(str(round(8 * share)) for share in _shares_together(mask))
    step = round(_DENSITY_STEPS * math.log2(density))
    return f"{rows}x{columns}, density 2^({step}/{_DENSITY_STEPS}), rows {spread}, together {together}"


def _shares_together(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """How likely a nonzero has another below it and beside it, less what chance alone gives.

    Masks of blocks have rows as long as unstructured ones have, but their rows share columns.
    """
    found = max(1, int(np.count_nonzero(mask)))
    by_chance = found / mask.size
    pairs = mask.reshape(-1, 2, mask.shape[1])
    below = 2 * int(np.count_nonzero(pairs[:, 0] & pairs[:, 1])) / found
    beside = int(np.count_nonzero(mask[:, 1:] & mask[:, :-1])) / found
    return below - by_chance, beside - by_chance


def _sampled_rows(weight: Csr | Dense) -> NDArray[np.bool_]:
    """Where the nonzeros are in a few bands of rows, spread evenly; missing rows of a small weight are empty."""
    rows, columns = weight.shape
    num_bands = max(1, min(rows // _ROWS_TOGETHER, _SAMPLED_POSITIONS // (_ROWS_TOGETHER * columns)))
    firsts = np.linspace(0, max(rows - _ROWS_TOGETHER, 0), num_bands, dtype=np.int64) // _ROWS_TOGETHER * _ROWS_TOGETHER
    mask = np.zeros((num_bands, _ROWS_TOGETHER, columns), np.bool_)
    for band, first in zip(mask, firsts.tolist(), strict=True):
        for row in range(min(_ROWS_TOGETHER, rows - first)):
            if isinstance(weight, Dense):
                np.not_equal(weight.values[first + row], 0, out=band[row])
            else:
                start, stop = weight.row_offsets[first + row : first + row + 2].tolist()
                band[row, weight.columns[start:stop]] = True
    return mask.reshape(-1, columns)
