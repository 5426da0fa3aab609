"""Chooses the form in which a layer runs each range of columns, and packs it.

A layer has a plan for each of the ranges N = 1, N = 2 to 15 and N >= 16 (N: rows of x). The candidates of a range are
the packs that can run it; the cost model predicts each, and the fastest packs are made: two at most, one where a
second would gain little.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparseinf import runtime
from sparseinf.compile.cost_model import LayerShape, predict_ns
from sparseinf.formats import Csr, Dense

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseinf.formats import Format

__all__ = ["RANGES", "Plan", "choose_plans", "format_of_pack", "range_of"]

RANGES: tuple[tuple[int, int | None], ...] = ((1, 1), (2, 15), (16, None))
"""First and last number of columns of each range."""

_TYPICAL_COLUMNS = ((1,), (4, 8), (16, 64, 256))
_PACKS_OF_FORMAT = {"dense": ("dense",), "csr": ("csr", "bitmap", "sell")}
_FORMAT_OF_PACK = {"dense": "dense", "csr": "csr", "bitmap": "csr", "sell": "csr"}

# A second pack doubles a layer's memory: it must save this share of the time of the ranges asked for.
_MIN_GAIN_OF_SECOND_PACK = 0.10


@dataclass(frozen=True)
class Plan:
    """How a layer runs one range of columns.

    Parameters
    ----------
    first_columns, last_columns : int, int or None
        The range; None is without end.
    format : {"dense", "csr"}
    kernel : str
        The kernel's full name, its level at the end.
    isa : str
        The level that runs.
    nbytes : int
        Of the pack that the kernel reads.
    predicted_ns : dict
        For each candidate pack, the predicted nanoseconds of a call with `typical_columns` on one thread.
    typical_columns : int
        What the prediction is for.
    """

    first_columns: int
    last_columns: int | None
    format: str
    kernel: str
    isa: str
    nbytes: int
    predicted_ns: dict[str, float]
    typical_columns: int


def range_of(num_columns: int) -> int:
    """Return the index of the range that a number of columns falls into."""
    return next(i for i, (_, last) in enumerate(RANGES) if last is None or num_columns <= last)


def choose_plans(
    weight: Format, *, format: str, batch: Sequence[int] | None, isa: str, threads: int
) -> list[tuple[Plan, runtime.Pack]]:
    """Return one plan a range, each with the pack that it runs; ranges may share one.

    Parameters
    ----------
    weight : Dense or Csr
    format : {"auto", "dense", "csr"}
    batch : sequence of int, optional
        Numbers of columns to be good at; the other ranges use what packs there are. None: all ranges.
    isa : str
        The level to compile for.
    threads : int
        How many threads may pack.
    """
    shape = LayerShape(*weight.shape, weight.num_nonzeros)
    wanted: list[tuple[int, ...]] = [()] * len(RANGES)
    if batch is None:
        wanted = list(_TYPICAL_COLUMNS)
    for n in sorted(set(batch or ())):
        wanted[range_of(n)] += (n,)
    names = [name for fmt, packs in _PACKS_OF_FORMAT.items() if format in ("auto", fmt) for name in packs]
    chosen = _choose_packs(names, shape, wanted, isa)
    packs = {name: _make_pack(name, weight, isa, threads) for name in chosen}

    plans = []
    for (first, last), columns in zip(RANGES, _columns_of_ranges(wanted), strict=True):
        predicted = {name: _total_ns(name, shape, columns, isa) for name in names}
        best = min(packs, key=predicted.__getitem__)
        plan = Plan(
            first_columns=first,
            last_columns=last,
            format=_FORMAT_OF_PACK[best],
            kernel=f"{runtime.kernel_family(packs[best], first)}_{isa}",
            isa=isa,
            nbytes=packs[best].nbytes,
            predicted_ns={name: predict_ns(name, shape, columns[-1], isa) for name in names},
            typical_columns=columns[-1],
        )
        plans.append((plan, packs[best]))
    return plans


def format_of_pack(pack: runtime.Pack, shape: tuple[int, int], source_dtype: str) -> Format:
    """Return the weight that a pack was made from."""
    if pack.kind == "dense":
        return Dense.unchecked(pack.to_dense(), source_dtype=source_dtype)
    row_offsets, columns, values = pack.to_csr()
    return Csr.unchecked(shape, values, columns, row_offsets, source_dtype=source_dtype)


def _columns_of_ranges(wanted: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [columns or typical for columns, typical in zip(wanted, _TYPICAL_COLUMNS, strict=True)]


def _choose_packs(names: list[str], shape: LayerShape, wanted: list[tuple[int, ...]], isa: str) -> tuple[str, ...]:
    """Return the one or two packs that run the wanted ranges fastest, each range counting the same."""

    def regret(packs: tuple[str, ...]) -> float:
        return sum(
            min(_total_ns(name, shape, columns, isa) for name in packs)
            / max(min(_total_ns(name, shape, columns, isa) for name in names), 1e-9)
            for columns in wanted
            if columns
        )

    one = min(((name,) for name in names), key=regret)
    two = min(itertools.combinations(names, 2), key=regret, default=one)
    return two if regret(two) < (1 - _MIN_GAIN_OF_SECOND_PACK) * regret(one) else one


def _total_ns(name: str, shape: LayerShape, columns: tuple[int, ...], isa: str) -> float:
    return sum(predict_ns(name, shape, n, isa) / n for n in columns)


def _make_pack(name: str, weight: Format, isa: str, threads: int) -> runtime.Pack:
    if name == "dense":
        values = weight.values if isinstance(weight, Dense) else weight.to_dense()
        return runtime.pack_dense(values, threads)
    csr = weight if isinstance(weight, Csr) else Csr.from_dense(weight.values)
    arrays = (csr.row_offsets, csr.columns, csr.values, csr.shape[1])
    if name == "bitmap":
        return runtime.pack_bitmap(*arrays, threads)
    if name == "sell":
        return runtime.pack_sell(*arrays, threads)
    # For wide panels, also where narrow ones were asked for: the larger K blocks that these could have make runs of
    # equal trip counts rare. Zen 4, 4096x4096 at 90 % from memory, one column: 1454 us packed for 8, 964 us for 64.
    return runtime.pack_csr(*arrays, isa, runtime.csr_panel_columns(isa), threads)
