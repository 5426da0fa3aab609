"""The benchmark machinery on tiny layers: that it is fair, complete and honest, not how fast anything is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sparseinf
from sparseinf import bench
from sparseinf.bench import comparison, rivals
from sparseinf.bench.reference import evaluate, formula, max_relative_error
from sparseinf.bench.rivals.own import contender_of
from sparseinf.formats import Csr
from sparseinf.io import LinearRecord
from sparseinf.report import Report

if TYPE_CHECKING:
    from pathlib import Path

ACTIVATIONS = [
    None,
    "relu",
    "relu6",
    ("clip", -0.5, 0.25),
    "gelu",
    "gelu_tanh",
    "silu",
    "hardswish",
    "hardsigmoid",
    "sigmoid",
    "tanh",
    ("leaky_relu", 0.1),
]


# Eight bits have errors of a few per cent; every other rival computes in float32.
LARGEST_ERROR = dict.fromkeys(rivals.known_rivals("float32"), 1e-5) | dict.fromkeys(rivals.known_rivals("int8"), 0.1)


def linear(rows: int, columns: int, activation: Any = None, *, bias: bool = True) -> LinearRecord:
    rng = np.random.default_rng(rows)
    weight = Csr.from_dense(bench.random_weight((rows, columns), 0.7, seed=rows))
    return LinearRecord(weight, rng.standard_normal(rows, dtype=np.float32) if bias else None, activation)


def require(rival: str) -> None:
    if missing := rivals.missing_packages(rival):
        pytest.skip(f"the rival {rival} needs {' and '.join(missing)}")


# Timing


def a_millisecond_or_more() -> int:
    """Take long enough for one call to make a sample."""
    return sum(range(100_000))


def test_alternate_calls_every_contender_equally_often() -> None:
    calls: list[str] = []
    contenders = {name: lambda name=name: (calls.append(name), a_millisecond_or_more()) for name in "ab"}
    bench.alternate(contenders, warmup=3, repeats=5, min_seconds=0)
    assert calls.count("a") == calls.count("b") == 3 + 2 * 5


def test_alternate_rotates_who_goes_first() -> None:
    calls: list[str] = []
    contenders = {name: lambda name=name: (calls.append(name), a_millisecond_or_more()) for name in "abc"}
    bench.alternate(contenders, warmup=1, repeats=3, min_seconds=0)
    assert "".join(calls) == "abc" + "aabbcc" + "bbccaa" + "ccaabb"


def test_alternate_takes_at_least_the_samples_asked_for() -> None:
    assert bench.alternate({"a": lambda: None}, repeats=7, min_seconds=0)["a"].samples == 7


def test_alternate_makes_short_calls_many_times_a_sample() -> None:
    assert bench.alternate({"a": lambda: None}, repeats=1, min_seconds=0)["a"].calls_per_sample > 1


def test_alternate_without_contenders_returns_nothing() -> None:
    assert bench.alternate({}) == {}


def test_alternate_refuses_zero_repeats() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        bench.alternate({"a": lambda: None}, repeats=0)


def test_spread_is_the_distance_of_the_quartiles_over_the_median() -> None:
    assert bench.Timing(2.0, 1.5, 2.5, 20, 1).spread == 0.5


def test_only_calls_with_threads_rest() -> None:
    assert bench.rest_after_threads(1) == 0 < bench.rest_after_threads(2)


# Reference and rivals


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", [0, 0.5, 8]),
        ("relu6", [0, 0.5, 6]),
        (("clip", -1, 1), [-1, 0.5, 1]),
        ("gelu", [-0.004049694, 0.345731231, 8]),
        ("gelu_tanh", [-0.003637392, 0.345714003, 8]),
        ("silu", [-0.142277620, 0.311229666, 7.997317198]),
        ("hardswish", [0, 0.291666667, 8]),
        ("hardsigmoid", [0, 0.583333333, 1]),
        ("sigmoid", [0.047425873, 0.622459331, 0.999664650]),
        ("tanh", [-0.995054754, 0.462117157, 0.999999775]),
        (("leaky_relu", 0.1), [-0.3, 0.5, 8]),
    ],
)
def test_formulas_give_the_known_values(activation: Any, expected: list[float]) -> None:
    np.testing.assert_allclose(formula(activation)(np.array([-3.0, 0.5, 8.0])), expected, atol=1e-8)


def test_an_unknown_activation_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="softsign"):
        formula("softsign")


@pytest.mark.parametrize("name", rivals.known_rivals())
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_every_rival_computes_every_activation(name: str, activation: Any) -> None:
    require(name)
    layers = [linear(20, 30, activation), linear(7, 20, activation, bias=False)]
    x = bench.random_input(5, 30)
    assert max_relative_error(rivals.build(name, layers)(x), evaluate(layers, x)) < LARGEST_ERROR[name]


@pytest.mark.parametrize("name", rivals.known_rivals())
def test_every_rival_serves_one_column(name: str) -> None:
    require(name)
    layers = [linear(20, 30, "relu")]
    x = bench.random_input(1, 30)
    assert max_relative_error(rivals.build(name, layers)(x), evaluate(layers, x)) < LARGEST_ERROR[name]


@pytest.mark.parametrize("name", rivals.known_rivals())
def test_rivals_leave_x_alone(name: str) -> None:
    require(name)
    x = bench.random_input(3, 30)
    before = x.copy()
    rivals.build(name, [linear(20, 30, "relu")])(x)
    np.testing.assert_array_equal(x, before)


def test_dense_rivals_hold_every_weight_and_sparse_ones_only_the_nonzeros() -> None:
    require("scipy")
    layer = linear(20, 30)
    assert rivals.build("numpy", [layer]).nbytes == 4 * 20 * 30
    assert rivals.build("scipy", [layer]).nbytes == 8 * layer.weight.num_nonzeros + 4 * 21


def test_an_unknown_rival_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'deepfast'.*onnxruntime"):
        rivals.build("deepfast", [linear(4, 5)])


def test_a_rival_that_is_not_installed_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match="'onnxruntime' needs onnxruntime and onnx"):
        rivals.build("onnxruntime", [linear(4, 5)])


def test_a_rival_that_cannot_run_a_layer_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'numpy' cannot be built.*softsign"):
        rivals.build("numpy", [linear(4, 5, "softsign")])


def test_rivals_not_asked_for_by_name_are_left_out_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "find_spec", lambda _: None)
    found, notes = rivals.choose(None, [linear(4, 5)])
    left_out = [re.search("rival '(.*?)'", note)[1] for note in notes]  # type: ignore[index]
    assert [rival.name for rival in found] == [name for name in rivals.known_rivals() if name not in left_out]
    assert set(left_out) >= {name for name in rivals.known_rivals() if not name.startswith("sparseinf_")}


def test_torch_gets_its_threads_back() -> None:
    torch = pytest.importorskip("torch", reason="the rival torch is not installed")
    before = torch.get_num_threads()
    with rivals.build("torch", [linear(4, 5)], threads=1).held():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


# Masks


def test_a_mask_gives_nonzeros_where_it_says(tmp_path: Path) -> None:
    path = tmp_path / "mask.smtx"
    path.write_text("2, 4, 3\n0 2 3\n3 1 0\n")
    expected = [[False, True, False, True], [True, False, False, False]]
    np.testing.assert_array_equal(bench.read_mask(path).to_dense() != 0, expected)


def test_a_mask_without_nonzeros_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mask.smtx"
    path.write_text("2, 4, 0\n0 0 0\n")
    assert bench.read_mask(path).num_nonzeros == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2, 4\n0 1 2\n0 1\n",
        "2, 4, 3\n0 1 2\n0 1\n",
        "2, 4, 2\n0 1\n0 1\n",
        "2, 4, 2\n0 2 1\n0 1\n",
        "2, 4, 2\n0 1 2\n0 4\n",
        "2, 4, 2\n0 1 2\n0 -1\n",
        "2, 4, 2\n0 2 2\n1 1\n",
        "2, 4, 2\n0 1 2\n0 x\n",
        "2, 4, 2\n0 1 2\n0 99999999999999999999\n",
    ],
)
def test_a_lying_mask_is_refused_by_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lie.smtx"
    path.write_text(text)
    with pytest.raises(sparseinf.CorruptFileError, match=r"lie\.smtx"):
        bench.read_mask(path)


def test_a_folder_without_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"\.smtx"):
        list(bench.mask_cases(tmp_path, [1]))


# Comparison


@pytest.fixture
def layer() -> sparseinf.SparseLinear:
    weight = bench.random_weight((20, 30), 0.8)
    return sparseinf.load(weight, bias=np.ones(20, np.float32), activation="relu", threads=1, tune="model")


@pytest.fixture
def report(layer: sparseinf.SparseLinear) -> Report:
    x = bench.random_input(6, 30)
    return bench.compare_stack([layer], [x[:1], x], against=["numpy", "sparseinf_dense"], min_seconds=0)


def test_every_input_has_a_row_for_every_contender_ours_first(report: Report) -> None:
    names = ["sparseinf", "numpy", "sparseinf_dense"]
    assert [(row["batch"], row["contender"]) for row in report] == [(n, c) for n in (1, 6) for c in names]


def test_our_own_relative_time_is_one(report: Report) -> None:
    assert [row["relative_time"] for row in report if row["contender"] == "sparseinf"] == [1, 1]


def test_every_row_carries_its_error_against_float64(report: Report) -> None:
    assert all(row["max_relative_error"] < 1e-5 for row in report)


def test_gflops_are_dense_equivalent(report: Report) -> None:
    for row in report:
        assert row["gflops"] == pytest.approx(2e-3 * 20 * 30 * row["batch"] / row["median_us"])


def test_our_row_names_the_kernel(report: Report, layer: sparseinf.SparseLinear) -> None:
    assert report.rows[0]["runs"] == layer.plan(1).kernel


def test_notes_state_the_machine_and_the_date(report: Report) -> None:
    assert report.notes.count(bench.machine_sentence()) == 1


def test_a_stack_of_layers_is_compared_as_one(layer: sparseinf.SparseLinear) -> None:
    second = sparseinf.load(bench.random_weight((5, 20), 0.5), threads=1, tune="model")
    report = bench.compare_stack([layer, second], [bench.random_input(3, 30)], against=["numpy"], min_seconds=0)
    assert {row["shape"] for row in report} == {"5x20x30"}
    assert all(row["max_relative_error"] < 1e-5 for row in report)


def test_a_contender_that_is_built_already_comes_after_ours(layer: sparseinf.SparseLinear) -> None:
    beside = [contender_of([layer], name="again")]
    x = bench.random_input(3, 30)
    report = bench.compare_stack([layer], [x], against=["numpy"], beside=beside, min_seconds=0)
    assert [row["contender"] for row in report] == ["sparseinf", "again", "numpy"]
    assert report.rows[1]["max_relative_error"] == report.rows[0]["max_relative_error"] < 1e-5


def test_a_contender_that_is_built_already_cannot_come_from_memory(layer: sparseinf.SparseLinear) -> None:
    x = bench.random_input(1, 30)
    with pytest.raises(ValueError, match="beside"):
        bench.compare_stack([layer], [x], against=[], beside=[contender_of([layer])], from_memory=True)


def test_a_wrong_answer_shows(layer: sparseinf.SparseLinear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "evaluate", lambda layers, x: evaluate(layers, x) + 1)
    report = bench.compare_stack([layer], [bench.random_input(3, 30)], against=[], min_seconds=0)
    assert report.rows[0]["max_relative_error"] > 0.1
    assert any(note.startswith("WRONG: sparseinf ") for note in report.notes)


def test_weights_from_memory_take_turns(layer: sparseinf.SparseLinear, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = bench.measured_peaks() | {"caches": {"l3_bytes": 2400}}
    monkeypatch.setattr(comparison, "measured_peaks", lambda: peaks)
    built: list[str] = []
    build = rivals.build
    monkeypatch.setattr(
        rivals, "build", lambda name, *args, **options: built.append(name) or build(name, *args, **options)
    )
    x = bench.random_input(1, 30)
    report = bench.compare_stack([layer], [x], against=["numpy"], from_memory=True, min_seconds=0)
    assert len(built) == 4  # 4 x 2400 bytes of cache over 2400 bytes of weights
    assert all(row["of_bandwidth"] > 0 for row in report)


def test_tiny_weights_are_not_said_to_come_from_memory(layer: sparseinf.SparseLinear) -> None:
    with pytest.raises(ValueError, match="from_memory=False"):
        bench.compare_stack([layer], [bench.random_input(1, 30)], against=[], from_memory=True)


def test_x_that_is_no_array_is_refused_with_the_repair(layer: sparseinf.SparseLinear) -> None:
    with pytest.raises(TypeError, match=r"np\.asarray"):
        layer.benchmark([[1.0] * 30], against=[])  # type: ignore[arg-type]


def test_a_single_name_is_no_sequence_of_rivals(layer: sparseinf.SparseLinear) -> None:
    with pytest.raises(TypeError, match=r"write \['numpy'\]"):
        layer.benchmark(np.ones((1, 30), np.float32), against="numpy")


def test_x_of_another_dtype_is_refused_with_the_repair(layer: sparseinf.SparseLinear) -> None:
    with pytest.raises(TypeError, match=r"astype\(np\.float32\)"):
        bench.compare_stack([layer], [np.ones((2, 30))])  # type: ignore[list-item]


@pytest.mark.parametrize("shape", [(0, 30), (2, 29), ()])
def test_x_that_cannot_be_timed_is_refused(layer: sparseinf.SparseLinear, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="in_features = 30"):
        bench.compare_stack([layer], [np.ones(shape, np.float32)])


def test_the_method_of_a_layer_compares_it(layer: sparseinf.SparseLinear) -> None:
    report = layer.benchmark(bench.random_input(2, 30), against=["numpy"])
    assert [row["contender"] for row in report] == ["sparseinf", "numpy"]


def test_the_method_of_a_layer_refuses_a_rival_by_name(layer: sparseinf.SparseLinear) -> None:
    with pytest.raises(ValueError, match="'deepfast'"):
        layer.benchmark(bench.random_input(2, 30), against=["deepfast"])


def test_a_suite_has_the_rows_of_all_cases(tmp_path: Path) -> None:
    (tmp_path / "mask.smtx").write_text("2, 4, 2\n0 1 2\n0 1\n")
    cases = [*bench.random_cases([(8, 9, 3)], [0.5, 0.9]), *bench.mask_cases(tmp_path, [1, 2])]
    report = bench.run(cases, against=[], min_seconds=0)
    assert [(row["layer"], row["batch"]) for row in report] == [
        ("unstructured 50%", 3),
        ("unstructured 90%", 3),
        ("mask", 1),
        ("mask", 2),
    ]


# Publishing


def test_json_states_the_machine_beside_the_rows(report: Report, tmp_path: Path) -> None:
    bench.write_json(report, tmp_path / "out.json")
    data = json.loads((tmp_path / "out.json").read_text())
    assert data["machine"]["cpu"] == sparseinf.cpu_info()["model"]
    assert data["rows"] == report.rows


def test_json_keeps_a_nan_visible(tmp_path: Path) -> None:
    bench.write_json(Report("t", ["error"], [{"error": float("nan")}]), tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["rows"] == [{"error": "nan"}]


def test_markdown_is_the_table_of_the_report(report: Report, tmp_path: Path) -> None:
    bench.write_markdown(report, tmp_path / "out.md")
    assert (tmp_path / "out.md").read_text() == report.to_markdown() + "\n"
