"""Times a stack of our layers against the same layers in other libraries, and checks every answer.

`SparseLinear.benchmark`, the suites of `layers.py`, the demo and the command line all end here, so that every
figure the project publishes is taken in the same way.
"""

from __future__ import annotations

import itertools
import math
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sparseinf.bench import rivals
from sparseinf.bench.machine import machine_sentence, measured_peaks
from sparseinf.bench.reference import evaluate, max_relative_error
from sparseinf.bench.rivals.own import contender_of
from sparseinf.bench.timing import alternate, rest_after_threads
from sparseinf.io import LinearRecord
from sparseinf.linear import SparseLinear
from sparseinf.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from sparseinf.bench.rivals import Contender
    from sparseinf.bench.timing import Timing
    from sparseinf.formats import Weight
    from sparseinf.report import Cell

COLUMNS = [
    "layer",
    "shape",
    "pattern",
    "sparsity",
    "batch",
    "contender",
    "precision",
    "median_us",
    "spread",
    "relative_time",
    "gflops",
    "of_peak",
    "of_bandwidth",
    "weight_bytes",
    "max_relative_error",
    "runs",
]
"""The columns of a benchmark report, explained by `NOTES`; the pattern only of planted zeros, of_bandwidth only with
weights from memory."""

# The entry of `measured_peaks` that a precision is measured by; the integer peak is not measured on every machine.
_PEAKS = {"float32": "fma_peak_gflops", "int8": "int8_peak_gops"}

NOTES = [
    "relative_time is the median over that of sparseinf: 2 takes twice as long.",
    "spread is the distance between the quartiles over the median.",
    "gflops are dense-equivalent: 2 * out_features * in_features * batch / time, zeros counted.",
    "of_peak is the share of the measured multiply-add peak of the precision that the work really done takes up.",
    "max_relative_error is the largest error against float64 over the largest value.",
]
_INT8_NOTE = (
    "what computes in int8 has the errors of eight bits, which are no failure; x and y are float32 there too, and "
    "quantizing x is part of the times."
)
_STATIC_NOTE = "rivals with static scales found them on the very x that they are timed with."
_BANDWIDTH_NOTE = (
    "weights come from memory (a ring of copies, four times the last-level cache); "
    "of_bandwidth is their bytes / time over the measured read bandwidth of one thread."
)
_MOST_COPIES = 1000
_LAST_CACHE_BYTES = 32 << 20  # where the system does not tell


def compare(
    layer: SparseLinear,
    x: NDArray[np.float32],
    *,
    against: Sequence[str] | None = None,
    min_seconds: float = 0.2,
) -> Report:
    """Time one layer against rivals on one input; as `compare_stack`, which tells of the parameters."""
    return compare_stack([layer], [x], against=against, name=layer.name, min_seconds=min_seconds)


def compare_stack(
    layers: Sequence[SparseLinear],
    inputs: Sequence[NDArray[np.float32]],
    *,
    against: Sequence[str] | None = None,
    name: str = "",
    from_memory: bool = False,
    min_seconds: float = 0.2,
    weights: Sequence[Weight] | None = None,
    beside: Sequence[Contender] = (),
) -> Report:
    """Time a stack of layers against rivals on several inputs, one thread setting for all.

    Parameters
    ----------
    layers : sequence of SparseLinear
        At least one; the output of one is the input of the next. The threads of the first count for all.
    inputs : sequence of float32 arrays, shape (..., in_features)
        One after the other, each with its own rows in the report.
    against : sequence of str, or None
        Names as in `rivals.known_rivals()`; None takes all that can be built here.
    name : str
        What the report calls the layers.
    from_memory : bool
        Read the weights from memory in every call, by a ring of copies larger than the last-level cache.
    min_seconds : float
        The least time that the measurement takes for each contender.
    weights : sequence of formats, optional
        The weights before they were quantized, if they were: rivals get them, and errors are told against them. The
        layers' own if left out.
    beside : sequence of Contender
        More that are timed with the others, built already: not with `from_memory`, which builds them again.

    Returns
    -------
    Report
        One row for each input and contender, ours first. `NOTES` explain the columns.

    Raises
    ------
    ValueError
        When a rival asked for by name cannot be built, an input has no rows, weights are too small to ever
        come from memory, there is something `beside` that should come from there, or the last layer's y is uint8.
    TypeError
        When an input is not float32.
    """
    if beside and from_memory:
        raise ValueError("beside has contenders that are built already, but from_memory=True needs copies of them")
    if layers[-1].output_quantization is not None:
        raise ValueError(
            "rivals leave y in float32, this layer in 8 bits; load it without output_quantization to compare it"
        )
    threads = layers[0].threads
    given = [layer.weight for layer in layers] if weights is None else weights
    records = [LinearRecord(weight, layer.bias, layer.activation) for weight, layer in zip(given, layers, strict=True)]
    checked = [_checked(x, layers[0].in_features) for x in inputs]
    calibration = np.concatenate(checked) if checked else None
    found, left_out = rivals.choose(against, records, threads=threads, calibration=calibration)
    found = [*beside, *found]
    rows: list[dict[str, Cell]] = []
    wrong: list[str] = []
    for x in checked:
        task = _Task(name, layers, records, x, from_memory)
        expected = evaluate(records, x)
        contenders = [contender_of(layers, batch=len(x)), *found]
        errors = [max_relative_error(contender(x), expected) for contender in contenders]
        if from_memory:
            contenders = [_ring(contender, task) for contender in contenders]
        timings = _time(contenders, x, threads=threads, min_seconds=min_seconds)
        for contender, timing, error in zip(contenders, timings, errors, strict=True):
            ratio = timing.median_s / timings[0].median_s
            rows.append(_row(task, contender, timing) | {"relative_time": ratio, "max_relative_error": error})
            if not error <= contender.tolerance:  # NaN too
                wrong.append(f"WRONG: {contender.name} is off by {error:.1e}, more than {contender.tolerance:g}.")
    notes = [*NOTES, *([_BANDWIDTH_NOTE] if from_memory else []), *_precision_notes(rows), machine_sentence()]
    notes += [note for contender in found for note in contender.notes] + wrong + left_out
    columns = [column for column in COLUMNS if column in rows[0]] if rows else COLUMNS
    return Report(f"benchmark, threads = {threads}", columns, rows, notes)


