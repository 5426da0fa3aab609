"""`Model`: ONNX in, arrays in and out by ONNX Runtime's convention, saved files, and what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from onnx_models import model, node, onnx, perceptron, reference

import sparseinf
from sparseinf.model import Port


def samples(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    return perceptron((24, 96, 48, 10))


@pytest.fixture(scope="module")
def loaded(network):
    return sparseinf.load(network, tune="model")


class TestCalls:
    def test_give_what_onnx_gives(self, network, loaded):
        for rows in (0, 1, 3, 40):
            x = samples(rows, 24)
            y = loaded(x)
            assert y.dtype == np.float32
            np.testing.assert_allclose(y, reference(network, {"x": x})[0], atol=1e-4)
            assert np.array_equal(loaded.run(None, {"x": x})[0], y)
            assert np.array_equal(loaded.run(["y"], {"x": x[::-1]})[0], loaded(np.ascontiguousarray(x[::-1])))

    def test_may_come_from_several_threads_at_once(self, loaded):
        inputs = [samples(5, 24, seed=seed) for seed in range(40)]
        expected = [loaded(x) for x in inputs]
        with ThreadPoolExecutor(8) as pool:
            assert all(map(np.array_equal, pool.map(loaded, inputs), expected))

    def test_outputs_are_arrays_of_their_own(self, loaded):
        x = samples(3, 24)
        first = loaded(x)
        kept = first.copy()
        loaded(samples(3, 24, seed=7))
        assert np.array_equal(first, kept)
        first[:] = 0
        assert np.array_equal(loaded(x), kept)

    def test_several_outputs_come_in_the_models_order(self):
        proto = model(
            [node("Add", ["a", "b"], ["sum"]), node("Mul", ["a", "b"], ["product"]), node("Identity", ["a"], ["same"])],
            {"a": ("float32", [2, "n"]), "b": ("float32", ["n"])},
            {name: ("float32", [2, "n"]) for name in ("product", "sum", "same", "a")},
        )
        loaded = sparseinf.load(proto)
        a, b = samples(2, 5), samples(5)
        product, total, same, again = loaded(a, b)
        assert np.array_equal(product, a * b)
        assert np.array_equal(total, a + b)
        assert np.array_equal(same, a)
        assert not np.shares_memory(same, a)
        assert not np.shares_memory(again, a)
        assert [np.array_equal(y, a + b) for y in loaded.run(["sum", "sum"], {"a": a, "b": b})] == [True, True]

    def test_nodes_without_a_native_operation_run_by_onnx(self):
        proto = model(
            [node("Gemm", ["x", "w"], ["z"]), node("Det", ["z"], ["d"]), node("Neg", ["d"], ["y"])],
            {"x": ("float32", [4, 4])},
            {"y": ("float32", [])},
            {"w": np.eye(4, dtype=np.float32)},
        )
        loaded = sparseinf.load(proto)
        x = samples(4, 4)
        np.testing.assert_allclose(loaded(x), -np.linalg.det(x), rtol=1e-4)
        assert "Det" in str(loaded.explain())
        assert sorted(row["runs"] for row in loaded.profile(x).to_dict()["rows"]) == ["native", "native", "reference"]


class TestFace:
    def test_ports_are_those_of_onnx_runtime(self, loaded):
        assert loaded.get_inputs() == [Port("x", ["n", 24], "tensor(float)")]
        assert loaded.get_outputs() == [Port("y", ["n", 10], "tensor(float)")]

    def test_explain_has_a_row_for_each_layer_and_range(self, loaded):
        assert len(loaded.layers) == 3
        assert len(loaded.explain().to_dict()["rows"]) == 9
        assert "Model(x: 3 nodes, 3 layers" in repr(loaded)
        assert loaded.nbytes > 0

    def test_profile_names_every_node(self, loaded):
        rows = loaded.profile(samples(2, 24)).to_dict()["rows"]
        assert {row["operator"] for row in rows} == {"Linear"}
        assert sum(row["share_percent"] for row in rows) == pytest.approx(100)


class TestSources:
    def test_may_be_a_file_bytes_or_a_proto(self, network, loaded, tmp_path):
        (tmp_path / "network.onnx").write_bytes(network.SerializeToString())
        x = samples(3, 24)
        for source in (tmp_path / "network.onnx", str(tmp_path / "network.onnx"), network.SerializeToString()):
            assert np.array_equal(sparseinf.load(source, tune="model")(x), loaded(x))

    def test_saved_models_compute_the_same(self, loaded, tmp_path):
        loaded.save(tmp_path / "model.safetensors")
        again = sparseinf.load(tmp_path / "model.safetensors")
        x = samples(3, 24)
        assert np.array_equal(again(x), loaded(x))
        assert again.get_inputs() == loaded.get_inputs()
        assert str(again) == str(loaded)

    def test_loops_are_saved_too(self, tmp_path):
        body = onnx.parser.parse_graph(
            "body (int64 i, bool goes, float[2] sum) => (bool goes_on, float[2] next, float[2] seen) "
            "{ goes_on = Identity(goes)  next = Add(sum, x)  seen = Neg(next) }"
        )
        proto = model(
            [node("Loop", ["n", "", "x"], ["last", "all"], body=body)],
            {"x": ("float32", [2]), "n": ("int64", [])},
            {"last": ("float32", [2]), "all": ("float32", ["n", 2])},
        )
        loaded = sparseinf.load(proto)
        loaded.save(tmp_path / "loop.safetensors")
        for either in (loaded, sparseinf.load(tmp_path / "loop.safetensors")):
            last, seen = either(np.array([1, 2], np.float32), np.array(2))
            assert last.tolist() == [3, 6]
            assert seen.tolist() == [[-2, -4], [-3, -6]]
        assert loaded(np.array([1, 2], np.float32), np.array(0))[1].shape[0] == 0

    def test_options_are_those_of_layers(self, network):
        loaded = sparseinf.load(network, precision="int8", threads=1)
        assert {layer.precision for layer in loaded.layers.values()} == {"int8"}
        x = samples(50, 24)
        expected = reference(network, {"x": x})[0]
        assert np.abs(loaded(x) - expected).max() < 0.05 * np.abs(expected).max()


class TestRefused:
    @pytest.mark.parametrize(
        ("feeds", "error", "words"),
        [
            ({}, ValueError, r"inputs are \['x'\], but \['x'\] are missing"),
            ({"x": samples(2, 24), "z": samples(1)}, ValueError, r"but \['z'\] came"),
            ({"x": samples(2, 24).astype(np.float64)}, TypeError, r"dtype float32, but is of dtype float64.*astype"),
            ({"x": [[0.0] * 24]}, TypeError, "but is of type list"),
            ({"x": samples(2, 25)}, ValueError, r"shape \(n, 24\).* has shape \(2, 25\)"),
            ({"x": samples(24)}, ValueError, r"shape \(n, 24\), but has shape \(24,\)"),
        ],
    )
    def test_feeds_that_do_not_fit(self, loaded, feeds, error, words):
        with pytest.raises(error, match=words):
            loaded.run(None, feeds)

    def test_outputs_that_there_are_not(self, loaded):
        with pytest.raises(ValueError, match=r"outputs are \['y'\], but \['z'\] were asked for"):
            loaded.run(["z"], {"x": samples(1, 24)})

    def test_too_many_inputs(self, loaded):
        with pytest.raises(ValueError, match=r"has 1 inputs \(x\), but 2 came"):
            loaded(samples(1, 24), samples(1, 24))

    def test_shapes_that_contradict_each_other_on_the_way(self):
        proto = model(
            [node("Add", ["a", "b"], ["y"])],
            {"a": ("float32", [None]), "b": ("float32", [None])},
            {"y": ("float32", [None])},
        )
        with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\) do not fit"):
            sparseinf.load(proto)(samples(2), samples(3))

    def test_bytes_that_are_no_model(self, network, tmp_path):
        with pytest.raises(sparseinf.CorruptFileError, match="no ONNX model"):
            sparseinf.load(b"\xff\xff\xff")
        with pytest.raises(sparseinf.CorruptFileError):
            sparseinf.load(network.SerializeToString()[:-50])
        (tmp_path / "empty.onnx").write_bytes(b"")
        with pytest.raises(sparseinf.CorruptFileError):
            sparseinf.load(tmp_path / "empty.onnx")
        with pytest.raises(FileNotFoundError, match=r"no file .*missing\.onnx"):
            sparseinf.load(tmp_path / "missing.onnx")

    def test_operators_that_nobody_knows(self):
        proto = model(
            [node("Invert", ["x"], ["z"], domain="nowhere"), node("Twist", ["z"], ["y"], domain="nowhere")],
            {"x": ("float32", [2, 2])},
            {"y": ("float32", [2, 2])},
            domains={"nowhere": 1},
        )
        with pytest.raises(sparseinf.UnsupportedModelError, match=r"nowhere\.Invert, nowhere\.Twist"):
            sparseinf.load(proto)

    def test_bias_belongs_to_single_weights(self, network):
        with pytest.raises(TypeError, match="bias and activation belong to a single weight"):
            sparseinf.load(network, bias=np.zeros(3, np.float32))
