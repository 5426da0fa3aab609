"""int8 layers as `load` makes them: how x is quantized, options and their errors, formats, rows that are too long."""

from __future__ import annotations

import math

import numpy as np
import pytest
from int8_reference import quantize_weight
from layers_of_int8 import BIAS, DYNAMIC, WEIGHT, columns_of, every_mode, expected_of, load
from linear_reference import sparse_weight
from weights_of_int8 import KINDS

import sparseinf
from sparseinf import formats
from sparseinf.compile.candidates import CANDIDATES
from sparseinf.formats import Csr, Dense, Quantized
from sparseinf.quantize import METHODS, ActivationQuantization, calibrate

ISAS = sparseinf.available_isas()


class TestModes:
    @pytest.mark.parametrize(("scales", "dtype"), DYNAMIC)
    def test_dynamic_scales(self, scales, dtype):
        layer = load(activation_scales=scales, activation_dtype=dtype, bias=BIAS, activation="relu")
        for n in (1, 2, 20):
            x = columns_of(n)
            expected = expected_of(x, ActivationQuantization(scales, dtype), bias=BIAS, activation="relu")
            np.testing.assert_array_equal(layer(x), expected)

    @pytest.mark.parametrize("dtype", ["uint8", "int8"])
    @pytest.mark.parametrize("method", METHODS)
    def test_calibrated_scales(self, method, dtype):
        samples = [columns_of(5, seed=seed) for seed in range(3)]
        layer = load(calibration=iter(samples), calibration_method=method, activation_dtype=dtype)
        activations = calibrate(samples, 70, method=method, dtype=dtype).activations()
        for n in (1, 3, 20):
            x = 3 * columns_of(n)  # beyond the samples: that is clipped
            np.testing.assert_array_equal(layer(x), expected_of(x, activations))

    def test_minmax_is_the_default_method(self):
        samples = columns_of(300, seed=1)
        default, minmax = load(calibration=samples), load(calibration=samples, calibration_method="minmax")
        x = samples[-3:]
        np.testing.assert_array_equal(default(x), minmax(x))
        assert not np.array_equal(load(calibration=samples, calibration_method="percentile")(x), minmax(x))

    @every_mode
    def test_x_of_zeros_gives_the_bias(self, mode):
        layer = load(bias=BIAS, **mode)
        for n in (1, 4, 18):
            np.testing.assert_array_equal(layer(np.zeros((n, 70), np.float32)), np.tile(BIAS, (n, 1)))

    @pytest.mark.parametrize("sign", [-1, 1])
    @pytest.mark.parametrize(("scales", "dtype"), DYNAMIC)
    def test_x_of_one_sign(self, scales, dtype, sign):
        layer = load(activation_scales=scales, activation_dtype=dtype)
        x = sign * np.abs(columns_of(17))
        np.testing.assert_array_equal(layer(x), expected_of(x, ActivationQuantization(scales, dtype)))

    @every_mode
    def test_no_rows_of_x(self, mode):
        assert load(**mode)(np.ones((0, 70), np.float32)).shape == (0, 33)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("mode", [{"activation_scales": "tensor"}, {"calibration": columns_of(9)}], ids=str)
    def test_one_scale_for_all_of_x_refuses_what_is_not_finite(self, mode, value):
        layer = load(**mode)
        for n in (1, 20):
            x = columns_of(n)
            x[-1, 5] = value
            out = np.full((n, 33), 7, np.float32)
            with pytest.raises(ValueError, match=r"x has a NaN or an infinity.*remove it.*activation_scales='column'"):
                layer(x, out=out)
            assert (out == 7).all()

    def test_one_scale_for_all_of_x_refuses_a_range_that_float32_cannot_hold(self):
        x = columns_of(3)
        x[0, 0], x[2, 1] = 3e38, -3e38
        with pytest.raises(
            ValueError, match=r"x reaches from -3e\+38 to 3e\+38.*scale x down.*activation_dtype='int8'"
        ):
            load(activation_scales="tensor")(x)
        symmetric = load(WEIGHT / 1000, activation_scales="tensor", activation_dtype="int8")
        activations = ActivationQuantization("tensor", "int8")
        np.testing.assert_array_equal(symmetric(x), expected_of(x, activations, WEIGHT / 1000))
        static = load(WEIGHT / 1000, calibration=columns_of(9))
        assert np.isfinite(static(x)).all()

    def test_a_row_without_a_range_is_nan_and_no_other(self):
        x = columns_of(4)
        x[1, 3], x[2, 0], x[2, 69] = np.nan, 3e38, -3e38
        y = load()(x)
        assert np.isnan(y[1:3]).all()
        np.testing.assert_array_equal(y[::3], expected_of(x[::3], ActivationQuantization()))

    def test_the_range_of_a_tensor_is_that_of_all_rows(self):
        layer = load(activation_scales="tensor")
        x = columns_of(20)
        assert not np.array_equal(layer(x)[:1], layer(x[:1]))
        np.testing.assert_array_equal(layer(x.reshape(4, 5, 70)).reshape(20, 33), layer(x))


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"activation_dtype": "int4"}, ValueError, "activation_dtype must be one of 'uint8', 'int8', but"),
            ({"activation_scales": "row"}, ValueError, "activation_scales must be one of 'column', 'tensor', but"),
            ({"activation_scales": "static"}, ValueError, "activation_scales must be one of 'column', 'tensor', but"),
            ({"calibration_method": "max"}, ValueError, "calibration_method"),
            ({"calibration_method": "mse"}, ValueError, "calibration_method .* no samples; add calibration="),
            ({"calibration": columns_of(2), "activation_scales": "tensor"}, ValueError, "leave out one of the two"),
            ({"calibration": columns_of(2), "activation_scales": "column"}, ValueError, "leave out one of the two"),
            ({"calibration": columns_of(2, 69)}, ValueError, "calibration has shape .2, 69., .* in_features = 70"),
            ({"calibration": np.zeros((2, 70))}, TypeError, r"calibration .*float64.*astype\(np\.float32\)"),
            ({"calibration": []}, ValueError, "calibration holds no arrays"),
            ({"calibration": 3}, TypeError, "calibration must be"),
            ({"calibration": np.full((2, 70), np.inf, np.float32)}, ValueError, "calibration is inf"),
            ({"min_snr_db": 40}, ValueError, "min_snr_db is for precision='auto'"),
            ({"precision": "auto", "min_snr_db": "high"}, TypeError, "min_snr_db must be a number"),
            ({"precision": "auto", "min_snr_db": True}, TypeError, "min_snr_db must be a number"),
            ({"precision": "auto", "min_snr_db": math.nan}, ValueError, "min_snr_db must be a finite number"),
            ({"precision": "auto", "min_snr_db": math.inf}, ValueError, "min_snr_db must be a finite number"),
            ({"precision": "int4"}, ValueError, "precision must be one of 'float32', 'int8', 'auto', but is 'int4'"),
            ({"activations_dtype": "int8"}, TypeError, "'activations_dtype' is no option.*activation_dtype"),
        ],
        ids=str,
    )  # fmt: skip
    def test_wrong_options_are_refused_by_name(self, options, error, text):
        with pytest.raises(error, match=text):
            load(**options)

    @pytest.mark.parametrize(
        "option",
        [
            {"activation_dtype": "int8"},
            {"activation_scales": "column"},
            {"calibration": columns_of(2)},
            {"calibration": columns_of(2), "calibration_method": "mse"},
            {"min_snr_db": 30},
        ],
        ids=lambda option: list(option)[-1],
    )
    def test_options_of_int8_are_refused_for_float32(self, option):
        with pytest.raises(ValueError, match=f"{next(iter(option))} is for precision='int8' or 'auto'.*leave it out"):
            load(precision="float32", **option)

    def test_options_of_int8_are_for_weights_that_come_in_int8(self):
        layer = sparseinf.load(formats.quantize(WEIGHT), activation_dtype="int8", tune="model")
        x = columns_of(4)
        np.testing.assert_array_equal(layer(x), expected_of(x, ActivationQuantization("column", "int8")))

    @pytest.mark.parametrize("precision", ["float32", "int8", "auto"])
    def test_weights_that_come_in_int8_stay_so(self, precision):
        layer = sparseinf.load(formats.quantize(WEIGHT), precision=precision, tune="model")
        assert layer.precision == "int8"
        x = columns_of(4)
        np.testing.assert_array_equal(layer(x), load()(x))


