"""Whole models against other libraries: inputs made up, outputs compared, what cannot be built told."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import model, node, perceptron

import sparseinf
from sparseinf import bench
from sparseinf.cli import main


@pytest.fixture(scope="module")
def network():
    return perceptron((24, 96, 10))


def test_rows_are_in_turn_and_outputs_agree(network):
    pytest.importorskip("onnxruntime")
    loaded = sparseinf.load(network, tune="model", threads=1)
    report = loaded.benchmark(np.ones((3, 24), np.float32), against=["onnxruntime"])
    ours, theirs = report.to_dict()["rows"]
    assert (ours["contender"], ours["relative_time"]) == ("sparseinf", 1.0)
    assert theirs["contender"] == "onnxruntime"
    assert ours["max_relative_error"] < 1e-5
    assert theirs["max_relative_error"] == 0


def test_without_rivals_it_is_measured_alone(network):
    report = sparseinf.load(network, tune="model").benchmark(np.ones((3, 24), np.float32), against=[])
    assert [row["contender"] for row in report.to_dict()["rows"]] == ["sparseinf"]


def test_rivals_that_cannot_be_built_are_told(network, tmp_path):
    loaded = sparseinf.load(network, tune="model")
    x = np.ones((3, 24), np.float32)
    with pytest.raises(ValueError, match="rivals of models are onnxruntime, openvino, but 'numpy' was asked for"):
        loaded.benchmark(x, against=["numpy"])
    loaded.save(tmp_path / "model.safetensors")
    saved = sparseinf.load(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="give its file as source="):
        saved.benchmark(x)
    assert saved.benchmark(x, against=[], source=network).to_dict()["rows"]


def test_inputs_are_made_up_from_the_declared_shapes():
    proto = model(
        [node("Gather", ["table", "ids"], ["z"]), node("Add", ["z", "x"], ["y"])],
        {"ids": ("int64", ["batch", "length"]), "x": ("float32", ["batch", "length", 4])},
        {"y": ("float32", ["batch", "length", 4])},
        {"table": np.zeros((9, 4), np.float32)},
    )
    loaded = sparseinf.load(proto)
    feeds = bench.random_feeds(loaded)
    assert {name: (array.shape, array.dtype.name) for name, array in feeds.items()} == {
        "ids": ((1, 128), "int64"),
        "x": ((1, 128, 4), "float32"),
    }
    assert bench.random_feeds(loaded, {"batch": 3, "length": 5})["x"].shape == (3, 5, 4)
    assert np.array_equal(loaded.run(None, feeds)[0], feeds["x"])


def test_the_commands_take_models(network, tmp_path, capsys):
    path = tmp_path / "network.onnx"
    path.write_bytes(network.SerializeToString())
    assert main(["explain", str(path), "--tune", "model"]) == 0
    assert "2 nodes, 2 of them layers" in capsys.readouterr().out
    assert main(["convert", str(path), "-o", str(tmp_path / "saved.safetensors")]) == 0
    assert sparseinf.load(tmp_path / "saved.safetensors").get_inputs()[0].name == "x"
    with pytest.raises(SystemExit):
        main(["bench", str(path), "--size", "n=many"])


def test_the_bench_command_measures_models(network, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "network.onnx"
    path.write_bytes(network.SerializeToString())
    assert main(["bench", str(path), "--quick", "--size", "n=7", "--against", "onnxruntime"]) == 0
    assert "onnxruntime" in capsys.readouterr().out
