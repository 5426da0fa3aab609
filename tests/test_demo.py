"""The demonstration: a really pruned network whose figures are counted, not claimed."""

from __future__ import annotations

import sys
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sparseinf import demo
from sparseinf.bench import rivals

pytest.importorskip("sklearn", reason="the digits come with scikit-learn (extra demo)")

if TYPE_CHECKING:
    from pathlib import Path

    from sparseinf.report import Report


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    """Return the demo's tables, made in an empty folder and without ONNX Runtime."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        patch.setattr(rivals, "missing_packages", lambda name: ["onnx"] if name == "onnxruntime" else [])
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
    weights, _ = demo.load_weights()
    sizes = {name: layer.out_features * layer.in_features for name, layer in weights.items()}
    zeros = sum(layer.sparsity * sizes[name] for name, layer in weights.items())
    assert zeros / sum(sizes.values()) >= 0.95


def test_the_file_in_the_package_is_small() -> None:
    assert len((files("sparseinf.demo") / "digits.safetensors").read_bytes()) < 2_000_000


def test_pruning_cost_at_most_half_a_point_of_accuracy(reports: list[Report]) -> None:
    dense, sparse = (row["accuracy_percent"] for row in reports[0])
    assert sparse >= dense - 0.5


def test_the_dense_network_was_well_trained(reports: list[Report]) -> None:
    assert reports[0].rows[0]["accuracy_percent"] > 97


def test_the_sparse_network_takes_less_memory_and_disk(reports: list[Report]) -> None:
    dense, sparse = reports[0].rows
    assert sparse["memory_bytes"] < dense["memory_bytes"]
    assert sparse["file_bytes"] < dense["file_bytes"] / 10


def test_the_time_is_shown_at_every_batch_against_numpy(reports: list[Report]) -> None:
    assert [(row["batch"], row["contender"]) for row in reports[1]] == [
        (batch, contender) for batch in (1, 16, 256) for contender in ("sparseinf", "numpy")
    ]


def test_both_contenders_give_the_right_answers(reports: list[Report]) -> None:
    assert all(row["max_relative_error"] < 1e-5 for row in reports[1])


def test_a_rival_that_is_not_installed_is_named(reports: list[Report]) -> None:
    assert any(note.startswith("onnxruntime was left out") for note in reports[1].notes)


def test_the_explanation_comes_last(reports: list[Report]) -> None:
    expected = demo.load_weights()[0].explain()
    assert reports[2].columns == expected.columns
    assert [(row["layer"], row["columns"]) for row in reports[2]] == [
        (row["layer"], row["columns"]) for row in expected
    ]


def test_the_demo_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    next(demo.reports())
    assert list(tmp_path.iterdir()) == []
