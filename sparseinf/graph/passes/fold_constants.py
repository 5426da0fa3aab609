"""Nodes that read constants only become constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparseinf.graph.ir import LAYER_OPERATORS
from sparseinf.graph.reference import reference_function

if TYPE_CHECKING:
    from sparseinf.graph.ir import Graph

__all__ = ["fold_constants"]

_MOST_ELEMENTS = 1 << 26
_NOT_THE_SAME_TWICE = frozenset(
    ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
)


def fold_constants(graph: Graph) -> int:
    """Compute them now, unless the result is so large that it is better made anew in each run."""
    folded = 0
    for node in graph:
        inputs = [graph.constants[name] for name in node.reads if name in graph.constants]
        if len(inputs) < len(node.reads) or node.op in _NOT_THE_SAME_TWICE or node.op in LAYER_OPERATORS:
            continue
        compute = reference_function(node, graph)
        try:
            outputs = compute(inputs)
        except (ValueError, MemoryError):  # as a run will say that needs it
            continue
        if sum(output.size for output in outputs) > _MOST_ELEMENTS:
            continue
        graph.constants.update(
            (name, output) for name, output in zip((n for n in node.outputs if n), outputs, strict=True)
        )
        graph.nodes.remove(node)
        folded += 1
    return folded
