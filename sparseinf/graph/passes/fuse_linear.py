"""Products with a constant matrix become "Linear" nodes, and take in what follows them.

    Linear(x, residual, weight=, bias=, activation=)    y = activation(x @ weight.T + bias + residual)

weight: float32, (out_features, in_features); bias: float32, (out_features,), or None; activation: as
`sparseinf.load` takes it; residual: of y's own shape, or left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.graph.ir import Node
from sparseinf.graph.passes.followers import activation_of, changed, fuse_followers, with_residual

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from sparseinf.graph.ir import Graph

__all__ = ["fuse_linear"]


def fuse_linear(graph: Graph) -> int:
    """Make Linear of MatMul and Gemm with constant weights; fuse bias and activation."""
    return _make_linear(graph) + fuse_followers(graph, "Linear", _with_follower)


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


def _with_follower(graph: Graph, linear: Node, name: str, node: Node) -> Node | None:
    activation = activation_of(graph, node)
    if activation is not None:
        return changed(linear, node, activation=activation)
    if node.op != "Add" or len(linear.inputs) > 1:
        return None
    other = node.inputs[1] if node.inputs[0] == name else node.inputs[0]
    row = graph.constants.get(other)
    if row is None:
        return with_residual(graph, linear, name, other, node)
    weight, bias = linear.attributes["weight"], linear.attributes["bias"]
    if row.dtype != np.float32 or not _is_row(row, len(weight)):
        return None
    row = np.broadcast_to(row.reshape(-1), len(weight))
    return changed(linear, node, bias=np.array(row) if bias is None else bias + row)
