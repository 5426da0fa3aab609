"""Times a few calls turn about within a limit of time: enough to see which is fastest.

`bench/timing.py` measures for people to read; this measures for a choice, in milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CacheSweep", "predicted_spending_ns", "turn_about"]

_MILLISECOND_NS = 1_000_000
_NS_A_CALLER = 4 * _MILLISECOND_NS  # and at least `_LEAST_ROUNDS`
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 15
_ROUNDS_WITH_SWEEPS = 5
_SHORTEST_SAMPLE_NS = 20_000  # shorter ones are mostly the clock


class CacheSweep:
    """Reads so much memory that nothing else is left in the caches.

    Parameters
    ----------
    num_bytes : int
        Of the last cache; as much again is read, because caches do not forget in order.
    """

    def __init__(self, num_bytes: int) -> None:
        self.predicted_ns = 2 * num_bytes / 8  # summing reads 8 GB/s at the least
        self._memory = np.ones(2 * num_bytes // 4, np.float32)

    def __call__(self) -> None:
        """Read it."""
        self._memory.sum()


def turn_about(
    calls: Mapping[str, Callable[[], object]],
    timer: Callable[[], int],
    limit_ns: float,
    sweep: Callable[[], object] | None = None,
) -> dict[str, float]:
    """Return the median nanoseconds of each call.

    A turn is something to begin alike with, and a timed call. Without a sweep, that is a call which is not timed: the
    contender before has just filled the caches.

    Parameters
    ----------
    calls : mapping from str to a function without arguments
    timer : function
        Returns nanoseconds.
    limit_ns : float
        After so long the round is finished, and what is there has to do.
    sweep : function, optional
        Empties the caches.
    """
    begin_ns = timer()
    once_ns = {}
    for name, call in calls.items():
        call()
        once_ns[name] = _sample_ns(call, 1, timer)
    loops = {name: 1 if sweep else 1 + int(_SHORTEST_SAMPLE_NS / max(once_ns[name], 1.0)) for name in calls}
    samples_ns: dict[str, list[float]] = {name: [] for name in calls}
    enough_ns = _NS_A_CALLER * len(calls)
    for rounds in range(1, (_ROUNDS_WITH_SWEEPS if sweep else _MOST_ROUNDS) + 1):
        for name in _rotated(list(calls), rounds):
            if once_ns[name] < _MILLISECOND_NS:  # longer ones fetch what they need many times over
                (sweep or calls[name])()
            samples_ns[name].append(_sample_ns(calls[name], loops[name], timer))
        spent_ns = timer() - begin_ns
        if spent_ns > limit_ns or (not sweep and rounds >= _LEAST_ROUNDS and spent_ns > enough_ns):
            break
    return {name: float(np.median(samples)) for name, samples in samples_ns.items()}


def predicted_spending_ns(call_ns: float, sweep: CacheSweep | None = None) -> float:
    """Return about how long `turn_about` will spend on a call that takes so long."""
    last_round_and_warming_up_ns = 4 * call_ns
    if sweep:
        return _ROUNDS_WITH_SWEEPS * (sweep.predicted_ns + call_ns) + last_round_and_warming_up_ns
    all_rounds_ns = _MOST_ROUNDS * (_SHORTEST_SAMPLE_NS + 2 * call_ns)
    return max(min(_NS_A_CALLER, all_rounds_ns) + last_round_and_warming_up_ns, (2 + _LEAST_ROUNDS) * call_ns)


def _rotated(names: list[str], by: int) -> list[str]:
    return names[by % len(names) :] + names[: by % len(names)]


def _sample_ns(call: Callable[[], object], loops: int, timer: Callable[[], int]) -> float:
    begin_ns = timer()
    for _ in range(loops):
        call()
    return (timer() - begin_ns) / loops
