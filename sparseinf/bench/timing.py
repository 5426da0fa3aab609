"""Times several calls fairly: in one process, turn about, so that they share whatever the machine does.

A clock that drifts, a noisy neighbour or a hot processor then touches all contenders alike. What comes out
is a median with quartiles, never a best case. This file knows nothing about layers or libraries.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Name = TypeVar("Name", bound=str)

# A sample shorter than this is mostly the clock: perf_counter_ns and the loop cost about 0.1 us.
_SHORTEST_SAMPLE_NS = 20_000


@dataclass(frozen=True)
class Timing:
    """How long one call takes, over many samples.

    Parameters
    ----------
    median_s, lower_quartile_s, upper_quartile_s : float
        Seconds a call.
    samples : int
        How many times were taken.
    calls_per_sample : int
        How many calls in a row one time covers (more than one only for calls of a few microseconds).
    """

    median_s: float
    lower_quartile_s: float
    upper_quartile_s: float
    samples: int
    calls_per_sample: int

    @property
    def spread(self) -> float:
        """Distance of the quartiles over the median: 0.02 is a quiet machine, 0.2 a figure to distrust."""
        return (self.upper_quartile_s - self.lower_quartile_s) / self.median_s


def alternate(
    calls: Mapping[Name, Callable[[], object]],
    *,
    warmup: int = 3,
    repeats: int = 20,
    min_seconds: float = 0.2,
    rest_seconds: float = 0.0,
) -> dict[Name, Timing]:
    """Time every call of `calls`, turn about.

    A turn is an optional rest, one call that is not timed (the contender before has just filled the caches
    with its own data) and one that is. The order of the contenders rotates from round to round.

    Parameters
    ----------
    calls : mapping from str to a function without arguments
        The contenders.
    warmup : int
        Calls of each contender before anything is timed.
    repeats : int
        The least number of samples of each contender.
    min_seconds : float
        Rounds go on until the whole measurement took this long for each contender.
    rest_seconds : float
        How long to sleep before each turn. Needed for contenders with threads, see `rest_after_threads`.

    Returns
    -------
    dict from str to Timing
        In the order of `calls`.

    Examples
    --------
    >>> timings = alternate({"sum": lambda: sum(range(100)), "nothing": lambda: None}, min_seconds=0)
    >>> list(timings), timings["sum"].samples
    (['sum', 'nothing'], 20)
    """
    if warmup < 1 or repeats < 1:
        raise ValueError(f"warmup and repeats must be at least 1, but are {warmup} and {repeats}")
    names = list(calls)
    loops = {name: _loops(calls[name], warmup) for name in names}
    times_ns: dict[Name, list[float]] = {name: [] for name in names}
    end = time.perf_counter() + min_seconds * len(names)
    rounds = 0
    while rounds < repeats or (names and time.perf_counter() < end):
        first = rounds % max(1, len(names))
        for name in names[first:] + names[:first]:
            if rest_seconds:
                time.sleep(rest_seconds)
            calls[name]()
            times_ns[name].append(_sample_ns(calls[name], loops[name]))
        rounds += 1
    return {name: _timing(times_ns[name], loops[name]) for name in names}


def rest_after_threads(threads: int) -> float:
    """Return the `rest_seconds` that keeps one contender's idle threads out of the next one's turn.

    After a call with two threads, the workers of other libraries keep a core busy waiting for more work:
    measured on 2 cores (AMD EPYC, Zen 4, 2026-11-20) for 6 ms (PyTorch 2.13), 47 ms (ONNX Runtime 1.31) and
    106 ms (OpenBLAS in NumPy 2.4). One thread has no workers and needs no rest.
    """
    return 0.12 if threads > 1 else 0.0


def _loops(call: Callable[[], object], warmup: int) -> int:
    """Warm up, and return how many calls make a sample that the clock can resolve."""
    for _ in range(warmup - 1):
        call()
    return 1 + int(_SHORTEST_SAMPLE_NS / max(1.0, _sample_ns(call, 1)))


def _sample_ns(call: Callable[[], object], loops: int) -> float:
    """Return the nanoseconds that one of `loops` calls in a row takes."""
    begin = time.perf_counter_ns()
    for _ in range(loops):
        call()
    return (time.perf_counter_ns() - begin) / loops


def _timing(times_ns: list[float], loops: int) -> Timing:
    """Summarise the samples of one contender."""
    lower, median, upper = np.percentile(times_ns, [25, 50, 75]) / 1e9
    return Timing(float(median), float(lower), float(upper), len(times_ns), loops)
