"""Plans: how a layer runs each range of columns.

A layer has a plan for each of the ranges N = 1, N = 2 to 15 and N >= 16 (N: rows of x). The candidates of a range are
the packs that can run it; the cost model predicts each, the best few may be measured, and the fastest packs are made:
two at most, one where a second would gain little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparseinf import runtime
from sparseinf.compile import float32_costs
from sparseinf.compile.candidates import CANDIDATES, LayerPacks, candidates_of
from sparseinf.compile.choice import LayerTimes, choose_packs, fastest
from sparseinf.compile.cost_model import dense_of, kernel_isa, predict_ns
from sparseinf.compile.layer_shape import LayerShape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseinf.compile.choice import Source
    from sparseinf.compile.precision import PreparedWeight
    from sparseinf.compile.tune import Tuner

__all__ = ["RANGES", "Plan", "choose_plans", "range_of"]

RANGES: tuple[tuple[int, int | None], ...] = ((1, 1), (2, 15), (16, None))
"""First and last number of columns of each range."""

_TYPICAL_COLUMNS = ((1,), (4, 8), (16, 64, 256))


@dataclass(frozen=True)
class Plan:
    """How a layer runs one range of columns.

    Parameters
    ----------
    first_columns, last_columns : int, int or None
        The range; None is without end.
    pack : str
        The candidate that runs.
    format : {"dense", "csr", "block", "nm"}
        The portable format that the pack stands for.
    precision : {"float32", "int8"}
    kernel : str
        The kernel's full name, its level at the end.
    isa : str
        The level that runs.
    nbytes : int
        Of the pack that the kernel reads.
    typical_columns : int
        What the times are for.
    predicted_ns : dict
        For each candidate, the predicted nanoseconds of a call with `typical_columns` on one thread.
    measured_ns : dict
        The same as measured, for those candidates that were, with the layer's number of threads.
    times_from : {"measurement", "like layer", "cache", "model"}
        Whether this layer was measured, or one like it in the same load, or one in an earlier load, or none.
    packs : tuple of str
        All candidates that the layer has packs of.
    is_asked_for : bool
        Whether `batch` has a number of this range, so that it counted when packs were chosen.
    most_tail_columns : int
        Where the columns are a few more than whole half vectors, at most so many, the first range's kernel runs these.
    """

    first_columns: int
    last_columns: int | None
    pack: str
    format: str
    precision: str
    kernel: str
    isa: str
    nbytes: int
    typical_columns: int
    predicted_ns: dict[str, float]
    measured_ns: dict[str, float]
    times_from: Source
    packs: tuple[str, ...]
    is_asked_for: bool
    most_tail_columns: int = 0


def range_of(num_columns: int) -> int:
    """Return the index of the range that a number of columns falls into."""
    return next(i for i, (_, last) in enumerate(RANGES) if last is None or num_columns <= last)


def choose_plans(
    weight: PreparedWeight,
    *,
    format: str,
    batch: Sequence[int] | None,
    isa: str,
    threads: int,
    tuner: Tuner | None,
) -> list[tuple[Plan, runtime.Pack]]:
    """Return one plan a range, each with the pack that it runs; ranges may share one.

    Parameters
    ----------
    weight : PreparedWeight
    format : {"auto", "dense", "csr", "block", "nm"}
    batch : sequence of int, optional
        Numbers of columns to be good at; the other ranges use what packs there are. None: all ranges.
    isa : str
        The level to compile for.
    threads : int
        How many threads may pack, and run what is measured.
    tuner : Tuner, optional
        Measures; None leaves the choice to the cost model.
    """
    pattern = weight.pattern
    groups = [candidates_of(format, pattern, precision) for precision in weight.precisions]
    names = [name for group in groups for name in group]
    asked = _columns_of_ranges(batch)
    shown = [columns or typical for columns, typical in zip(asked, _TYPICAL_COLUMNS, strict=True)]
    shape = LayerShape.of(weight.plain, pattern.strip_fill)
    packs = LayerPacks(weight, shape, isa, threads)
    from_memory = tuner is not None and tuner.is_from_memory(packs)
    times = LayerTimes(
        {
            n: {name: predict_ns(name, shape, n, isa, from_memory=from_memory) for name in names}
            for columns in shown
            for n in columns
        }
    )
    if tuner is not None:
        tuner.measure(times, packs, [n for columns in asked for n in columns])

    chosen = choose_packs(times, groups, [columns for columns in asked if columns])
    runs = [fastest(times, chosen, columns) for columns in shown]
    held = tuple(dict.fromkeys(runs))
    packs.make_room(held)
    plans = []
    for (first, last), name, columns in zip(RANGES, runs, shown, strict=True):
        plan = Plan(
            first_columns=first,
            last_columns=last,
            pack=name,
            format="dense" if name == dense_of(name) else pattern.if_used_by(held).format,
            precision=CANDIDATES[name].precision,
            kernel=f"{runtime.kernel_family(packs[name], first)}_{kernel_isa(name, isa)}",
            isa=kernel_isa(name, isa),
            nbytes=packs[name].nbytes,
            typical_columns=columns[-1],
            predicted_ns=dict(times.predicted_ns[columns[-1]]),
            measured_ns=times.measured_ns.get(columns[-1], {}),
            times_from=times.sources.get(columns[-1], "model"),
            packs=held,
            is_asked_for=columns in asked,
            most_tail_columns=_most_tail_columns(name, runs[0], shape, isa) if last is None else 0,
        )
        plans.append((plan, packs[name]))
    return plans


def _most_tail_columns(name: str, first: str, shape: LayerShape, isa: str) -> int:
    """Return how many columns beyond whole half vectors the first range's lookups run faster than one more of these.

    Zen 4, 1024x1024 at 80 % with 17 columns: 152 us by csr alone, 16 take 115; 33: 223 us, 32 take 168. Lookups add 18
    us for one column, 28 for two.
    """
    if first != "lookup" or name == first or CANDIDATES[name].precision != "float32":
        return 0
    whole = 2 * float32_costs.CONSTANTS[runtime.float32_isa(isa)].half_vector
    before = predict_ns(name, shape, whole, isa)
    gains = [
        predict_ns(name, shape, whole + tail, isa) - before - predict_ns(first, shape, tail, isa)
        for tail in range(1, whole // 2)
    ]
    return next((tail for tail, gain in enumerate(gains) if gain <= 0), len(gains))


def _columns_of_ranges(batch: Sequence[int] | None) -> list[tuple[int, ...]]:
    if batch is None:
        return list(_TYPICAL_COLUMNS)
    wanted: list[tuple[int, ...]] = [()] * len(RANGES)
    for n in sorted(set(batch)):
        wanted[range_of(n)] += (n,)
    return wanted
