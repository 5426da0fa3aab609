"""Suites of single layers: planted zeros over shapes and sparsities, and the masks of really pruned networks.

Real masks are the better judges (rows a thousand times longer than the mean, a third of the rows empty);
random ones are what other people's tables show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.bench.comparison import COLUMNS, compare_stack
from sparseinf.bench.masks import read_mask
from sparseinf.bench.patterns import Planting, layer_sparsities, random_weight
from sparseinf.bench.shapes import shapes_of
from sparseinf.formats import from_any
from sparseinf.linear import SparseLinear
from sparseinf.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sparseinf.formats import Weight


@dataclass(frozen=True)
class Case:
    """One layer to measure: a weight, and the batches (rows of x) to measure it with."""

    name: str
    weight: Weight
    batches: tuple[int, ...]
    activation: str | None = "relu"
    from_memory: bool = False
    pattern: str | None = None


def random_cases(
    shapes: Iterable[tuple[int, int, int]],
    sparsities: Sequence[float],
    *,
    pattern: str = "unstructured",
    from_memory: bool = False,
) -> Iterator[Case]:
    """Yield a case for every shape (out_features, in_features, batch) and sparsity."""
    for rows, columns, batch in shapes:
        for sparsity in sparsities:
            weight = from_any(random_weight((rows, columns), sparsity, pattern=pattern))
            yield Case(f"{pattern} {sparsity:.0%}", weight, (batch,), from_memory=from_memory)


def model_cases(
    models: Iterable[str],
    sparsities: Sequence[float],
    *,
    patterns: Sequence[str] = ("unstructured",),
    batches: Sequence[int] | None = None,
    quick: bool = False,
) -> Iterator[Case]:
    """Yield a case for every layer, pattern and sparsity of well-known networks, with planted zeros.

    Parameters
    ----------
    models : iterable of str
        Names as in `shapes.MODELS`.
    sparsities : sequence of float
        A pattern that has more zeros of its own takes those instead. With the pattern "realistic" this is the sparsity
        of the whole network, which its layers share unequally.
    patterns : sequence of str
        As in `random_weight`.
    batches : sequence of int, or None
        None takes the number of columns that each layer has in its network.
    quick : bool
        Take one layer of each network.
    """
    for model in models:
        shapes = shapes_of(model, quick=quick)
        sizes = [shape.out_features * shape.in_features for shape in shapes]
        shares = {
            (pattern, sparsity): layer_sparsities(sizes, sparsity)
            if pattern == "realistic"
            else [sparsity] * len(shapes)
            for pattern in patterns
            for sparsity in sparsities
        }
        for number, shape in enumerate(shapes):
            for pattern in patterns:
                planting = Planting((shape.out_features, shape.in_features), pattern=pattern, seed=number)
                wanted = [max(shares[pattern, sparsity][number], planting.least_sparsity) for sparsity in sparsities]
                for sparsity in dict.fromkeys(wanted):
                    yield Case(
                        f"{model} {shape.name}",
                        from_any(planting.weight(sparsity)),
                        tuple(batches or (shape.columns,)),
                        pattern=pattern,
                    )


def mask_cases(folder: Path, batches: Sequence[int]) -> Iterator[Case]:
    """Yield a case for every `.smtx` file of a folder, in the order of their names.

    Raises
    ------
    FileNotFoundError
        When the folder is missing or has no such file.
    """
    paths = sorted(folder.glob("*.smtx"))
    if not paths:
        raise FileNotFoundError(f"{folder} has no .smtx files: name the folder that the masks lie in")
    for path in paths:
        yield Case(path.stem, read_mask(path), tuple(batches))


def random_input(batch: int, in_features: int, *, seed: int = 1) -> NDArray[np.float32]:
    """Draw x from a normal distribution: float32, shape (batch, in_features)."""
    return np.random.default_rng(seed).standard_normal((batch, in_features), dtype=np.float32)


def run(
    cases: Iterable[Case],
    *,
    against: Sequence[str] | None = None,
    threads: int | None = 1,
    min_seconds: float = 0.2,
    **options: Any,
) -> Report:
    """Measure every case, with a bias, and return one report with the rows of all.

    Parameters
    ----------
    cases : iterable of Case
        Measured one after the other, so that a lazy iterable keeps one weight in memory at a time.
    against, min_seconds
        As in `compare_stack`.
    threads : int, or None for all
        For us and for every rival.
    **options
        Passed on to `SparseLinear.from_format`, for example `format="csr"` or `precision="int8"`.
    """
    reports = []
    for case in cases:
        rows, columns = case.weight.shape
        layer = SparseLinear.from_format(
            case.weight,
            bias=np.random.default_rng(2).standard_normal(rows, dtype=np.float32),
            activation=case.activation,
            batch=case.batches,
            threads=threads,
            **options,
        )
        report = compare_stack(
            [layer],
            [random_input(batch, columns) for batch in case.batches],
            against=against,
            name=case.name,
            from_memory=case.from_memory,
            min_seconds=min_seconds,
            weights=[case.weight],
        )
        reports.append(_with_pattern(report, case.pattern))
    return merge(reports)


def _with_pattern(report: Report, pattern: str | None) -> Report:
    """Return a report whose rows tell the pattern, where there is one to tell."""
    if pattern is None:
        return report
    rows = [{**row, "pattern": pattern} for row in report]
    return Report(report.title, [*report.columns, "pattern"], rows, report.notes)


def merge(reports: Sequence[Report]) -> Report:
    """Return one benchmark report with the rows of several; notes that they share appear once."""
    rows = [row for report in reports for row in report]
    notes = list(dict.fromkeys(note for report in reports for note in report.notes))
    title = ", ".join(dict.fromkeys(report.title for report in reports if report.rows)) or "benchmark of nothing"
    columns = [column for column in COLUMNS if any(column in report.columns for report in reports)]
    return Report(title, columns, rows, notes)
