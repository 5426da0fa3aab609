"""The choice between float32 and int8, what is said of it, and the commands that take a precision."""

from __future__ import annotations

import numpy as np
import pytest
from fake_machine import FakeMachine
from int8_reference import quantize_weight
from layers_of_int8 import BIAS, WEIGHT, columns_of, load

import sparseinf
from sparseinf import SparseLinear
from sparseinf.cli import main
from sparseinf.compile import candidates, plans, tune
from sparseinf.compile.candidates import CANDIDATES
from sparseinf.formats import Csr, Quantized

MODEL_US = {"dense": 100, "csr": 102, "dense_int8": 90, "csr_int8": 105}


def chosen_by(monkeypatch, really_us, **options):
    """A layer of `precision="auto"` on a machine that takes these times."""
    machine = FakeMachine(monkeypatch, {**MODEL_US, **really_us}, MODEL_US)
    options = {"precision": "auto", "batch": 8, "threads": 1, **options}
    return SparseLinear.from_format(Csr.from_dense(WEIGHT), tuner=machine.tuner(), **options), machine


class TestChoice:
    @pytest.mark.parametrize(
        ("really_us", "pack"),
        [
            ({}, "dense_int8"),
            ({"csr": 80}, "csr"),
            ({"dense": 70}, "dense"),
            ({"csr": 86}, "dense_int8"),  # less than 5 % better than the model's favourite
            ({"csr": 60, "dense_int8": 50}, "dense_int8"),
        ],
    )
    def test_auto_takes_the_faster_precision(self, monkeypatch, really_us, pack):
        layer, machine = chosen_by(monkeypatch, really_us)
        assert machine.calls
        assert layer.plan(8).pack == pack
        assert layer.precision == ("int8" if pack.endswith("int8") else "float32")
        assert isinstance(layer.weight, Quantized) == pack.endswith("int8")

    def test_below_the_floor_auto_does_not_look_at_int8(self, monkeypatch):
        layer, _ = chosen_by(monkeypatch, {"dense_int8": 1}, min_snr_db=70)
        assert layer.precision == "float32"
        assert set(layer.plan(8).predicted_ns) == {"dense", "csr"}

    def test_the_floor_is_the_ratio_itself(self):
        snr_db = snr_of(load(precision="auto"))
        assert 35 < snr_db < 50
        for floor, precisions in ((snr_db - 0.1, {"float32", "int8"}), (snr_db + 0.1, {"float32"})):
            layer = load(precision="auto", min_snr_db=floor)
            assert {CANDIDATES[pack].precision for pack in layer.plan(16).predicted_ns} == precisions

    def test_samples_count_for_the_floor(self):
        samples = columns_of(9)
        samples[0, 0] = 1e6  # all others are lost beside it, and no weight uses it
        weight = WEIGHT.copy()
        weight[:, 0] = 0
        layer = load(weight, precision="auto", calibration=samples)
        assert layer.precision == "float32"
        assert snr_of(layer) < 30

    @pytest.mark.parametrize("precision", ["int8", "auto"])
    def test_the_packs_of_a_layer_are_of_one_precision(self, monkeypatch, precision):
        # One precision is best for one range, the other for another.
        model = {"dense": 100, "csr": 300, "dense_int8": 300, "csr_int8": 100}
        monkeypatch.setattr(
            plans,
            "predict_ns",
            lambda name, _, n, *__, **___: model[name] * (1 if (n == 1) == name.endswith("int8") else 10),
        )
        for module in (candidates, tune):
            monkeypatch.setattr(module, "CANDIDATES", {name: CANDIDATES[name] for name in model})
        layer = load(precision=precision)
        assert len({layer.plan(n).precision for n in (1, 8, 64)}) == 1
        assert len({CANDIDATES[pack].precision for pack in layer.plan(1).packs}) == 1

    def test_int8_alone_has_no_candidates_of_float32(self):
        assert all(pack.endswith("_int8") for n in (1, 8, 64) for pack in load().plan(n).predicted_ns)

    @pytest.mark.parametrize("precision", ["int8", "auto"])
    def test_measured_layers_compute_the_same(self, precision):
        layer = sparseinf.load(WEIGHT, precision=precision, tune_seconds=0.2)
        x = columns_of(20)
        reference = x.astype(np.float64) @ WEIGHT.T
        assert np.linalg.norm(layer(x) - reference) < 0.03 * np.linalg.norm(reference)


