"""int8 layers give the same bits from files, copies, pickles and calibrated networks, and from many threads."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
from layers_of_int8 import BIAS, SYMMETRIC_TENSOR, WEIGHT, columns_of, every_mode, expected_of, load, with_static_scale
from linear_reference import sparse_weight

import sparseinf
from sparseinf.io import read
from sparseinf.quantize import ActivationQuantization, calibrate

ISAS = sparseinf.available_isas()


class TestSaving:
    @every_mode
    @pytest.mark.parametrize("sparsity", [0.0, 0.9])
    def test_the_same_bits_from_a_file(self, tmp_path, mode, sparsity):
        weight = sparse_weight((33, 70), sparsity)
        layer = load(weight, bias=BIAS, activation=("clip", -3, 30), **mode)
        layer.save(tmp_path / "layer")
        again = sparseinf.load(tmp_path / "layer", tune="model")
        assert (again.precision, again.activation) == ("int8", ("clip", -3, 30))
        for n in (1, 5, 40):
            x = columns_of(n)
            np.testing.assert_array_equal(again(x), layer(x))
            assert again.plan(n).pack == layer.plan(n).pack

    @every_mode
    @pytest.mark.parametrize(
        "copied",
        [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],
        ids=["copy", "deep", "pickle"],
    )
    def test_the_same_bits_from_a_copy(self, mode, copied):
        layer = load(bias=BIAS, threads=2, **mode)
        again = copied(layer)
        x = columns_of(20)
        np.testing.assert_array_equal(again(x), layer(x))
        assert (again.threads, again.plan(20).kernel) == (2, layer.plan(20).kernel)

    @pytest.mark.parametrize("isa", ISAS)
    def test_the_same_bits_at_another_level(self, tmp_path, isa):
        layer = with_static_scale()
        layer.save(tmp_path / "layer")
        with sparseinf.use_isa(isa):
            again = sparseinf.load(tmp_path / "layer", tune="model")
        assert again.isa == isa
        for n in (1, 20):
            np.testing.assert_array_equal(again(columns_of(n)), layer(columns_of(n)))

    def test_a_float32_file_may_become_int8(self, tmp_path):
        sparseinf.load(WEIGHT, bias=BIAS, tune="model").save(tmp_path / "layer")
        x = columns_of(7)
        for options in ({}, {"activation_dtype": "int8"}):
            layer = sparseinf.load(tmp_path / "layer", precision="int8", **options)
            assert layer.precision == "int8"
            np.testing.assert_array_equal(layer(x), load(bias=BIAS, **options)(x))

    @pytest.mark.parametrize(
        ("saved", "said", "result"),
        [
            ({"activation_dtype": "int8"}, {}, {"activation_dtype": "int8"}),
            ({}, {"activation_scales": "tensor"}, {"activation_scales": "tensor"}),
            ({"activation_dtype": "int8"}, {"activation_scales": "tensor"}, SYMMETRIC_TENSOR),
            ({"activation_scales": "tensor"}, {"activation_dtype": "int8"}, SYMMETRIC_TENSOR),
            ({"calibration": columns_of(2)}, {"activation_scales": "column"}, {}),
            ({}, {"calibration": columns_of(2)}, {"calibration": columns_of(2)}),
            ({"calibration": columns_of(2)}, {"calibration": columns_of(3)}, {"calibration": columns_of(3)}),
            ({"calibration": columns_of(2)}, {"calibration": columns_of(3), "activation_dtype": "int8"},
             {"calibration": columns_of(3), "activation_dtype": "int8"}),
        ],
        ids=str,
    )  # fmt: skip
    def test_what_is_said_at_load_goes_before_what_was_saved(self, tmp_path, saved, said, result):
        load(**saved).save(tmp_path / "layer")
        x = 2 * columns_of(9)
        np.testing.assert_array_equal(sparseinf.load(tmp_path / "layer", **said)(x), load(**result)(x))

    def test_a_saved_scale_is_not_for_another_dtype(self, tmp_path):
        with_static_scale().save(tmp_path / "layer")
        with pytest.raises(ValueError, match=r"activation_dtype is 'int8'.*static scale.*'uint8'.*add calibration="):
            sparseinf.load(tmp_path / "layer", activation_dtype="int8")

    @pytest.mark.parametrize("floor", [25, 25.5, np.float32(25), -1000])
    def test_the_choice_of_auto_is_saved_with_its_floor(self, tmp_path, floor):
        layer = load(precision="auto", min_snr_db=floor, format="dense", batch=1)
        layer.save(tmp_path / "layer")
        assert sparseinf.load(tmp_path / "layer").precision == layer.precision

    def test_what_auto_left_in_float32_is_chosen_again_by_the_same_options(self, tmp_path):
        options = {"min_snr_db": 1000, "activation_dtype": "int8", "activation_scales": "tensor"}
        load(precision="auto", **options).save(tmp_path / "layer")
        assert sparseinf.load(tmp_path / "layer").precision == "float32"
        assert read(tmp_path / "layer").options.items() >= options.items()
        forced = sparseinf.load(tmp_path / "layer", precision="int8")
        x = columns_of(5)
        np.testing.assert_array_equal(forced(x), expected_of(x, ActivationQuantization("tensor", "int8")))


NETWORK = {"a.weight": WEIGHT, "a.bias": BIAS, "b.weight": sparse_weight((40, 33), 0.8), "step": np.array(7)}


class TestNetworks:
    def test_a_mapping(self):
        weights = load(NETWORK)
        assert [layer.precision for layer in weights.values()] == ["int8", "int8"]
        x = columns_of(5)
        np.testing.assert_array_equal(weights["a"](x), expected_of(x, ActivationQuantization(), bias=BIAS))
        assert "precision='int8'" in repr(weights["b"])

    def test_layers_with_samples_are_static_and_others_dynamic(self, tmp_path):
        samples = columns_of(9, seed=1)
        weights = load(NETWORK, calibration={"a": samples}, calibration_method="percentile")
        weights.save(tmp_path / "network")
        x, y = columns_of(5), columns_of(5, 33)
        static = calibrate(samples, 70, method="percentile").activations()
        for network in (weights, sparseinf.load(tmp_path / "network"), pickle.loads(pickle.dumps(weights))):
            np.testing.assert_array_equal(network["a"](x), expected_of(x, static, bias=BIAS))
            np.testing.assert_array_equal(
                network["b"](y), expected_of(y, ActivationQuantization(), NETWORK["b.weight"])
            )

    def test_a_saved_network_may_be_calibrated(self, tmp_path):
        sparseinf.load(NETWORK, tune="model").save(tmp_path / "network")
        samples = {"a": columns_of(9, seed=1), "b": columns_of(9, 33)}
        network = sparseinf.load(tmp_path / "network", precision="int8", calibration=samples)
        x = columns_of(5)
        static = calibrate(samples["a"], 70).activations()
        np.testing.assert_array_equal(network["a"](x), expected_of(x, static, bias=BIAS))

    @pytest.mark.parametrize("is_saved", [False, True])
    @pytest.mark.parametrize(
        ("calibration", "error", "text"),
        [
            ({"c": columns_of(2)}, ValueError, r"samples for \['c'\], but the layers are \['a', 'b'\]"),
            (columns_of(2), TypeError, "must be a mapping of their names"),
            ({"b": columns_of(2)}, ValueError, "layer 'b': calibration has shape .2, 70."),
            ({"b": np.zeros((2, 33))}, TypeError, "layer 'b': calibration .*float64"),
        ],
        ids=["unknown name", "no mapping", "wrong length", "wrong dtype"],
    )
    def test_calibrations_that_do_not_fit_are_refused_by_name(self, tmp_path, is_saved, calibration, error, text):
        source = NETWORK
        if is_saved:
            source = tmp_path / "network"
            sparseinf.load(NETWORK, tune="model").save(source)
        with pytest.raises(error, match=text):
            load(source, calibration=calibration)


class TestThreads:
    @every_mode
    def test_any_number_of_threads_gives_the_same_bits(self, mode):
        weight = sparse_weight((1200, 70), 0.6)
        for n in (1, 8, 130):
            x = columns_of(n)
            expected = load(weight, threads=1, **mode)(x)
            for threads in (2, 3):
                np.testing.assert_array_equal(load(weight, threads=threads, **mode)(x), expected)

    # Calls on the small layer are so short that they keep the interpreter lock.
    @pytest.mark.parametrize("shape", [(1200, 70), (33, 70)], ids=str)
    @pytest.mark.parametrize("scales", ["column", "tensor"])
    def test_many_threads_call_one_layer(self, shape, scales):
        layer = load(sparse_weight(shape, 0.8), threads=3, activation_scales=scales)
        inputs = [columns_of(n, seed=n) for n in (1, 2, 30, 130)]
        expected = [layer(x) for x in inputs]
        wrong = []

        def call():
            for _ in range(10):
                wrong.extend(1 for x, y in zip(inputs, expected, strict=True) if not np.array_equal(layer(x), y))

        threads = [threading.Thread(target=call) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