def _precision_notes(rows: Sequence[dict[str, Cell]]) -> list[str]:
    """Return what a reader of rows in int8 must know."""
    is_int8 = any(row["precision"] != "float32" for row in rows)
    is_static = any(row["contender"] in rivals.static_rivals() for row in rows)
    return [_INT8_NOTE] * is_int8 + [_STATIC_NOTE] * is_static


@dataclass(frozen=True)
class _Task:
    """What all contenders of one round have to do."""

    name: str
    layers: Sequence[SparseLinear]
    records: Sequence[LinearRecord]
    x: NDArray[np.float32]
    from_memory: bool

    @property
    def batch(self) -> int:
        """Rows of x."""
        return len(self.x)


def _checked(x: NDArray[np.float32], in_features: int) -> NDArray[np.float32]:
    """Return x as a contiguous copy of shape (N, in_features), which every library takes as it is."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"x must be a NumPy array, but is a {type(x).__name__}: np.asarray(x, np.float32) makes one")
    if x.dtype != np.float32:
        raise TypeError(f"x must be float32, but is {x.dtype}: convert it with .astype(np.float32)")
    if x.ndim == 0 or x.shape[-1] != in_features or x.size == 0:
        raise ValueError(
            f"x has shape {x.shape}, but a benchmark needs at least one row of in_features = {in_features}"
        )
    return np.array(x.reshape(-1, in_features), dtype=np.float32, order="C")


def _ring(contender: Contender, task: _Task) -> Contender:
    """Return a contender that takes its weights from another copy in every call."""
    cache_bytes = measured_peaks()["caches"]["l3_bytes"] or _LAST_CACHE_BYTES
    copies = math.ceil(4 * cache_bytes / max(1, contender.nbytes))
    if copies > _MOST_COPIES:
        raise ValueError(
            f"weights of {contender.nbytes:,} bytes would need {copies:,} copies to exceed the caches: "
            "such a layer is never read from memory, measure it with from_memory=False"
        )
    make: Callable[[], Contender]
    if contender.name == "sparseinf":
        make = partial(_ours_again, task)
    else:
        threads = task.layers[0].threads
        make = partial(rivals.build, contender.name, task.records, threads=threads, calibration=task.x)
    turns: Iterator[Callable[[NDArray[np.float32]], NDArray[np.float32]]] = itertools.cycle(
        [contender.call, *(make().call for _ in range(copies - 1))]
    )

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return next(turns)(x)

    return replace(contender, call=call)


def _ours_again(task: _Task) -> Contender:
    """Pack copies of our layers, each as its plan for this batch has it."""
    copies = [
        SparseLinear.from_format(
            record.weight,
            bias=record.bias,
            activation=record.activation,
            precision=layer.precision,
            format=layer.plan(task.batch).format,
            batch=task.batch,
            threads=layer.threads,
        )
        for layer, record in zip(task.layers, task.records, strict=True)
    ]
    return contender_of(copies, batch=task.batch)


def _time(contenders: Sequence[Contender], x: NDArray[np.float32], *, threads: int, min_seconds: float) -> list[Timing]:
    """Time the contenders turn about, each held to its threads."""
    with ExitStack() as held:
        for contender in contenders:
            held.enter_context(contender.held())
        timings = alternate(
            {contender.name: partial(contender.call, x) for contender in contenders},
            min_seconds=min_seconds,
            rest_seconds=rest_after_threads(threads),
        )
    return [timings[contender.name] for contender in contenders]


def _row(task: _Task, contender: Contender, timing: Timing) -> dict[str, Cell]:
    """Return what was measured: how fast, and how near to what the machine can do."""
    threads, peaks = task.layers[0].threads, measured_peaks()
    peak = peaks.get(_PEAKS.get(contender.precision, ""))
    sizes = np.array([layer.in_features * layer.out_features for layer in task.layers])
    sparsities = np.array([layer.sparsity for layer in task.layers])
    dense_gflops = 2e-9 * task.batch * float(sizes.sum()) / timing.median_s
    sparsity = float(sparsities @ sizes) / max(1.0, float(sizes.sum()))
    work_gflops = dense_gflops * (1.0 if contender.uses_zeros else 1.0 - sparsity)
    features = [layer.out_features for layer in reversed(task.layers)] + [task.layers[0].in_features]
    row: dict[str, Cell] = {
        "layer": task.name,
        "shape": "x".join(map(str, features)),
        "sparsity": sparsity,
        "batch": task.batch,
        "contender": contender.name,
        "precision": contender.precision,
        "median_us": 1e6 * timing.median_s,
        "spread": timing.spread,
        "gflops": dense_gflops,
        "of_peak": work_gflops / (threads * peak) if peak else None,
        "weight_bytes": contender.nbytes,
        "runs": contender.runs,
    }
    if task.from_memory:
        # The bandwidth was measured with one thread, and says nothing about more.
        gbps = contender.nbytes / timing.median_s / 1e9
        row["of_bandwidth"] = gbps / peaks["dram_gbps"] if threads == 1 else None
    return row
