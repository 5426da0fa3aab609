"""Which native operation a node of a graph becomes, and with which attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.compile.computing_steps import COMPUTING_STEPS
from sparseinf.graph.windows import window_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sparseinf import runtime
    from sparseinf.graph import Graph, Node

__all__ = ["NATIVE_DTYPES", "NativeStep", "native_step"]

NATIVE_DTYPES = frozenset(map(np.dtype, ("float32", "int64", "int32", "int8", "uint8", "bool")))
"""The element types that programs compute with."""


@dataclass(frozen=True, eq=False)
class NativeStep:
    """A step of a program, with names of values in the place of slots.

    Parameters
    ----------
    operation : str
        As in `runtime.native_operations()`.
    attributes : dict
    inputs, outputs : list of str
        "" for one that is left out.
    """

    operation: str
    attributes: dict[str, Any]
    inputs: list[str]
    outputs: list[str]


def native_step(node: Node, graph: Graph, layers: Mapping[str, runtime.Linear]) -> NativeStep | None:
    """Return the step that computes a node; None if there is no native operation for it.

    Parameters
    ----------
    node : Node
    graph : Graph
        Which knows the types of the node's values.
    layers : mapping of str to runtime.Linear
        The compiled layers, by the names of the Linear nodes.
    """
    lower = _LOWERINGS.get(node.op)
    if lower is None or not all(_is_native(graph, name) for name in [*node.inputs, *node.outputs] if name):
        return None
    if node.op == "Linear":
        return NativeStep("Linear", {"layer": layers[node.name]}, node.inputs, node.outputs)
    if node.op == "Convolution":
        window = window_attributes(node)
        attributes = {"layer": layers[node.name], **(window or {})}
        return None if window is None else NativeStep("Convolution", attributes, node.inputs, node.outputs)
    return lower(node, graph)


def _is_native(graph: Graph, name: str) -> bool:
    value = graph.value(name)
    return value is not None and value.dtype in NATIVE_DTYPES


def _plain(node: Node, _: Graph) -> NativeStep | None:
    return NativeStep(node.op, {}, node.inputs, node.outputs)


def _on(*dtypes: str) -> Callable[[Node, Graph], NativeStep | None]:
    """As `_plain`, for first inputs of these types."""

    def lower(node: Node, graph: Graph) -> NativeStep | None:
        value = graph.value(node.inputs[0])
        return _plain(node, graph) if value is not None and value.dtype.name in dtypes else None

    return lower


def _with(**defaults: int) -> Callable[[Node, Graph], NativeStep | None]:
    """As `_plain`, with attributes that are whole numbers."""

    def lower(node: Node, _: Graph) -> NativeStep | None:
        attributes = {name: int(node.attributes.get(name, default)) for name, default in defaults.items()}
        return NativeStep(node.op, attributes, node.inputs, node.outputs)

    return lower


def _computing(find: Callable[[Node, Graph], tuple[str, dict[str, Any]] | None]) -> Callable[..., NativeStep | None]:
    def lower(node: Node, graph: Graph) -> NativeStep | None:
        found = find(node, graph)
        return None if found is None else NativeStep(*found, node.inputs, node.outputs)

    return lower


def _reshape(node: Node, _: Graph) -> NativeStep | None:
    return NativeStep("Reshape", {"allow_zero": int(node.attributes.get("allowzero", 0))}, node.inputs, node.outputs)


def _shape(node: Node, _: Graph) -> NativeStep | None:
    ends: dict[str, Any] = {name: int(node.attributes[name]) for name in ("start", "end") if name in node.attributes}
    return NativeStep("Shape", ends, node.inputs, node.outputs)


_FLOAT = _on("float32")
_NUMBERS = _on("float32", "int64", "int32", "int8", "uint8")
_LOWERINGS: dict[str, Callable[[Node, Graph], NativeStep | None]] = {
    "Linear": _plain,
    "Convolution": _plain,
    **{operator: _computing(find) for operator, find in COMPUTING_STEPS.items()},
    "Identity": _plain,
    "Reshape": _reshape,
    "Flatten": _with(axis=1),
    "Squeeze": _plain,
    "Unsqueeze": _plain,
    "Shape": _shape,
    **dict.fromkeys(("Neg", "Abs", "Relu"), _NUMBERS),
    **dict.fromkeys(("Not", "And", "Or", "Xor"), _on("bool")),
    **dict.fromkeys(("Sqrt", "Exp", "Log", "Reciprocal", "Erf", "Tanh", "Sigmoid", "Floor", "Ceil", "Round"), _FLOAT),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _NUMBERS),
    **dict.fromkeys(("Less", "LessOrEqual", "Greater", "GreaterOrEqual"), _NUMBERS),
    "Equal": _on("float32", "int64", "int32", "int8", "uint8", "bool"),
}
