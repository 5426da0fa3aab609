"""Graphs: nodes in an order in which every value is made before it is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

__all__ = ["LAYER_OPERATORS", "Graph", "Node", "Value"]

LAYER_OPERATORS = frozenset(("Linear", "Convolution"))
"""Operators of our own, which passes make: their weights are packed as layers."""


@dataclass(frozen=True)
class Value:
    """What is known of a value before anything runs.

    Parameters
    ----------
    name : str
    dtype : numpy.dtype
    shape : tuple of int, str or None; or None
        Extents: known, named (the same name is the same extent) or unknown. None: not even how many there are.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str | None, ...] | None = None


@dataclass(eq=False)
class Node:
    """One operation.

    Parameters
    ----------
    op : str
        As ONNX names it, of another domain than its own as "domain.name"; or one of `LAYER_OPERATORS`.
    inputs, outputs : list of str
        Names of values; "" for one that is left out.
    attributes : dict
        Numbers, texts, lists of them, arrays.
    name : str
        As the model has it, or that of the first output.
    captures : list of str
        Values that graphs among the attributes read, beside the inputs.
    """

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    captures: list[str] = field(default_factory=list)

    @property
    def reads(self) -> list[str]:
        """The names of all values that the node reads."""
        return [*filter(None, self.inputs), *self.captures]

    def input(self, index: int) -> str:
        """Return the name of an input, "" if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass(eq=False)
class Graph:
    """A model, or what passes have made of it.

    Parameters
    ----------
    nodes : list of Node
    inputs, outputs : list of Value
        In the order in which a call gives and gets them.
    constants : dict of str to array
    values : dict of str to Value
        What shape inference found out about values that are neither.
    opsets : dict of str to int
        The version of the operators of each domain; "" is ONNX's own.
    """

    LEAST_OPSET = 18
    """No graph has operators of an older version."""

    nodes: list[Node]
    inputs: list[Value]
    outputs: list[Value]
    constants: dict[str, npt.NDArray[Any]]
    values: dict[str, Value] = field(default_factory=dict)
    opsets: dict[str, int] = field(default_factory=lambda: {"": Graph.LEAST_OPSET})

    def value(self, name: str) -> Value | None:
        """Return what is known of a value; None if that is nothing."""
        if name in self.constants:
            array = self.constants[name]
            return Value(name, array.dtype, array.shape)
        known = {value.name: value for value in [*self.inputs, *self.outputs]}
        return known.get(name) or self.values.get(name)

    def producers(self) -> dict[str, Node]:
        """Return the node that makes each value."""
        return {output: node for node in self.nodes for output in node.outputs if output}

    def num_readers(self) -> Counter[str]:
        """Return how often each value is read, as an output of the graph too."""
        readers = Counter(name for node in self.nodes for name in node.reads)
        readers.update(output.name for output in self.outputs)
        return readers

    def replace(self, nodes: Iterable[Node], new: Node) -> None:
        """Put one node in the place of the last of some; the others go."""
        gone = set(map(id, nodes))
        last = max(index for index, node in enumerate(self.nodes) if id(node) in gone)
        self.nodes[last] = new
        self.nodes = [node for node in self.nodes if id(node) not in gone]

    def remove_unread(self) -> None:
        """Remove nodes and constants that no output needs."""
        needed = {output.name for output in self.outputs}
        kept = []
        for node in reversed(self.nodes):
            if needed.isdisjoint(node.outputs):
                continue
            kept.append(node)
            needed.update(node.reads)
        self.nodes = kept[::-1]
        self.constants = {name: array for name, array in self.constants.items() if name in needed}

    def __iter__(self) -> Iterator[Node]:
        """Iterate over the nodes, as they are now."""
        return iter(list(self.nodes))

    def __str__(self) -> str:
        """Return one line a node: what passes did is seen by comparing two of these."""
        lines = [f"{', '.join(filter(None, node.outputs))} = {_call_text(node)}" for node in self.nodes]
        return "\n".join([*lines, f"return {', '.join(output.name for output in self.outputs)}"])


def _call_text(node: Node) -> str:
    attributes = [
        f"{name}={_attribute_text(value)}" for name, value in sorted(node.attributes.items()) if value is not None
    ]
    return f"{node.op}({', '.join([*(name or '-' for name in node.inputs), *attributes])})"


def _attribute_text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    return repr(value) if isinstance(value, int | float | str | tuple | list) else type(value).__name__
