"""A promise, what became of it, and how a layer is measured against rivals: what the scripts beside this one share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparseinf import bench

ORT, OWN_DENSE = "onnxruntime", "sparseinf_dense"


@dataclass(frozen=True)
class Result:
    """One promise and what became of it. `at_most` says that small is good."""

    what: str
    unit: str
    measured: float
    must: float
    aim: float | None = None
    at_most: bool = False
    detail: str = ""

    def verdict(self) -> str:
        """Return "aim", "must" or "MISSED", whichever was reached."""
        sign = -1 if self.at_most else 1
        if self.aim is not None and sign * self.measured >= sign * self.aim:
            return "aim"
        return "must" if sign * self.measured >= sign * self.must else "MISSED"

    def row(self) -> dict[str, Any]:
        """Return this result as a row of the final table."""
        bound = "at most" if self.at_most else "at least"
        return {
            "what": self.what,
            "must": f"{bound} {self.must:g} {self.unit}",
            "aim": None if self.aim is None else f"{self.aim:g} {self.unit}",
            "measured": f"{self.measured:.3g} {self.unit}",
            "verdict": self.verdict(),
            "detail": self.detail,
        }


def against(
    shape: tuple[int, int, int],
    sparsity: float,
    rivals: tuple[str, ...],
    promise: tuple[float, float | None],
    *,
    label: str = "",
    pattern: str = "unstructured",
    from_memory: bool = False,
    precision: str = "float32",
    **options: Any,
) -> Result:
    """Return how many times longer the fastest of `rivals` takes for one random layer; 0 if a result was wrong."""
    cases = bench.random_cases([shape], [sparsity], pattern=pattern, from_memory=from_memory)
    report = bench.run(cases, against=rivals, threads=1, min_seconds=0.5, precision=precision, **options)
    ours, *others = report
    best = min(others, key=lambda row: row["median_us"])
    wrong = [note for note in report.notes if note.startswith("WRONG")]
    what = "" if pattern == "unstructured" else f" in {pattern}"
    what += "" if precision == "float32" else f" in {precision}"
    return Result(
        f"{label}{'x'.join(map(str, shape))} at {sparsity:.0%}{what} against {' and '.join(rivals)}",
        "x",
        0.0 if wrong else best["relative_time"],
        *promise,
        detail=" ".join([_detail(ours, best, "of_bandwidth" if from_memory else "of_peak"), *wrong]),
    )


def _detail(ours: dict[str, Any], best: dict[str, Any], limit: str) -> str:
    """Return what both ran, how long it took, how near to the limit of the machine, and how exact it was."""
    share = "" if ours[limit] is None else f", {limit} {ours[limit]:.2f}"
    return (
        f"{ours['median_us']:,.1f} us with {ours['runs']}, spread {ours['spread']:.2f}, "
        f"error {ours['max_relative_error']:.0e}{share}; "
        f"{best['contender']} {best['median_us']:,.1f} us, spread {best['spread']:.2f}"
    )
