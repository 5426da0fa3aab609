"""Saved files: one layer or a set of weights in a safetensors container, about 5 bytes a nonzero, or 1.7 of int8.

The metadata key "sparseinf" is JSON that says what the tensors are:

    {"kind": "linear", "weights" or "model", "version": 1 to 4, "layers": [layer, ...], "other": [name, ...]}
    layer = {"name", "format", "shape", "source_dtype", "has_bias", "activation", "options"} and fields of its format

A layer's tensors are layer/<name>/bias, if it has one, and those of its weight (`saved_weight.py` tells of them). All
others are other/<name>; of a model these are its constants, and the key "graph" says what it computes
(`saved_graph.py`). Any safetensors reader can open the file. Its version is the lowest that knows all its
formats, so that older readers are shut out only where they must be: 2 brought blocks and n:m, 3 int8, 4
models.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparseinf.errors import CorruptFileError, UnsupportedModelError
from sparseinf.formats import Quantized
from sparseinf.formats.float32 import check_extents
from sparseinf.graph import LAYER_OPERATORS
from sparseinf.io.records import Activation, LinearRecord, ModelRecord, Record, WeightsRecord, check_activations
from sparseinf.io.safetensors_file import open_safetensors, write_safetensors
from sparseinf.io.saved_graph import describe_graph, read_graph
from sparseinf.io.saved_tensors import SavedTensors
from sparseinf.io.saved_weight import describe_weight, fields_of_weight, first_version_of, read_weight
from sparseinf.io.tensor_types import is_possible_shape

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from sparseinf.graph import Graph

__all__ = ["LinearRecord", "ModelRecord", "Record", "WeightsRecord", "is_artifact", "read", "write"]

_KEY = "sparseinf"
_VERSION = 4
_FIRST_VERSION_OF_MODELS = 4
_START = b'{"__metadata__":{"sparseinf":'
_LAYER_FIELDS = {"name", "format", "shape", "source_dtype", "has_bias", "activation", "options"}


def write(path: str | os.PathLike[str], record: Record) -> None:
    """Save a record; the file appears under its name only when it is complete.

    Raises
    ------
    TypeError
        If a tensor of `other` has a dtype that the file cannot hold, or an option is no plain JSON value.
    ValueError
        If a layer's activations cannot be.
    FileNotFoundError
        If the folder does not exist.
    """
    layers = {"": record} if isinstance(record, LinearRecord) else record.layers
    other: Mapping[str, npt.NDArray[Any]] = {}
    kind, version, graph = "linear", 1, {}
    if isinstance(record, WeightsRecord):
        kind, other = "weights", record.other
    elif isinstance(record, ModelRecord):
        kind, version, other = "model", _FIRST_VERSION_OF_MODELS, record.graph.constants
        graph = {"graph": describe_graph(record.graph)}
    tensors: dict[str, npt.NDArray[Any]] = {}
    description = {
        "kind": kind,
        "version": max([version, *(first_version_of(layer.weight) for layer in layers.values())]),
        "layers": [_describe_layer(name, layer, tensors) for name, layer in layers.items()],
        "other": list(other),
        **graph,
    }
    tensors.update((f"other/{name}", array) for name, array in other.items())
    write_safetensors(path, tensors, {_KEY: json.dumps(description, allow_nan=False, default=_plain)})


def _plain(value: Any) -> Any:
    """Turn a NumPy number or a range among the options into what JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, range | np.ndarray):
        return [*map(int, value)]
    raise TypeError(f"an option of type {type(value).__name__} cannot be saved; numbers, text and lists can")


