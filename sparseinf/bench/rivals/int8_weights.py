"""What the rivals in eight bits share: the integers of a weight, and the range that static activations have.

Weights are symmetric with a scale a row, zero at zero: weight = scale * integer. Activations are unsigned with a zero
point: x = scale * (integer - zero), integers from 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sparseinf.bench.reference import evaluate
from sparseinf.formats import Dense, Quantized, quantize
from sparseinf.io import LinearRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sparseinf.formats import Weight


def integers_and_scales(weight: Weight) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a weight as int8, shape (out_features, in_features), and the float32 scale of each row.

    A weight that is quantized keeps its very integers.
    """
    quantized = weight if isinstance(weight, Quantized) else quantize(weight)
    return quantized.float32_integers().to_dense().astype(np.int8), quantized.scales


@dataclass(frozen=True)
class StaticRange:
    """How activations are quantized that were seen before."""

    scale: float
    zero: int

    @classmethod
    def of(cls, x: NDArray[np.float64] | NDArray[np.float32]) -> StaticRange:
        """Return the range from the smallest to the largest value, zero included.

        Examples
        --------
        >>> StaticRange.of(np.array([-51.0, 204.0]))
        StaticRange(scale=1.0, zero=51)
        """
        low, high = float(x.min(initial=0)), float(x.max(initial=0))
        scale = (high - low) / 255 or 1.0
        return cls(scale, round(-low / scale))


def static_ranges(layers: Sequence[LinearRecord], x: NDArray[np.float32]) -> list[StaticRange]:
    """Return the range of what each layer of a stack gets when the first one gets x."""
    ranges = [StaticRange.of(x)]
    value: NDArray[np.float64] | NDArray[np.float32] = x
    for layer in layers[:-1]:
        value = evaluate([layer], value)
        ranges.append(StaticRange.of(value))
    return ranges


def largest_products() -> tuple[LinearRecord, NDArray[np.float32], float]:
    """Return a layer, an x and what every element of y must be: what overflows where products are added in 16 bits.

    Both are integers already, of 127 and 255. Instructions before VNNI add two such products in 16 bits.
    """
    layer = LinearRecord(Dense(np.full((16, 64), 127, np.float32)))
    return layer, np.full((4, 64), 255, np.float32), 64 * 127 * 255.0
