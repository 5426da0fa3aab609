"""ONNX files that are damaged or hostile: an exception of ours, or a model that runs or says why not."""

from __future__ import annotations

import warnings
from contextlib import suppress

import numpy as np
import pytest
from onnx_models import model, node, onnx, perceptron

import sparseinf

NETWORKS = {
    "perceptron": perceptron((5, 7, 3)),
    "shapes": model(
        [
            node("Reshape", ["x", "shape"], ["r"]),
            node("Concat", ["r", "r"], ["c"], axis=0),
            node("Gather", ["c", "indices"], ["g"]),
            node("Softmax", ["g"], ["y"]),
        ],
        {"x": ("float32", ["n", 4])},
        {"y": ("float32", [None, None])},
        {"shape": np.array([2, -1]), "indices": np.array([1, 0])},
    ),
}


def damaged(data: bytes, generator: np.random.Generator) -> bytes:
    """Change, remove or insert a few bytes, or cut the end off."""
    changed = bytearray(data)
    for _ in range(generator.integers(1, 4)):
        at = int(generator.integers(len(changed)))
        match generator.integers(8):
            case 0:
                del changed[at + 1 :]
            case 1 | 2:
                del changed[at : at + int(generator.integers(1, 9))]
            case 3 | 4:
                changed[at:at] = generator.bytes(int(generator.integers(1, 5)))
            case _:
                changed[at] = int(generator.integers(256))
        changed = changed or bytearray(1)
    return bytes(changed)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_are_refused_or_run(name, seed):
    generator = np.random.default_rng(seed)
    data = NETWORKS[name].SerializeToString()
    counts = {"refused": 0, "loaded": 0}
    for _ in range(60):
        try:
            loaded = sparseinf.load(damaged(data, generator), tune="off")
        except (sparseinf.CorruptFileError, sparseinf.UnsupportedModelError):
            counts["refused"] += 1
            continue
        counts["loaded"] += 1
        run_or_refuse(loaded)
    assert counts["refused"] > 0


def run_or_refuse(loaded):
    feeds = {}
    for port in loaded.get_inputs():
        extents = [extent if isinstance(extent, int) and extent < 50 else 2 for extent in port.shape or []]
        feeds[port.name] = np.ones(extents, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # weights may have become anything
        with suppress(TypeError, ValueError):
            loaded.run(None, feeds)


def test_nodes_in_a_circle():
    proto = model(
        [node("Add", ["x", "b"], ["a"]), node("Add", ["a", "x"], ["b"])],
        {"x": ("float32", [2])},
        {"b": ("float32", [2])},
    )
    with pytest.raises(sparseinf.CorruptFileError, match="not what ONNX allows"):
        sparseinf.load(proto)


def test_inputs_that_nothing_makes():
    proto = model([node("Add", ["x", "missing"], ["y"])], {"x": ("float32", [2])}, {"y": ("float32", [2])})
    with pytest.raises(sparseinf.CorruptFileError, match="missing"):
        sparseinf.load(proto)


def test_shapes_beyond_all_memory():
    proto = model(
        [node("Reshape", ["x", "shape"], ["y"])],
        {"x": ("float32", ["n"])},
        {"y": ("float32", [None, None])},
        {"shape": np.array([1 << 40, 1 << 40])},
    )
    loaded = sparseinf.load(proto)
    with pytest.raises(ValueError, match="cannot become"):
        loaded(np.ones(4, np.float32))


def test_external_data_outside_the_folder(tmp_path):
    weight = np.ones((64, 64), np.float32)
    proto = model(
        [node("MatMul", ["x", "w"], ["y"])], {"x": ("float32", [1, 64])}, {"y": ("float32", [1, 64])}, {"w": weight}
    )
    inside, outside = tmp_path / "models" / "model.onnx", tmp_path / "secret.bin"
    inside.parent.mkdir()
    outside.write_bytes(weight.tobytes())
    onnx.save(proto, str(inside), save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert np.array_equal(sparseinf.load(inside)(np.ones((1, 64), np.float32)), np.full((1, 64), 64, np.float32))
    described = onnx.load(str(inside), load_external_data=False)
    for entry in described.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../secret.bin"
    inside.write_bytes(described.SerializeToString())
    with pytest.raises(sparseinf.CorruptFileError, match="external data"):
        sparseinf.load(inside)
    inside.write_bytes(described.SerializeToString().replace(b"../secret.bin", b"not_there.bin"))
    with pytest.raises(sparseinf.CorruptFileError):
        sparseinf.load(inside)
