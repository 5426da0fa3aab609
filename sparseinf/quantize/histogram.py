"""Where values of x lie: a histogram that grows with the range of what comes, in memory that does not.

Bin i counts the values from i * width up to, not including, (i + 1) * width. The width is the least power of two with
which the bins from the lowest to the highest value (and 0) are at most 2048. So bins only ever merge in pairs that make
up one bin of twice the width, and the histogram is the same however the values are cut into arrays.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Histogram"]

# As many as NVIDIA's calibrators, ONNX Runtime and PyTorch take. With such widths, four to eight a step of 8 bits.
_MAX_BINS = 2048

_VALUES_TOGETHER = 1 << 18


class Histogram:
    """Counts of the values that are not 0.

    Zeros are left out: 0 is exact in every range, and the many zeros after a ReLU would hide what is lost of the rest.
    """

    def __init__(self) -> None:
        self.low = self.high = 0.0
        """The range of the values, and of 0."""
        self.counts = np.zeros(1, np.int64)
        self._exponent = 0
        self._first_bin = 0

    @property
    def width(self) -> float:
        """Width of a bin."""
        return math.ldexp(1.0, self._exponent)

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """Where bins begin, and where the last one ends; one more than `counts`."""
        bins = self._first_bin + np.arange(self.counts.size + 1)
        return bins.astype(np.float64) * self.width

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Count finite values of any shape."""
        if not values.any():
            return
        self._grow(float(values.min()), float(values.max()))
        flat = values.reshape(-1)
        for start in range(0, flat.size, _VALUES_TOGETHER):
            some = flat[start : start + _VALUES_TOGETHER]
            # Exact in float64, also for the smallest float32.
            bins = np.floor(some[some != 0].astype(np.float64) / self.width).astype(np.int64) - self._first_bin
            self.counts += np.bincount(bins, minlength=self.counts.size)

    def magnitude_at(self, percent: float) -> float:
        """Return the |x| that so many percent of the values do not exceed, taken to lie evenly within a bin."""
        bins = self._first_bin + np.arange(self.counts.size)
        counts = np.bincount(np.where(bins < 0, -bins - 1, bins), weights=self.counts)
        num_up_to = np.cumsum(counts)
        wanted = percent / 100 * num_up_to[-1]
        if wanted == 0:
            return 0.0
        place = int(np.searchsorted(num_up_to, wanted))
        magnitude = (place + 1 - (num_up_to[place] - wanted) / counts[place]) * self.width
        return min(float(magnitude), max(-self.low, self.high))

    def _grow(self, low: float, high: float) -> None:
        """Make the bins reach from `low` to `high`, and merge them until they are few enough."""
        self.low, self.high = min(self.low, low), max(self.high, high)
        # At least 2048 bins of half this width, so no smaller one can do.
        exponent = math.frexp((self.high - self.low) / _MAX_BINS)[1] - 1
        while True:
            first, last = (math.floor(math.ldexp(end, -exponent)) for end in (self.low, self.high))
            if last - first < _MAX_BINS:
                break
            exponent += 1
        grown = np.zeros(last - first + 1, np.int64)
        if self.counts.any():
            old_bins = self._first_bin + np.arange(self.counts.size) >> min(63, exponent - self._exponent)
            np.add.at(grown, old_bins - first, self.counts)
        self.counts, self._first_bin, self._exponent = grown, first, exponent
