"""What the choice of a pack looks at of a weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparseinf.formats import Format

__all__ = ["LayerShape"]


@dataclass(frozen=True)
class LayerShape:
    """What the model looks at: a weight's extents and its number of nonzeros."""

    out_features: int
    in_features: int
    num_nonzeros: int
    strip_fill: float = 0.0
    """Share of nonzeros among the elements of the 4x1 blocks that hold any; 0.0 if these are no candidate."""

    @classmethod
    def of(cls, weight: Format, strip_fill: float = 0.0) -> LayerShape:
        """Return what the model looks at of a weight."""
        return cls(*weight.shape, weight.num_nonzeros, strip_fill)

    @property
    def num_blocks(self) -> float:
        """Number of 4x1 blocks that hold a nonzero."""
        return self.num_nonzeros / (4 * self.strip_fill) if self.strip_fill else math.inf

    @property
    def positions(self) -> int:
        """Zeros and nonzeros together."""
        return self.out_features * self.in_features

    @property
    def density(self) -> float:
        """Share of nonzeros."""
        return self.num_nonzeros / max(self.positions, 1)
