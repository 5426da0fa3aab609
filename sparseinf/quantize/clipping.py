"""The static range with the least mean squared error: what is clipped loses more, what is not gets finer steps.

Error of a range with scale s and zero point z over a histogram (low = -z s and high = (255 - z) s are the ends):

    sum over bins beyond the ends   count * mean over the bin of (x - end)^2
    sum over bins between           count * mean over the bin of (x - s rint(x / s))^2

Values are taken to lie evenly in their bin, which makes both means exact. The trade-off between clipping and rounding
is that of R. Banner, Y. Nahshan, D. Soudry, "Post training 4-bit quantization of convolutional networks for
rapid-deployment" (NeurIPS 2019, arXiv:1810.05723), who solve it for a fitted Gauss or Laplace density with rounding
errors of s^2 / 12. Here the density is the histogram, as in PyTorch's HistogramObserver, and values far below a step,
which are lost as a whole, count by what they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparseinf.quantize.activation import ActivationQuantization

if TYPE_CHECKING:
    import numpy.typing as npt

    from sparseinf.quantize.histogram import Histogram

__all__ = ["least_error_quantization"]

# Scales from that of the whole range down to its 256th part, where the histogram has eight bins left at most. Steps of
# 2^(1/32) = 2.2 %: the error is flat about its minimum.
_FRACTIONS = 2.0 ** -(np.arange(8 * 32 + 1) / 32)


def least_error_quantization(histogram: Histogram, dtype: str) -> ActivationQuantization:
    """Return the static quantization with the least error, of the widest range if several have it."""
    widest = ActivationQuantization.from_range(histogram.low, histogram.high, dtype)
    if not widest.scale:
        return widest
    scales = widest.scale * _FRACTIONS
    scales = scales[scales * np.finfo(np.float32).max > 1.001]  # so that the inverse is finite
    zero_points = np.array([128.0]) if dtype == "int8" else np.arange(256.0)
    bins = _Bins(histogram)
    errors = np.stack([bins.errors(scale, zero_points) for scale in scales])
    scale, zero_point = np.unravel_index(np.argmin(errors), errors.shape)
    return ActivationQuantization("static", dtype, scales[scale], int(zero_points[zero_point]))


class _Bins:
    """The bins of a histogram with sums up to each of them, from which errors of ranges follow at once."""

    def __init__(self, histogram: Histogram) -> None:
        self.edges, self.counts, self.width = histogram.edges, histogram.counts, histogram.width
        self.centers = self.edges[:-1] + self.width / 2
        # Sums of 1, x and x^2 over the bins before each edge.
        powers = (np.ones_like(self.centers), self.centers, self.centers**2 + self.width**2 / 12)
        self.sums = [_sums_before(self.counts * power) for power in powers]

    def errors(self, scale: float, zero_points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the summed squared error for a scale with each of the zero points."""
        low, high = -zero_points * scale, (255 - zero_points) * scale
        first = np.searchsorted(self.centers, low)
        end = np.searchsorted(self.centers, high, side="right")
        rounding = self._rounding_errors(scale)
        below = [sums[first] for sums in self.sums]
        above = [sums[-1] - sums[end] for sums in self.sums]
        return rounding[end] - rounding[first] + _clipping_errors(below, low) + _clipping_errors(above, high)

    def _rounding_errors(self, scale: float) -> npt.NDArray[np.float64]:
        """Return the summed squared error of rounding x / scale, over the bins before each edge."""
        steps = self.edges / scale
        whole = np.rint(steps)
        parts = steps - whole
        # Of (u - rint u)^2 from 0. With parts**3 a search takes 30 ms instead of 11 (Zen 4, 2048 bins).
        integral = whole / 12 + parts * parts * parts / 3
        return _sums_before(self.counts * np.diff(integral) * (scale**3 / self.width))


def _sums_before(terms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.concatenate(([0.0], np.cumsum(terms)))


def _clipping_errors(sums: list[npt.NDArray[np.float64]], end: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the sum of (x - end)^2, given those of 1, x and x^2."""
    return sums[2] - 2 * end * sums[1] + end**2 * sums[0]
