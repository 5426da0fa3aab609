"""Graphs as JSON, for saved files: what stands beside the layers of a model.

    graph = {"nodes": [node, ...], "inputs": [value, ...], "outputs": [value, ...], "values": [value, ...],
             "opsets": {domain: version, ...}}
    node  = [operator, [input, ...], [output, ...], {attribute: value, ...}, name, [capture, ...]]
    value = [name, dtype, [extent, ...] or null]

An attribute that is an array is {"array": [[extent, ...], dtype, [element, ...]]}; one that is infinite or no number
is {"float": text}; a graph (of a loop, say) is {"graph": onnx.GraphProto's bytes in base 64}, and only onnx can read
and run it. Constants are tensors of the file.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.errors import UnsupportedModelError
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
            [
                *(node.op, node.inputs, node.outputs),
                {name: _to_json(value) for name, value in node.attributes.items()},
                *(node.name, node.captures),
            ]
            for node in graph.nodes
        ],
        "inputs": [_describe_value(value) for value in graph.inputs],
        "outputs": [_describe_value(value) for value in graph.outputs],
        "opsets": graph.opsets,
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
            opsets={str(domain): int(version) for domain, version in described["opsets"].items()},
        )
    except UnsupportedModelError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its graph is described wrongly: {error}") from None
    _check_order(graph)
    return graph


def _check_order(graph: Graph) -> None:
    known = {*graph.constants, *(value.name for value in graph.inputs)}
    for node in graph.nodes:
        if unknown := [name for name in node.reads if name not in known]:
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
    op, inputs, outputs, attributes, name, captures = described
    texts = [op, name, *inputs, *outputs, *captures]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"a node is named by texts, but is {described!r:.80}")
    known = {name: _from_json(value) for name, value in attributes.items()}
    return Node(op, list(inputs), list(outputs), known, name, list(captures))


def _read_proto(text: str) -> Any:
    try:
        from onnx import GraphProto
    except ModuleNotFoundError:
        raise UnsupportedModelError(
            "this model has loops or branches, which the package onnx runs; pip install 'sparseinf[onnx]'"
        ) from None
    return GraphProto.FromString(b64decode(text))


def _to_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": [list(value.shape), value.dtype.name, [_to_json(item) for item in value.reshape(-1).tolist()]]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if hasattr(value, "SerializeToString"):
        return {"graph": b64encode(value.SerializeToString()).decode()}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        if kind == "float":
            return float(content)
        if kind == "graph":
            return _read_proto(content)
        shape, dtype, elements = content
        if kind != "array" or dtype not in _DTYPES:
            raise ValueError(f"an attribute is described by {value!r:.80}")
        return np.array([_from_json(item) for item in elements], dtype).reshape(shape)
    return [_from_json(item) for item in value] if isinstance(value, list) else value
