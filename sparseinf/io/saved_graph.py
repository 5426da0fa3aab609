"""Graphs as JSON, for saved files: what stands beside the layers of a model.

    graph = {"nodes": [node, ...], "inputs": [value, ...], "outputs": [value, ...], "values": [value, ...]}
    node  = [operator, [input, ...], [output, ...], {attribute: value, ...}, name]
    value = [name, dtype, [extent, ...] or null]

An attribute that is an array is {"array": [[extent, ...], dtype, [element, ...]]}; one that is infinite or no number
is {"float": text}. Constants are tensors of the file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.graph import Graph, Node, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

__all__ = ["describe_graph", "read_graph"]

_DTYPES = frozenset(("float32", "float64", "float16", "int64", "int32", "int16", "int8"))
_DTYPES |= frozenset(("uint64", "uint32", "uint16", "uint8", "bool"))


def describe_graph(graph: Graph) -> dict[str, Any]:
    """Return a graph without its constants as plain JSON values."""
    return {
        "nodes": [
            [node.op, node.inputs, node.outputs, {k: _to_json(v) for k, v in node.attributes.items()}, node.name]
            for node in graph.nodes
        ],
        "inputs": [_describe_value(value) for value in graph.inputs],
        "outputs": [_describe_value(value) for value in graph.outputs],
        "values": [_describe_value(value) for value in graph.values.values() if value.dtype.name in _DTYPES],
    }


def read_graph(described: Any, constants: Mapping[str, npt.NDArray[Any]]) -> Graph:
    """Return the graph that `describe_graph` described.

    Raises
    ------
    ValueError
        If it is none, or reads values that nothing makes.
    """
    try:
        graph = Graph(
            nodes=[_read_node(node) for node in described["nodes"]],
            inputs=[_read_value(value) for value in described["inputs"]],
            outputs=[_read_value(value) for value in described["outputs"]],
            constants=dict(constants),
            values={value.name: value for value in map(_read_value, described["values"])},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its graph is described wrongly: {error}") from None
    _check_order(graph)
    return graph


def _check_order(graph: Graph) -> None:
    known = {*graph.constants, *(value.name for value in graph.inputs)}
    for node in graph.nodes:
        if unknown := [name for name in node.inputs if name and name not in known]:
            raise ValueError(f"node {node.name!r} of its graph reads {unknown[0]!r}, which nothing before it makes")
        known.update(node.outputs)
    if unknown := [value.name for value in graph.outputs if value.name not in known]:
        raise ValueError(f"nothing in its graph makes the output {unknown[0]!r}")


def _describe_value(value: Value) -> list[Any]:
    return [value.name, value.dtype.name, None if value.shape is None else list(value.shape)]


def _read_value(described: Any) -> Value:
    name, dtype, shape = described
    if not isinstance(name, str) or dtype not in _DTYPES:
        raise ValueError(f"a value needs a name and a dtype, but is {described!r:.80}")
    if shape is not None and not all(extent is None or isinstance(extent, int | str) for extent in shape):
        raise ValueError(f"a value's extents are numbers, names or unknown, but are {shape!r:.80}")
    return Value(name, np.dtype(dtype), None if shape is None else tuple(shape))


def _read_node(described: Any) -> Node:
    op, inputs, outputs, attributes, name = described
    texts = [op, name, *inputs, *outputs]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"a node is named by texts, but is {described!r:.80}")
    return Node(op, list(inputs), list(outputs), {k: _from_json(v) for k, v in attributes.items()}, name)


def _to_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": [list(value.shape), value.dtype.name, [_to_json(item) for item in value.reshape(-1).tolist()]]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        if kind == "float":
            return float(content)
        shape, dtype, elements = content
        if kind != "array" or dtype not in _DTYPES:
            raise ValueError(f"an attribute is described by {value!r:.80}")
        return np.array([_from_json(item) for item in elements], dtype).reshape(shape)
    return [_from_json(item) for item in value] if isinstance(value, list) else value
