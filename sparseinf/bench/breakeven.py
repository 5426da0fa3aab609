"""From which sparsity on a format beats dense on this machine: `sparseinf.breakeven`.

Each format is measured turn about with our own dense layer, at a few sparsities of zeros that suit it; the crossing is
found in `crossing.py`. What counts as dense is the fastest of our own and ONNX Runtime's, where that is installed, all
in the same precision.
"""

from __future__ import annotations

import operator
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sparseinf import runtime
from sparseinf.bench import rivals
from sparseinf.bench.crossing import Curve
from sparseinf.bench.forms import FORMS, checked_forms
from sparseinf.bench.layers import random_input
from sparseinf.bench.machine import machine_sentence
from sparseinf.bench.patterns import Planting
from sparseinf.bench.timing import alternate, rest_after_threads
from sparseinf.compile.options import check_options
from sparseinf.formats import Dense, from_any
from sparseinf.io import LinearRecord
from sparseinf.linear import SparseLinear
from sparseinf.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sparseinf.report import Cell

__all__ = ["breakeven"]

SPEEDUPS_AT = (50, 60, 70, 80, 90, 95)
"""The sparsities, in per cent, whose speed-ups a report tells."""

# In this order, so that the middle of the curve is known when time runs out; the first three are always measured.
_SPARSITIES = (0.8, 0.5, 0.9, 0.95, 0.7, 0.6)
_ALWAYS = 3
_HIGHEST = 0.99
_WIDTH = 0.02
# Points that a search takes at most: all of `_SPARSITIES`, both ends, six halvings.
_MOST_POINTS = 14
# The dense layers beside our own. In int8 ONNX Runtime has a form for many columns and one for a single column.
_RIVALS = {"float32": ("onnxruntime",), "int8": ("onnxruntime_int8", "onnxruntime_int8_blockwise")}


def breakeven(
    out_features: int,
    in_features: int,
    num_columns: int,
    *,
    formats: Sequence[str] | None = None,
    precision: str = "float32",
    threads: int | None = 1,
    seed: int = 0,
    seconds: float = 10.0,
) -> Report:
    """Measure from which sparsity on each format is faster than dense, on this machine, at the current level.

    Parameters
    ----------
    out_features, in_features : int
        The shape of the weight.
    num_columns : int
        Rows of x: tokens, pixels.
    formats : sequence of str, optional
        Of "csr", blocks such as "4x1", n:m such as "2:4"; None takes all that can be made here. Each is measured
        on zeros that suit it.
    precision : {"float32", "int8"}
        What both the formats and dense compute in.
    threads : int, or None for all cores
        For us and for the dense rival.
    seed : int
        Of the random weights.
    seconds : float
        About how long the measurement may take; a few points of each format are measured in any case.

    Returns
    -------
    Report
        A row a format. `break_even` is the sparsity, from 0 to 1, from which on it is faster than the fastest dense
        layer, None if it never is (up to 99 % zeros); `break_even_own_dense` likewise over our own dense layer.
        `speedup_50` and so on: the time of the fastest dense layer over that of the format, at so many per cent zeros.

    Raises
    ------
    TypeError, ValueError
        When a size is no number of at least 1, a format is not known or cannot be made here, or a precision is not
        known.

    Notes
    -----
    The crossing is known to two hundredths of sparsity; where time runs out before, a note says so. Weights and x lie
    in the caches as far as they fit.

    Examples
    --------
    >>> import sparseinf
    >>> report = sparseinf.breakeven(64, 64, 8, formats=["csr"], seconds=0)
    >>> [row["format"] for row in report]
    ['csr']
    """
    sizes = {"out_features": out_features, "in_features": in_features, "num_columns": num_columns}
    rows, columns, batch = (_checked_size(name, size) for name, size in sizes.items())
    if precision not in _RIVALS:
        raise ValueError(f"precision must be one of {', '.join(map(repr, _RIVALS))}, but is {precision!r}")
    check_options(precision=precision)
    names = checked_forms(formats, precision)
    if not seconds >= 0:
        raise ValueError(f"seconds must be at least 0, but is {seconds}")
    begin = time.monotonic()
    dense = _measure_dense((rows, columns), batch, precision, runtime.checked_threads(threads), seed, seconds)
    found: list[dict[str, Cell]] = []
    notes: list[str] = []
    for number, name in enumerate(names):
        # What one format leaves over is the next one's.
        share = max(0.0, begin + seconds - time.monotonic()) / (len(names) - number)
        row, imprecise = _search(name, dense, seed, share)
        found.append(row)
        notes += imprecise
    return Report(
        f"break-even of {rows}x{columns}, N = {batch}, threads = {dense.layer.threads}, {precision}, {dense.layer.isa}",
        [
            "format",
            "kernel",
            "break_even",
            "verdict",
            "break_even_own_dense",
            *(f"speedup_{per_cent}" for per_cent in SPEEDUPS_AT),
        ],
        found,
        [*_NOTES, *dense.notes, *notes, machine_sentence()],
    )


_NOTES = (
    "break_even is the sparsity from which on the format is faster than the fastest dense layer; '-' is never.",
    "speedup_80 is the time of the fastest dense layer over that of the format at 80 % zeros.",
    "times are lower quartiles, taken turn about.",
)


@dataclass(frozen=True)
class _DenseLayer:
    """What is to beat: our own dense layer, and how long the fastest dense one takes, as a share of its time."""

    layer: SparseLinear
    x: NDArray[np.float32]
    own_s: float
    best: float
    notes: tuple[str, ...]