class TestFormats:
    @pytest.mark.parametrize("isa", ISAS)
    @pytest.mark.parametrize("options", [{"format": "dense"}, {"format": "csr"}, {}], ids=str)
    def test_every_range_runs_int8_at_the_level(self, isa, options):
        with sparseinf.use_isa(isa):
            layer = load(**options)
        assert (layer.precision, layer.isa) == ("int8", isa)
        assert layer.format == options.get("format", layer.format)
        for n in (1, 2, 15, 16, 500):
            plan = layer.plan(n)
            assert (plan.precision, plan.isa, CANDIDATES[plan.pack].precision) == ("int8", isa, "int8")
            assert plan.kernel.endswith(f"_int8_{isa}")
        x = columns_of(17)
        np.testing.assert_array_equal(layer(x), expected_of(x, ActivationQuantization()))

    @pytest.mark.parametrize(
        "options",
        [{"format": "block", "block": (4, 1)}, {"format": "block", "block": (2, 3)}, {"format": "nm", "nm": (2, 4)}],
        ids=str,
    )
    def test_weights_pruned_in_patterns(self, options):
        generator = np.random.default_rng(0)
        weight = generator.standard_normal((24, 36)).astype(np.float32)
        if "nm" in options:
            weight.reshape(24, 9, 4)[:, :, :2] = 0
        else:
            height, width = options["block"]
            blocks = generator.random((24 // height, 36 // width)) < 0.4
            weight *= np.kron(blocks, np.ones((height, width), bool))
        layer = load(weight, **options)
        assert (layer.format, layer.precision) == (options["format"], "int8")
        for n in (1, 5, 17):
            x = columns_of(n, 36)
            np.testing.assert_array_equal(layer(x), expected_of(x, ActivationQuantization(), weight))

    @pytest.mark.parametrize(
        "weight", [np.zeros((0, 5)), np.zeros((5, 0)), np.zeros((4, 4))], ids=lambda w: str(w.shape)
    )
    def test_weights_without_nonzeros(self, weight):
        weight = weight.astype(np.float32)
        for precision in ("int8", "auto"):
            y = load(weight, precision=precision)(np.ones((3, weight.shape[1]), np.float32))
            np.testing.assert_array_equal(y, np.zeros((3, len(weight)), np.float32))

    def test_the_weight_is_what_computes(self):
        layer = load()
        integers, scales = quantize_weight(WEIGHT)
        assert isinstance(layer.weight, Quantized)
        np.testing.assert_array_equal(layer.weight.float32_integers().to_dense(), integers)
        np.testing.assert_array_equal(layer.weight.scales, scales)
        assert layer.weight.source_dtype == "float32"
        assert layer.weight.error(WEIGHT).snr_db > 40
        assert layer.sparsity == pytest.approx(np.mean(WEIGHT == 0))

    @pytest.mark.parametrize("kind", KINDS)
    def test_quantized_weights_of_every_format(self, kind):
        x = columns_of(5)
        layer = sparseinf.load(formats.quantize(KINDS[kind](WEIGHT)), tune="model")
        np.testing.assert_array_equal(layer(x), expected_of(x, ActivationQuantization()))

    def test_packs_of_int8_are_small(self):
        weight = sparse_weight((256, 512), 0.9)
        assert load(weight, format="dense").nbytes < 1.2 * weight.size
        assert load(weight, format="csr", batch=64).nbytes < 5 * np.count_nonzero(weight)

    def test_repr_tells_the_precision(self):
        assert "precision='int8'" in repr(load())
        assert "precision='float32'" in repr(sparseinf.load(WEIGHT, tune="model"))


class TestLongRows:
    """255 * 65793 * 128 is the last multiple that is below 2^31."""

    def test_a_row_whose_sum_may_not_fit_is_refused_by_number(self):
        integers = np.zeros((3, 65794), np.int8)
        integers[1, :65793] = -128
        assert sparseinf.load(Quantized.from_dense(integers, scales=1), tune="model").precision == "int8"
        integers[1, 65793] = 1
        with pytest.raises(ValueError, match=r"row 1 .*sum of 8421505.*up to 8421504; load weight\.dequantize\(\)"):
            sparseinf.load(Quantized.from_dense(integers, scales=1), tune="model")

    @pytest.mark.parametrize("make", [Dense, Csr.from_dense])
    def test_the_longest_row_is_right_at_both_ends(self, make):
        integers = np.full((1, 65793), -128, np.float32)
        layer = sparseinf.load(Quantized.from_integers(make(integers), np.ones(1, np.float32)), tune="model")
        for n in (1, 16):
            for sign in (-1, 1):
                x = np.full((n, 65793), sign, np.float32)
                expected = np.float32(-sign * 2147483520) * (np.float32(1) / np.float32(255))
                np.testing.assert_array_equal(layer(x), np.full((n, 1), expected))

    @pytest.mark.parametrize("make", [Dense, Csr.from_dense])
    def test_a_long_row_of_floats_is_refused_with_a_way_out(self, make):
        weight = make(np.ones((2, 66400), np.float32))
        with pytest.raises(ValueError, match=r"row 0 .*precision='float32' or 'auto'.*split it along in_features"):
            load(weight)

    def test_auto_leaves_long_rows_in_float32_and_says_so(self):
        layer = load(np.ones((2, 66400), np.float32), precision="auto")
        assert layer.precision == "float32"
        assert any("row 0 of the weight" in note and "float32" in note for note in layer.explain().notes)

    def test_the_layer_is_named(self):
        with pytest.raises(ValueError, match="layer 'fc': row 1 of the weight"):
            load({"fc.weight": np.vstack([np.zeros(66400), np.ones(66400)]).astype(np.float32)})
