"""The page of a benchmark: that it stands alone, shows every figure, and escapes what it is told."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sparseinf
from sparseinf import bench
from sparseinf.bench.chart import Line, line_chart, ticks
from sparseinf.report import Report

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ["layer", "shape", "pattern", "sparsity", "batch", "contender", "median_us"]
VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Reads a page as a browser would, and notes what is in it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def rows(shape: str, times: dict[float, tuple[float, float]], **more: Any) -> list[dict[str, Any]]:
    """Return the rows of one layer: our time and that of dense onnxruntime at each sparsity."""
    case = {"layer": "fc", "shape": shape, "batch": 8, **more}
    return [
        {**case, "sparsity": sparsity, "contender": contender, "median_us": time}
        for sparsity, pair in times.items()
        for contender, time in zip(("sparseinf", "onnxruntime"), pair, strict=True)
    ]


def page(report: Report, folder: Path) -> str:
    bench.write_html(report, folder / "out.html")
    return (folder / "out.html").read_text(encoding="utf-8")


@pytest.fixture
def report() -> Report:
    found = rows("64x32", {0.5: (10.0, 15.0), 0.9: (2.0, 14.0)}) + rows("8x4", {0.9: (3.0, 7.5)})
    found += rows("64x32", {0.5: (8.0, 15.0), 0.9: (1.0, 14.0)}, pattern="4x1", batch=16)
    return Report("benchmark, threads = 1", COLUMNS, found, ["taken on a <quiet> machine & checked"])


def test_the_page_parses_and_every_tag_is_closed(report: Report, tmp_path: Path) -> None:
    assert Reader(page(report, tmp_path)).open == []


def test_the_page_refers_to_nothing_outside(report: Report, tmp_path: Path) -> None:
    text = page(report, tmp_path)
    reader = Reader(text)
    assert not reader.all("script") + reader.all("link") + reader.all("img")
    assert not [attributes for _, attributes in reader.tags if {"src", "href", "xlink:href"} & set(attributes)]
    assert not re.search(r"http|url\(|@import", text)


def test_every_shape_with_several_sparsities_has_a_chart(report: Report, tmp_path: Path) -> None:
    reader = Reader(page(report, tmp_path))
    assert len(reader.all("svg")) == 1
    assert "64x32" in reader.texts


def test_a_chart_has_a_line_for_every_batch_and_pattern_and_says_its_figures(report: Report, tmp_path: Path) -> None:
    reader = Reader(page(report, tmp_path))
    assert {"N = 8", "N = 16, 4x1"} <= set(reader.texts)
    assert len(reader.all("polyline")) == 2
    assert {"1.50 x onnxruntime at 50.0 % zeros", "14.00 x onnxruntime at 90.0 % zeros"} <= set(reader.texts)


def test_the_table_has_every_row(report: Report, tmp_path: Path) -> None:
    reader = Reader(page(report, tmp_path))
    assert len(reader.all("tr")) == 1 + len(report)
    assert {"15.0", "2.00", "7.50"} <= set(reader.texts)


def test_the_page_states_machine_and_date(report: Report, tmp_path: Path) -> None:
    reader = Reader(page(report, tmp_path))
    assert {sparseinf.cpu_info()["model"], bench.describe_machine()["date"]} <= set(reader.texts)


def test_names_are_escaped(tmp_path: Path) -> None:
    nasty = '<b onmouseover="x">&amp;'
    found = rows(nasty, {0.5: (1.0, 2.0), 0.9: (1.0, 4.0)}, layer=nasty, pattern=nasty)
    reader = Reader(page(Report(nasty, COLUMNS, found, [nasty]), tmp_path))
    assert reader.open == []
    assert not reader.all("b")
    assert f"N = 8, {nasty}" in reader.texts


@pytest.mark.parametrize(
    "found", [[], rows("8x4", {0.5: (1.0, 2.0)}), rows("8x4", {0.5: (1.0, math.nan), 0.9: (1.0, math.inf)})]
)
def test_a_page_without_lines_to_draw_says_so(found: list[dict[str, Any]], tmp_path: Path) -> None:
    reader = Reader(page(Report("benchmark", COLUMNS, found), tmp_path))
    assert not reader.all("svg")
    assert any("no lines to draw" in text for text in reader.texts)


def test_the_fastest_dense_rival_counts(tmp_path: Path) -> None:
    found = rows("8x4", {0.5: (1.0, 2.0), 0.9: (1.0, 4.0)})
    found += [{**row, "contender": "torch", "median_us": 3.0} for row in found[1::2]]
    found += [{**row, "contender": "onnxruntime_int8", "median_us": 0.1} for row in found[:2]]
    texts = Reader(page(Report("benchmark", COLUMNS, found), tmp_path)).texts
    assert {"2.00 x onnxruntime at 50.0 % zeros", "3.00 x torch at 90.0 % zeros"} <= set(texts)


def test_a_layer_in_int8_is_compared_with_dense_int8(tmp_path: Path) -> None:
    found = rows("8x4", {0.5: (1.0, 2.0), 0.9: (1.0, 4.0)}, precision="int8")
    found = [{**row, "precision": "int8" if row["contender"] == "sparseinf" else "float32"} for row in found]
    found += [
        {**row, "contender": "onnxruntime_int8", "precision": "int8", "median_us": 2 * row["median_us"]}
        for row in found[1::2]
    ]
    texts = Reader(page(Report("benchmark", [*COLUMNS, "precision"], found), tmp_path)).texts
    assert {"4.00 x onnxruntime_int8 at 50.0 % zeros", "8.00 x onnxruntime_int8 at 90.0 % zeros"} <= set(texts)


def test_a_measured_report_makes_a_page(tmp_path: Path) -> None:
    report = bench.run(bench.random_cases([(16, 16, 2)], [0.5, 0.9]), against=["sparseinf_dense"], min_seconds=0)
    assert len(Reader(page(report, tmp_path)).all("circle")) == 2


# Charts


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_are_few_evenly_spaced_and_around_the_values(low: float, span: float) -> None:
    found = ticks(low, low + span)
    slack = 1e-6 * max(1.0, abs(low), span)
    assert found[0] <= low + slack
    assert found[-1] >= low + span - slack
    assert 4 <= len(found) <= 12


def test_points_lie_where_their_values_are() -> None:
    drawn = line_chart([Line("a", [(0, 0, ""), (10, 10, "")])], x_label="x", y_label="y", level=5)
    (x1, y1), (x2, y2) = ((float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn))
    level = re.search(r'class="level".*? y1="([\d.]+)"', drawn)
    assert level is not None
    assert x1 < x2
    assert y1 > y2
    assert float(level[1]) == pytest.approx((y1 + y2) / 2, abs=0.2)


def test_everything_that_a_chart_says_is_escaped() -> None:
    drawn = line_chart([Line("<i>", [(0, 0, "<i>")])], x_label="<i>", y_label='<i>"', level=1)
    assert "<i>" not in drawn
    assert Reader(drawn).open == []
