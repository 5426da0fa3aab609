"""What rounding does to a weight: the signal-to-noise ratio of a layer, and the largest error of a value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.formats.conversion import from_any
from sparseinf.formats.csr import Csr
from sparseinf.formats.csr_arrays import bands
from sparseinf.formats.dense import Dense
from sparseinf.formats.quantized import Quantized

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["ErrorStatistics", "error_statistics"]

_VALUES_TOGETHER = 1 << 15


@dataclass(frozen=True)
class ErrorStatistics:
    """How far a weight is from the one that it stands for; made by `Quantized.error`.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import quantize
    >>> weight = np.array([[127, 0.5, 0], [0, 0, 1]], np.float32)
    >>> quantize(weight).error(weight).largest_error
    0.5
    """

    snr_db: float
    """Signal-to-noise ratio, 10 log10(sum(weight^2) / sum(error^2)); infinite where there is no error."""
    largest_error: float
    """The largest absolute difference of two values."""


def error_statistics(weight: Any, approximation: Any) -> ErrorStatistics:
    """Compare two weights of one shape, anything that `from_any` takes.

    Raises
    ------
    TypeError, ValueError
        As `from_any`; `ValueError` also if the shapes differ.
    """
    exact, approximate = _with_places(weight), _with_places(approximation)
    if exact.shape != approximate.shape:
        raise ValueError(
            f"the weight has shape {exact.shape}, but is compared with one of shape {approximate.shape}; give the "
            "weight that was quantized"
        )
    signal = noise = largest = 0.0
    for rows in bands(_row_offsets(exact) + _row_offsets(approximate), 1, _VALUES_TOGETHER):
        values, error = _compared(exact, approximate, rows)
        signal += float(values @ values)
        noise += float(error @ error)
        largest = max(largest, float(np.abs(error).max(initial=0)))
    if noise == 0:
        return ErrorStatistics(math.inf, 0.0)
    return ErrorStatistics(10 * math.log10(signal / noise) if signal else -math.inf, largest)


def _with_places(weight: Any) -> Csr | Dense:
    source = from_any(weight)
    if isinstance(source, Quantized):
        source = source.dequantize()
    return source if isinstance(source, Dense) else source.to_csr()


def _row_offsets(weight: Csr | Dense) -> npt.NDArray[np.int64]:
    return weight.row_offsets if isinstance(weight, Csr) else np.arange(weight.shape[0] + 1) * weight.shape[1]


def _compared(
    exact: Csr | Dense, approximate: Csr | Dense, rows: slice
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the values of some rows, and the differences wherever either of the two has a nonzero."""
    (exact_places, exact_values), (places, values) = (_values(weight, rows) for weight in (exact, approximate))
    num_places = (rows.stop - rows.start) * exact.shape[1]
    # Few in a wide range are numbered; all of a dense weight are never few.
    if num_places > 16 * (exact_values.size + values.size) + _VALUES_TOGETHER:
        distinct, numbers = np.unique(np.concatenate((exact_places, places)), return_inverse=True)
        exact_places, places = numbers[: exact_values.size], numbers[exact_values.size :]
        num_places = distinct.size
    differences = np.zeros(num_places)
    differences[exact_places] = exact_values
    differences[places] -= values
    return exact_values.astype(np.float64), differences


def _values(weight: Csr | Dense, rows: slice) -> tuple[Any, npt.NDArray[np.float32]]:
    """Return the values of some rows, and their flat places counted from the first of these rows."""
    if isinstance(weight, Dense):
        return slice(None), weight.values[rows].reshape(-1)
    offsets = weight.row_offsets[rows.start : rows.stop + 1]
    nonzeros = slice(offsets[0], offsets[-1])
    places = np.repeat(np.arange(offsets.size - 1) * weight.shape[1], np.diff(offsets)) + weight.columns[nonzeros]
    return places, weight.values[nonzeros]
