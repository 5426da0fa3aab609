"""Writes a report as JSON and Markdown, so that tables elsewhere are made and not typed."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from sparseinf.bench.machine import describe_machine

if TYPE_CHECKING:
    from pathlib import Path

    from sparseinf.report import Cell, Report


def write_json(report: Report, path: Path) -> None:
    """Write a report with the machine and date it belongs to.

    JSON has no NaN and no infinity: such cells become texts, so that a wrong answer still shows.
    """
    data: dict[str, Any] = {"machine": describe_machine(), **report.to_dict()}
    data["rows"] = [{column: _json_cell(cell) for column, cell in row.items()} for row in report]
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_markdown(report: Report, path: Path) -> None:
    """Write a report as a Markdown table; its notes state machine and date."""
    path.write_text(report.to_markdown() + "\n", encoding="utf-8")


def _json_cell(cell: Cell) -> Cell:
    return str(cell) if isinstance(cell, float) and not math.isfinite(cell) else cell
