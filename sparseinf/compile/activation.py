"""Activation functions as users name them, and as kernels take them."""

from __future__ import annotations

import math
from typing import Any

from sparseinf.runtime import Epilogue

__all__ = ["Activation", "make_epilogue"]

Activation = str | tuple[Any, ...] | None

_NAMES = ("gelu", "gelu_tanh", "silu", "hardswish", "hardsigmoid", "sigmoid", "tanh")
_EXPECTED = (
    "None, 'relu', 'relu6', ('clip', low, high), 'gelu', 'gelu_tanh', 'silu', 'hardswish', 'hardsigmoid', "
    "'sigmoid', 'tanh' or ('leaky_relu', slope)"
)


def make_epilogue(activation: Activation) -> Epilogue:
    """Return what the kernels apply for an activation.

    Raises
    ------
    TypeError
        If it is neither None nor a name nor a tuple that starts with one.
    ValueError
        If there is no such activation, or its parameters are not numbers in order.
    """
    match activation:
        case None:
            return Epilogue("none")
        case "relu":
            return Epilogue("clip", low=0.0, high=math.inf)
        case "relu6":
            return Epilogue("clip", low=0.0, high=6.0)
        case ("clip", low, high):
            low, high = _number(low, "clip"), _number(high, "clip")
            if low > high:
                raise ValueError(f"('clip', low, high) needs low <= high, but got {low} and {high}")
            return Epilogue("clip", low=low, high=high)
        case ("leaky_relu", slope):
            return Epilogue("leaky_relu", slope=_number(slope, "leaky_relu"))
        case str() if activation in _NAMES:
            return Epilogue(activation)
        case str() | tuple():
            raise ValueError(f"activation must be {_EXPECTED}, but is {activation!r}")
    raise TypeError(f"activation must be {_EXPECTED}, but is a {type(activation).__name__}")


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise ValueError(f"the parameters of {name!r} must be numbers, but got {value!r}")
    return number
