"""Draws a break-even report with matplotlib, which is the extra `plot`; importing this file does not import it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sparseinf.report import Report

_PREFIX = "speedup_"


def check_matplotlib() -> None:
    """Refuse to go on without matplotlib.

    Raises
    ------
    ImportError
        Saying how to install it.
    """
    if find_spec("matplotlib") is None:
        raise ImportError("a plot needs matplotlib, which is not installed: run pip install 'sparseinf[plot]'")


def plot_breakeven(report: Report, path: Path) -> None:
    """Draw the speed-up of each format over its sparsity, the break-even marked; the suffix of the path says the form.

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    ValueError
        When matplotlib does not know the suffix.
    """
    check_matplotlib()
    from matplotlib.figure import Figure  # not pyplot, which would look for a screen

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.axhline(1, color="black", linewidth=1)
    for row in report:
        points = [
            (int(column.removeprefix(_PREFIX)), row[column])
            for column in report.columns
            if column.startswith(_PREFIX) and row[column] is not None
        ]
        (line,) = axes.plot(*zip(*points, strict=True), marker="o", label=f"{row['format']}: {row['verdict']}")
        if row["break_even"] is not None:
            axes.plot([100 * row["break_even"]], [1], marker="D", color=line.get_color())
    axes.set(title=report.title, xlabel="zeros, %", ylabel="speed-up over the fastest dense layer")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
