"""What a rule of lowering is, and the common ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparseinf.graph import Graph, Node

__all__ = ["FLOATS", "NUMBERS", "WHOLES", "NativeStep", "Rule", "dtype_of", "on", "plain", "with_attributes"]

FLOATS = frozenset({"float32"})
WHOLES = frozenset({"int64", "int32", "int8", "uint8"})
NUMBERS = FLOATS | WHOLES


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


Rule = Callable[["Node", "Graph"], NativeStep | None]
"""Returns the step that computes a node, None where there is none. All values of the node have native types."""


def dtype_of(graph: Graph, name: str) -> str:
    """Return the name of a value's type, "" if nothing is known of it."""
    value = graph.value(name)
    return value.dtype.name if value is not None else ""


def plain(node: Node, _: Graph) -> NativeStep:
    """Return a step of the operator's own name, without attributes."""
    return NativeStep(node.op, {}, node.inputs, node.outputs)


def with_attributes(operation: str = "", **defaults: float | str) -> Rule:
    """Return a rule for attributes that are of their defaults' types; `operation` "" is the operator's own name."""

    def lower(node: Node, _: Graph) -> NativeStep:
        attributes = {name: type(default)(node.attributes.get(name, default)) for name, default in defaults.items()}
        return NativeStep(operation or node.op, attributes, node.inputs, node.outputs)

    return lower


def on(dtypes: frozenset[str], rule: Rule = plain) -> Rule:
    """Return a rule that holds for first inputs of these types only."""

    def lower(node: Node, graph: Graph) -> NativeStep | None:
        return rule(node, graph) if dtype_of(graph, node.input(0)) in dtypes else None

    return lower
