"""`SparseLinear`: choice of plans, options, the error wall, saving, threads and forks."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from linear_reference import activate, product, sparse_weight
from saved_files import rewritten

import sparseinf
from sparseinf import runtime
from sparseinf.formats import Csr, Dense


@pytest.fixture(scope="module")
def weight():
    return sparse_weight((96, 160), 0.9)


@pytest.fixture(scope="module")
def layer(weight):
    return sparseinf.load(weight)


def columns_of(number, in_features, seed=0):
    return np.random.default_rng(seed).standard_normal((number, in_features)).astype(np.float32)


class TestPlans:
    @pytest.mark.parametrize("isa", sparseinf.available_isas())
    @pytest.mark.parametrize("format", ["dense", "csr"])
    def test_a_forced_format_runs_in_every_range(self, weight, isa, format):
        with sparseinf.use_isa(isa):
            layer = sparseinf.load(weight, format=format)
        assert layer.format == format
        for n in (1, 2, 15, 16, 500):
            assert layer.plan(n).format == format
            level = runtime.float32_isa(isa)
            assert layer.plan(n).isa == level
            assert layer.plan(n).kernel.endswith(f"_f32_{level}")

    def test_sparse_weights_run_sparse_and_dense_ones_dense(self):
        assert sparseinf.load(sparse_weight((512, 512), 0.95), tune="model").format == "csr"
        assert sparseinf.load(np.ones((512, 512), np.float32), tune="model").format == "dense"

    def test_forced_csr_has_at_most_two_packs(self, weight):
        layer = sparseinf.load(weight, format="csr")
        assert layer.nbytes <= 2 * 6.5 * layer.weight.num_nonzeros + weight.size / 8 + 4096

    @pytest.mark.parametrize("batch", [1, 8, 64, (1, 64), [2, 300]])
    def test_a_batch_still_serves_every_number_of_columns(self, weight, batch):
        layer = sparseinf.load(weight, batch=batch)
        for n in (1, 5, 40):
            x = columns_of(n, 160)
            sums, bound = product(x, weight)
            assert (np.abs(layer(x) - sums) <= bound).all()

    def test_main_plan_is_that_of_the_largest_batch(self, weight):
        layer = sparseinf.load(weight, format="csr", batch=(1, 8))
        assert layer.kernel == layer.plan(8).kernel
        single = sparseinf.load(weight, format="csr", batch=1)
        assert single.kernel == single.plan(1).kernel

    def test_ranges(self, layer):
        assert [layer.plan(n).first_columns for n in (1, 2, 15, 16, 10**9)] == [1, 2, 2, 16, 16]

    @pytest.mark.parametrize("number", [0, -1])
    def test_plan_refuses_numbers_below_one(self, layer, number):
        with pytest.raises(ValueError, match="at least 1 column"):
            layer.plan(number)

    def test_explain_has_a_row_a_range(self, layer):
        report = layer.explain()
        assert [row["columns"] for row in report] == ["1", "2-15", "16+"]
        assert "csr" in str(report)

    def test_facts(self, layer, weight):
        assert (layer.out_features, layer.in_features) == weight.shape
        assert layer.sparsity == pytest.approx(np.mean(weight == 0))
        assert layer.bias is None


class TestIsa:
    def test_use_isa_is_a_ceiling_for_what_is_loaded_inside(self, weight):
        with sparseinf.use_isa("scalar"):
            inside = sparseinf.load(weight)
        assert inside.isa == "scalar"
        assert sparseinf.load(weight).isa == runtime.float32_isa(runtime.current_isa())

    def test_unknown_level_names_the_available_ones(self):
        with pytest.raises(sparseinf.UnsupportedIsaError, match="scalar"), sparseinf.use_isa("avx1024"):
            pass

    def test_environment_variable(self, weight, monkeypatch):
        monkeypatch.setenv("SPARSEINF_ISA", "scalar")
        assert sparseinf.load(weight).isa == "scalar"
        monkeypatch.setenv("SPARSEINF_ISA", "sse9")
        with pytest.raises(sparseinf.UnsupportedIsaError, match="SPARSEINF_ISA"):
            sparseinf.load(weight)

    def test_a_thread_has_its_own_ceiling(self, weight):
        seen = []
        with sparseinf.use_isa("scalar"):
            thread = threading.Thread(target=lambda: seen.append(sparseinf.load(weight).isa))
            thread.start()
            thread.join()
        assert seen == [runtime.float32_isa(runtime.current_isa())]


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"precision": "int9"}, ValueError, "precision"),
            ({"format": "coo"}, ValueError, "format"),
            ({"tune": "hard"}, ValueError, "tune"),
            ({"tune_seconds": -1}, ValueError, "tune_seconds"),
            ({"tune_seconds": float("nan")}, ValueError, "tune_seconds"),
            ({"tune_seconds": "long"}, TypeError, "tune_seconds"),
            ({"tune_seconds": None}, TypeError, "tune_seconds"),
            ({"tune_seconds": True}, TypeError, "tune_seconds"),
            ({"batch": 0}, ValueError, "batch"),
            ({"batch": []}, ValueError, "batch"),
            ({"batch": "all"}, TypeError, "batch"),
            ({"batch": 1.5}, TypeError, "batch"),
            ({"batch": 10**400}, ValueError, "batch"),
            ({"threads": 0}, ValueError, "threads"),
            ({"threads": 1000}, ValueError, "threads"),
            ({"threads": "two"}, TypeError, "threads"),
            ({"threads": True}, TypeError, "threads"),
            ({"blocks": (4, 1)}, TypeError, "blocks"),
            ({"calibration": [1]}, ValueError, "calibration"),
            ({"activation": "relu7"}, ValueError, "activation"),
            ({"activation": 3}, TypeError, "activation"),
            ({"activation": ("clip", 2, 1)}, ValueError, "low <= high"),
            ({"activation": ("clip", "a", 1)}, ValueError, "numbers"),
            ({"activation": ("leaky_relu", float("nan"))}, ValueError, "numbers"),
            ({"bias": np.zeros(5, np.float32)}, ValueError, "bias has shape"),
            ({"bias": np.zeros(96, np.int32)}, TypeError, "astype"),
            ({"bias": [0.0] * 96}, TypeError, "bias"),
            ({"bias": np.full(96, np.nan, np.float32)}, ValueError, "finite"),
            ({"bias": np.full(96, 1e300)}, ValueError, r"bias\[0\] is 1e\+300"),
            ({"bias": np.ma.masked_all(96, np.float32)}, TypeError, "MaskedArray"),
            ({"bias": np.zeros(96, np.longdouble)}, TypeError, "astype"),
        ],
        ids=str,
    )
    def test_wrong_options_are_refused_by_name(self, weight, options, error, text):
        with pytest.raises(error, match=text):
            sparseinf.load(weight, **options)

    def test_bias_is_copied_and_converted(self, weight):
        bias = np.ones(96)
        layer = sparseinf.load(weight, bias=bias)
        bias[:] = 7
        np.testing.assert_array_equal(layer(np.zeros((1, 160), np.float32)), np.ones((1, 96), np.float32))
        assert layer.bias.dtype == np.float32
        assert not layer.bias.flags.writeable

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
    def test_bias_may_be_a_torch_tensor(self, weight, dtype):
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        bias = torch.full((96,), 0.5, dtype=getattr(torch, dtype), requires_grad=True)
        np.testing.assert_array_equal(sparseinf.load(weight, bias=bias).bias, np.full(96, 0.5, np.float32))

    @pytest.mark.parametrize("batch", [np.array([1, 16]), range(1, 17, 15), (n for n in (1, 16))], ids=str)
    def test_batch_of_any_kind_counts_for_every_layer(self, weight, batch):
        weights = sparseinf.load({"a.weight": weight, "b.weight": weight}, batch=batch)
        for layer in weights.values():
            assert any("for batch 1, 16" in note for note in layer.explain().notes)

    def test_threads_from_the_environment(self, weight, monkeypatch):
        monkeypatch.setenv("SPARSEINF_NUM_THREADS", "3")
        assert sparseinf.load(weight).threads == 3
        monkeypatch.setenv("SPARSEINF_NUM_THREADS", "many")
        with pytest.raises(ValueError, match="SPARSEINF_NUM_THREADS"):
            sparseinf.load(weight)


class TestErrorWall:
    @pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, ">f4", np.complex64, object])
    def test_wrong_dtype_names_astype(self, layer, dtype):
        with pytest.raises(TypeError, match=r"float32.*astype\(np\.float32\)"):
            layer(np.zeros((2, 160)).astype(dtype))

    @pytest.mark.parametrize("x", [[1.0] * 160, None, "x", 3.0])
    def test_x_must_be_an_array(self, layer, x):
        with pytest.raises(TypeError, match="x must be a NumPy array"):
            layer(x)

    @pytest.mark.parametrize("name", ["x", "residual"])
    def test_masked_arrays_are_refused(self, layer, name):
        arrays = {"x": np.zeros((2, 160), np.float32), "residual": np.zeros((2, 96), np.float32)}
        arrays[name] = np.ma.masked_array(arrays[name], mask=True)
        with pytest.raises(TypeError, match=f"{name} is a masked array"):
            layer(**arrays)

    @pytest.mark.parametrize("name", ["x", "out", "residual"])
    def test_other_classes_of_arrays_are_as_good(self, layer, name):
        arrays = {"x": columns_of(2, 160), "out": np.empty((2, 96), np.float32), "residual": columns_of(2, 96)}
        expected = layer(**arrays).copy()
        arrays[name] = arrays[name].view(np.recarray)
        np.testing.assert_array_equal(layer(**arrays), expected)
        assert layer(**arrays) is arrays["out"]

    @pytest.mark.parametrize("num_arguments", [0, 4])
    def test_a_compiled_layer_takes_one_to_three_arguments(self, num_arguments):
        pack = sparseinf.runtime.pack_dense(np.eye(3, dtype=np.float32), 1)
        options = {"isa": "scalar", "bias": None, "epilogue": sparseinf.runtime.Epilogue(), "num_threads": 1}
        native = sparseinf.runtime.Linear(3, 3, plans=[(1, pack)], **options)
        with pytest.raises(TypeError, match=f"x, out and residual, but {num_arguments} arguments came"):
            native(*[np.ones(3, np.float32)] * num_arguments)

    def test_a_compiled_layer_that_was_never_made_is_refused(self):
        native = sparseinf.runtime.Linear.__new__(sparseinf.runtime.Linear)
        with pytest.raises(TypeError, match="never called"):
            native(np.ones(3, np.float32))

    def test_wrong_in_features_names_both_numbers(self, layer):
        with pytest.raises(ValueError, match="x has 159 columns, but this layer has in_features = 160"):
            layer(np.zeros((2, 159), np.float32))

    def test_scalar_x(self, layer):
        with pytest.raises(ValueError, match="at least one dimension"):
            layer(np.array(1, np.float32))

    @pytest.mark.parametrize("name", ["out", "residual"])
    def test_wrong_shape_of_other_arrays(self, layer, name):
        with pytest.raises(ValueError, match=rf"{name} must have shape \(2, 96\), but has shape \(96,\)"):
            layer(np.zeros((2, 160), np.float32), **{name: np.zeros(96, np.float32)})

    @pytest.mark.parametrize("name", ["out", "residual"])
    def test_wrong_dtype_of_other_arrays(self, layer, name):
        with pytest.raises(TypeError, match=f"{name} must have dtype float32"):
            layer(np.zeros((2, 160), np.float32), **{name: np.zeros((2, 96))})

    def test_out_must_be_contiguous(self, layer):
        with pytest.raises(ValueError, match="C-contiguous"):
            layer(np.zeros((2, 160), np.float32), out=np.zeros((96, 2), np.float32).T)

    def test_out_must_be_writeable(self, layer):
        out = np.zeros((2, 96), np.float32)
        out.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            layer(np.zeros((2, 160), np.float32), out=out)

    def test_out_must_not_overlap_x(self, layer):
        memory = np.zeros(2 * 160, np.float32)
        with pytest.raises(ValueError, match="overlaps x"):
            layer(memory.reshape(2, 160), out=memory[100:292].reshape(2, 96))

    def test_out_between_the_rows_of_x_is_no_overlap(self, weight):
        layer = sparseinf.load(weight)
        memory = np.ones((3, 512), np.float32)
        x, out = memory[::2, :160], memory[1, 200:392].reshape(2, 96)
        np.testing.assert_array_equal(layer(x.copy()), layer(x, out=out))

    def test_residual_must_not_overlap_out_in_part(self, layer):
        memory = np.zeros(3 * 96, np.float32)
        with pytest.raises(ValueError, match="residual overlaps out"):
            layer(
                np.zeros((2, 160), np.float32),
                out=memory[:192].reshape(2, 96),
                residual=memory[96:].reshape(2, 96),
            )

    def test_nothing_is_written_when_a_call_is_refused(self, layer):
        out = np.full((2, 96), 7, np.float32)
        with pytest.raises(ValueError, match="residual"):
            layer(np.zeros((2, 160), np.float32), out=out, residual=np.zeros((1, 96), np.float32))
        assert (out == 7).all()


class TestSources:
    @pytest.mark.parametrize("format", ["dense", "csr"])
    def test_format_objects(self, weight, format):
        x = columns_of(3, 160)
        made = {"dense": Dense, "csr": Csr}[format].from_dense(weight)
        layers = [sparseinf.load(source, tune="model") for source in (made, weight)]
        np.testing.assert_array_equal(layers[0](x), layers[1](x))

    def test_scipy(self, weight):
        sparse = pytest.importorskip("scipy.sparse", reason="scipy is not installed")
        x = columns_of(3, 160)
        layers = [sparseinf.load(source, tune="model") for source in (sparse.coo_array(weight), weight)]
        np.testing.assert_array_equal(layers[0](x), layers[1](x))

    def test_scipy_dok_is_a_matrix_though_it_is_a_dict(self, weight):
        scipy_sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
        layer = sparseinf.load(scipy_sparse.dok_array(weight))
        np.testing.assert_array_equal(layer.weight.to_dense(), weight)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_weights_must_be_finite(self, bad):
        weight = np.zeros((3, 4), np.float32)
        weight[1, 2] = bad
        with pytest.raises(ValueError, match=r"1.*2"):
            sparseinf.load(weight)

    @pytest.mark.parametrize("source", [3, None, [[1.0]], object()])
    def test_other_kinds_are_refused(self, source):
        with pytest.raises(TypeError):
            sparseinf.load(source)

    def test_float64_is_said_to_be_converted(self):
        assert "float64" in str(sparseinf.load(np.eye(4)).explain())

    def test_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"gone\.npz"):
            sparseinf.load(tmp_path / "gone.npz")

    def test_a_folder_is_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=tmp_path.name):
            sparseinf.load(tmp_path)

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.npz")
        with pytest.raises(FileNotFoundError, match="pipe"):
            sparseinf.load(tmp_path / "pipe.npz")

    def test_names_must_be_text(self):
        with pytest.raises(TypeError, match="a key is 3"):
            sparseinf.load({3: np.eye(8, dtype=np.float32)})


class TestSaving:
    @pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
    @pytest.mark.parametrize("batch", [None, 1, 64])
    def test_a_saved_layer_gives_the_same_bits(self, tmp_path, sparsity, batch):
        weight = sparse_weight((70, 130), sparsity)
        layer = sparseinf.load(weight, bias=np.ones(70), activation=("clip", -1, 2), batch=batch, tune="model")
        layer.save(tmp_path / "layer.safetensors")
        loaded = sparseinf.load(tmp_path / "layer.safetensors")
        assert loaded.activation == ("clip", -1, 2)
        np.testing.assert_array_equal(loaded.weight.to_dense(), weight)
        for n in (1, 4, 40):
            assert loaded.plan(n).kernel == layer.plan(n).kernel
            x = columns_of(n, 130)
            np.testing.assert_array_equal(loaded(x), layer(x))

    def test_a_forced_format_is_kept(self, tmp_path):
        sparseinf.load(sparse_weight((64, 64), 0.9), format="dense").save(tmp_path / "a")
        assert sparseinf.load(tmp_path / "a").format == "dense"
        assert sparseinf.load(tmp_path / "a", format="csr").format == "csr"

    def test_options_at_load_may_be_arrays(self, tmp_path, layer):
        layer.save(tmp_path / "a")
        assert "for batch 1, 16" in str(sparseinf.load(tmp_path / "a", batch=np.array([1, 16])).explain())

    @pytest.mark.parametrize("activation", [("clip", 0, float("inf")), ("leaky_relu", np.array(0.5))], ids=str)
    def test_numbers_of_any_kind_are_saved(self, tmp_path, activation):
        sparseinf.load(np.eye(8, dtype=np.float32), activation=activation).save(tmp_path / "a")
        assert sparseinf.load(tmp_path / "a").activation == activation

    @pytest.mark.parametrize(
        "fields",
        [
            {"activation": "relu7"},
            {"activation": ["clip", 2, 1]},
            {"options": {"format": "coo"}},
            {"options": {"batch": [0]}},
            {"options": {"tune": 3}},
            {"options": {"tune_seconds": 3}},
            {"options": {"weight": 3}},
            {"options": {"name": "other"}},
            {"options": {"threads": 3}},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("source", ["layer", "weights"])
    def test_a_saved_layer_that_nobody_could_have_made_is_corrupt(self, tmp_path, fields, source):
        path = tmp_path / "lie.safetensors"
        weight = np.eye(8, dtype=np.float32)
        sparseinf.load(weight if source == "layer" else {"fc.weight": weight}).save(path)
        rewritten(path, lambda description: description["layers"][0].update(fields))
        with pytest.raises(sparseinf.CorruptFileError, match=r"lie\.safetensors"):
            sparseinf.load(path)

    @pytest.mark.parametrize("sparsity", [0.5, 0.7, 0.9, 0.95, 0.99])
    def test_bytes_a_nonzero(self, tmp_path, sparsity):
        generator = np.random.default_rng(0)
        weight = generator.standard_normal((1024, 1024)).astype(np.float32)
        weight[generator.random(weight.shape) < sparsity] = 0
        sparseinf.load(weight).save(tmp_path / "a")
        assert (tmp_path / "a").stat().st_size <= 5.35 * np.count_nonzero(weight) + 1000


def test_residual_and_activation(weight):
    layer = sparseinf.load(weight, bias=np.full(96, 0.25), activation="relu")
    x, residual = columns_of(21, 160), columns_of(21, 96, seed=1)
    sums, bound = product(x, weight, layer.bias, residual)
    assert (np.abs(layer(x, residual=residual) - activate(sums, "relu")) <= bound).all()


# Calls on the small layer are so short that they keep the interpreter lock.
@pytest.mark.parametrize("shape", [(1200, 300), (40, 30)], ids=str)
def test_many_threads_call_one_layer(shape):
    layer = sparseinf.load(sparse_weight(shape, 0.8), threads=4)
    inputs = [columns_of(n, shape[1], seed=n) for n in (1, 2, 30, 64, 130)]
    expected = [layer(x) for x in inputs]
    wrong = []

    def call():
        for _ in range(20):
            wrong.extend(1 for x, y in zip(inputs, expected, strict=True) if not np.array_equal(layer(x), y))

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_call_says_what_it_takes():
    parameters = inspect.signature(sparseinf.SparseLinear.__call__).parameters
    assert [(name, parameter.kind.name) for name, parameter in parameters.items()] == [
        ("self", "POSITIONAL_OR_KEYWORD"),
        ("x", "POSITIONAL_OR_KEYWORD"),
        ("out", "KEYWORD_ONLY"),
        ("residual", "KEYWORD_ONLY"),
    ]
    assert "residual : float32" in sparseinf.SparseLinear.__call__.__doc__


def test_as_many_dimensions_as_numpy_has(layer):
    x = columns_of(1, 160)
    most = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32
    y = layer(x.reshape((1,) * (most - 1) + (160,)))
    assert y.shape == (1,) * (most - 1) + (96,)
    np.testing.assert_array_equal(y.reshape(1, 96), layer(x))


def test_works_after_a_fork(tmp_path):
    script = """
import os, warnings
import numpy as np, sparseinf
warnings.simplefilter("ignore")
weight = np.random.default_rng(0).standard_normal((1500, 500)).astype(np.float32)
layer = sparseinf.load(weight, format="dense", threads=2)
x = np.ones((64, 500), np.float32)
expected = layer(x)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(layer(x), expected) else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert np.array_equal(layer(x), expected)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, cwd=tmp_path)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_and_pickles_compute_the_same(weight, copied):
    layer = sparseinf.load(weight, bias=np.ones(96), activation="tanh", threads=2, batch=8, tune="model")
    other = copied(layer)
    x = columns_of(8, 160)
    np.testing.assert_array_equal(other(x), layer(x))
    assert (other.threads, other.activation, other.plan(8)) == (2, "tanh", layer.plan(8))


def test_repr(layer):
    assert "in_features=160" in repr(layer)
