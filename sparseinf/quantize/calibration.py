"""Samples of x become a static scale and zero point.

How the range is found:

minmax        the range of the samples: nothing is clipped
percentile    what a given share of |x| does not exceed: the rest is clipped
mse           the range with the least mean squared error (`clipping.py`)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparseinf.quantize.activation import DTYPES, ActivationQuantization
from sparseinf.quantize.clipping import least_error_quantization
from sparseinf.quantize.histogram import Histogram
from sparseinf.quantize.samples import SpreadRows, checked_rows, rows_of_samples

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["METHODS", "PERCENTILE", "Calibration", "calibrate"]

METHODS = ("minmax", "percentile", "mse")
"""How a range is found."""

PERCENTILE = 99.99
"""Percent of the |x| that are not clipped: the default of NVIDIA's calibrators (`HistogramCalibrator.compute_amax` of
Model Optimizer); that of ONNX Runtime is 99.999."""


class Calibration:
    """Gathers samples of a layer's x, array by array; memory does not grow with their number.

    Parameters
    ----------
    in_features : int
        Length of a row of x.
    method : {"minmax", "percentile", "mse"}
    dtype : {"uint8", "int8"}
    percentile : float
        Above 0 and at most 100; used by the method of this name alone.

    Raises
    ------
    ValueError
        If an option is none of these.

    Notes
    -----
    The result is the same, to the last bit, however the samples are cut into arrays. Zeros do not count for the
    percentile: they are exact in every range.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.quantize import Calibration
    >>> calibration = Calibration(4, dtype="int8")
    >>> calibration.add(np.array([[0, 1, -2, 3]], np.float32))
    >>> calibration.add(np.array([[6.35, 0, 0, -1]], np.float32))
    >>> calibration.activations().scale
    0.05000000074505806
    """

    def __init__(
        self, in_features: int, *, method: str = "minmax", dtype: str = "uint8", percentile: float = PERCENTILE
    ) -> None:
        for name, value, allowed in (("calibration_method", method, METHODS), ("activation_dtype", dtype, DTYPES)):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, but is {value!r}")
        if not 0 < percentile <= 100:
            raise ValueError(f"percentile must be above 0 and at most 100, but is {percentile!r}")
        self._in_features = in_features
        self._method = method
        self._dtype = dtype
        self._percentile = percentile
        self._low = self._high = 0.0
        self._histogram = Histogram()
        self._spread_rows = SpreadRows()

    def add(self, x: npt.NDArray[np.float32], *, name: str = "x") -> None:
        """Take in samples.

        Parameters
        ----------
        x : float32, shape (..., in_features)
            At least one row, all of them finite.
        name : str
            What errors call it.

        Raises
        ------
        TypeError
            If it is no NumPy array of float32.
        ValueError
            If it has no rows, rows of another length, or a value that is NaN or infinite.
        """
        self._add_rows(checked_rows(x, self._in_features, name))

    def activations(self) -> ActivationQuantization:
        """Return the static quantization that the samples so far ask for.

        Raises
        ------
        ValueError
            If their range is too wide for float32.
        """
        low, high = self._low, self._high
        if self._method == "mse":
            return least_error_quantization(self._histogram, self._dtype)
        if self._method == "percentile":
            limit = self._histogram.magnitude_at(self._percentile)
            low, high = max(low, -limit), min(high, limit)
        return ActivationQuantization.from_range(low, high, self._dtype)

    def rows(self) -> npt.NDArray[np.float32]:
        """Return at most 32 of the rows, from all over the samples: enough for `layer_snr_db`.

        Raises
        ------
        ValueError
            If there are no samples yet.
        """
        return self._spread_rows.rows()

    def _add_rows(self, rows: npt.NDArray[np.float32]) -> None:
        if self._method == "minmax":
            self._low = min(self._low, float(rows.min(initial=0)))
            self._high = max(self._high, float(rows.max(initial=0)))
        else:
            self._histogram.add(rows)
            self._low, self._high = self._histogram.low, self._histogram.high
        self._spread_rows.add(rows)


def calibrate(
    samples: Any, in_features: int, *, method: str = "minmax", dtype: str = "uint8", percentile: float = PERCENTILE
) -> Calibration:
    """Gather samples of x, from one array or an iterable of arrays.

    Parameters
    ----------
    samples : float32, shape (..., in_features), or an iterable of such arrays
        What the layer will get. Errors call it calibration, as `load` does.
    in_features, method, dtype, percentile
        As `Calibration` has them.

    Returns
    -------
    Calibration
        `.activations()` is the result.

    Raises
    ------
    TypeError
        If an array is no NumPy array of float32.
    ValueError
        If there are no samples, an array has no rows or rows of another length, a value is NaN or infinite, or an
        option is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.quantize import calibrate
    >>> batches = (np.full((2, 3), value, np.float32) for value in (0.5, 2.55))
    >>> calibrate(batches, 3).activations()
    ActivationQuantization(scales='static', dtype='uint8', scale=0.009999999776482582, zero_point=0)
    """
    calibration = Calibration(in_features, method=method, dtype=dtype, percentile=percentile)
    for rows in rows_of_samples(samples, in_features, "calibration"):
        calibration._add_rows(rows)
    return calibration
