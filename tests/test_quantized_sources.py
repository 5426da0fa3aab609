"""Weights that come quantized are taken as they are, from safetensors, mappings and torch's own quantized layers."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from int8_reference import int8_linear
from weights_of_int8 import random_integers, random_scales, sparse_matrix

import sparseinf
from sparseinf.errors import CorruptFileError
from sparseinf.formats import Quantized
from sparseinf.formats.float32 import BFLOAT16
from sparseinf.io import LinearRecord, open_tensors, read, write
from sparseinf.io.safetensors_file import write_safetensors
from sparseinf.io.state_dict import LayerTensors, layers_and_others

# torch says, at most once a process, that its quantized tensors and modules will leave it.
pytestmark = pytest.mark.filterwarnings("ignore:torch", "ignore:.*deprecated", "ignore:Please use quant_min")

INTEGERS = random_integers().astype(np.int8)
SCALES = random_scales(13)


def split(tensors):
    """Layers by name, and the names of what is kept."""
    layers, others = {}, []
    for item in layers_and_others(tensors):
        if isinstance(item, LayerTensors):
            assert item.name not in layers
            layers[item.name] = item
        else:
            others.append(item.name)
    return layers, others


def only_layer(tensors):
    layers, others = split(tensors)
    assert ([*layers], others) == (["fc"], [])
    return layers["fc"]


# Integers beside their scales


@pytest.mark.parametrize("name", ["weight_scale", "scale"])
@pytest.mark.parametrize("shape", [(13,), (13, 1)])
def test_integers_with_a_scale_a_row_are_a_layer(name, shape):
    layer = only_layer({"fc.weight": INTEGERS, f"fc.{name}": SCALES.reshape(shape), "fc.bias": np.ones(13)})
    assert isinstance(layer.weight, Quantized)
    np.testing.assert_array_equal(layer.weight.integers.values, INTEGERS, strict=True)
    np.testing.assert_array_equal(layer.weight.scales, SCALES, strict=True)
    assert (layer.weight.source_dtype, layer.activations) == ("int8", None)
    np.testing.assert_array_equal(layer.bias, np.ones(13, np.float32), strict=True)


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_one_scale_is_that_of_all_rows(shape, dtype):
    scale = np.full(shape, 0.3, dtype)
    layer = only_layer({"fc.weight": INTEGERS, "fc.weight_scale": scale})
    np.testing.assert_array_equal(layer.weight.scales, np.full(13, scale.astype(np.float32)), strict=True)


def test_scales_of_bfloat16_are_read():
    bits = (SCALES.view(np.uint32) >> 16).astype(np.uint16)
    layer = only_layer({"fc.weight": INTEGERS, "fc.weight_scale": bits.view(BFLOAT16).reshape(13, 1)})
    np.testing.assert_array_equal(layer.weight.scales, (bits.astype(np.uint32) << 16).view(np.float32))


def test_tensors_may_come_in_any_order():
    tensors = {"fc.weight": INTEGERS, "fc.bias": np.ones(13), "fc.weight_scale": SCALES, "fc.input_scale": np.ones(1)}
    for first in range(4):
        names = [*tensors][first:] + [*tensors][:first]
        layer = only_layer({name: tensors[name] for name in names})
        assert layer.bias is not None
        assert layer.activations is not None


@pytest.mark.parametrize("zeros", [np.zeros(13, np.int8), np.zeros((13, 1), np.float32), np.array(0)])
@pytest.mark.parametrize("names", [("weight_scale", "weight_zero_point"), ("scale", "zero_point")])
def test_zero_points_of_zero_belong_to_the_layer(names, zeros):
    only_layer({"fc.weight": INTEGERS, f"fc.{names[0]}": SCALES, f"fc.{names[1]}": zeros})


@pytest.mark.parametrize("names", [("weight_scale", "weight_zero_point"), ("scale", "zero_point")])
def test_other_zero_points_are_refused_by_name(names):
    zeros = np.where(np.arange(13) == 4, -3, 0)
    with pytest.raises(ValueError, match=rf"fc\.{names[1]} holds -3"):
        split({"fc.weight": INTEGERS, f"fc.{names[0]}": SCALES, f"fc.{names[1]}": zeros})


def test_scales_of_the_output_are_kept():
    tensors = {
        "fc.weight": INTEGERS, "fc.weight_scale": SCALES, "fc.scale": np.array(0.5), "fc.zero_point": np.array(7)
    }  # fmt: skip
    layers, others = split(tensors)
    np.testing.assert_array_equal(layers["fc"].weight.scales, SCALES)
    assert others == ["fc.scale", "fc.zero_point"]


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"fc.weight": INTEGERS}, "no scale"),
        ({"fc.weight": INTEGERS, "fc.weight_zero_point": SCALES}, "a zero point, but no scale"),
        ({"fc.weight": INTEGERS[:2, :5], "fc.weight_scale": SCALES[:2]}, "too small"),
        ({"fc.weight": INTEGERS.reshape(13, 41, 1), "fc.weight_scale": SCALES}, "three dimensions"),
        ({"fc.weight": INTEGERS.view(np.uint8), "fc.weight_scale": SCALES}, "another dtype"),
        ({"fc.weight": INTEGERS.astype(np.int32), "fc.weight_scale": SCALES}, "another dtype"),
        ({"embed.weight": INTEGERS, "embed.weight_scale": SCALES}, "an embedding"),
        ({"weight": INTEGERS, "weight_scale": SCALES}, "no module"),
        ({"fc.weight_orig": INTEGERS, "fc.weight_mask": INTEGERS, "fc.weight_scale": SCALES}, "a mask"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_integers_that_are_no_layer_are_kept_with_all_beside_them(tensors, why):
    assert split(tensors) == ({}, [*tensors]), why


def test_what_stands_beside_a_float_weight_is_kept():
    beside = {"fc.scale": SCALES, "fc.input_scale": np.ones(1), "fc.zero_point": np.zeros(1, np.int8)}
    layers, others = split({**beside, "fc.weight": sparse_matrix(), "fc.bias": SCALES})
    assert (layers["fc"].weight.name, layers["fc"].activations) == ("dense", None)
    assert others == [*beside]


@pytest.mark.parametrize(
    ("scales", "error", "message"),
    [
        (SCALES[:5], ValueError, r"fc\.weight with fc\.weight_scale: .* \(13,\), one for each row .* shape \(5,\)"),
        (np.ones(41), ValueError, r"shape \(41,\)"),
        (np.ones((13, 4)), ValueError, r"shape \(13, 4\); with scales for parts of a row, multiply them in"),
        (-SCALES, ValueError, r"fc\.weight_scale: scales\[0\] is -"),
        (SCALES * np.nan, ValueError, r"scales\[0\] is nan"),
        (np.full(13, 1e39), ValueError, r"scales\[0\] is inf"),
        (np.full(13, 3e38), ValueError, "does not fit in float32"),
        (np.ones(13, np.int32), TypeError, r"fc\.weight_scale has dtype int32"),
        (None, TypeError, r"'fc\.weight_scale' must be a NumPy array"),
    ],
)
def test_scales_that_no_weight_can_have_are_refused_by_name(scales, error, message):
    with pytest.raises(error, match=message):
        split({"fc.weight": INTEGERS, "fc.weight_scale": scales})


# How x is quantized


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
@pytest.mark.parametrize(
    ("zero_point", "dtype", "expected"),
    [
        (None, None, ("int8", 128)),
        (0, "int8", ("int8", 128)),
        (-128, "int8", ("uint8", 0)),
        (5, "int8", ("uint8", 133)),
        (0, "uint8", ("uint8", 0)),
        (255, "uint8", ("uint8", 255)),
    ],
)
def test_input_scales_are_static_activations(shape, zero_point, dtype, expected):
    beside = {} if dtype is None else {"fc.input_zero_point": np.full(shape, zero_point, dtype)}
    tensors = {"fc.weight": INTEGERS, "fc.weight_scale": SCALES, "fc.input_scale": np.full(shape, 0.1), **beside}
    activations = only_layer(tensors).activations
    assert activations == {
        "scales": "static",
        "dtype": expected[0],
        "scale": float(np.float32(0.1)),
        "zero_point": expected[1],
    }


def test_static_activations_can_be_saved(tmp_path):
    tensors = {"fc.weight": INTEGERS, "fc.weight_scale": SCALES, "fc.input_scale": np.array(0.1, np.float16)}
    layer = only_layer(tensors)
    write(tmp_path / "layer", LinearRecord(layer.weight, layer.bias, activations=layer.activations))
    assert read(tmp_path / "layer").activations == layer.activations


def test_a_zero_point_without_an_input_scale_is_kept():
    tensors = {"fc.weight": INTEGERS, "fc.weight_scale": SCALES, "fc.input_zero_point": np.zeros(1, np.int8)}
    layers, others = split(tensors)
    assert (layers["fc"].activations, others) == (None, ["fc.input_zero_point"])


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("input_scale", np.ones(41), ValueError, r"fc\.input_scale must be one number, .* \(41,\) and begins with \[1"),
        ("input_scale", np.array(0.0), ValueError, r"fc\.input_scale must be one number"),
        ("input_scale", np.array(-1.0), ValueError, r"fc\.input_scale must be one number"),
        ("input_scale", np.array(np.nan), ValueError, r"fc\.input_scale must be one number"),
        ("input_scale", np.array(1e39), ValueError, r"fc\.input_scale must be one number"),
        ("input_scale", np.array(1e-40), ValueError, r"positive and finite like its inverse"),
        ("input_scale", np.array(1), TypeError, r"fc\.input_scale has dtype int64"),
        ("input_zero_point", np.array(0), ValueError, r"fc\.input_zero_point must be one number of int8 or uint8"),
        ("input_zero_point", np.zeros(41, np.int8), ValueError, r"dtype int8 and shape \(41,\)"),
    ],
)
def test_input_scales_that_cannot_be_are_refused_by_name(name, value, error, message):
    tensors = {"fc.weight": INTEGERS, "fc.weight_scale": SCALES, "fc.input_scale": np.array(0.1), f"fc.{name}": value}
    with pytest.raises(error, match=message):
        split(tensors)


# Files


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt"])
def test_integers_with_scales_come_out_of_every_kind_of_file(tmp_path, suffix):
    tensors, path = {"fc.weight": INTEGERS, "fc.weight_scale": SCALES}, tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        write_safetensors(path, tensors, {})
    elif suffix == ".npz":
        np.savez(path, **tensors)
    else:
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        torch.save({name: torch.tensor(array) for name, array in tensors.items()}, path)
    layer = only_layer(open_tensors(path))
    np.testing.assert_array_equal(layer.weight.integers.values, INTEGERS, strict=True)
    np.testing.assert_array_equal(layer.weight.scales, SCALES, strict=True)


def test_layers_compute_with_the_values(tmp_path):
    write_safetensors(tmp_path / "weights.safetensors", {"fc.weight": INTEGERS, "fc.weight_scale": SCALES}, {})
    layer, x = sparseinf.load(tmp_path / "weights.safetensors", tune="off")["fc"], sparse_matrix((3, 41), density=1.0)
    np.testing.assert_array_equal(layer(x), int8_linear(x, INTEGERS, SCALES))
    assert layer.precision == "int8"


# Torch's quantized layers


@pytest.fixture(name="torch", scope="module")
def _torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(name="network")
def _network(torch):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(41, 13), torch.nn.ReLU(), torch.nn.Linear(13, 41, bias=False), torch.nn.LayerNorm(41)]
    return torch.nn.Sequential(*layers).eval()


def per_tensor(torch, network):
    return torch.ao.quantization.quantize_dynamic(network, {torch.nn.Linear}, dtype=torch.qint8)


def per_channel(torch, network):
    kinds = {torch.nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig}
    return torch.ao.quantization.quantize_dynamic(network, kinds)


def static(torch, network):
    """Quantized with observed ranges; what was the first layer is layer 1 then."""
    stubs = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
    wrapped = torch.nn.Sequential(stubs[0], *copy.deepcopy(network)[:3], stubs[1])
    wrapped.qconfig = torch.ao.quantization.get_default_qconfig("x86")
    prepared = torch.ao.quantization.prepare(wrapped.eval())
    prepared(torch.randn(64, 41))
    return torch.ao.quantization.convert(prepared)


def assert_layers_are_those_of(state, modules):
    layers, others = split(state)
    assert [*layers] == [*modules]
    assert not [name for name in others if "_packed_params" in name]
    assert {name for name in state if name.endswith((".scale", ".zero_point"))} <= set(others)
    for name, module in modules.items():
        weight = module.weight()
        assert isinstance(layers[name].weight, Quantized)
        np.testing.assert_array_equal(layers[name].weight.integers.values, weight.int_repr().numpy(), strict=True)
        np.testing.assert_array_equal(layers[name].weight.to_dense(), weight.dequantize().numpy(), strict=True)
        assert (layers[name].bias is None) == (module.bias() is None)
        if module.bias() is not None:
            np.testing.assert_array_equal(layers[name].bias, module.bias().detach().numpy(), strict=True)


@pytest.mark.parametrize("kind", [per_tensor, per_channel])
def test_dynamic_layers_are_taken_as_they_are(torch, network, kind):
    quantized = kind(torch, network)
    assert_layers_are_those_of(quantized.state_dict(), {"0": quantized[0], "2": quantized[2]})


def test_static_layers_are_taken_as_they_are(torch, network):
    quantized = static(torch, network)
    assert_layers_are_those_of(quantized.state_dict(), {"1": quantized[1], "3": quantized[3]})


@pytest.mark.parametrize("kind", [per_tensor, per_channel, static])
def test_saved_state_dicts_are_opened_weights_only(torch, network, tmp_path, kind):
    quantized = kind(torch, network)
    state = quantized.state_dict()
    torch.save(state, tmp_path / "weights.pt")
    found = open_tensors(tmp_path / "weights.pt")
    assert [*found] == [*state]
    modules = {name: module for name, module in quantized.named_children() if hasattr(module, "_packed_params")}
    assert_layers_are_those_of(found, modules)


def test_a_network_of_torch_computes_the_same(torch, network, tmp_path):
    quantized = per_channel(torch, network)
    torch.save(quantized.state_dict(), tmp_path / "weights.pt")
    layer, x = sparseinf.load(tmp_path / "weights.pt", tune="off")["0"], sparse_matrix((3, 41), density=1.0)
    weight = quantized[0].weight()
    scales = weight.q_per_channel_scales().numpy().astype(np.float32)
    expected = int8_linear(x, weight.int_repr().numpy(), scales, quantized[0].bias().detach().numpy())
    np.testing.assert_array_equal(layer(x), expected)


def test_packed_layers_of_float16_are_float_layers(torch, network):
    half = torch.ao.quantization.quantize_dynamic(network, {torch.nn.Linear}, dtype=torch.float16)
    layers, _ = split(half.state_dict())
    assert layers["0"].weight.name == "dense"
    np.testing.assert_array_equal(layers["0"].weight.to_dense(), half[0].weight().numpy())


@pytest.mark.parametrize("scheme", ["tensor", "channel"])
def test_a_quantized_tensor_is_a_weight_and_the_scale_beside_it_is_not_its_own(torch, scheme):
    matrix, zeros = torch.tensor(sparse_matrix()), torch.zeros(13, dtype=torch.int64)
    weight = (
        torch.quantize_per_tensor(matrix, 0.02, 0, torch.qint8)
        if scheme == "tensor"
        else torch.quantize_per_channel(matrix, torch.tensor(SCALES), zeros, 0, torch.qint8)
    )
    tensors = {"fc.weight": weight, "fc.bias": torch.ones(13), "fc.scale": torch.tensor(9.0)}
    layers, others = split(tensors)
    np.testing.assert_array_equal(layers["fc"].weight.to_dense(), weight.dequantize().numpy(), strict=True)
    assert others == ["fc.scale"]


def test_quantized_tensors_that_no_layer_can_have_are_refused_by_name(torch):
    matrix, zeros = torch.tensor(sparse_matrix()), torch.zeros(41, dtype=torch.int64)
    along_columns = torch.quantize_per_channel(matrix, torch.ones(41), zeros, 1, torch.qint8)
    shifted = torch.quantize_per_tensor(matrix, 0.02, 3, torch.qint8)
    packed = "fc._packed_params._packed_params"
    for tensors, error, message in [
        ({"fc.weight": along_columns}, ValueError, r"fc\.weight: the weight has a scale for each column"),
        ({"fc.weight": shifted}, ValueError, r"fc\.weight: the weight has a zero point of 3"),
        ({packed: (shifted, None)}, ValueError, rf"{packed}: the weight has a zero point of 3"),
        ({packed: (along_columns, None)}, ValueError, "axis 1"),
        ({packed: (matrix[0], None)}, ValueError, "two dimensions"),
        ({packed: (None, None)}, TypeError, f"{packed}: a weight must be"),
        ({packed: (matrix, torch.ones(5))}, ValueError, r"fc\._packed_params \(bias\) has shape \(5,\)"),
        ({packed: (matrix,)}, TypeError, "must be a pair"),
        ({packed: matrix}, TypeError, "must be a pair"),
    ]:
        with pytest.raises(error, match=message):
            split(tensors)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("fc.weight", lambda torch: (torch.ones(2, 2), None)),
        ("fc.dtype", lambda torch: torch.qint8),
        ("fc._packed_params._packed_params", lambda torch: (torch.ones(2, 2), 3)),
        ("fc._packed_params._packed_params", lambda torch: [torch.ones(2, 2), None]),
        ("fc._packed_params.dtype", lambda _: "qint8"),
    ],
)
def test_torch_files_of_other_things_are_still_refused(torch, tmp_path, name, make):
    torch.save({name: make(torch)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=f"{name}' is a .* state dict"):
        open_tensors(tmp_path / "weights.pt")


def test_a_packed_tensor_larger_than_its_file_is_refused(torch, tmp_path):
    torch.save({"fc._packed_params._packed_params": (torch.zeros(1, 1).expand(2**20, 2**10), None)}, tmp_path / "w.pt")
    with pytest.raises(CorruptFileError, match="claims shape"):
        open_tensors(tmp_path / "w.pt")
