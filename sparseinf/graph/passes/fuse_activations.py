"""Activations that models spell out become one node each.

Gelu(x)                        0.5 x (1 + erf(x / sqrt 2)), its factors in any order
Gelu(x, approximate="tanh")    0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), the cube as a power or as products
Swish(x)                       x sigmoid(x)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sparseinf.graph.ir import Node

if TYPE_CHECKING:
    from sparseinf.graph.ir import Graph

__all__ = ["fuse_activations"]

_TOLERANCE = 1e-4  # of constants that models write in few digits


def fuse_activations(graph: Graph) -> int:
    """Find them by their last product."""
    matcher = _Matcher(graph)
    fused = 0
    for node in graph:
        if node.op != "Mul":
            continue
        for name, match in (("Gelu", matcher.gelu), ("Gelu", matcher.gelu_tanh), ("Swish", matcher.swish)):
            x = match(node.outputs[0])
            if x is not None:
                attributes = {"approximate": "tanh" if match == matcher.gelu_tanh else "none"} if name == "Gelu" else {}
                graph.replace([node], Node(name, [x], node.outputs, attributes, node.name))
                fused += 1
                break
    if fused:
        graph.remove_unread()
    return fused


class _Matcher:
    """Reads formulas backwards from the values that they make."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._producers = graph.producers()

    def gelu(self, name: str) -> str | None:
        constant, others = self._product(name)
        for x in others:
            for factor in others:
                if self._is_error_term(factor, x) and sorted(others) == sorted([x, factor]) and _is_near(constant, 0.5):
                    return x
        return None

    def gelu_tanh(self, name: str) -> str | None:
        constant, others = self._product(name)
        for x in others:
            for factor in others:
                if self._is_tanh_term(factor, x) and sorted(others) == sorted([x, factor]) and _is_near(constant, 0.5):
                    return x
        return None

    def swish(self, name: str) -> str | None:
        constant, others = self._product(name, depth=1)
        for x in others:
            for factor in others:
                sigmoid = self._producers.get(factor)
                if (
                    sigmoid is not None
                    and sigmoid.op == "Sigmoid"
                    and sigmoid.inputs[0] == x
                    and sorted(others) == sorted([x, factor])
                    and constant == 1
                ):
                    return x
        return None

    def _is_error_term(self, name: str, x: str) -> bool:
        """Whether it is 1 + erf(x / sqrt 2)."""
        constant, (inner,) = self._sum(name, 1)
        erf = self._producers.get(inner)
        if erf is None or erf.op != "Erf" or not _is_near(constant, 1):
            return False
        factor, others = self._product(erf.inputs[0])
        return others == [x] and _is_near(factor, math.sqrt(0.5))

    def _is_tanh_term(self, name: str, x: str) -> bool:
        """Whether it is 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))."""
        constant, (inner,) = self._sum(name, 1)
        tanh = self._producers.get(inner)
        if tanh is None or tanh.op != "Tanh" or not _is_near(constant, 1):
            return False
        factor, others = self._product(tanh.inputs[0])
        if len(others) != 1 or not _is_near(factor, math.sqrt(2 / math.pi)):
            return False
        nothing, parts = self._sum(others[0], 2)
        if x not in parts or nothing != 0:
            return False
        cubic_factor, cubes = self._product(parts[1] if parts[0] == x else parts[0])
        return _is_near(cubic_factor, 0.044715) and (cubes == [x, x, x] or self._is_cube(cubes, x))

    def _is_cube(self, names: list[str], x: str) -> bool:
        power = self._producers.get(names[0]) if len(names) == 1 else None
        return power is not None and power.op == "Pow" and power.inputs[0] == x and self._constant(power.inputs[1]) == 3

    def _constant(self, name: str) -> float | None:
        array = self._graph.constants.get(name)
        return (
            float(array.reshape(-1)[0]) if array is not None and array.size == 1 and array.dtype.kind in "fi" else None
        )

    def _product(self, name: str, depth: int = 4) -> tuple[float, list[str]]:
        """Return a value as a number times other values."""
        node = self._producers.get(name)
        if node is None or node.op not in ("Mul", "Div") or depth == 0:
            return 1.0, [name]
        left, right = node.inputs
        if node.op == "Div":
            divisor = self._constant(right)
            factor, others = self._product(left, depth - 1)
            return (factor / divisor, others) if divisor else (1.0, [name])
        constant, others = 1.0, []
        for part in (left, right):
            number = self._constant(part)
            factor, more = (number, []) if number is not None else self._product(part, depth - 1)
            constant *= factor
            others += more
        return constant, others

    def _sum(self, name: str, num_parts: int) -> tuple[float, list[str]]:
        """Return a sum of two as a number plus other values; no parts where they are not so many."""
        node = self._producers.get(name)
        parts = node.inputs if node is not None and node.op == "Add" else [name]
        numbers = [self._constant(part) for part in parts]
        others = [part for part, number in zip(parts, numbers, strict=True) if number is None]
        constant = sum(number for number in numbers if number is not None)
        return (constant, others) if len(others) == num_parts else (math.nan, [""] * num_parts)


def _is_near(number: float, expected: float) -> bool:
    return abs(number - expected) <= _TOLERANCE * expected
