"""Products with a constant matrix become "Linear" nodes, and take in what follows them.

    Linear(x, residual, weight=, bias=, activation=)    y = activation(x @ weight.T + bias + residual)

weight: float32, (out_features, in_features); bias: float32, (out_features,), or None; activation: as
`sparseinf.load` takes it; residual: of y's own shape, or left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.graph.ir import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from sparseinf.graph.ir import Graph

    Activation = str | tuple[str | float, ...] | None

__all__ = ["fuse_linear"]

_ACTIVATIONS = {
    "HardSwish": "hardswish",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Swish": "silu",
    "Tanh": "tanh",
}


def fuse_linear(graph: Graph) -> int:
    """Make Linear of MatMul and Gemm with constant weights; fuse bias and activation."""
    return _make_linear(graph) + _fuse_followers(graph)


def _make_linear(graph: Graph) -> int:
    made = 0
    for node in graph:
        linear = _MAKERS[node.op](graph, node) if node.op in _MAKERS else None
        if linear is not None:
            graph.replace([node], linear)
            made += 1
    return made


def _of_matmul(graph: Graph, node: Node) -> Node | None:
    weight = graph.constants.get(node.inputs[1])
    x = graph.value(node.inputs[0])
    if weight is None or not _is_matrix(weight) or node.inputs[0] in graph.constants:
        return None
    if x is not None and x.shape is not None and len(x.shape) == 0:
        return None
    return _linear(node, np.ascontiguousarray(weight.T), None)


def _of_gemm(graph: Graph, node: Node) -> Node | None:
    said = node.attributes
    weight = graph.constants.get(node.inputs[1])
    bias = graph.constants.get(node.input(2)) if node.input(2) else None
    if weight is None or not _is_matrix(weight) or node.inputs[0] in graph.constants or said.get("transA"):
        return None
    weight = np.float32(said.get("alpha", 1.0)) * (weight if said.get("transB") else weight.T)
    if node.input(2):
        if bias is None or bias.dtype != np.float32 or not _is_row(bias, len(weight)):
            return None
        bias = np.float32(said.get("beta", 1.0)) * np.broadcast_to(bias.reshape(-1), len(weight))
    return _linear(node, np.ascontiguousarray(weight), bias)


_MAKERS: dict[str, Callable[[Graph, Node], Node | None]] = {"MatMul": _of_matmul, "Gemm": _of_gemm}


def _linear(node: Node, weight: npt.NDArray[Any], bias: npt.NDArray[Any] | None) -> Node:
    attributes = {"weight": weight, "bias": bias, "activation": None}
    return Node("Linear", [node.inputs[0]], node.outputs, attributes, node.name)


def _is_matrix(weight: npt.NDArray[Any]) -> bool:
    return weight.ndim == 2 and weight.dtype == np.float32 and 0 not in weight.shape


def _is_row(array: npt.NDArray[Any], out_features: int) -> bool:
    """Whether adding it adds the same to every row of y, and gives y no more dimensions."""
    return array.size in (1, out_features) and array.shape[-1:] in ((), (1,), (out_features,)) and array.ndim <= 1


def _fuse_followers(graph: Graph) -> int:
    fused = 0
    readers = graph.num_readers()
    producers = graph.producers()
    for node in graph:
        for name in node.inputs:
            linear = producers.get(name)
            if linear is None or linear.op != "Linear" or readers[name] != 1 or linear.attributes["activation"]:
                continue
            new = _with_follower(graph, linear, name, node)
            if new is not None:
                graph.replace([linear, node], new)
                producers.update(dict.fromkeys(new.outputs, new))
                fused += 1
                break
    return fused


def _with_follower(graph: Graph, linear: Node, name: str, node: Node) -> Node | None:
    attributes = dict(linear.attributes)
    activation = _activation_of(graph, node)
    if activation is not None:
        attributes["activation"] = activation
        return Node("Linear", linear.inputs, node.outputs, attributes, linear.name)
    if node.op != "Add" or len(linear.inputs) > 1:
        return None
    other = node.inputs[1] if node.inputs[0] == name else node.inputs[0]
    row = graph.constants.get(other)
    out_features = len(attributes["weight"])
    if row is None:
        is_residual = other != name and _has_shape_of(graph, other, name)
        return Node("Linear", [*linear.inputs, other], node.outputs, attributes, linear.name) if is_residual else None
    if row.dtype != np.float32 or not _is_row(row, out_features):
        return None
    row = np.broadcast_to(row.reshape(-1), out_features)
    attributes["bias"] = np.array(row) if attributes["bias"] is None else attributes["bias"] + row
    return Node("Linear", linear.inputs, node.outputs, attributes, linear.name)


def _activation_of(graph: Graph, node: Node) -> Activation:
    """Return what `load` calls the activation that a node is; None if it is none."""
    said = node.attributes
    if node.op == "Gelu":
        return "gelu_tanh" if said.get("approximate") == "tanh" else "gelu"
    if node.op == "Swish" and said.get("alpha", 1.0) != 1.0:
        return None
    if node.op == "HardSigmoid":
        is_usual = abs(said.get("alpha", 0.2) - 1 / 6) < 1e-6 and said.get("beta", 0.5) == 0.5
        return "hardsigmoid" if is_usual else None
    if node.op == "LeakyRelu":
        return ("leaky_relu", float(said.get("alpha", 0.01)))
    if node.op == "Clip":
        ends = [graph.constants.get(name) if name else end for name, end in _ends_of(node)]
        return None if any(end is None for end in ends) else ("clip", *(float(np.float32(end)) for end in ends))
    return _ACTIVATIONS.get(node.op)


def _ends_of(node: Node) -> list[tuple[str, float]]:
    return [(node.input(1), -np.inf), (node.input(2), np.inf)]


def _has_shape_of(graph: Graph, name: str, other: str) -> bool:
    """Whether two values are known to have the same shape: extents are numbers, or names that are the same."""
    a, b = graph.value(name), graph.value(other)
    if a is None or b is None or a.shape is None or a.dtype != np.float32:
        return False
    return a.shape == b.shape and None not in a.shape
