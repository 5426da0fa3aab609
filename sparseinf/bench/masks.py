"""Reads the sparsity patterns of really pruned networks: `.smtx` files.

Three lines of text: "rows, columns, nonzeros"; the row offsets; the column of each nonzero. There are no
values: they are drawn here. The Deep Learning Matrix Collection comes in this form (Gale, Zaharia, Young and
Elsen, "Sparse GPU Kernels for Deep Learning", SC 2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparseinf.errors import CorruptFileError
from sparseinf.formats import Csr

if TYPE_CHECKING:
    from pathlib import Path


def read_mask(path: Path, *, seed: int = 0) -> Csr:
    """Return the weight of a `.smtx` file, with values drawn from a normal distribution.

    Parameters
    ----------
    path : Path
        The file.
    seed : int
        The same seed gives the same values.

    Raises
    ------
    CorruptFileError
        When the file is not what its first line says.
    """
    try:
        return _weight(path.read_text(encoding="ascii"), seed)
    except (ValueError, OverflowError) as error:
        raise CorruptFileError(f"{path} is not a .smtx mask: {error}") from error


def _weight(text: str, seed: int) -> Csr:
    """Parse a mask and draw its values; every lie is a ValueError."""
    header, *lines = text.splitlines() or [""]
    num_rows, num_columns, num_nonzeros = (int(word) for word in header.split(","))
    # A matrix without nonzeros may leave out its last, empty line.
    offsets, columns = (np.array(line.split(), dtype=np.int64) for line in [*lines, ""][:2])
    if len(offsets) != num_rows + 1 or len(columns) != num_nonzeros:
        raise ValueError(
            f"its first line says {num_rows} rows and {num_nonzeros} nonzeros, "
            f"but {len(offsets)} row offsets and {len(columns)} columns follow"
        )
    if np.any(np.diff(offsets) < 0) or offsets[0] != 0 or offsets[-1] != num_nonzeros:
        raise ValueError(f"its row offsets must rise from 0 to {num_nonzeros}")
    if num_nonzeros and not 0 <= columns.min() <= columns.max() < num_columns:
        raise ValueError(f"its columns must lie between 0 and {num_columns - 1}")
    order = np.lexsort((columns, np.repeat(np.arange(num_rows), np.diff(offsets))))
    values = np.random.default_rng(seed).standard_normal(num_nonzeros).astype(np.float32)
    values[values == 0] = 1
    return Csr((num_rows, num_columns), values, columns[order].astype(np.int32), offsets)
