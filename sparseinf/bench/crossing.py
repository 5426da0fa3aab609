"""Finds where a curve of times over sparsity falls below a limit, with few measurements.

The time of a layer is smooth in its sparsity, close to a line: between two measured points it is interpolated, and an
interval that holds the crossing is halved until it is narrow. This file knows nothing about layers or clocks.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Crossing(NamedTuple):
    """From which sparsity on a curve lies below a limit; None is nowhere. `width`: the interval that holds it."""

    sparsity: float | None
    width: float


class Curve:
    """Relative times over sparsity, measured where asked.

    Parameters
    ----------
    measure : function from the sparsity that is wanted to the one that was measured, and the relative time
        The two differ where a small matrix or a pattern cannot have just any sparsity.

    Examples
    --------
    >>> curve = Curve(lambda sparsity: (sparsity, 2 * (1 - sparsity)))
    >>> curve.measure(0), curve.measure(0.9)
    (True, True)
    >>> curve.sharpen(1.0, width=0.02)
    >>> round(curve.crossing(1.0).sparsity, 3), round(curve.time_at(0.75), 3)
    (0.5, 0.5)
    """

    def __init__(self, measure: Callable[[float], tuple[float, float]]) -> None:
        self._measure = measure
        self._times: dict[float, float] = {}

    def __len__(self) -> int:
        """Return how many points were measured."""
        return len(self._times)

    @property
    def points(self) -> list[tuple[float, float]]:
        """The measured points (sparsity, relative time), in the order of sparsity."""
        return sorted(self._times.items())

    def measure(self, sparsity: float) -> bool:
        """Measure a point, and tell whether it is a new one."""
        actual, time = self._measure(sparsity)
        is_new = actual not in self._times
        self._times.setdefault(actual, time)
        return is_new

    def time_at(self, sparsity: float) -> float | None:
        """Return the relative time between measured points, None outside of them (but for a hundredth)."""
        points = self.points
        place = bisect.bisect_left(points, (sparsity,))
        for end in (points[0], points[-1]) if place in {0, len(points)} else ():
            if abs(end[0] - sparsity) <= 0.01:
                return end[1]
        if place in {0, len(points)}:
            return None
        (left, left_time), (right, right_time) = points[place - 1], points[place]
        return left_time + (sparsity - left) / (right - left) * (right_time - left_time)

    def sharpen(self, limit: float, *, width: float, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Halve the interval that holds the crossing until it is narrow, or `goes_on` says no."""
        while self.crossing(limit).width > width and goes_on():
            interval = self._interval(limit)
            if interval is None or not self.measure(sum(interval) / 2):
                return

    def crossing(self, limit: float) -> Crossing:
        """Return from where on all measured points lie below the limit, interpolated where it was crossed."""
        points = self.points
        interval = self._interval(limit)
        if interval is None:
            wins = bool(points) and points[-1][1] < limit
            return Crossing(points[0][0] if wins else None, 0.0)
        (left, right), (left_time, right_time) = interval, (self._times[end] for end in interval)
        share = (left_time - limit) / (left_time - right_time)
        return Crossing(left + share * (right - left), right - left)

    def _interval(self, limit: float) -> tuple[float, float] | None:
        """Return the last point that is not below the limit and the one after it, None where either is missing."""
        points = self.points
        losing = [i for i, (_, time) in enumerate(points) if not time < limit]
        if not losing or losing[-1] == len(points) - 1:
            return None
        return points[losing[-1]][0], points[losing[-1] + 1][0]
