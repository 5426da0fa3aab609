"""Draws lines as SVG text to stand inside a page: no script, no font, nothing from elsewhere."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH, _HEIGHT = 720, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 200, 16, 48
# Told apart by colour-blind readers too (Okabe and Ito, "Color Universal Design", 2008).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
_DASHES = ("none", "7 3", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Line:
    """One line of a chart: points (x, y, what they say when pointed at), in the order of x.

    `colour` and `dash` are numbers that equal lines share; any number will do.
    """

    label: str
    points: Sequence[tuple[float, float, str]]
    colour: int = 0
    dash: int = 0


def line_chart(lines: Sequence[Line], *, x_label: str, y_label: str, level: float) -> str:
    """Return an SVG element with all lines, axes, a legend, and a horizontal rule at `level`.

    Examples
    --------
    >>> chart = line_chart([Line("N = 8", [(50, 1.5, "half")])], x_label="zeros, %", y_label="speed-up", level=1)
    >>> chart.startswith("<svg") and "<title>half</title>" in chart
    True
    """
    xs = [x for line in lines for x, _, _ in line.points]
    x_ticks = ticks(min(xs), max(xs))
    y_ticks = ticks(0, max([level, *(y for line in lines for _, y, _ in line.points)]))
    frame = _Frame(x_ticks[0], x_ticks[-1], y_ticks[-1])
    label = html.escape(f"{y_label} over {x_label}", quote=True)
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">']
    parts += _axes(frame, x_ticks, y_ticks, x_label, y_label)
    level_y = frame.y(level)
    parts.append(f'<line class="level" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{level_y:.1f}" y2="{level_y:.1f}"/>')
    for number, line in enumerate(lines):
        parts += _drawn(line, frame, number)
    return "\n".join([*parts, "</svg>"])


def ticks(low: float, high: float) -> list[float]:
    """Return four to eleven round numbers, evenly spaced, from at most `low` to at least `high`.

    Examples
    --------
    >>> ticks(0, 8.3)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    >>> ticks(50, 95)
    [50.0, 60.0, 70.0, 80.0, 90.0, 100.0]
    """
    span = max(high - low, 1e-3 * max(1.0, abs(low), abs(high)))  # equal values have a scale too
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(factor * power for factor in (10, 5, 2, 1) if span / (factor * power) >= 4)
    first, last = math.floor(low / step), math.ceil(round((low + span) / step, 9))
    return [round(number * step, 12) for number in range(first, last + 1)]


@dataclass(frozen=True)
class _Frame:
    """Where numbers lie on the drawing."""

    x_low: float
    x_high: float
    y_high: float

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / self.y_high * (_HEIGHT - _TOP - _BOTTOM)


def _axes(
    frame: _Frame, x_ticks: Sequence[float], y_ticks: Sequence[float], x_label: str, y_label: str
) -> Iterator[str]:
    """Yield grid, numbers and labels."""
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for tick in x_ticks:
        x = f"{frame.x(tick):.1f}"
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>'
        yield f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>'
    for tick in y_ticks:
        y = frame.y(tick)
        yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
    middle_x, middle_y = (_LEFT + right) / 2, (_TOP + bottom) / 2
    yield f'<text x="{middle_x:.1f}" y="{_HEIGHT - 10}" text-anchor="middle">{html.escape(x_label)}</text>'
    yield (
        f'<text x="16" y="{middle_y:.1f}" text-anchor="middle" transform="rotate(-90 16 {middle_y:.1f})">'
        f"{html.escape(y_label)}</text>"
    )


def _drawn(line: Line, frame: _Frame, number: int) -> Iterator[str]:
    """Yield a line, its points, and its entry in the legend."""
    colour, dash = _COLOURS[line.colour % len(_COLOURS)], _DASHES[line.dash % len(_DASHES)]
    stroke = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" fill="none"'
    places = [(frame.x(x), frame.y(y), said) for x, y, said in line.points]
    yield f'<polyline {stroke} points="{" ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)}"/>'
    for x, y, said in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{html.escape(said)}</title></circle>'
    left, y = _WIDTH - _RIGHT + 16, _TOP + 10 + 18 * number
    yield f'<line {stroke} x1="{left}" x2="{left + 28}" y1="{y}" y2="{y}"/>'
    yield f'<text x="{left + 36}" y="{y + 4}">{html.escape(line.label)}</text>'
