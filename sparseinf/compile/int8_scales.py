"""What makes floats of an int8 layer's integers, and which rows have sums that 32 bits do not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf import runtime
from sparseinf.formats import Csr, Dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparseinf.quantize import ActivationQuantization

__all__ = ["Int8Scales", "too_long_row"]

_LARGEST_SUM = 2**31 - 1
_LARGEST_ACTIVATION = 255
_LARGEST_WEIGHT = 128


@dataclass(frozen=True, eq=False)
class Int8Scales:
    """What the integers of an int8 layer stand for.

    Parameters
    ----------
    rows : float32, shape (out_features,)
        What the weights of each row are multiplied by.
    activations : ActivationQuantization
        How x becomes 8 bits.
    output : ActivationQuantization, optional
        How y becomes 8 bits, where it does.
    """

    rows: NDArray[np.float32]
    activations: ActivationQuantization
    output: ActivationQuantization | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that `runtime.Linear` takes for an int8 layer."""
        return {
            "row_scales": self.rows,
            "activations": _native(self.activations),
            "output": None if self.output is None else _native(self.output),
        }


def _native(said: ActivationQuantization) -> runtime.ActivationQuantization:
    return runtime.ActivationQuantization(said.scales, said.dtype, said.scale or 0.0, said.zero_point or 0)


def too_long_row(integers: Csr | Dense) -> str | None:
    """Name a row of an int8 weight whose sums may not fit 32 bits: absolute values times the largest activation.

    Returns
    -------
    str or None
        What is wrong with it; None if all sums fit.
    """
    in_features = integers.shape[1]
    if in_features * _LARGEST_WEIGHT * _LARGEST_ACTIVATION <= _LARGEST_SUM:
        return None  # whatever the weights are
    sums = _absolute_row_sums(integers)
    row = int(sums.argmax()) if sums.size else 0
    if not sums.size or _LARGEST_ACTIVATION * sums[row] <= _LARGEST_SUM:
        return None
    return (
        f"row {row} of the weight has int8 values with an absolute sum of {sums[row]:.0f}, but sums of products with "
        f"8-bit activations are exact only up to {_LARGEST_SUM // _LARGEST_ACTIVATION}"
    )


def _absolute_row_sums(integers: Csr | Dense) -> NDArray[np.float64]:
    if isinstance(integers, Dense):
        return np.asarray(np.abs(integers.values).sum(axis=1, dtype=np.float64))
    ends = np.concatenate(([0.0], np.abs(integers.values).cumsum(dtype=np.float64)))
    sums: NDArray[np.float64] = ends[integers.row_offsets[1:]] - ends[integers.row_offsets[:-1]]
    return sums
