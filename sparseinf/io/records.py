"""What a saved file holds: plain data, without packs, kernels or anything else of one machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from sparseinf.formats import Format

__all__ = ["Activation", "LinearRecord", "Record", "WeightsRecord"]

Activation: TypeAlias = str | tuple[str | float, ...] | None


@dataclass(frozen=True, eq=False)
class LinearRecord:
    """One layer: y = activation(x @ weight.T + bias)."""

    weight: Format
    bias: npt.NDArray[np.float32] | None = None
    """Shape (out_features,)."""
    activation: Activation = None
    """As the user wrote it: None, a name, or a name with its numbers."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of `load` that the layer was made with; plain JSON values."""


@dataclass(frozen=True, eq=False)
class WeightsRecord:
    """Layers and all other tensors of a network, in the order in which they came."""

    layers: Mapping[str, LinearRecord]
    other: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Of any dtype in `sparseinf.io.tensor_types`."""


Record: TypeAlias = LinearRecord | WeightsRecord
