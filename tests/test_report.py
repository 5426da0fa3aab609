"""The report: its data, and its views as text, Markdown and HTML."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparseinf.report import Report


@pytest.fixture
def report() -> Report:
    return Report(
        "layers",
        ["layer", "median_us"],
        [{"layer": "a|<b>", "median_us": 12.5}, {"layer": "fc2"}],
        notes=["one <note>"],
    )


def test_iteration_gives_the_rows(report: Report) -> None:
    assert [row["layer"] for row in report] == ["a|<b>", "fc2"]


def test_length_is_the_number_of_rows(report: Report) -> None:
    assert len(report) == 2


def test_a_cell_left_out_is_none(report: Report) -> None:
    assert report.rows[1]["median_us"] is None


def test_a_cell_without_value_is_shown_as_a_dash(report: Report) -> None:
    assert str(report).splitlines()[5].split() == ["fc2", "-"]


def test_numbers_stand_to_the_right() -> None:
    lines = str(Report("t", ["n"], [{"n": 1}, {"n": 1000}])).splitlines()
    assert lines[-2:] == ["    1", "1,000"]


def test_texts_stand_to_the_left() -> None:
    lines = str(Report("t", ["name", "n"], [{"name": "a", "n": 1}])).splitlines()
    assert lines[-1] == "a     1"


def test_text_has_the_title_first_and_the_notes_last(report: Report) -> None:
    lines = str(report).splitlines()
    assert (lines[0], lines[-1]) == ("layers", "note: one <note>")


def test_text_lines_have_no_trailing_blanks(report: Report) -> None:
    assert all(line == line.rstrip() for line in str(report).splitlines())


def test_markdown_escapes_bars(report: Report) -> None:
    assert "| a\\|<b> | 12.5 |" in report.to_markdown()


def test_markdown_aligns_numbers_to_the_right(report: Report) -> None:
    assert "| --- | ---: |" in report.to_markdown()


def test_html_escapes_every_text(report: Report) -> None:
    shown = report._repr_html_()
    assert "a|&lt;b&gt;" in shown
    assert "one &lt;note&gt;" in shown


def test_dict_survives_json(report: Report) -> None:
    data = report.to_dict()
    assert json.loads(json.dumps(data)) == data


def test_dict_builds_the_same_report(report: Report) -> None:
    assert Report(**report.to_dict()) == report


def test_changing_the_dict_does_not_change_the_report(report: Report) -> None:
    report.to_dict()["rows"][0]["layer"] = "other"
    assert report.rows[0]["layer"] == "a|<b>"


def test_numpy_scalars_become_python_values() -> None:
    row = Report("t", ["a", "b"], [{"a": np.float32(0.5), "b": np.int64(3)}]).rows[0]
    assert {name: type(value) for name, value in row.items()} == {"a": float, "b": int}


def test_a_key_that_is_no_column_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="colour"):
        Report("t", ["size"], [{"colour": "red"}])


def test_a_column_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="must differ"):
        Report("t", ["a", "a"], [])


def test_a_cell_that_is_no_plain_value_is_refused_by_column() -> None:
    with pytest.raises(TypeError, match="'a' holds a list"):
        Report("t", ["a"], [{"a": [1]}])


def test_a_report_without_rows_shows_its_columns() -> None:
    assert str(Report("nothing", ["layer"], [])).splitlines() == ["nothing", "", "layer", "-----"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"),
        (12345, "12,345"),
        (0.0, "0"),
        (1.5, "1.50"),
        (99.96, "100"),
        (1234.5, "1,234"),
        (2.5e-7, "2.5e-07"),
        (float("nan"), "nan"),
        ("two\nlines", "two lines"),
    ],
)
def test_values_are_shown_in_few_digits(value: object, shown: str) -> None:
    assert str(Report("t", ["a"], [{"a": value}])).splitlines()[-1] == shown