def snr_of(layer):
    """The signal-to-noise ratio that explain() tells."""
    (note,) = [note for note in layer.explain().notes if "signal-to-noise" in note]
    return float(note.split("about ")[1].split(" dB")[0])


class TestExplain:
    def test_a_row_tells_precision_kernel_and_reason(self):
        for row in load().explain():
            assert (row["precision"], row["kernel"].split("_")[-2]) == ("int8", "int8")
            assert "_int8 " in row["reason"]

    @pytest.mark.parametrize("precision", ["float32", "int8", "auto"])
    def test_columns(self, precision):
        report = sparseinf.load(WEIGHT, precision=precision, tune="model").explain()
        times = [column for column in report.columns if column.endswith("_us")]
        shown = {column.removesuffix("_us").removesuffix("_measured") for column in times}
        of_precision = {name for name in shown if CANDIDATES[name].precision == precision}
        assert shown == of_precision if precision != "auto" else {"dense", "dense_int8", "csr", "csr_int8"} <= shown
        assert report.columns[:6] == ["layer", "shape", "zeros", "columns", "format", "precision"]

    def test_auto_tells_the_noise_and_the_floor(self):
        notes = " ".join(load(precision="auto", min_snr_db=45).explain().notes)
        assert "precision='auto' takes it from 45 dB on" in notes
        assert "takes it from 30 dB on" in " ".join(load(precision="auto").explain().notes)

    @pytest.mark.parametrize(
        ("mode", "words"),
        [
            ({}, "x is quantized to uint8, each row with a scale of its own."),
            ({"activation_scales": "tensor"}, "x is quantized to uint8, with one scale a call."),
            ({"activation_dtype": "int8"}, "x is quantized to int8, each row"),
            ({"calibration": np.full((1, 70), 2.55, np.float32)}, "always with the scale 0.01 and the zero point 0."),
        ],
        ids=str,
    )
    def test_how_x_is_quantized(self, mode, words):
        notes = " ".join(load(**mode).explain().notes).replace("0.009999999776482582", "0.01")
        assert words in notes

    def test_layers_of_both_precisions_are_told_in_one_table(self):
        integers, scales = quantize_weight(WEIGHT)
        weights = sparseinf.load({"a.weight": WEIGHT, "b.weight": integers, "b.weight_scale": scales}, tune="model")
        assert {row["layer"]: row["precision"] for row in weights.explain()} == {"a": "float32", "b": "int8"}


class TestCommands:
    @pytest.fixture
    def file(self, tmp_path):
        np.savez(tmp_path / "weights.npz", **{"fc.weight": WEIGHT, "fc.bias": BIAS})
        return tmp_path / "weights.npz"

    @pytest.mark.parametrize("precision", ["int8", "auto"])
    def test_convert_saves_in_the_precision(self, file, tmp_path, precision, capsys):
        words = ["convert", str(file), "-o", str(tmp_path / "out"), "--precision", precision, "--tune", "model"]
        assert main(words) == 0
        assert "bytes -> " in capsys.readouterr().out
        layer = sparseinf.load(tmp_path / "out", tune="model")["fc"]
        expected = sparseinf.load(file, precision=precision, tune="model")["fc"]
        assert layer.precision == expected.precision
        np.testing.assert_array_equal(layer(columns_of(3)), expected(columns_of(3)))

    def test_int8_makes_files_smaller(self, file, tmp_path):
        for precision in ("float32", "int8"):
            assert main(["convert", str(file), "-o", str(tmp_path / precision), "--precision", precision]) == 0
        assert (tmp_path / "int8").stat().st_size < 0.6 * (tmp_path / "float32").stat().st_size

    def test_convert_measures_where_it_chooses_the_precision(self, monkeypatch, file, tmp_path):
        machine = FakeMachine(monkeypatch, MODEL_US, MODEL_US)
        for precision, is_measured in (("int8", False), ("auto", True)):
            assert main(["convert", str(file), "-o", str(tmp_path / "out"), "--precision", precision]) == 0
            assert bool(machine.calls) == is_measured

    @pytest.mark.parametrize("precision", ["int8", "auto"])
    def test_explain(self, file, precision, capsys):
        assert main(["explain", str(file), "--precision", precision, "--tune", "model"]) == 0
        out = capsys.readouterr().out
        assert "csr int8 us" in out
        assert "fc: the signal-to-noise ratio in int8 is about" in out
