"""What int8 costs in accuracy: the signal-to-noise ratio of a layer, estimated from few of its outputs.

    SNR = 10 log10( sum y^2 / sum (y' - y)^2 )      y = x w^T without bias, residual and activation

over outputs and rows of x, where w' and x' are w and x quantized and back, and y' = x' w'^T. From samples of x the
noise is y' - y = x (w' - w)^T + (x' - x) w'^T. Without samples x is standard normal, its features independent, and what
is expected needs no x:

    E sum_m y_m^2 = sum_m |w_m|^2       E sum_m (y'_m - y_m)^2 = sum_m |w'_m - w_m|^2 + e |w'_m|^2,     e = E (x' - x)^2

because rounding errors of x are not correlated with x, nor with each other. The error e is measured.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sparseinf.quantize.activation import ActivationQuantization
from sparseinf.quantize.outputs import draw_outputs
from sparseinf.quantize.round_trip import round_trip
from sparseinf.quantize.samples import SpreadRows, rows_of_samples

if TYPE_CHECKING:
    import numpy.typing as npt

    from sparseinf.formats import Format

__all__ = ["QuantizedWeight", "layer_snr_db"]

# How many normal values e is measured on, in whole rows.
_NORMAL_VALUES = 1 << 14
_MIN_NORMAL_ROWS = 16
_MAX_NORMAL_COLUMNS = 1 << 16


class QuantizedWeight(Protocol):
    """An int8 weight: integers, and what each row of them is multiplied by."""

    @property
    def integers(self) -> Any:
        """A format with int8 values."""

    @property
    def scales(self) -> npt.NDArray[np.float32]:
        """Shape (out_features,)."""


def layer_snr_db(
    weight: Format, quantized: QuantizedWeight, activations: ActivationQuantization, samples: Any = None
) -> float:
    """Estimate the signal-to-noise ratio of a layer's y, int8 against float32, in decibels.

    Parameters
    ----------
    weight : Format
        The weight in float32, shape (out_features, in_features); quickest for `Csr` and `Dense`.
    quantized : QuantizedWeight
        What it became.
    activations : ActivationQuantization
    samples : float32, shape (..., in_features), or an iterable of such arrays, optional
        What the layer will get; at most 32 rows from all over it are used. Without samples x is standard normal. Static
        scales, and one scale for all of x, then fit at least 16 rows of it: what they clip is seen with samples only.

    Returns
    -------
    float
        6 dB are a bit. Infinity if nothing is lost, minus infinity if float32 cannot hold the range of x.

    Raises
    ------
    TypeError, ValueError
        If the samples are none, as in `sparseinf.quantize.calibrate`.

    Notes
    -----
    The same in every run. An estimate for layers of more than half a million weights.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from sparseinf.formats import Dense
    >>> from sparseinf.quantize import ActivationQuantization, layer_snr_db
    >>> weight = np.random.default_rng(0).standard_normal((64, 256), np.float32)
    >>> scales = abs(weight).max(axis=1) / 127
    >>> integers = np.rint(weight / scales[:, np.newaxis]).astype(np.int8)
    >>> quantized = SimpleNamespace(integers=Dense.unchecked(integers), scales=scales)
    >>> round(layer_snr_db(Dense(weight), quantized, ActivationQuantization()))
    41
    """
    drawn = draw_outputs(weight, quantized.integers, quantized.scales)
    if samples is None:
        error_of_x = _error_of_normal_x(weight.shape[1], activations)
        signal = _squares(drawn.weight)
        noise = _squares(drawn.rounded - drawn.weight) + error_of_x * _squares(drawn.rounded)
    else:
        x, errors_of_x = _samples_and_errors(samples, weight.shape[1], activations)
        if drawn.columns is not None:
            x, errors_of_x = x[:, drawn.columns], errors_of_x[:, drawn.columns]
        signal = _squares(drawn.weight @ x.T)
        noise = _squares((drawn.rounded - drawn.weight) @ x.T + drawn.rounded @ errors_of_x.T)
    return _decibels(float(signal @ drawn.stands_for), float(noise @ drawn.stands_for))


def _error_of_normal_x(in_features: int, activations: ActivationQuantization) -> float:
    """Return the mean squared error of standard normal x."""
    if activations.scales == "static":
        activations = ActivationQuantization("tensor", activations.dtype)
    num_columns = min(in_features, _MAX_NORMAL_COLUMNS)
    num_rows = max(_MIN_NORMAL_ROWS, _NORMAL_VALUES // max(1, num_columns))
    x = np.random.default_rng(0).standard_normal((num_rows, num_columns), np.float32)
    return float(np.mean((round_trip(x, activations) - x) ** 2)) if x.size else 0.0


def _samples_and_errors(
    samples: Any, in_features: int, activations: ActivationQuantization
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return few rows of x, and what they lose by being quantized."""
    spread_rows = SpreadRows()
    low = high = 0.0
    for rows in rows_of_samples(samples, in_features, "samples"):
        spread_rows.add(rows)
        if activations.scales == "tensor":  # whose range is that of all rows, not of those few
            low, high = float(rows.min(initial=low)), float(rows.max(initial=high))
    if activations.scales == "tensor":
        activations = ActivationQuantization.from_range(low, high, activations.dtype)
    x = spread_rows.rows()
    return x.astype(np.float64), round_trip(x, activations) - x


def _squares(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    squares: npt.NDArray[np.float64] = np.einsum("ij,ij->i", rows, rows)
    return squares


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 and noise < math.inf else -math.inf
