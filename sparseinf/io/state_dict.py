"""How the tensors of a state dict belong together: which are linear layers, and which are kept as they are.

`fc1.weight` (2-D, float, at least 64 elements) is a layer named fc1 and takes `fc1.bias` with it. What
torch's pruning leaves, `fc1.weight_orig` and `fc1.weight_mask`, is one weight. Integers with scales are weights, too:
`quantized_tensors.py` tells of their names. Embeddings look like linear layers, but are known by their names. Every
tensor that is no part of a layer is kept.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparseinf.formats import Dense, Weight, from_any
from sparseinf.formats.float32 import SOURCE_DTYPES, dtype_name, to_float32
from sparseinf.io.bias import as_bias
from sparseinf.io.quantized_tensors import QUANTIZED_KINDS, find_packed, find_scaled
from sparseinf.io.tensor_types import as_array

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sparseinf.io.records import QuantizedActivations

__all__ = ["LayerTensors", "OtherTensor", "layers_and_others"]

_LEAST_ELEMENTS = 64
# A module's own name: "word_embeddings", "embed_tokens", "wte", "tok_emb".
_EMBEDDING = re.compile(r"embed|(^|_)(wte|wpe|emb)(_|$)", re.IGNORECASE)

_KINDS = "|".join(("(weight|bias)(_orig|_mask)?", *map(re.escape, QUANTIZED_KINDS)))
_PART_OF_LAYER = re.compile(rf"(?P<module>.+?)\.({_KINDS})", re.DOTALL)


@dataclass(frozen=True, eq=False)
class LayerTensors:
    """A linear layer, in float32 or quantized."""

    name: str
    weight: Weight
    bias: npt.NDArray[np.float32] | None
    activations: QuantizedActivations | None = None
    """How x is quantized, as in `LinearRecord`, where the tensors of a quantized layer tell."""


@dataclass(frozen=True, eq=False)
class OtherTensor:
    """A tensor that is kept: a copy with the dtype it had, dense even if it was sparse."""

    name: str
    array: npt.NDArray[Any]
    was_sparse: bool


def layers_and_others(tensors: Mapping[str, Any]) -> Iterator[LayerTensors | OtherTensor]:
    """Go through the tensors in their order, a layer coming where the first of its module's tensors is.

    Each tensor is asked for when its turn comes, so that few of a large file are in memory at once.

    Raises
    ------
    TypeError
        If a value is no array and no tensor on the CPU, or the bias, mask or scale of a layer is of a wrong dtype.
    ValueError
        If a weight holds NaN or infinity, or a bias, mask or scale does not fit its weight. Messages name the
        tensor.
    """
    keys_of_layers: set[str] = set()
    seen_modules: set[str] = set()
    for key in tensors:
        part = _PART_OF_LAYER.fullmatch(key)
        if part is not None and part["module"] not in seen_modules:
            seen_modules.add(part["module"])
            found = _find_layer(tensors, part["module"])
            if found is not None:
                layer, keys = found
                keys_of_layers.update(keys)
                yield layer
        if key not in keys_of_layers:
            value = tensors[key]
            yield OtherTensor(key, np.array(as_array(value, key), order="C"), was_sparse=_is_sparse(value))


def _find_layer(tensors: Mapping[str, Any], module: str) -> tuple[LayerTensors, tuple[str, ...]] | None:
    """Return the linear layer of this name and the keys of its tensors, or None if there is none."""
    packed = find_packed(tensors, module)
    if packed is not None:
        name, out_features = f"{module}._packed_params (bias)", packed.weight.shape[0]
        bias = None if packed.bias is None else as_bias(packed.bias, name, out_features)
        return LayerTensors(module, packed.weight, bias), packed.names
    key = f"{module}.weight"
    parts = _parts(tensors, key)
    own_name = re.sub(r"(\.\d+)+$", "", module).rpartition(".")[2]  # "embed" in "net.embed.0"
    if not parts or _EMBEDDING.search(own_name):
        return None
    weight = tensors[parts[0]]
    bias_parts = _parts(tensors, f"{module}.bias")
    if len(parts) == 1 and _is_large_matrix(weight, ("int8",)):
        scaled = find_scaled(tensors, module, weight)
        if scaled is None:
            return None
        bias = _find_bias(tensors, bias_parts, scaled.weight.shape[0])
        return LayerTensors(module, scaled.weight, bias, scaled.activations), (*scaled.names, *bias_parts)
    if not _is_large_matrix(weight, (*SOURCE_DTYPES, "qint8")):
        return None
    try:
        converted = from_any(weight)
        if len(parts) == 2:
            values = _masked(converted.to_dense(), tensors, parts)
            converted = Dense.unchecked(Dense.from_dense(values).values, source_dtype=converted.source_dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{key}: {error}") from None
    bias = _find_bias(tensors, bias_parts, converted.shape[0])
    return LayerTensors(module, converted, bias), (*parts, *bias_parts)


def _find_bias(tensors: Mapping[str, Any], parts: tuple[str, ...], out_features: int) -> npt.NDArray[np.float32] | None:
    if not parts:
        return None
    bias = as_bias(tensors[parts[0]], parts[0], out_features)
    return _masked(bias, tensors, parts) if len(parts) == 2 else bias


def _parts(tensors: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return the names under which a tensor is there: its own, those of its values and mask, or none."""
    pair = (f"{key}_orig", f"{key}_mask")
    is_pair = all(name in tensors for name in pair)
    if key not in tensors:
        return pair if is_pair else ()
    if is_pair:
        raise ValueError(f"{key} is there, but also {' and '.join(pair)}; leave out the one or the others")
    return (key,)


def _masked(
    values: npt.NDArray[np.float32], tensors: Mapping[str, Any], parts: tuple[str, ...]
) -> npt.NDArray[np.float32]:
    mask = as_array(tensors[parts[1]], parts[1])
    if mask.shape != values.shape:
        raise ValueError(f"{parts[1]} has shape {mask.shape}, but {parts[0]} has {values.shape}; they must be equal")
    if mask.dtype.kind not in "biuf" and dtype_name(mask.dtype) != "bfloat16":
        raise TypeError(f"{parts[1]} has dtype {mask.dtype}, but a mask is of numbers or booleans")
    with np.errstate(over="ignore", invalid="ignore"):
        return values * to_float32(mask)


def _is_large_matrix(value: Any, dtypes: tuple[str, ...]) -> bool:
    if isinstance(value, Weight):
        return "float32" in dtypes and math.prod(value.shape) >= _LEAST_ELEMENTS
    dtype = getattr(value, "dtype", None)
    name = dtype_name(dtype) if isinstance(dtype, np.dtype) else str(dtype).removeprefix("torch.")
    shape = getattr(value, "shape", ())
    return name in dtypes and len(shape) == 2 and math.prod(shape) >= _LEAST_ELEMENTS


def _is_sparse(value: Any) -> bool:
    return not isinstance(value, np.ndarray | np.generic) and str(getattr(value, "layout", "")) != "torch.strided"
