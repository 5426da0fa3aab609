"""Operators that compute each element by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparseinf.compile.lowering.rules import (
    FLOATS,
    NUMBERS,
    WHOLES,
    NativeStep,
    Rule,
    dtype_of,
    on,
    plain,
    with_attributes,
)

if TYPE_CHECKING:
    from sparseinf.graph import Graph, Node

__all__ = ["ELEMENTWISE"]

_BOOLS = frozenset({"bool"})


def _gelu(node: Node, _: Graph) -> NativeStep:
    by_tanh = node.attributes.get("approximate", "none") == "tanh"
    return NativeStep("GeluByTanh" if by_tanh else "Gelu", {}, node.inputs, node.outputs)


def _is_nan(node: Node, _: Graph) -> NativeStep:
    attributes = {"detect_nan": 1, "detect_positive": 0, "detect_negative": 0}
    return NativeStep("FloatClass", attributes, node.inputs, node.outputs)


def _modulus(node: Node, graph: Graph) -> NativeStep | None:
    truncates = node.attributes.get("fmod", 0) != 0
    if not truncates and dtype_of(graph, node.inputs[0]) not in WHOLES:
        return None
    return NativeStep("Remainder" if truncates else "Modulus", {}, node.inputs, node.outputs)


def _power(node: Node, graph: Graph) -> NativeStep | None:
    return plain(node, graph) if dtype_of(graph, node.inputs[1]) in NUMBERS else None


def _shift(node: Node, _: Graph) -> NativeStep:
    is_left = node.attributes.get("direction") == "LEFT"
    return NativeStep("ShiftLeft" if is_left else "ShiftRight", {}, node.inputs, node.outputs)


def _swish(node: Node, graph: Graph) -> NativeStep | None:
    return plain(node, graph) if node.attributes.get("alpha", 1.0) == 1.0 else None


_OF_FLOATS = (
    *("Sqrt", "Exp", "Log", "Reciprocal", "Erf", "Tanh", "Sigmoid", "Floor", "Ceil", "Round"),
    *("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"),
    *("Softplus", "Softsign", "Mish", "HardSwish"),
)
_OF_NUMBERS = (
    *("Neg", "Abs", "Relu", "Sign", "Add", "Sub", "Mul", "Div", "Min", "Max", "Clip", "PRelu"),
    *("Less", "LessOrEqual", "Greater", "GreaterOrEqual"),
)

ELEMENTWISE: dict[str, Rule] = {
    **dict.fromkeys(_OF_FLOATS, on(FLOATS)),
    **dict.fromkeys(_OF_NUMBERS, on(NUMBERS)),
    **dict.fromkeys(("Not", "And", "Or", "Xor"), on(_BOOLS)),
    **dict.fromkeys(("BitwiseNot", "BitwiseAnd", "BitwiseOr", "BitwiseXor"), on(WHOLES)),
    "Equal": on(NUMBERS | _BOOLS),
    "BitShift": on(frozenset({"uint8"}), _shift),
    "Mod": on(NUMBERS, _modulus),
    "Pow": on(FLOATS | {"int64", "int32"}, _power),
    **dict.fromkeys(("Sum", "Mean"), on(FLOATS)),
    "LeakyRelu": on(FLOATS, with_attributes(alpha=0.01)),
    "Elu": on(FLOATS, with_attributes(alpha=1.0)),
    "Celu": on(FLOATS, with_attributes(alpha=1.0)),
    "Selu": on(FLOATS, with_attributes(alpha=1.67326319217681884765625, gamma=1.05070102214813232421875)),
    "HardSigmoid": on(FLOATS, with_attributes(alpha=0.2, beta=0.5)),
    "ThresholdedRelu": on(FLOATS, with_attributes(alpha=1.0)),
    "Gelu": on(FLOATS, _gelu),
    "Swish": on(FLOATS, _swish),
    "IsNaN": on(FLOATS, _is_nan),
    "IsInf": on(FLOATS, with_attributes("FloatClass", detect_nan=0, detect_positive=1, detect_negative=1)),
}
