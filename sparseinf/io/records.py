"""What a saved file holds: plain data, without packs, kernels or anything else of one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sparseinf.formats import Quantized

if TYPE_CHECKING:
    import numpy.typing as npt

    from sparseinf.formats import Weight
    from sparseinf.graph import Graph

__all__ = [
    "Activation",
    "LinearRecord",
    "ModelRecord",
    "QuantizedActivations",
    "Record",
    "WeightsRecord",
    "check_activations",
]

Activation: TypeAlias = str | tuple[str | float, ...] | None

QuantizedActivations: TypeAlias = Mapping[str, Any]
"""How x is quantized, as plain JSON values:

    scales        "column", "tensor" or "static": each row of x has its own scale, all of x has one, or it is given
    dtype         "uint8" or "int8"
    scale         for "static" alone: what 1 stands for, a float from 0 up
    zero_point    for "static" alone: the integer from 0 to 255 that stands for 0.0; 128 for "int8"
"""


@dataclass(frozen=True, eq=False)
class LinearRecord:
    """One layer: y = activation(x @ weight.T + bias)."""

    weight: Weight
    bias: npt.NDArray[np.float32] | None = None
    """Shape (out_features,)."""
    activation: Activation = None
    """As the user wrote it: None, a name, or a name with its numbers."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of `load` that the layer was made with; plain JSON values."""
    activations: QuantizedActivations | None = None
    """For a quantized weight, how x is quantized; None leaves it open."""


@dataclass(frozen=True, eq=False)
class WeightsRecord:
    """Layers and all other tensors of a network, in the order in which they came."""

    layers: Mapping[str, LinearRecord]
    other: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Of any dtype in `sparseinf.io.tensor_types`."""


@dataclass(frozen=True, eq=False)
class ModelRecord:
    """A whole network."""

    graph: Graph
    """Its nodes of `LAYER_OPERATORS` have no weight, bias and activation: they are the layers of the same names."""
    layers: Mapping[str, LinearRecord]


Record: TypeAlias = LinearRecord | WeightsRecord | ModelRecord


def check_activations(activations: Any, weight: Weight) -> None:
    """Refuse what cannot be a record's activations.

    Raises
    ------
    ValueError
        If a key is missing or unknown, a value impossible, or the weight is not quantized.
    """
    if activations is None:
        return
    if not isinstance(weight, Quantized):
        raise ValueError("activations are quantized, but the weight is not; save None, or a Quantized weight")
    if not isinstance(activations, Mapping):
        raise ValueError(f"activations must be a mapping, but are a {type(activations).__name__}")
    is_static = activations.get("scales") == "static"
    keys = {"scales", "dtype", "scale", "zero_point"} if is_static else {"scales", "dtype"}
    if activations.keys() != keys:
        raise ValueError(f"activations must have {sorted(keys)}, but are {activations!r:.100}")
    if activations["scales"] not in ("column", "tensor", "static") or activations["dtype"] not in ("uint8", "int8"):
        raise ValueError(f"activations have scales or a dtype that there are not: {activations!r:.100}")
    if is_static:
        scale, zero_point = activations["scale"], activations["zero_point"]
        if type(scale) is not float or not 0 <= scale <= float(np.finfo(np.float32).max):
            raise ValueError(f"the scale of static activations must be a float32 from 0 up, but is {scale!r:.40}")
        if type(zero_point) is not int or not 0 <= zero_point <= 255:
            raise ValueError(f"the zero_point of static activations must be from 0 to 255, but is {zero_point!r:.40}")
