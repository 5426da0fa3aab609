"""Weights that come quantized: int8 beside their scales, or packed by torch's own quantized layers.

fc.weight                            int8, shape (out_features, in_features)
fc.weight_scale or fc.scale          float: one number, or one a row
fc.weight_zero_point                 all zero (beside fc.scale, fc.zero_point is one, too); may be missing
fc.input_scale                       float, one number: x is quantized by it, at every call alike; may be missing
fc.input_zero_point                  int8 or uint8, one number; may be missing

fc._packed_params._packed_params     (weight, bias or None), as torch.ao.nn.quantized has them
fc._packed_params.dtype              torch's name for the weight's dtype
fc.scale, fc.zero_point              of the output there, so no part of the weight
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sparseinf.formats import Quantized, from_any
from sparseinf.formats.float32 import SOURCE_DTYPES, dtype_name, to_float32
from sparseinf.io.tensor_types import as_array

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from sparseinf.formats import Weight
    from sparseinf.io.records import QuantizedActivations

__all__ = ["QUANTIZED_KINDS", "PackedLayer", "ScaledWeight", "find_packed", "find_scaled"]

QUANTIZED_KINDS = (
    "weight_scale",
    "scale",
    "weight_zero_point",
    "zero_point",
    "input_scale",
    "input_zero_point",
    "_packed_params._packed_params",
    "_packed_params.dtype",
)
"""How the names of tensors end that may belong to a quantized layer, besides its weight and bias."""


class ScaledWeight(NamedTuple):
    """Integers with their scales."""

    weight: Quantized
    activations: QuantizedActivations | None
    """How x is quantized, if the source says."""
    names: tuple[str, ...]
    """Of the tensors that are in it."""


class PackedLayer(NamedTuple):
    """A layer of torch.ao.nn.quantized."""

    weight: Weight
    bias: Any
    names: tuple[str, ...]
    """Of the tensors that are in it."""


def find_scaled(tensors: Mapping[str, Any], module: str, integers: Any) -> ScaledWeight | None:
    """Return the weight whose integers are at `module.weight`, or None if no scale is there.

    Raises
    ------
    TypeError, ValueError
        If what stands beside the integers is of a wrong dtype or shape, or has a value that no layer can run with.
        Messages name the tensor.
    """
    scale_name = next((name for name in (f"{module}.weight_scale", f"{module}.scale") if name in tensors), None)
    if scale_name is None:
        return None
    zero_points = [f"{module}.weight_zero_point"]
    if scale_name == f"{module}.scale":
        zero_points.append(f"{module}.zero_point")
    zero_points = [name for name in zero_points if name in tensors]
    for name in zero_points:
        zeros = to_float32(as_array(tensors[name], name))
        if zeros.any():
            raise ValueError(
                f"{name} holds {zeros[zeros != 0][0]:g}, but only symmetric weights, with zero points of 0, are "
                "computed with; give the weight as float32"
            )
    try:
        weight = Quantized.from_dense(
            as_array(integers, f"{module}.weight"), scales=_floats(tensors[scale_name], scale_name)
        )
    except ValueError as error:
        raise ValueError(f"{module}.weight with {scale_name}: {error}") from None
    input_names = [name for name in (f"{module}.input_scale", f"{module}.input_zero_point") if name in tensors]
    activations = _static_activations(tensors, *input_names) if f"{module}.input_scale" in input_names else None
    names = (f"{module}.weight", scale_name, *zero_points, *(input_names if activations else ()))
    return ScaledWeight(weight, activations, names)


def find_packed(tensors: Mapping[str, Any], module: str) -> PackedLayer | None:
    """Return what torch has packed at `module`, or None if there is nothing.

    Raises
    ------
    TypeError, ValueError
        If it is no pair of weight and bias, or a weight that no layer can run with. Messages name it.
    """
    name = f"{module}._packed_params._packed_params"
    if name not in tensors:
        return None
    pair = tensors[name]
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise TypeError(f"{name} must be a pair (weight, bias), but is a {type(pair).__name__}; leave it out")
    try:
        weight = from_any(pair[0])
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None
    dtype = f"{module}._packed_params.dtype"
    return PackedLayer(weight, pair[1], (name, *([dtype] if dtype in tensors else [])))


def _static_activations(
    tensors: Mapping[str, Any], scale_name: str, zero_point_name: str | None = None
) -> QuantizedActivations:
    scale = _floats(tensors[scale_name], scale_name)
    with np.errstate(divide="ignore", over="ignore"):
        is_usable = scale.size == 1 and 0 < scale.item() < np.inf and bool(np.isfinite(1 / scale).all())
    if not is_usable:
        raise ValueError(
            f"{scale_name} must be one number, positive and finite like its inverse, but has shape {scale.shape} and "
            f"begins with {scale.reshape(-1)[:1].tolist()}; leave it out, then each row of x gets a scale of its own"
        )
    zero_point, is_signed = 0, True
    if zero_point_name is not None:
        value = as_array(tensors[zero_point_name], zero_point_name)
        if value.dtype not in (np.int8, np.uint8) or value.size != 1:
            raise ValueError(
                f"{zero_point_name} must be one number of int8 or uint8, which says what x becomes, but has dtype "
                f"{value.dtype} and shape {value.shape}; convert it"
            )
        zero_point, is_signed = int(value.item()), value.dtype == np.int8
    # Kernels have x in uint8: int8 is shifted by 128, and symmetric only around that.
    dtype = "int8" if is_signed and zero_point == 0 else "uint8"
    return {
        "scales": "static",
        "dtype": dtype,
        "scale": float(scale.item()),
        "zero_point": zero_point + (128 if is_signed else 0),
    }


def _floats(value: Any, name: str) -> npt.NDArray[np.float32]:
    array = as_array(value, name)
    if dtype_name(array.dtype) not in SOURCE_DTYPES:
        raise TypeError(f"{name} has dtype {array.dtype}, but scales are expected to be of {', '.join(SOURCE_DTYPES)}")
    return to_float32(array)
