"""Convolutions with constant weights become "Convolution" nodes, and take in what follows them.

    Convolution(x, residual, weight=, bias=, activation=, kernel_shape=, strides=, dilations=, pads=, auto_pad=)

y = activation(convolution of x + bias + residual). weight: float32, (out_channels, channels * elements of the kernel);
bias: float32, (out_channels,), or None; activation: as `sparseinf.load` takes it; residual: of y's own shape, or left
out; the others as ONNX's Conv has them. Every place of the window is a column of a layer with that weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.graph.ir import Node
from sparseinf.graph.passes.followers import activation_of, changed, fuse_followers, with_residual
from sparseinf.graph.windows import window_attributes

if TYPE_CHECKING:
    import numpy.typing as npt

    from sparseinf.graph.ir import Graph

__all__ = ["fuse_convolution"]


def fuse_convolution(graph: Graph) -> int:
    """Make Convolution of Conv in one group; fuse BatchNormalization, bias, a residual and the activation."""
    return _make_convolutions(graph) + fuse_followers(graph, "Convolution", _with_follower)


def _make_convolutions(graph: Graph) -> int:
    made = 0
    for node in graph:
        if node.op == "Conv" and (new := _convolution_of(graph, node)) is not None:
            graph.replace([node], new)
            made += 1
    return made


def _convolution_of(graph: Graph, node: Node) -> Node | None:
    weight = graph.constants.get(node.inputs[1])
    bias = graph.constants.get(node.input(2)) if node.input(2) else None
    window = window_attributes(node)
    if (
        weight is None
        or weight.dtype != np.float32
        or not 3 <= weight.ndim <= 5
        or 0 in weight.shape
        or int(node.attributes.get("group", 1)) != 1
        or node.inputs[0] in graph.constants
        or (node.input(2) and (bias is None or bias.shape != weight.shape[:1]))
    ):
        return None
    if window is None or window["kernel_shape"] not in ([], list(weight.shape[2:])):
        return None
    attributes = window | {
        "kernel_shape": list(weight.shape[2:]),
        "weight": np.ascontiguousarray(weight.reshape(len(weight), -1)),
        "bias": bias,
        "activation": None,
    }
    return Node("Convolution", [node.inputs[0]], node.outputs, attributes, node.name)


def _with_follower(graph: Graph, convolution: Node, name: str, node: Node) -> Node | None:
    has_residual = len(convolution.inputs) > 1
    activation = activation_of(graph, node)
    if activation is not None:
        return changed(convolution, node, activation=activation)
    if node.op == "BatchNormalization" and not has_residual and node.inputs[0] == name:
        return _with_normalization(graph, convolution, node)
    if node.op != "Add" or has_residual:
        return None
    other = node.inputs[1] if node.inputs[0] == name else node.inputs[0]
    if other in graph.constants:
        row = _row_of_channels(graph.constants[other], convolution)
        return None if row is None else changed(convolution, node, bias=_sum(convolution.attributes["bias"], row))
    return with_residual(graph, convolution, name, other, node)


def _with_normalization(graph: Graph, convolution: Node, node: Node) -> Node | None:
    given = [graph.constants.get(name) for name in node.inputs[1:]]
    outputs = [name for name in node.outputs if name]
    if node.attributes.get("training_mode") or len(outputs) != 1 or any(array is None for array in given):
        return None
    scale, offset, mean, variance = (np.asarray(array, np.float64) for array in given)
    weight, bias = convolution.attributes["weight"], convolution.attributes["bias"]
    if any(array.shape != (len(weight),) for array in (scale, offset, mean, variance)):
        return None
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-5)))
        row = (((0.0 if bias is None else bias) - mean) * factor + offset).astype(np.float32)
        new = (weight * factor[:, None]).astype(np.float32)
    is_finite = np.isfinite(new).all() and np.isfinite(row).all()
    return changed(convolution, node, weight=new, bias=row) if is_finite else None


def _row_of_channels(array: npt.NDArray[Any], convolution: Node) -> npt.NDArray[np.float32] | None:
    """Return what adding a constant adds to each channel; None if it is not the same at all places."""
    channels, rank = len(convolution.attributes["weight"]), len(convolution.attributes["kernel_shape"]) + 2
    if array.dtype != np.float32 or array.ndim > rank:
        return None
    shape = (1,) * (rank - array.ndim) + array.shape
    if shape[1] not in (1, channels) or any(extent != 1 for extent in (shape[0], *shape[2:])):
        return None
    return np.array(np.broadcast_to(array.reshape(-1), channels))


def _sum(bias: npt.NDArray[np.float32] | None, row: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return row if bias is None else bias + row
