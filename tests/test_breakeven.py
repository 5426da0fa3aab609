"""The break-even: that the search finds the crossing of any curve, with a clock that is made up."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sparseinf
from sparseinf import bench
from sparseinf.bench import plot
from sparseinf.bench.crossing import Curve
from sparseinf.bench.forms import FORMS, Form, known_forms
from sparseinf.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sparseinf.report import Report

ONNXRUNTIME = ("onnxruntime", "onnxruntime_int8", "onnxruntime_int8_blockwise")

module = importlib.import_module("sparseinf.bench.breakeven")


def timing(seconds: float) -> bench.Timing:
    return bench.Timing(seconds, seconds, seconds, 1, 1)


@pytest.fixture
def set_times(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Replace the clock: a sparse layer takes what a function of its sparsity says, our dense one takes 1."""

    def set_to(relative_time: Callable[[float], float], onnxruntime: float | None = None) -> list[float]:
        measured: list[float] = []

        def alternate(calls: dict[str, Any], **_: Any) -> dict[str, bench.Timing]:
            times = {"sparseinf": 1.0, "dense": 1.0, **dict.fromkeys(ONNXRUNTIME, onnxruntime)}
            if "sparse" in calls:
                measured.append(calls["sparse"].func.sparsity)
                times["sparse"] = relative_time(measured[-1])
            return {name: timing(times[name]) for name in calls}

        def build(name: str, *_: Any, **__: Any) -> Callable[[Any], Any]:
            if onnxruntime is None:
                raise ValueError(f"rival {name!r} needs onnxruntime")
            return lambda x: x

        monkeypatch.setattr(module, "alternate", alternate)
        monkeypatch.setattr(module, "rivals", SimpleNamespace(build=build))
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 0.0))
        return measured

    return set_to


def row_of(report: Report) -> dict[str, Any]:
    (row,) = report.rows
    return row


def search() -> Report:
    return sparseinf.breakeven(100, 100, 4, formats=["csr"])


# The search alone


