"""Rewrites of a graph, one a file; each says how many times it found something to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparseinf.graph.passes.fold_constants import fold_constants
from sparseinf.graph.passes.fuse_activations import fuse_activations
from sparseinf.graph.passes.fuse_convolution import fuse_convolution
from sparseinf.graph.passes.fuse_linear import fuse_linear
from sparseinf.graph.passes.remove_identities import remove_identities

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparseinf.graph.ir import Graph

__all__ = ["PASSES", "rewrite"]

PASSES: tuple[Callable[[Graph], int], ...] = (
    remove_identities,
    fold_constants,
    fuse_activations,
    fuse_linear,
    fuse_convolution,
)
"""In the order in which they run, again and again until none has anything to do."""


def rewrite(graph: Graph) -> None:
    """Run all passes, in place."""
    while sum(run(graph) for run in PASSES):
        graph.remove_unread()
    graph.remove_unread()
