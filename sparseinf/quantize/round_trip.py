"""x as int8 kernels see it: quantized and back. What `error.py` and tests compare x with; layers never run this."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparseinf.quantize.activation import scales_of_ranges

if TYPE_CHECKING:
    import numpy.typing as npt

    from sparseinf.quantize.activation import ActivationQuantization

__all__ = ["round_trip"]


def round_trip(x: npt.NDArray[np.float32], activations: ActivationQuantization) -> npt.NDArray[np.float64]:
    """Return scale * (q - zero_point) for finite x of shape (rows, in_features).

    q is what kernels compute, bit for bit; the product is made in float64.
    """
    scales: npt.ArrayLike | None = activations.scale
    inverses: npt.ArrayLike | None = activations.inverse
    zero_points: npt.ArrayLike | None = activations.zero_point
    if activations.scales != "static":
        axis = 1 if activations.scales == "column" else None
        low, high = (reduce(x, axis=axis, keepdims=True, initial=0) for reduce in (np.min, np.max))
        scales, inverses, zero_points = scales_of_ranges(low, high, activations.dtype)
    zeros = np.asarray(zero_points, np.float32)
    # What is beyond float32 is beyond 255, too; a scale that is infinite gives NaN.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        quantized = np.clip(np.rint(x * np.asarray(inverses, np.float32)) + zeros, 0, 255)
        result: npt.NDArray[np.float64] = np.asarray(scales, np.float64) * (quantized - zeros)
    return result