def _describe_layer(name: str, layer: LinearRecord, tensors: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Return what the metadata says of a layer, and add its tensors."""
    weight, prefix = layer.weight, f"layer/{name}/"
    check_activations(layer.activations, weight)
    description: dict[str, Any] = {
        "name": name,
        "format": weight.name,
        "shape": weight.shape,
        "source_dtype": weight.source_dtype,
        "has_bias": layer.bias is not None,
        "activation": _describe_activation(layer.activation),
        "options": dict(layer.options),
        **describe_weight(weight, prefix, tensors),
    }
    if isinstance(weight, Quantized):
        description["activations"] = None if layer.activations is None else dict(layer.activations)
    if layer.bias is not None:
        tensors[prefix + "bias"] = layer.bias
    return description


def _describe_activation(activation: Activation) -> Any:
    """Return an activation as JSON; the infinities, which JSON lacks, as text that float() reads."""
    if activation is None or isinstance(activation, str):
        return activation
    name, *numbers = activation
    return [name, *(n if math.isfinite(n) else str(n) for n in map(float, numbers))]


def is_artifact(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is one of ours; it may still be damaged further inside.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    with Path(path).open("rb") as file:
        if file.read(8 + len(_START))[8:] == _START:
            return True  # as written here, even if the rest is missing
    try:
        return _KEY in open_safetensors(path).metadata
    except (CorruptFileError, UnsupportedModelError):
        return False


def read(path: str | os.PathLike[str]) -> Record:
    """Read a saved file, checking all that it says.

    Weight values are views of the mapped file, for whoever packs them at once; all else is copied out of it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorruptFileError
        If the file is no saved file of ours, is truncated, or contradicts itself.
    UnsupportedModelError
        If it was written by a newer version of sparseinf.
    """
    tensors = SavedTensors(open_safetensors(path))
    description = _parse_description(tensors)
    layers: dict[str, LinearRecord] = {}
    for entry in description["layers"]:
        name, layer = _read_layer(tensors, entry, description["version"])
        if name in layers:
            raise tensors.error(f"layer {name!r} appears twice")
        layers[name] = layer
    other = {name: tensors.take(f"other/{name}").copy() for name in description["other"]}
    if tensors.unclaimed:
        raise tensors.error(f"tensor {min(tensors.unclaimed)!r} belongs to no layer and is not listed")
    if description["kind"] == "weights":
        return WeightsRecord(layers, other)
    if description["kind"] == "model":
        return ModelRecord(_read_graph_of(tensors, description, layers, other), layers)
    if [*layers] != [""] or other:
        raise tensors.error("a file of kind 'linear' holds one layer without a name, and nothing else")
    return layers[""]


def _parse_description(tensors: SavedTensors) -> dict[str, Any]:
    path, text = tensors.file.path, tensors.file.metadata.get(_KEY)
    if text is None:
        raise CorruptFileError(f"{path} is no file that sparseinf saved; sparseinf.load reads other files too")
    try:
        description: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise tensors.error(f"its description is not sound JSON ({error})") from None
    version = description.get("version") if isinstance(description, dict) else None
    if type(version) is not int or version < 1:
        raise tensors.error("its description has no version")
    kind = description.get("kind")
    if version > _VERSION:
        raise UnsupportedModelError(
            f"{path} is a saved file of version {version}, but this sparseinf reads versions up to "
            f"{_VERSION}; install a newer one"
        )
    if kind not in ("linear", "weights", "model"):
        raise tensors.error(f"its kind must be 'linear', 'weights' or 'model', but is {kind!r:.40}")
    layers, other = description.get("layers"), description.get("other")
    if not isinstance(layers, list) or not _is_list_of(other, str):
        raise tensors.error("its description must list layers and other tensors")
    return description


def _read_graph_of(
    tensors: SavedTensors,
    description: dict[str, Any],
    layers: Mapping[str, LinearRecord],
    constants: Mapping[str, npt.NDArray[Any]],
) -> Graph:
    try:
        graph = read_graph(description.get("graph"), constants)
    except UnsupportedModelError:
        raise
    except ValueError as error:
        raise tensors.error(str(error)) from None
    names = [node.name for node in graph.nodes if node.op in LAYER_OPERATORS]
    if sorted(names) != sorted(layers):
        raise tensors.error(f"its graph has the layers {sorted(names)!r:.80}, but the file {sorted(layers)!r:.80}")
    return graph


def _read_layer(tensors: SavedTensors, entry: Any, version: int) -> tuple[str, LinearRecord]:
    if not isinstance(entry, dict) or not entry.keys() >= _LAYER_FIELDS:
        raise tensors.error(f"a layer must be described by {sorted(_LAYER_FIELDS)}, but got {entry!r:.80}")
    try:
        fields = _LAYER_FIELDS | fields_of_weight(entry, version)
    except ValueError as error:
        raise tensors.error(f"layer {entry['name']!r:.80}: {error}") from None
    if entry.keys() != fields:
        raise tensors.error(f"layer {entry['name']!r:.80} must be described by {sorted(fields)}, but got {entry!r:.80}")
    name, shape, options = entry["name"], entry["shape"], entry["options"]
    if not isinstance(name, str) or not is_possible_shape(shape) or len(shape) != 2:
        raise tensors.error(f"a layer needs a name and a shape of two extents, but has {name!r:.80}, {shape!r:.40}")
    try:
        check_extents(*shape)
    except ValueError as error:
        raise tensors.error(f"layer {name!r}: {error}") from None
    if type(entry["has_bias"]) is not bool:
        raise tensors.error(f"layer {name!r} does not say whether it has a bias")
    if not isinstance(options, dict):
        raise tensors.error(f"layer {name!r} has options that are no JSON object")
    bias = tensors.take_exactly(f"layer/{name}/bias", np.float32, (shape[0],)) if entry["has_bias"] else None
    weight = read_weight(tensors, entry, (shape[0], shape[1]))
    activations = entry.get("activations")
    try:
        check_activations(activations, weight)
    except ValueError as error:
        raise tensors.error(f"layer {name!r}: {error}") from None
    return name, LinearRecord(
        weight=weight,
        bias=None if bias is None else bias.copy(),
        activation=_read_activation(tensors, entry),
        # JSON knows only lists, options only tuples.
        options={key: tuple(value) if isinstance(value, list) else value for key, value in options.items()},
        activations=activations,
    )


def _read_activation(tensors: SavedTensors, entry: dict[str, Any]) -> Activation:
    match entry["activation"]:
        case None | str() as activation:
            return activation
        case [str(name), *numbers]:
            with suppress(TypeError, ValueError, OverflowError):
                return (name, *map(float, numbers))
    raise tensors.error(f"layer {entry['name']!r} has no possible activation: {entry['activation']!r:.80}")


def _is_list_of(value: Any, kind: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
