"""Samples of x as users give them: one array or an iterable of arrays, checked, and few rows of them to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.formats.float32 import first_nonfinite

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

__all__ = ["SpreadRows", "checked_rows", "rows_of_samples"]

_MAX_ROWS = 32


def rows_of_samples(samples: Any, in_features: int, name: str) -> Iterator[npt.NDArray[np.float32]]:
    """Yield every array of the samples as rows.

    Raises
    ------
    TypeError, ValueError
        As `checked_rows`; also if there are no arrays at all.
    """
    if isinstance(samples, np.ndarray):
        yield checked_rows(samples, in_features, name)
        return
    if not hasattr(samples, "__iter__"):
        raise TypeError(
            f"{name} must be a NumPy array of float32 of shape (..., {in_features}), or an iterable of such arrays, "
            f"but is {type(samples).__name__}"
        )
    position = -1
    for position, sample in enumerate(samples):
        yield checked_rows(sample, in_features, f"{name}[{position}]")
    if position < 0:
        raise ValueError(f"{name} holds no arrays; give at least one row of x, or make an iterator anew after its use")


def checked_rows(x: Any, in_features: int, name: str) -> npt.NDArray[np.float32]:
    """Return x of shape (..., in_features) as rows, after looking at every value.

    Raises
    ------
    TypeError
        If it is no NumPy array of float32.
    ValueError
        If it has no rows, rows of another length, or a value that is NaN or infinite.
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float32:
        kind = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"{name} must be a NumPy array of float32, but is {kind}; convert it with .astype(np.float32)")
    if x.ndim == 0 or x.shape[-1] != in_features:
        raise ValueError(
            f"{name} has shape {x.shape}, but its last dimension must be in_features = {in_features} of the layer"
        )
    num_rows = int(np.prod(x.shape[:-1], dtype=np.int64))
    if num_rows == 0:
        raise ValueError(f"{name} has shape {x.shape}, so no rows; leave it out, or give at least one row")
    rows = x.reshape(num_rows, in_features)
    place = first_nonfinite(rows)
    if place is not None:
        row, column = divmod(place, in_features)
        raise ValueError(
            f"row {row}, column {column} of {name} is {rows[row, column]}, but samples of x must be finite; "
            "leave such rows out, or repair them, for instance with np.nan_to_num"
        )
    return rows


class SpreadRows:
    """At most 32 rows from all over what is added, in the same places however it is cut into arrays."""

    def __init__(self) -> None:
        self._kept: list[npt.NDArray[np.float32]] = []
        self._stride = 1
        self._num_seen = 0

    def add(self, rows: npt.NDArray[np.float32]) -> None:
        """Keep copies of those whose number among all rows is a multiple of the stride, which doubles as they come."""
        num_seen = self._num_seen + len(rows)
        while num_seen > _MAX_ROWS * self._stride:
            self._kept = self._kept[::2]
            self._stride *= 2
        self._kept.extend(row.copy() for row in rows[-self._num_seen % self._stride :: self._stride])
        self._num_seen = num_seen

    def rows(self) -> npt.NDArray[np.float32]:
        """Return those that are kept, in the order in which they came."""
        return np.stack(self._kept)
