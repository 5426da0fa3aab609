"""What is known of the candidates' times, and the choice that follows from it.

The cost model says something of every candidate; measurements say more of a few. The choice is the model's unless the
measurements have one that is clearly faster.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MEASUREMENT_TOLERANCE", "LayerTimes", "Source", "choose_packs", "fastest"]

MEASUREMENT_TOLERANCE = 1.05
"""A measurement must be better than that of the model's favourite by this factor to count."""

# A second pack doubles a layer's memory: without it, one of the ranges asked for would have to take more than so many
# times its least.
_MOST_REGRET_OF_A_RANGE = 1.06

# What the model holds to be slower by this factor is not measured, and of the others the best few.
_WORTH_MEASURING = 1.6
_MOST_CONTENDERS = 3

Source = str
"""Where times come from: "measurement" (of this layer), "like layer" (of this load), "cache" or "model"."""


@dataclass
class LayerTimes:
    """Nanoseconds a call of each candidate, at each number of columns that a choice looks at.

    Parameters
    ----------
    predicted_ns : mapping of int to mapping of str to float
        By number of columns and candidate; on one thread.
    """

    predicted_ns: Mapping[int, Mapping[str, float]]
    measured_ns: dict[int, dict[str, float]] = field(default_factory=dict)
    """Of those candidates and numbers of columns that were measured; with the layer's number of threads."""
    sources: dict[int, Source] = field(default_factory=dict)
    """Where `measured_ns` comes from."""

    def contenders(self, num_columns: int) -> list[str]:
        """Return the candidates that may be the fastest, by the model: one if it is sure."""
        predicted = self.predicted_ns[num_columns]
        least = min(predicted.values())
        near = [name for name in predicted if predicted[name] <= _WORTH_MEASURING * least]
        return sorted(near, key=predicted.__getitem__)[:_MOST_CONTENDERS]

    def estimated(self, name: str, num_columns: int) -> float:
        """Return what was measured, or else the prediction, corrected by how far others are off."""
        measured = self.measured_ns.get(num_columns, {})
        if name in measured:
            return measured[name]
        return self.predicted_ns[num_columns][name] * self._correction(num_columns)

    def weighed(self, name: str, num_columns: int) -> float:
        """Return the estimate; what the model holds to be fastest has an advantage, so that small ones count not."""
        predicted = self.predicted_ns[num_columns]
        is_favourite = name == min(predicted, key=predicted.__getitem__)
        return self.estimated(name, num_columns) / (MEASUREMENT_TOLERANCE if is_favourite else 1.0)

    def _correction(self, num_columns: int) -> float:
        here = [num_columns] if num_columns in self.measured_ns else self.measured_ns
        ratios = [time / self.predicted_ns[n][name] for n in here for name, time in self.measured_ns[n].items()]
        return float(np.median(ratios)) if ratios else 1.0


def choose_packs(
    times: LayerTimes, groups: Sequence[Sequence[str]], ranges: Sequence[Sequence[int]]
) -> tuple[str, ...]:
    """Return the one or two packs that run the ranges fastest, each range counting the same.

    Parameters
    ----------
    times : LayerTimes
    groups : sequence of sequences of str
        The candidates, those of one precision together: a layer has packs of one.
    ranges : sequence of sequences of int
        The numbers of columns of each range that was asked for.
    """
    names = [name for group in groups for name in group]
    totals = [{name: _total_ns(times, name, columns) for name in names} for columns in ranges]

    def regrets(packs: tuple[str, ...]) -> list[float]:
        """How many times longer the packs take than the fastest of all, range by range."""
        return [min(total[name] for name in packs) / max(min(total.values()), 1e-9) for total in totals]

    one = min(((name,) for name in names), key=lambda packs: sum(regrets(packs)))
    pairs = [pair for group in groups for pair in itertools.combinations(group, 2)]
    if max(regrets(one), default=1.0) <= _MOST_REGRET_OF_A_RANGE or not pairs:
        return one
    return min(pairs, key=lambda packs: sum(regrets(packs)))


def fastest(times: LayerTimes, names: Sequence[str], columns: Sequence[int]) -> str:
    """Return which of some packs runs a range."""
    return min(names, key=lambda name: _total_ns(times, name, columns))


def _total_ns(times: LayerTimes, name: str, columns: Sequence[int]) -> float:
    return sum(times.weighed(name, n) / n for n in columns)
