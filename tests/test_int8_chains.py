"""Layers in int8 that pass 8 bits on to each other: x and y in uint8, without floats in between."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import sparseinf
from sparseinf.quantize import ActivationQuantization

FORMATS = {"dense": {}, "csr": {}, "block": {"block": (4, 1)}, "nm": {"nm": (2, 4)}}
NUMBERS_OF_COLUMNS = (0, 1, 2, 7, 8, 9, 16, 31, 64, 65, 130)
OUTPUT = ActivationQuantization("static", "uint8", scale=0.03, zero_point=41)
TO_INT8 = ActivationQuantization.from_range(-3.0, 3.0, "int8")


def pruned(shape, seed=0):
    generator = np.random.default_rng(seed)
    ranks = generator.random((shape[0], shape[1] // 4, 4)).argsort(axis=-1).argsort(axis=-1)
    values = generator.standard_normal(shape, np.float32) / np.sqrt(shape[1] / 2)
    return np.where(ranks.reshape(shape) < 2, values, 0).astype(np.float32)


def samples(shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def quantized(x, how):
    scaled = np.rint(x * np.float32(how.inverse)) + how.zero_point
    return np.where(np.isnan(x), 0, np.clip(scaled, 0, 255)).astype(np.uint8)


def load(weight, **options):
    calibration = samples((100, weight.shape[1]), seed=9)
    return sparseinf.load(weight, precision="int8", tune="model", calibration=calibration, **options)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("isa", sparseinf.available_isas())
@pytest.mark.parametrize("activation", [None, "relu", "gelu"])
def test_y_is_what_the_next_layer_would_make_of_it(form, isa, activation):
    weight, bias = pruned((131, 92)), samples(131)
    options = {"format": form, "bias": bias, "activation": activation, **FORMATS[form]}
    with sparseinf.use_isa(isa):
        floats = load(weight, **options)
        layer = load(weight, **options, output_quantization=OUTPUT)
    for columns in NUMBERS_OF_COLUMNS:
        x, residual = samples((columns, 92)), samples((columns, 131), seed=2)
        for extra in (None, residual):
            y = layer(x, residual=extra)
            assert y.dtype == np.uint8
            assert layer.plan(max(columns, 1)).isa == isa
            assert np.array_equal(y, quantized(floats(x, residual=extra), OUTPUT))


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_x_in_8_bits_is_x_that_was_quantized_before(dtype):
    layer = load(pruned((64, 92)), activation_dtype=dtype)
    for columns in NUMBERS_OF_COLUMNS:
        x = samples((columns, 92))
        bits = quantized(x, layer.input_quantization)
        assert np.array_equal(layer(bits), layer(x))
        strided = np.repeat(bits, 3, axis=-1)[::-1, ::3]
        assert np.array_equal(layer(strided), layer(x)[::-1])


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_chain_is_a_chain_of_floats_that_are_quantized_in_between(threads):
    second = load(pruned((300, 700), seed=3), threads=threads)
    options = {"activation": "relu", "threads": threads}
    first = load(pruned((700, 200)), **options, output_quantization=second.input_quantization)
    floats = load(pruned((700, 200)), **options)
    assert first.output_quantization == second.input_quantization
    assert floats.output_quantization is None
    for columns in (1, 5, 200):
        x = samples((columns, 200))
        assert np.array_equal(second(first(x)), second(floats(x)))


def test_out_is_written_to():
    layer = load(pruned((12, 8)), output_quantization=OUTPUT)
    x = samples((2, 3, 8))
    out = np.zeros((2, 3, 12), np.uint8)
    assert layer(x, out=out) is out
    assert np.array_equal(out, layer(x))
    for wrong, error, words in (
        (np.zeros((2, 3, 12), np.float32), TypeError, "out must have dtype uint8, but has dtype float32"),
        (np.zeros((2, 12), np.uint8), ValueError, "out must have shape"),
        (np.zeros((2, 3, 24), np.uint8)[..., ::2], ValueError, r"np\.empty\(shape, np\.uint8\)"),
    ):
        with pytest.raises(error, match=words):
            layer(x, out=wrong)


def test_out_may_not_share_memory_with_x_or_a_residual():
    layer = load(pruned((8, 8)), output_quantization=OUTPUT)
    memory = np.zeros(64, np.uint8)
    with pytest.raises(ValueError, match="out overlaps x"):
        layer(memory[:32].view(np.float32), out=memory[4:12])
    with pytest.raises(ValueError, match="residual overlaps out"):
        layer(samples(8), out=memory[:8], residual=memory[:32].view(np.float32))
    with pytest.raises(ValueError, match="out overlaps x"):
        layer(memory[:8], out=memory[7:15])
    assert layer(memory[:8], out=memory[8:16]) is not None  # side by side


def test_nan_becomes_0_and_infinities_the_ends():
    layer = load(pruned((8, 8)), output_quantization=TO_INT8)
    residual = np.array([np.nan, -np.nan, np.inf, -np.inf, 1e30, -1e30, 0, 0], np.float32)
    assert layer(np.zeros(8, np.float32), residual=residual).tolist() == [0, 0, 255, 0, 255, 0, 128, 128]


def test_only_layers_with_a_static_scale_take_8_bits():
    x = np.zeros((2, 8), np.uint8)
    for layer in (
        sparseinf.load(pruned((8, 8))),
        sparseinf.load(pruned((8, 8)), precision="int8"),
        sparseinf.load(pruned((8, 8)), precision="int8", activation_scales="tensor"),
    ):
        with pytest.raises(TypeError, match=r"x must have dtype float32, but has dtype uint8; .*astype"):
            layer(x)
    with pytest.raises(TypeError, match=r"x must have dtype float32, but has dtype int8"):
        load(pruned((8, 8)))(x.view(np.int8))


def test_it_is_kept_by_files_copies_and_pickles(tmp_path):
    layer = load(pruned((16, 8)), bias=samples(16), output_quantization=OUTPUT)
    layer.save(tmp_path / "layer.safetensors")
    x = samples((3, 8))
    for other in (sparseinf.load(tmp_path / "layer.safetensors"), copy.copy(layer), pickle.loads(pickle.dumps(layer))):
        assert other.output_quantization == OUTPUT
        assert np.array_equal(other(x), layer(x))
    again = sparseinf.load(tmp_path / "layer.safetensors", output_quantization=TO_INT8)
    assert again.output_quantization == TO_INT8
    assert again(x).dtype == np.uint8


def test_explain_tells_of_it():
    text = str(load(pruned((16, 8)), output_quantization=OUTPUT).explain())
    assert "layer's y is quantized to uint8, always with the scale 0.0299" in text


def test_what_cannot_be_is_refused(tmp_path):
    weight = pruned((8, 8))
    for option, precision, error, words in (
        ("uint8", "int8", TypeError, "output_quantization must be a sparseinf.quantize.ActivationQuantization"),
        (ActivationQuantization(), "int8", ValueError, "must have a static scale, but has scales='column'"),
        (OUTPUT, "float32", ValueError, "output_quantization is for precision='int8'"),
        (OUTPUT, "auto", ValueError, "needs precision='int8', but precision is 'auto'"),
    ):
        with pytest.raises(error, match=words):
            sparseinf.load(weight, precision=precision, output_quantization=option)
    sparseinf.load({"a.weight": weight}).save(tmp_path / "weights.safetensors")
    for several in ({"a.weight": weight}, tmp_path / "weights.safetensors"):
        with pytest.raises(TypeError, match="output_quantization belongs to a single weight"):
            sparseinf.load(several, precision="int8", output_quantization=OUTPUT)
    with pytest.raises(ValueError, match="rivals leave y in float32"):
        load(weight, output_quantization=OUTPUT).benchmark(samples((2, 8)))
