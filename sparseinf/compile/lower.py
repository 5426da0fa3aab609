"""Which native operation a node of a graph becomes, and with which attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparseinf.compile.lowering.computing import COMPUTING
from sparseinf.compile.lowering.data_movement import DATA_MOVEMENT
from sparseinf.compile.lowering.elementwise import ELEMENTWISE
from sparseinf.compile.lowering.reductions import REDUCTIONS
from sparseinf.compile.lowering.rules import NativeStep, Rule
from sparseinf.graph import LAYER_OPERATORS
from sparseinf.graph.windows import window_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sparseinf import runtime
    from sparseinf.graph import Graph, Node

__all__ = ["NATIVE_DTYPES", "NativeStep", "native_step"]

NATIVE_DTYPES = frozenset(map(np.dtype, ("float32", "int64", "int32", "int8", "uint8", "bool")))
"""The element types that programs compute with."""


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
    if not all(_is_native(graph, name) for name in [*node.inputs, *node.outputs] if name):
        return None
    if node.op in LAYER_OPERATORS:
        return _layer_step(node, layers[node.name])
    rule = _RULES.get(node.op)
    return None if rule is None else rule(node, graph)


def _layer_step(node: Node, layer: runtime.Linear) -> NativeStep | None:
    window = window_attributes(node) if node.op == "Convolution" else {}
    if window is None:
        return None
    return NativeStep(node.op, {"layer": layer, **window}, node.inputs, node.outputs)


def _is_native(graph: Graph, name: str) -> bool:
    value = graph.value(name)
    return value is not None and value.dtype in NATIVE_DTYPES


_RULES: dict[str, Rule] = {**COMPUTING, **DATA_MOVEMENT, **ELEMENTWISE, **REDUCTIONS}
