"""What a model is: nodes that make values of values. Passes rewrite it; nothing here knows how a node is computed."""

from __future__ import annotations

from sparseinf.graph.ir import LAYER_OPERATORS, Graph, Node, Value

__all__ = ["LAYER_OPERATORS", "Graph", "Node", "Value"]
