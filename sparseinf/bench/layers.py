"""Suites of single layers: random zeros over shapes and sparsities, and the masks of really pruned networks.

Real masks are the better judges (rows a thousand times longer than the mean, a third of the rows empty);
random ones are what other people's tables show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.bench.comparison import COLUMNS, compare_stack
from sparseinf.bench.masks import read_mask
from sparseinf.formats import from_any
from sparseinf.linear import SparseLinear
from sparseinf.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sparseinf.formats import Format

_PATTERNS = ("uniform", "skewed")


@dataclass(frozen=True)
class Case:
    """One layer to measure: a weight, and the batches (rows of x) to measure it with."""

    name: str
    weight: Format
    batches: tuple[int, ...]
    activation: str | None = "relu"
    from_memory: bool = False


def random_weight(
    shape: tuple[int, int], sparsity: float, *, pattern: str = "uniform", seed: int = 0
) -> NDArray[np.float32]:
    """Draw a weight with unstructured random zeros.

    Parameters
    ----------
    shape : (out_features, in_features)
        The shape of the weight.
    sparsity : float
        The share of zeros to expect, from 0 to 1; each element is drawn on its own.
    pattern : "uniform" or "skewed"
        "skewed" gives every row a density of its own, log-normal with a standard deviation of a factor e.
    seed : int
        The same seed gives the same weight.

    Returns
    -------
    float32, shape (out_features, in_features)

    Examples
    --------
    >>> weight = random_weight((64, 64), 0.9)
    >>> weight.dtype.name, bool(0.85 < np.mean(weight == 0) < 0.95)
    ('float32', True)
    """
    if pattern not in _PATTERNS:
        raise ValueError(f"pattern {pattern!r} is not known: choose from {', '.join(_PATTERNS)}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must lie between 0 and 1, but is {sparsity}")
    rng = np.random.default_rng(seed)
    density = np.full((shape[0], 1), 1 - sparsity)
    if pattern == "skewed":
        factors = rng.lognormal(size=density.shape)
        density *= factors / max(factors.mean(), 1e-9) if factors.size else 1
    weight = rng.standard_normal(shape, dtype=np.float32)
    weight[rng.random(shape, dtype=np.float32) >= density] = 0
    return weight


def random_cases(
    shapes: Iterable[tuple[int, int, int]],
    sparsities: Sequence[float],
    *,
    pattern: str = "uniform",
    from_memory: bool = False,
) -> Iterator[Case]:
    """Yield a case for every shape (out_features, in_features, batch) and sparsity."""
    for rows, columns, batch in shapes:
        for sparsity in sparsities:
            weight = from_any(random_weight((rows, columns), sparsity, pattern=pattern))
            yield Case(f"{pattern} {sparsity:.0%}", weight, (batch,), from_memory=from_memory)


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
        Passed on to `SparseLinear.from_format`, for example `format="csr"`.
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
        inputs = [random_input(batch, columns) for batch in case.batches]
        reports.append(
            compare_stack(
                [layer],
                inputs,
                against=against,
                name=case.name,
                from_memory=case.from_memory,
                min_seconds=min_seconds,
            )
        )
    return merge(reports)


def merge(reports: Sequence[Report]) -> Report:
    """Return one benchmark report with the rows of several; notes that they share appear once."""
    rows = [row for report in reports for row in report]
    notes = list(dict.fromkeys(note for report in reports for note in report.notes))
    title = ", ".join(dict.fromkeys(report.title for report in reports)) or "benchmark of nothing"
    columns = [column for column in COLUMNS if any(column in report.columns for report in reports)]
    return Report(title, columns, rows, notes)
