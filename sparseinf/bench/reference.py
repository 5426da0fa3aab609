"""What a stack of linear layers should give: plain NumPy formulas in float64, and the distance from them.

The formulas are the definition that results are judged by, so they are written to be read, not to be fast.
The NumPy rival runs the same ones in float32.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord
    from sparseinf.io.records import Activation


def evaluate(layers: Sequence[LinearRecord], x: NDArray[Any]) -> NDArray[np.float64]:
    """Run `layers` one after the other in float64.

    Parameters
    ----------
    layers : sequence of LinearRecord
        The output of one is the input of the next.
    x : any float dtype, shape (..., in_features)
        The input of the first layer.

    Returns
    -------
    float64, shape (..., out_features of the last layer)
    """
    y = np.asarray(x, dtype=np.float64)
    for layer in layers:
        y = y @ layer.weight.to_dense().astype(np.float64).T
        if layer.bias is not None:
            y += layer.bias
        y = formula(layer.activation)(y)
    return y


def max_relative_error(y: NDArray[Any], expected: NDArray[np.float64]) -> float:
    """Return the largest error of `y` over the largest magnitude of `expected`.

    One scale for the whole output, because an element that cancels to nearly zero has no digits of its own
    to lose. NaN anywhere gives NaN; an output without elements has no error.

    Examples
    --------
    >>> max_relative_error(np.array([1.0, 3.0]), np.array([1.0, 4.0]))
    0.25
    """
    if expected.size == 0:
        return 0.0
    scale = float(np.max(np.abs(expected)))
    return float(np.max(np.abs(y - expected))) / (scale or 1.0)


def formula(activation: Activation) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return the NumPy function of an activation; it keeps the dtype and may overwrite its argument.

    Raises
    ------
    ValueError
        When the activation is not one of those that `sparseinf.load` knows.

    Examples
    --------
    >>> formula("relu6")(np.array([-2.0, 0.5, 9.0]))
    array([0. , 0.5, 6. ])
    >>> formula(("leaky_relu", 0.1))(np.array([-2.0, 0.5]))
    array([-0.2,  0.5])
    """
    if activation is None:
        return lambda y: y
    name, numbers = name_and_numbers(activation)
    if name not in _FORMULAS:
        raise ValueError(f"activation {activation!r} is not known: choose None or one of {sorted(_FORMULAS)}")
    return lambda y: _FORMULAS[name](y, *numbers)


def name_and_numbers(activation: str | tuple[str | float, ...]) -> tuple[str, tuple[float, ...]]:
    """Return an activation as its name and its numbers.

    Examples
    --------
    >>> name_and_numbers("relu"), name_and_numbers(("clip", -1, 1))
    (('relu', ()), ('clip', (-1.0, 1.0)))
    """
    parts = (activation,) if isinstance(activation, str) else activation
    return str(parts[0]), tuple(float(number) for number in parts[1:])


def _erf(values: NDArray[Any]) -> NDArray[Any]:
    """Return the error function of every element, with SciPy where it is installed (much faster)."""
    try:
        from scipy.special import erf
    except ImportError:
        erf = np.frompyfunc(math.erf, 1, 1)
    return np.asarray(erf(values), dtype=values.dtype)


def _sigmoid(y: NDArray[Any]) -> NDArray[Any]:
    """Return 1 / (1 + exp(-y)) in the form that never overflows."""
    return 0.5 * (1 + np.tanh(0.5 * y))


def _gelu_tanh(y: NDArray[Any]) -> NDArray[Any]:
    """Return the tanh approximation of GELU (Hendrycks and Gimpel, arXiv:1606.08415, section 2)."""
    inner: NDArray[Any] = math.sqrt(2 / math.pi) * (y + 0.044715 * y * y * y)
    return np.asarray(0.5 * y * (1 + np.tanh(inner)))


_FORMULAS: dict[str, Callable[..., NDArray[Any]]] = {
    "relu": lambda y: np.maximum(y, 0, out=y),
    "relu6": lambda y: np.clip(y, 0, 6, out=y),
    "clip": lambda y, low, high: np.clip(y, low, high, out=y),
    "gelu": lambda y: 0.5 * y * (1 + _erf(y * math.sqrt(0.5))),
    "gelu_tanh": _gelu_tanh,
    "silu": lambda y: y * _sigmoid(y),
    "hardswish": lambda y: y * np.clip(y / 6 + 0.5, 0, 1),
    "hardsigmoid": lambda y: np.clip(y / 6 + 0.5, 0, 1),
    "sigmoid": _sigmoid,
    "tanh": lambda y: np.tanh(y, out=y),
    "leaky_relu": lambda y, slope: np.where(y >= 0, y, slope * y).astype(y.dtype, copy=False),
}
