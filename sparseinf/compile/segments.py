"""A graph in segments: programs, and between them the nodes that only the reference evaluator can compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf import runtime
from sparseinf.compile.lower import native_step
from sparseinf.errors import UnsupportedModelError
from sparseinf.graph.reference import reference_function

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from sparseinf.compile.lower import NativeStep
    from sparseinf.graph import Graph, Node

__all__ = ["NativeSegment", "ReferenceSegment", "make_segments"]


class NativeSegment:
    """Steps that run as one program.

    Parameters
    ----------
    steps : sequence of NativeStep
    nodes : sequence of Node
        What each step came from.
    reads, writes : sequence of str
        Values that come from elsewhere, and that are needed elsewhere.
    constants : mapping of str to array
        Of the whole model.
    num_threads : int
    """

    def __init__(
        self,
        steps: Sequence[NativeStep],
        nodes: Sequence[Node],
        reads: Sequence[str],
        writes: Sequence[str],
        constants: Mapping[str, npt.NDArray[Any]],
        num_threads: int,
    ) -> None:
        self.nodes = tuple(nodes)
        self.reads = tuple(reads)
        self.writes = tuple(writes)
        slots: dict[str, int] = {}

        def slot(name: str) -> int:
            return slots.setdefault(name, len(slots)) if name else -1

        lowered = [
            (
                step.operation,
                step.attributes,
                [slot(name) for name in step.inputs],
                [slot(name) for name in step.outputs],
            )
            for step in steps
        ]
        inputs, outputs = [slot(name) for name in reads], [slot(name) for name in writes]
        self._program = runtime.Program(
            num_slots=len(slots),
            constants=[(number, constants[name]) for name, number in slots.items() if name in constants],
            inputs=inputs,
            outputs=outputs,
            steps=lowered,
            num_threads=num_threads,
        )

    def run(self, values: dict[str, npt.NDArray[Any]]) -> None:
        """Compute what is needed elsewhere, from values that are there already."""
        inputs = [np.asarray(values[name], order="C") for name in self.reads]
        values.update(zip(self.writes, self._program.run(inputs), strict=True))

    def profile(self, values: dict[str, npt.NDArray[Any]]) -> list[int]:
        """Likewise; return the nanoseconds that each node took."""
        inputs = [np.asarray(values[name], order="C") for name in self.reads]
        outputs, times_ns = self._program.profile(inputs)
        values.update(zip(self.writes, outputs, strict=True))
        return times_ns


class ReferenceSegment:
    """One node that there is no native operation for."""

    def __init__(self, node: Node, graph: Graph) -> None:
        self.node = node
        self._compute = reference_function(node, graph)
        self._constants = {name: graph.constants[name] for name in node.reads if name in graph.constants}

    def run(self, values: dict[str, npt.NDArray[Any]]) -> None:
        """Compute the node's outputs."""
        known = {**values, **self._constants}
        outputs = self._compute([known[name] for name in self.node.reads])
        values.update(zip(filter(None, self.node.outputs), outputs, strict=True))


def make_segments(
    graph: Graph, layers: Mapping[str, runtime.Linear], num_threads: int
) -> list[NativeSegment | ReferenceSegment]:
    """Return what computes the graph's outputs, in order.

    Raises
    ------
    UnsupportedModelError
        If nothing can compute some nodes; it names all of their operators.
    """
    steps = [native_step(node, graph, layers) for node in graph.nodes]
    parts: list[list[int]] = []
    for index, step in enumerate(steps):
        if parts and step is not None and steps[parts[-1][-1]] is not None:
            parts[-1].append(index)
        else:
            parts.append([index])
    segments: list[NativeSegment | ReferenceSegment] = []
    unsupported: dict[str, None] = {}
    for part in parts:
        first = steps[part[0]]
        if first is None:
            try:
                segments.append(ReferenceSegment(graph.nodes[part[0]], graph))
            except UnsupportedModelError:
                unsupported[graph.nodes[part[0]].op] = None
            continue
        segments.append(_native_segment(graph, [steps[i] for i in part], part, num_threads))
    if unsupported:
        raise UnsupportedModelError(
            f"the model has operators that neither sparseinf nor onnx can compute: {', '.join(unsupported)}"
        )
    return segments


def _native_segment(
    graph: Graph, steps: Sequence[NativeStep | None], indices: Sequence[int], num_threads: int
) -> NativeSegment:
    found = [step for step in steps if step is not None]
    made = {name for step in found for name in step.outputs if name}
    reads = dict.fromkeys(
        name for step in found for name in step.inputs if name and name not in made and name not in graph.constants
    )
    inside = set(indices)
    needed = {output.name for output in graph.outputs}
    needed.update(name for i, node in enumerate(graph.nodes) if i not in inside for name in node.reads)
    writes = [name for step in found for name in step.outputs if name in needed]
    nodes = [graph.nodes[i] for i in indices]
    return NativeSegment(found, nodes, list(reads), writes, graph.constants, num_threads)