def _measure_dense(
    shape: tuple[int, int], batch: int, precision: str, threads: int, seed: int, seconds: float
) -> _DenseLayer:
    """Time our own dense layer beside ONNX Runtime's."""
    x = random_input(batch, shape[1], seed=seed + 1)
    weight = Dense.from_dense(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))
    layer = SparseLinear.from_format(
        weight, precision=precision, format="dense", batch=batch, threads=threads, tune="model"
    )
    calls: dict[str, Callable[[], object]] = {"sparseinf": partial(layer, x)}
    notes = []
    for name in _RIVALS[precision]:
        try:
            calls[name] = partial(rivals.build(name, [LinearRecord(weight, None, None)], threads=threads), x)
        except ValueError as error:
            notes.append(f"left out: {error}")
    timings = alternate(
        calls,
        warmup=1,
        repeats=3,
        min_seconds=min(0.5, seconds / 20),
        rest_seconds=rest_after_threads(threads) if len(calls) > 1 else 0,
    )
    seconds_of = {name: timing.lower_quartile_s for name, timing in timings.items()}
    own_s = seconds_of["sparseinf"]
    times = ", ".join(f"{name} {1e6 * taken_s:,.0f} us" for name, taken_s in seconds_of.items())
    best = min(seconds_of.values()) / own_s
    return _DenseLayer(layer, x, own_s, best, (f"dense: {times}.", *notes))


def _search(name: str, dense: _DenseLayer, seed: int, seconds: float) -> tuple[dict[str, Cell], list[str]]:
    """Return the row of one format, and a note where it is less precise than it should be."""
    form, layer = FORMS[name], dense.layer
    planting = Planting((layer.out_features, layer.in_features), pattern=form.pattern, seed=seed)
    kernels: list[str] = []
    end = time.monotonic() + seconds

    def measure(sparsity: float) -> tuple[float, float]:
        sparse = SparseLinear.from_format(
            from_any(planting.weight(sparsity)),
            precision=layer.precision,
            batch=len(dense.x),
            threads=layer.threads,
            tune="model",
            **form.options,
        )
        kernels.append(sparse.plan(len(dense.x)).kernel)
        return sparse.sparsity, _relative_time(sparse, dense, seconds / _MOST_POINTS)

    curve = Curve(measure)
    _measure_curve(curve, planting.least_sparsity, dense.best, lambda: time.monotonic() < end)
    best, own = curve.crossing(dense.best), curve.crossing(1.0)
    row: dict[str, Cell] = {
        "format": name,
        "kernel": ", ".join(dict.fromkeys(kernels)),
        "break_even": _rounded(best.sparsity),
        "verdict": _verdict(best.sparsity),
        "break_even_own_dense": _rounded(own.sparsity),
    }
    for per_cent in SPEEDUPS_AT:
        relative = curve.time_at(per_cent / 100)
        row[f"speedup_{per_cent}"] = None if relative is None else dense.best / relative
    width = max(best.width, own.width)
    imprecise = f"{name}: the break-even is known to {width:.2f} only; give more seconds, or a larger layer."
    return row, [imprecise] if width > _WIDTH else []


def _measure_curve(curve: Curve, least: float, best: float, has_time: Callable[[], bool]) -> None:
    """Measure as many points as there is time for, the crossings with both limits among them."""
    for sparsity in dict.fromkeys(max(least, sparsity) for sparsity in _SPARSITIES):
        if len(curve) < _ALWAYS or has_time():
            curve.measure(sparsity)
    limits = dict.fromkeys((best, 1.0))
    # Without these ends nobody could say "always" or "never".
    if curve.points[0][0] > least and any(curve.points[0][1] < limit for limit in limits):
        curve.measure(least)
    if any(curve.points[-1][1] >= limit for limit in limits):
        curve.measure(_HIGHEST)
    for limit in limits:
        curve.sharpen(limit, width=_WIDTH, goes_on=has_time)


def _relative_time(sparse: SparseLinear, dense: _DenseLayer, seconds: float) -> float:
    """Return the time of a layer over that of our dense one, taken turn about in about so many seconds."""
    calls = {"dense": partial(dense.layer, dense.x), "sparse": partial(sparse, dense.x)}
    # Half the time is for packing; a turn of both takes up to four dense calls. Our threads need no rest.
    repeats = min(20, max(3, round(seconds / 8 / dense.own_s)))
    timings = alternate(calls, warmup=1, repeats=repeats, min_seconds=seconds / 4)
    # What disturbs a call only makes it longer, and two points a few per cent off would move the crossing: the lower
    # quartile holds still where the median does not (on a core shared with a compiler it was off by a factor of 2).
    return timings["sparse"].lower_quartile_s / timings["dense"].lower_quartile_s


def _rounded(sparsity: float | None) -> float | None:
    """Return no more digits than are known."""
    return None if sparsity is None else round(sparsity, 3)


def _verdict(sparsity: float | None) -> str:
    return "never wins" if sparsity is None else f"wins from {100 * sparsity:.0f} % zeros on"


def _checked_size(name: str, size: int) -> int:
    """Return a size as a whole number."""
    try:
        number = operator.index(size)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, but is {size!r}") from None
    if number < 1:
        raise ValueError(f"{name} must be at least 1, but is {number}")
    return number
