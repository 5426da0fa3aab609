"""Writes a benchmark report as one HTML file: charts, all rows, machine and date; it opens without a network."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparseinf.bench.chart import Line, line_chart
from sparseinf.bench.machine import describe_machine
from sparseinf.bench.rivals import dense_rivals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sparseinf.report import Report

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --faint: #d8dee4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #14181d; --faint: #39424d; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 76rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 0 0 .3rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(30rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: var(--ink); }
.grid { stroke: var(--faint); stroke-width: 1; } .level { stroke: var(--ink); stroke-width: 1.5; }
.rows { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .15rem .6rem; border-bottom: 1px solid var(--faint); text-align: left; white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; } dd { margin: 0; }
"""


def write_html(report: Report, path: Path) -> None:
    """Write a benchmark report as a page: speed-up over sparsity, a chart for each shape, and a table of all rows.

    The speed-up is the time of the fastest rival that is dense, in the same precision, over ours. A shape with one
    sparsity alone is in the table only.
    """
    path.write_text(_page(report), encoding="utf-8")


@dataclass(frozen=True)
class _Speed:
    """How our layer did in one case."""

    shape: str
    batch: int
    pattern: str
    sparsity: float
    speed_up: float
    rival: str


def _page(report: Report) -> str:
    """Return the whole text of the page."""
    title = f"sparseinf {html.escape(report.title)}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            f'<head><meta charset="utf-8"><title>{title}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_STYLE}</style></head>",
            f"<body><h1>{title}</h1>",
            _machine(),
            *_charts(_speeds(report)),
            f'<div class="rows">{report._repr_html_()}</div>',
            "</body></html>\n",
        ]
    )


def _machine() -> str:
    """Return machine, versions and date as a list."""
    facts = describe_machine()
    facts["isas"] = ", ".join(facts["isas"])
    facts["packages"] = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    entries = (f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(fact))}</dd>" for name, fact in facts.items())
    return f"<dl>{''.join(entries)}</dl>"


def _charts(speeds: Sequence[_Speed]) -> list[str]:
    """Return a figure for each shape that was measured at several sparsities."""
    shapes = [
        shape
        for shape in dict.fromkeys(speed.shape for speed in speeds)
        if len({speed.sparsity for speed in speeds if speed.shape == shape}) > 1
    ]
    if not shapes:
        return ["<p>No shape was measured at several sparsities beside a dense rival: there are no lines to draw.</p>"]
    figures = (
        f"<figure><h2>{html.escape(shape)}</h2>{_chart([speed for speed in speeds if speed.shape == shape])}</figure>"
        for shape in shapes
    )
    return [
        "<p>Speed-up: the time of the fastest dense rival of the same precision over that of sparseinf. N is the "
        "number of rows of x; shapes are outputs x inputs.</p>",
        '<div class="charts">',
        *figures,
        "</div>",
    ]


def _chart(speeds: Sequence[_Speed]) -> str:
    """Return the chart of one shape: a line for each N and pattern."""
    batches, patterns = _numbered(speed.batch for speed in speeds), _numbered(speed.pattern for speed in speeds)
    lines = []
    for batch, colour in batches.items():
        for pattern, dash in patterns.items():
            found = [speed for speed in speeds if (speed.batch, speed.pattern) == (batch, pattern)]
            points = [
                (100 * s.sparsity, s.speed_up, f"{s.speed_up:.2f} x {s.rival} at {100 * s.sparsity:.1f} % zeros")
                for s in sorted(found, key=lambda speed: speed.sparsity)
            ]
            if points:
                label = f"N = {batch:,}" + (f", {pattern}" if pattern else "")
                lines.append(Line(label, points, colour, dash))
    return line_chart(lines, x_label="zeros, %", y_label="speed-up over dense", level=1)


def _numbered(values: Iterable[Any]) -> dict[Any, int]:
    """Return different values in order, each with its number."""
    return {value: number for number, value in enumerate(sorted(set(values)))}


def _speeds(report: Report) -> list[_Speed]:
    """Return the speed-up of each case that was measured beside a dense rival of our precision."""
    cases: dict[tuple[Any, ...], dict[str, float]] = {}
    precisions: dict[tuple[Any, ...], str] = {}
    for row in report:
        case = (row["layer"], row["shape"], row["batch"], row.get("pattern") or "", row["sparsity"])
        cases.setdefault(case, {})[row["contender"]] = row["median_us"]
        if row["contender"] == "sparseinf":
            precisions[case] = row.get("precision", "float32")
    speeds = []
    for case, precision in precisions.items():
        _, shape, batch, pattern, sparsity = case
        times = cases[case]
        dense = {name: times[name] for name in dense_rivals(precision) if name in times}
        if dense:
            rival = min(dense, key=dense.__getitem__)
            speed_up = dense[rival] / times["sparseinf"]
            if math.isfinite(speed_up):
                speeds.append(_Speed(shape, batch, pattern, sparsity, speed_up, rival))
    return speeds
