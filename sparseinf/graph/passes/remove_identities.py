"""Nodes that change nothing go: what read their outputs reads their inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sparseinf.graph.ir import Graph, Node

__all__ = ["remove_identities"]


def remove_identities(graph: Graph) -> int:
    """Remove Identity, and Dropout whose mask nobody reads; outputs of the graph keep their names."""
    outputs = {output.name for output in graph.outputs}
    outputs.update(name for node in graph.nodes for name in node.captures)  # their names stand in other graphs
    readers = graph.num_readers()
    instead: dict[str, str] = {}
    for node in graph:
        node.inputs = [instead.get(name, name) for name in node.inputs]
        if _changes_nothing(graph, node, readers) and node.outputs[0] not in outputs:
            instead[node.outputs[0]] = node.inputs[0]
            graph.nodes.remove(node)
    return len(instead)


def _changes_nothing(graph: Graph, node: Node, readers: dict[str, int]) -> bool:
    if node.op == "Identity":
        return True
    training = graph.constants.get(node.input(2), np.array(node.input(2) != ""))
    return node.op == "Dropout" and not training.any() and not any(readers.get(name) for name in node.outputs[1:])