@given(
    st.floats(0.02, 0.98),
    st.floats(0.3, 4),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_the_crossing_of_a_falling_curve_is_found(where: float, power: float, also: list[float]) -> None:
    def time_at(sparsity: float) -> float:
        return float(((1 - sparsity) / (1 - where)) ** power)

    curve = Curve(lambda sparsity: (sparsity, time_at(sparsity)))
    for sparsity in [0.0, 1.0, *also]:
        curve.measure(sparsity)
    curve.sharpen(1.0, width=0.02)
    found = curve.crossing(1.0)
    assert found.width <= 0.02
    assert found.sparsity == pytest.approx(where, abs=0.02)
    assert len(curve) <= 2 + len(also) + 7


def test_a_curve_that_crosses_twice_counts_from_the_last_time() -> None:
    times = {0.0: 0.5, 0.5: 2.0, 1.0: 0.0}
    curve = Curve(lambda sparsity: (sparsity, times[sparsity]))
    for sparsity in times:
        curve.measure(sparsity)
    assert curve.crossing(1.0).sparsity == pytest.approx(0.75)


@pytest.mark.parametrize(("time", "expected"), [(0.5, 0.0), (1.0, None), (2.0, None)])
def test_a_flat_curve_wins_always_or_never(time: float, expected: float | None) -> None:
    curve = Curve(lambda sparsity: (sparsity, time))
    for sparsity in (0.0, 0.9):
        curve.measure(sparsity)
    assert curve.crossing(1.0) == (expected, 0.0)


def test_sharpening_ends_where_a_matrix_has_no_sparsity_in_between() -> None:
    curve = Curve(lambda sparsity: (float(sparsity > 0.5), 1.5 - (sparsity > 0.5)))
    curve.measure(0.0)
    curve.measure(1.0)
    curve.sharpen(1.0, width=0.02)
    assert curve.crossing(1.0).width == 1.0


def test_times_outside_of_what_was_measured_are_not_known() -> None:
    curve = Curve(lambda sparsity: (sparsity, 1 - sparsity))
    curve.measure(0.5)
    curve.measure(0.9)
    assert [curve.time_at(sparsity) for sparsity in (0.4, 0.495, 0.7, 0.95)] == [
        None,
        0.5,
        pytest.approx(0.3),
        None,
    ]


# The whole measurement


@pytest.mark.parametrize("where", [0.03, 0.26, 0.55, 0.62, 0.788, 0.93, 0.97])
def test_the_break_even_is_found_to_two_points(where: float, set_times: Any) -> None:
    measured = set_times(lambda sparsity: 0.1 + 0.9 * (1 - sparsity) / (1 - where))
    row = row_of(search())
    assert row["break_even"] == pytest.approx(where, abs=0.02)
    assert row["break_even_own_dense"] == row["break_even"]
    assert row["verdict"] == f"wins from {100 * row['break_even']:.0f} % zeros on"
    assert len(measured) <= 14


def test_speed_ups_are_those_at_their_sparsities(set_times: Any) -> None:
    set_times(lambda sparsity: 2 * (1 - sparsity))
    row = row_of(search())
    for per_cent in (50, 60, 70, 80, 90, 95):
        assert row[f"speedup_{per_cent}"] == pytest.approx(1 / (2 * (1 - per_cent / 100)))


def test_a_format_that_never_wins_says_so(set_times: Any) -> None:
    measured = set_times(lambda _: 1.5)
    row = row_of(search())
    assert (row["break_even"], row["verdict"]) == (None, "never wins")
    assert max(measured) == pytest.approx(0.99)


def test_a_format_that_always_wins_says_zero(set_times: Any) -> None:
    measured = set_times(lambda _: 0.5)
    row = row_of(search())
    assert (row["break_even"], row["verdict"]) == (0, "wins from 0 % zeros on")
    assert min(measured) == 0


def test_the_fastest_dense_layer_is_the_one_to_beat(set_times: Any) -> None:
    set_times(lambda sparsity: 2 * (1 - sparsity), onnxruntime=0.5)
    report = search()
    row = row_of(report)
    assert row["break_even"] == pytest.approx(0.75, abs=0.02)
    assert row["break_even_own_dense"] == pytest.approx(0.5, abs=0.02)
    assert row["speedup_90"] == pytest.approx(2.5)
    assert "dense: sparseinf 1,000,000 us, onnxruntime 500,000 us." in report.notes


def test_a_slower_rival_does_not_count(set_times: Any) -> None:
    set_times(lambda sparsity: 2 * (1 - sparsity), onnxruntime=3.0)
    assert row_of(search())["break_even"] == pytest.approx(0.5, abs=0.02)


def test_a_rival_that_is_left_out_is_named(set_times: Any) -> None:
    set_times(lambda _: 0.5)
    assert any(note.startswith("left out: rival 'onnxruntime'") for note in search().notes)


def test_int8_formats_are_compared_with_dense_int8(set_times: Any) -> None:
    set_times(lambda sparsity: 2 * (1 - sparsity), onnxruntime=0.5)
    report = sparseinf.breakeven(100, 100, 4, formats=["csr"], precision="int8")
    assert row_of(report)["break_even"] == pytest.approx(0.75, abs=0.02)
    assert ", int8, " in report.title
    rivals = "onnxruntime_int8 500,000 us, onnxruntime_int8_blockwise 500,000 us"
    assert f"dense: sparseinf 1,000,000 us, {rivals}." in report.notes


def test_every_int8_format_that_can_be_made_has_a_row(set_times: Any) -> None:
    set_times(lambda sparsity: 2 * (1 - sparsity))
    report = sparseinf.breakeven(64, 64, 4, precision="int8")
    assert tuple(row["format"] for row in report) == known_forms("int8")
    assert "csr" in known_forms("int8")


def test_when_time_runs_out_the_report_says_how_little_is_known(
    set_times: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = set_times(lambda sparsity: 2 * (1 - sparsity) / (1 - 0.3))
    now = iter(range(1000))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: float(next(now))))
    report = sparseinf.breakeven(100, 100, 4, formats=["csr"], seconds=2)
    assert measured == pytest.approx([0.8, 0.5, 0.9])
    assert any("csr: the break-even is known to 0.30 only" in note for note in report.notes)
    assert row_of(report)["speedup_95"] is None


