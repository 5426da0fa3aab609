"""Writes a stack of linear layers as an ONNX model, for ONNX Runtime to run as it runs anybody's network.

Zeros are stored like any other weight: a dense library has no other form. In int8 the weights are quantized once,
a scale for each output feature, and x as it comes (dynamic quantization). Importing this file does not import `onnx`;
calling it does (extra `bench`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.bench.reference import name_and_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord

# Opset 20 is the first with Gelu; IR version 10 goes with it and is read by every later runtime.
_OPSET = 20
_IR_VERSION = 10
# Protocol buffers end at 2 GiB; leave room for what is not weights.
_LARGEST_WEIGHTS_BYTES = 2**31 - 2**20

_NODES: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "gelu": ("Gelu", {"approximate": "none"}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "hardswish": ("HardSwish", {}),
    "hardsigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
}


def serialized_model(layers: Sequence[LinearRecord], *, int8: bool = False) -> bytes:
    """Return an ONNX model with input "x" (N, in_features) and output "y" (N, out_features), N symbolic.

    Parameters
    ----------
    layers : sequence of LinearRecord
        The output of one is the input of the next.
    int8 : bool
        Quantize weights and activations to eight bits; x and y stay float32.

    Raises
    ------
    ValueError
        When an activation has no ONNX form here, or the dense weights exceed what an ONNX file can hold.
    """
    from onnx import TensorProto, helper

    shapes = [layer.weight.shape for layer in layers]
    dense_bytes = sum(4 * rows * columns for rows, columns in shapes)
    if dense_bytes > _LARGEST_WEIGHTS_BYTES:
        raise ValueError(f"the dense weights take {dense_bytes:,} bytes, but one ONNX file ends at 2 GiB")
    graph = _Graph()
    value = "x"
    for number, layer in enumerate(layers, start=1):
        output = "y" if number == len(layers) else f"layer{number}"
        value = graph.add_layer(layer, value, output, int8=int8)
    proto = helper.make_graph(
        graph.nodes,
        "linear_layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", shapes[0][1]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", shapes[-1][0]])],
        graph.initializers,
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(proto, opset_imports=[opset], ir_version=_IR_VERSION)
    return bytes(model.SerializeToString())


class _Graph:
    """A model being written; each method returns the name of what it added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append one node."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name: str, array: Any, dtype: type = np.float32) -> str:
        """Append one constant."""
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.array(array, dtype=dtype), name))
        return name

    def add_layer(self, layer: LinearRecord, value: str, output: str, *, int8: bool) -> str:
        """Append one linear layer with its activation."""
        add_product = self.add_int8_product if int8 else self.add_product
        if layer.activation is None:
            return add_product(layer, value, output)
        return self.add_activation(layer.activation, add_product(layer, value, f"{output}_product"), output)

    def add_product(self, layer: LinearRecord, value: str, output: str) -> str:
        """Append x @ weight.T + bias."""
        inputs = [value, self.constant(f"{output}_weight", layer.weight.to_dense())]
        if layer.bias is not None:
            inputs.append(self.constant(f"{output}_bias", layer.bias))
        return self.add("Gemm", inputs, output, transB=1)

    def add_int8_product(self, layer: LinearRecord, value: str, output: str) -> str:
        """Append x @ weight.T + bias in integers: the very nodes that ONNX Runtime fuses into one."""
        from onnx import TensorProto, helper

        weight, scales = _quantized(layer.weight.to_dense())
        x, x_scale, x_zero = (f"{output}_{part}" for part in ("x", "x_scale", "x_zero"))
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [value], [x, x_scale, x_zero]))
        integers = [x, self.constant(f"{output}_weight", weight.T, np.int8), x_zero]
        integers.append(self.constant(f"{output}_weight_zero", np.zeros(len(scales)), np.int8))
        sums = self.add("MatMulInteger", integers, f"{output}_sums")
        floats = self.add("Cast", [sums], f"{output}_floats", to=TensorProto.FLOAT)
        weight_scale = self.constant(f"{output}_weight_scale", scales)
        scale = self.add("Mul", [x_scale, weight_scale], f"{output}_scale")
        if layer.bias is None:
            return self.add("Mul", [floats, scale], output)
        scaled = self.add("Mul", [floats, scale], f"{output}_scaled")
        return self.add("Add", [scaled, self.constant(f"{output}_bias", layer.bias)], output)

    def add_activation(self, activation: str | tuple[str | float, ...], value: str, output: str) -> str:
        """Append the nodes of one activation."""
        name, numbers = name_and_numbers(activation)
        if name in _NODES:
            operator, attributes = _NODES[name]
            return self.add(operator, [value], output, **attributes)
        if name == "leaky_relu":
            return self.add("LeakyRelu", [value], output, alpha=numbers[0])
        if name == "silu":
            return self.add("Mul", [value, self.add("Sigmoid", [value], f"{output}_sigmoid")], output)
        if name in {"clip", "relu6"}:
            low, high = numbers or (0.0, 6.0)
            limits = [self.constant(f"{output}_low", low), self.constant(f"{output}_high", high)]
            return self.add("Clip", [value, *limits], output)
        raise ValueError(f"activation {activation!r} has no ONNX form here")


def _quantized(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return the weight as int8 and the scale of each of its rows, zero at zero."""
    largest = np.abs(weight).max(axis=1, initial=0)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.rint(weight / scales[:, np.newaxis]).astype(np.int8), scales
