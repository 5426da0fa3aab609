"""Operators that move elements, or make arrays of shapes and positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.compile.lowering.rules import NUMBERS, NativeStep, Rule, dtype_of, on, plain, with_attributes

if TYPE_CHECKING:
    from sparseinf.graph import Graph, Node

__all__ = ["DATA_MOVEMENT"]


def _reshape(node: Node, _: Graph) -> NativeStep:
    return NativeStep("Reshape", {"allow_zero": int(node.attributes.get("allowzero", 0))}, node.inputs, node.outputs)


def _with_given(*names: str) -> Rule:
    """Return a rule for attributes that have no defaults: whole numbers, or lists of them."""

    def lower(node: Node, _: Graph) -> NativeStep:
        given = {name: node.attributes[name] for name in names if node.attributes.get(name) is not None}
        attributes = {
            name: list(map(int, value)) if isinstance(value, list | tuple) else int(value)
            for name, value in given.items()
        }
        return NativeStep(node.op, attributes, node.inputs, node.outputs)

    return lower


def _space_to_depth(node: Node, graph: Graph) -> NativeStep | None:
    if node.attributes.get("mode", "DCR") != "DCR":  # of later versions of the operator
        return None
    return with_attributes(blocksize=0)(node, graph)


def _cast(node: Node, graph: Graph) -> NativeStep:
    return NativeStep("Cast", {"type": dtype_of(graph, node.outputs[0])}, node.inputs[:1], node.outputs)


def _cast_like(node: Node, graph: Graph) -> NativeStep:
    return NativeStep("Cast", {"type": dtype_of(graph, node.inputs[1])}, node.inputs[:1], node.outputs)


def _constant_of_shape(node: Node, _: Graph) -> NativeStep | None:
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32)))
    if value.size != 1:
        return None
    number: Any = value.item() if value.dtype == np.float32 else int(value.item())
    return NativeStep(node.op, {"type": value.dtype.name, "value": number}, node.inputs, node.outputs)


def _eye_like(node: Node, graph: Graph) -> NativeStep:
    attributes = {"type": dtype_of(graph, node.outputs[0]), "k": int(node.attributes.get("k", 0))}
    return NativeStep(node.op, attributes, node.inputs, node.outputs)


DATA_MOVEMENT: dict[str, Rule] = {
    "Identity": plain,
    "Reshape": _reshape,
    "Flatten": with_attributes(axis=1),
    "Squeeze": plain,
    "Unsqueeze": plain,
    "Shape": _with_given("start", "end"),
    "Size": plain,
    "Transpose": _with_given("perm"),
    "DepthToSpace": with_attributes(blocksize=0, mode="DCR"),
    "SpaceToDepth": _space_to_depth,
    "Expand": plain,
    "Tile": plain,
    "Concat": with_attributes(axis=0),
    "Slice": plain,
    "Split": with_attributes(axis=0),
    "Trilu": with_attributes(upper=1),
    "Pad": with_attributes(mode="constant"),
    "Gather": with_attributes(axis=0),
    "GatherElements": with_attributes(axis=0),
    "GatherND": with_attributes(batch_dims=0),
    "Compress": _with_given("axis"),
    "ReverseSequence": with_attributes(time_axis=0, batch_axis=1),
    "ScatterElements": with_attributes(axis=0, reduction="none"),
    "ScatterND": with_attributes(reduction="none"),
    "Where": plain,
    "Cast": _cast,
    "CastLike": _cast_like,
    "ConstantOfShape": _constant_of_shape,
    "Range": on(NUMBERS),
    "EyeLike": _eye_like,
    "OneHot": with_attributes(axis=-1),
    "NonZero": plain,
    "CumSum": on(NUMBERS, with_attributes(exclusive=0, reverse=0)),
}