def test_the_current_level_is_measured_and_named(set_times: Any) -> None:
    set_times(lambda _: 0.5)
    with sparseinf.use_isa("scalar"):
        report = search()
    assert report.title.endswith(", scalar")
    assert row_of(report)["kernel"].endswith("_scalar")


def test_the_same_seed_measures_the_same_weights(set_times: Any) -> None:
    set_times(lambda sparsity: 2 * (1 - sparsity))
    assert search().rows == search().rows


def test_every_format_that_can_be_made_has_a_row(set_times: Any) -> None:
    set_times(lambda sparsity: 2 * (1 - sparsity))
    report = sparseinf.breakeven(64, 64, 4)
    assert tuple(row["format"] for row in report) == known_forms()
    assert "csr" in known_forms()


def test_a_form_that_load_cannot_make_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    form = Form("unstructured", {"format": "triangular"})
    monkeypatch.setitem(FORMS, "triangular", form)
    assert "triangular" not in known_forms()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (1, 64, 17)])
def test_tiny_layers_have_an_answer(shape: tuple[int, int, int], set_times: Any) -> None:
    set_times(lambda sparsity: 2 * (1 - sparsity))
    assert len(sparseinf.breakeven(*shape)) == len(known_forms())


def test_a_real_clock_works_too() -> None:
    row = row_of(sparseinf.breakeven(64, 64, 8, formats=["csr"], seconds=0))
    assert "spmm_dense" not in row["kernel"]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "named"),
    [
        ((0, 8, 8), {}, ValueError, "out_features must be at least 1"),
        ((8, 8.5, 8), {}, TypeError, "in_features must be a whole number"),
        ((8, 8, 8), {"formats": ["hash"]}, ValueError, "'hash'.*csr"),
        ((8, 8, 8), {"formats": "csr"}, TypeError, r"write \['csr'\]"),
        ((8, 8, 8), {"seconds": -1}, ValueError, "seconds"),
        ((8, 8, 8), {"precision": "auto"}, ValueError, "precision.*'int8'.*'auto'"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: Any, options: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        sparseinf.breakeven(*arguments, **options)


# Command line and plot


def test_the_command_prints_and_writes_the_report(
    tmp_path: Path, set_times: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    set_times(lambda sparsity: 2 * (1 - sparsity))
    output = tmp_path / "out.json"
    assert main(["breakeven", "64", "96", "8", "--formats", "csr", "--threads", "1", "--json", str(output)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("break-even of 64x96, N = 8, threads = 1, ")
    assert "wins from 50 % zeros on" in printed
    assert json.loads(output.read_text())["rows"][0]["break_even"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    "words",
    [
        ["64", "96"],
        ["64", "96", "0"],
        ["64", "96", "8", "--precision", "auto"],
        ["64", "96", "8", "--seconds", "x"],
        ["64", "96", "8", "--seconds", "-1"],
    ],
)
def test_wrong_usage_exits_with_two(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["breakeven", *words])
    assert stopped.value.code == 2


def test_a_plot_without_matplotlib_names_the_extra_before_anything_is_measured(
    tmp_path: Path, set_times: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = set_times(lambda _: 1.0)
    monkeypatch.setattr(plot, "find_spec", lambda _: None)
    assert main(["breakeven", "8", "8", "8", "--plot", str(tmp_path / "out.png")]) == 1
    assert "sparseinf[plot]" in capsys.readouterr().err
    assert not measured


def test_the_plot_is_a_picture(tmp_path: Path, set_times: Any) -> None:
    pytest.importorskip("matplotlib")
    set_times(lambda sparsity: 2 * (1 - sparsity))
    assert main(["breakeven", "64", "64", "8", "--plot", str(tmp_path / "out.png")]) == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_the_plot_names_every_format_and_its_verdict(tmp_path: Path, set_times: Any) -> None:
    pytest.importorskip("matplotlib")
    set_times(lambda _: 1.5)
    plot.plot_breakeven(search(), tmp_path / "out.svg")
    assert "csr: never wins" in (tmp_path / "out.svg").read_text()


def test_the_function_is_public_but_does_not_make_the_import_slow() -> None:
    assert "breakeven" in sparseinf.__all__
    assert sparseinf.breakeven is module.breakeven
    with pytest.raises(AttributeError, match="no attribute 'evenbreak'"):
        _ = sparseinf.evenbreak
