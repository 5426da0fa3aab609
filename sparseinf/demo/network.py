"""The demonstration's network: its weights, and its three layers in each precision and format."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from sparseinf.linear import SparseLinear
from sparseinf.loading import load
from sparseinf.weights import SparseWeights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

BATCHES = (1, 16, 256)
"""Rows of x that the layers are chosen for, and timed with."""

_ACTIVATIONS = {"fc1": "relu", "fc2": "relu", "fc3": None}


def load_weights(precision: str = "float32") -> SparseWeights:
    """Return the float32 weights that lie inside the package, loaded as "float32" or "int8".

    In int8 activations are quantized as they come: there is no calibration.
    """
    with as_file(files("sparseinf.demo") / "digits.safetensors") as path:
        return cast("SparseWeights", load(path, precision=precision, threads=1, batch=BATCHES))


def load_network(weights: Mapping[str, SparseLinear], **options: Any) -> list[SparseLinear]:
    """Return the three layers of the network with their activations, as the weights were loaded.

    `options` of `sparseinf.load` go before those that the weights were loaded with.
    """
    return [
        SparseLinear.from_record(
            replace(weights[name].record(), activation=activation), name=name, threads=1, **options
        )
        for name, activation in _ACTIVATIONS.items()
    ]


def run_network(network: Sequence[SparseLinear], images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits of images (N, 64), shape (N, 10)."""
    for layer in network:
        images = layer(images)
    return images


def saved_bytes(network: Sequence[SparseLinear]) -> int:
    """Return how many bytes a file of these layers has, biases included."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        SparseWeights({layer.name: layer for layer in network}, {}).save(path)
        return path.stat().st_size
