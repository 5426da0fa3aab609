"""The demonstration: a really pruned network whose figures are counted, not claimed."""

from __future__ import annotations

import sys
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import pytest

import sparseinf
from sparseinf import demo
from sparseinf.bench import rivals
from sparseinf.quantize import ActivationQuantization

pytest.importorskip("sklearn", reason="the digits come with scikit-learn (extra demo)")

if TYPE_CHECKING:
    from pathlib import Path

    from sparseinf.report import Report


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    """Return the demo's tables, made in an empty folder and without ONNX Runtime."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        patch.setattr(rivals, "missing_packages", lambda name: ["onnx"] if name.startswith("onnx") else [])
        return list(demo.reports())


def test_digits_are_split_without_overlap() -> None:
    digits = demo.load_digits()
    assert (len(digits.train_images), len(digits.test_images)) == (1437, 360)


def test_digits_are_pixels_from_zero_to_one() -> None:
    images = demo.load_digits().train_images
    assert (images.dtype, images.min(), images.max()) == (np.float32, 0, 1)


def test_without_scikit_learn_the_demo_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"sparseinf\[demo\]"):
        next(demo.reports())


def test_the_network_is_pruned_to_95_percent() -> None:
    weights = demo.load_weights()
    sizes = {name: layer.out_features * layer.in_features for name, layer in weights.items()}
    zeros = sum(layer.sparsity * sizes[name] for name, layer in weights.items())
    assert zeros / sum(sizes.values()) >= 0.95


def test_the_file_in_the_package_is_small() -> None:
    assert len((files("sparseinf.demo") / "digits.safetensors").read_bytes()) < 2_000_000


def test_the_networks_are_dense_sparse_and_sparse_in_int8(reports: list[Report]) -> None:
    assert [row["network"] for row in reports[0]] == ["dense float32", "sparse float32", "sparse int8"]


def test_pruning_cost_at_most_half_a_point_of_accuracy(reports: list[Report]) -> None:
    dense, sparse, _ = (row["accuracy_percent"] for row in reports[0])
    assert sparse >= dense - 0.5


def test_int8_cost_at_most_half_a_point_more(reports: list[Report]) -> None:
    _, sparse, int8 = (row["accuracy_percent"] for row in reports[0])
    assert int8 >= sparse - 0.5


def test_the_dense_network_was_well_trained(reports: list[Report]) -> None:
    assert reports[0].rows[0]["accuracy_percent"] > 97


def test_the_sparse_network_takes_less_memory_and_disk(reports: list[Report]) -> None:
    dense, sparse, _ = reports[0].rows
    assert sparse["memory_bytes"] < dense["memory_bytes"]
    assert sparse["file_bytes"] < dense["file_bytes"] / 10


def test_the_file_in_int8_takes_at_most_2_3_bytes_a_nonzero(reports: list[Report]) -> None:
    _, sparse, int8 = reports[0].rows
    assert int8["bytes_a_nonzero"] <= 2.3
    assert int8["file_bytes"] < sparse["file_bytes"] / 2


def test_bytes_a_nonzero_are_those_of_a_file_that_load_reads_again(reports: list[Report], tmp_path: Path) -> None:
    network = demo.load_network(demo.load_weights("int8"))
    sparseinf.SparseWeights({layer.name: layer for layer in network}, {}).save(tmp_path / "digits.safetensors")
    num_bytes = (tmp_path / "digits.safetensors").stat().st_size
    again = sparseinf.load(tmp_path / "digits.safetensors", tune="model")
    num_nonzeros = sum(np.count_nonzero(layer.weight.to_dense()) for layer in again.values())
    assert reports[0].rows[2]["file_bytes"] == num_bytes
    assert reports[0].rows[2]["bytes_a_nonzero"] == pytest.approx(num_bytes / num_nonzeros)


def test_memory_is_that_of_the_packs(reports: list[Report]) -> None:
    packs = demo.load_network(demo.load_weights(), format="dense")
    assert reports[0].rows[0]["memory_bytes"] == sum(layer.nbytes for layer in packs)


def test_the_network_in_int8_computes_in_int8_with_a_scale_for_each_row_of_x() -> None:
    for layer in demo.load_network(demo.load_weights("int8")):
        assert layer.precision == "int8"
        assert layer.record().activations == ActivationQuantization("column").to_dict()


def test_static_scales_of_weights_are_kept_by_their_network() -> None:
    weights = demo.load_weights()
    tensors = {f"{name}.weight": layer.weight.to_dense() for name, layer in weights.items()}
    samples = {"fc1": demo.load_digits().train_images[:10]}
    calibrated = sparseinf.load(tensors, precision="int8", calibration=samples, tune="model")
    layer = demo.load_network(calibrated)[0]
    assert layer.activation == "relu"
    assert layer.record().activations == calibrated["fc1"].record().activations
    assert layer.record().activations["scales"] == "static"


def test_the_notes_say_how_int8_was_made(reports: list[Report]) -> None:
    assert any("precision='int8'" in note and "dynamic scales" in note for note in reports[0].notes)


def test_the_time_of_each_network_is_shown_at_every_batch_against_numpy(reports: list[Report]) -> None:
    contenders = ("sparse float32", "sparse int8", "dense float32", "numpy")
    assert [(row["batch"], row["contender"]) for row in reports[1]] == [
        (batch, contender) for batch in (1, 16, 256) for contender in contenders
    ]


def test_the_precision_stands_beside_the_time(reports: list[Report]) -> None:
    assert all((row["precision"] == "int8") == (row["contender"] == "sparse int8") for row in reports[1])


def test_all_contenders_give_the_right_answers(reports: list[Report]) -> None:
    for row in reports[1]:
        assert row["max_relative_error"] < {"float32": 1e-5, "int8": 1e-2}[row["precision"]]


def test_the_error_of_int8_is_told_against_float32(reports: list[Report]) -> None:
    assert all(row["max_relative_error"] > 1e-5 for row in reports[1] if row["precision"] == "int8")


@pytest.mark.parametrize("name", ["onnxruntime", "onnxruntime_int8"])
def test_a_rival_that_is_not_installed_is_named(reports: list[Report], name: str) -> None:
    assert any(note.startswith(f"{name} was left out") for note in reports[1].notes)


@pytest.mark.parametrize(("number", "precision"), [(2, "float32"), (3, "int8")])
def test_the_explanations_come_last(reports: list[Report], number: int, precision: str) -> None:
    expected = demo.load_weights(precision).explain()
    assert reports[number].columns == expected.columns
    assert [(row["layer"], row["columns"], row["precision"]) for row in reports[number]] == [
        (row["layer"], row["columns"], row["precision"]) for row in expected
    ]


def test_the_demo_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    next(demo.reports())
    assert list(tmp_path.iterdir()) == []
