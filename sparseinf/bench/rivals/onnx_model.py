"""Writes a stack of linear layers as an ONNX model, for ONNX Runtime and OpenVINO to run as they run anybody's network.

Zeros are stored like any other weight: a dense library has no other form. What is here is in float32; the products in
eight bits are in `onnx_int8.py`. Importing this file does not import `onnx`; calling it does (extra `bench`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sparseinf.bench.reference import name_and_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord

# Opset 20 is the first with Gelu; IR version 10 goes with it and is read by every later runtime.
_OPSET = 20
_IR_VERSION = 10
# Of operators that ONNX Runtime has beside the standard's.
RUNTIME_DOMAIN = "com.microsoft"
# Protocol buffers end at 2 GiB; leave room for what is not weights.
_LARGEST_CONSTANTS_BYTES = 2**31 - 2**20

_NODES: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "gelu": ("Gelu", {"approximate": "none"}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "hardswish": ("HardSwish", {}),
    "hardsigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
}


class Graph:
    """A model being written; each method returns the name of what it added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._bytes = 0

    def add(self, operator: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> str:
        """Append one node; the name is that of its first output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0]

    def constant(self, name: str, array: Any, dtype: type = np.float32) -> str:
        """Append one constant.

        Raises
        ------
        ValueError
            When all constants exceed what an ONNX file can hold.
        """
        from onnx import numpy_helper

        values: NDArray[Any] = np.array(array, dtype=dtype, order="C")
        self._bytes += values.nbytes
        if self._bytes > _LARGEST_CONSTANTS_BYTES:
            raise ValueError(f"the dense weights take more than {self._bytes:,} bytes, but one ONNX file ends at 2 GiB")
        self.initializers.append(numpy_helper.from_array(values, name))
        return name

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


Product: TypeAlias = "Callable[[Graph, LinearRecord, str, str], str]"
"""Appends x @ weight.T + bias to a graph: of a layer, the name of x, and the name that the sum shall have."""


def add_product(graph: Graph, layer: LinearRecord, value: str, output: str) -> str:
    """Append x @ weight.T + bias in float32."""
    inputs = [value, graph.constant(f"{output}_weight", layer.weight.to_dense())]
    if layer.bias is not None:
        inputs.append(graph.constant(f"{output}_bias", layer.bias))
    return graph.add("Gemm", inputs, output, transB=1)


def serialized_model(layers: Sequence[LinearRecord], products: Sequence[Product] | None = None) -> bytes:
    """Return an ONNX model with input "x" (N, in_features) and output "y" (N, out_features), N symbolic, both float32.

    Parameters
    ----------
    layers : sequence of LinearRecord
        The output of one is the input of the next.
    products : sequence of Product, optional
        How each layer multiplies; all in float32 if left out.

    Raises
    ------
    ValueError
        When an activation has no ONNX form here, or the dense weights exceed what an ONNX file can hold.
    """
    from onnx import TensorProto, helper

    graph = Graph()
    value = "x"
    for number, (layer, add) in enumerate(zip(layers, products or [add_product] * len(layers), strict=True), start=1):
        output = "y" if number == len(layers) else f"layer{number}"
        if layer.activation is None:
            value = add(graph, layer, value, output)
        else:
            value = graph.add_activation(layer.activation, add(graph, layer, value, f"{output}_product"), output)
    proto = helper.make_graph(
        graph.nodes,
        "linear_layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", layers[0].weight.shape[1]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", layers[-1].weight.shape[0]])],
        graph.initializers,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(RUNTIME_DOMAIN, 1)]
    model = helper.make_model(proto, opset_imports=opsets, ir_version=_IR_VERSION)
    return bytes(model.SerializeToString())
