"""What layers take in of the nodes that read them: the same for products and for convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.graph.ir import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparseinf.graph.ir import Graph

    Activation = str | tuple[str | float, ...] | None

__all__ = ["activation_of", "changed", "fuse_followers", "with_residual"]

_ACTIVATIONS = {
    "HardSwish": "hardswish",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Swish": "silu",
    "Tanh": "tanh",
}


def fuse_followers(graph: Graph, op: str, with_follower: Callable[[Graph, Node, str, Node], Node | None]) -> int:
    """Fuse the only reader of each layer, as long as it has no activation.

    Parameters
    ----------
    graph : Graph
    op : str
        The layers' operator.
    with_follower : function
        Of the graph, a layer, the value that it makes and the node that reads it: returns the layer that does both,
        None where there is none.
    """
    fused = 0
    readers = graph.num_readers()
    producers = graph.producers()
    for node in graph:
        for name in dict.fromkeys(node.inputs):
            layer = producers.get(name)
            if layer is None or layer.op != op or readers[name] != 1 or layer.attributes["activation"]:
                continue
            new = with_follower(graph, layer, name, node)
            if new is not None:
                graph.replace([layer, node], new)
                producers.update(dict.fromkeys(new.outputs, new))
                fused += 1
                break
    return fused


def changed(layer: Node, follower: Node, **changes: Any) -> Node:
    """Return the layer with other attributes, making what its follower makes."""
    return Node(layer.op, layer.inputs, follower.outputs, layer.attributes | changes, layer.name)


def activation_of(graph: Graph, node: Node) -> Activation:
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
        return _clip_of(graph, node)
    return _ACTIVATIONS.get(node.op)


def _clip_of(graph: Graph, node: Node) -> Activation:
    bounds = []
    for index, unbounded in ((1, -np.inf), (2, np.inf)):
        given = graph.constants.get(node.input(index)) if node.input(index) else np.array(unbounded)
        if given is None or given.size != 1 or np.isnan(given).any():
            return None
        bounds.append(float(given.reshape(())))
    return ("clip", *bounds) if bounds[0] <= bounds[1] else None


def with_residual(graph: Graph, layer: Node, name: str, other: str, node: Node) -> Node | None:
    """Return the layer that adds another value to what it makes; None unless both are known to have one shape."""
    own, added = graph.value(name), graph.value(other)
    if other == name or own is None or added is None or added.dtype != np.float32:
        return None
    if own.shape is None or own.shape != added.shape or None in own.shape:  # the same names are the same extents
        return None
    return Node(layer.op, [*layer.inputs, other], node.outputs, layer.attributes, layer.name)
