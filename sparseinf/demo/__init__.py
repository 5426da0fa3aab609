"""The demonstration: a network really trained, pruned and fine-tuned on handwritten digits.

`examples/train_digits.py` made the weights that lie beside this file. They are stored sparse; the dense
network they were pruned from left only its answers to the test digits, for its accuracy to be counted from.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING, cast

import numpy as np

from sparseinf.demo.digits import Digits, load_digits
from sparseinf.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sparseinf.linear import SparseLinear
    from sparseinf.weights import SparseWeights

__all__ = ["Digits", "load_digits", "load_network", "load_weights", "reports"]

BATCHES = (1, 16, 256)
_LAYERS = {"fc1": "relu", "fc2": "relu", "fc3": None}
_RIVALS = ("numpy", "onnxruntime")


def load_weights() -> tuple[SparseWeights, int]:
    """Return the weights that lie inside the package, and the bytes of their file."""
    from sparseinf.loading import load

    with as_file(files("sparseinf.demo") / "digits.safetensors") as path:
        return cast("SparseWeights", load(path, threads=1, batch=BATCHES)), path.stat().st_size


def load_network(weights: SparseWeights) -> list[SparseLinear]:
    """Return the three layers of the network with their activations, for one thread."""
    from sparseinf.linear import SparseLinear

    return [
        SparseLinear.from_format(
            weights[name].weight,
            bias=weights[name].bias,
            activation=activation,
            batch=BATCHES,
            threads=1,
            name=name,
        )
        for name, activation in _LAYERS.items()
    ]


def reports() -> Iterator[Report]:
    """Yield the tables of the demonstration, each as soon as it is measured.

    Raises
    ------
    ImportError
        When scikit-learn, which has the digits, is not installed.
    """
    digits = load_digits()
    weights, file_bytes = load_weights()
    network = load_network(weights)
    yield _quality(digits, weights, network, file_bytes)
    yield _speed(network, digits)
    yield weights.explain()


def _quality(digits: Digits, weights: SparseWeights, network: Sequence[SparseLinear], file_bytes: int) -> Report:
    """Return what pruning cost and what it saved."""
    logits = digits.test_images
    for layer in network:
        logits = layer(logits)
    sizes = [layer.out_features * layer.in_features for layer in network]
    zeros = sum(layer.sparsity * size for layer, size in zip(network, sizes, strict=True))
    dense_bytes = 4 * sum(size + layer.out_features for layer, size in zip(network, sizes, strict=True))
    shape = "-".join(str(layer.in_features) for layer in network) + f"-{network[-1].out_features}"
    return Report(
        f"handwritten digits: a {shape} network, {zeros / sum(sizes):.1%} of its weights pruned",
        ["network", "digits_right", "accuracy_percent", "file_bytes", "memory_bytes"],
        [
            {
                "network": "dense",
                **_accuracy(weights.other["dense_test_logits"], digits),
                "file_bytes": dense_bytes,
                "memory_bytes": dense_bytes,
            },
            {
                "network": "sparse",
                **_accuracy(logits, digits),
                "file_bytes": file_bytes,
                "memory_bytes": sum(layer.nbytes for layer in network),
            },
        ],
        [
            f"accuracy is counted over {len(digits.test_labels)} digits that no network was trained on.",
            "the sparse network just ran; the dense one's answers were recorded by examples/train_digits.py.",
            "the dense bytes are those of float32 weights and biases.",
        ],
    )


def _accuracy(logits: NDArray[np.floating], digits: Digits) -> dict[str, float]:
    """Return how many of the test digits the logits get right, and what percentage that is."""
    right = int(np.count_nonzero(np.argmax(logits, axis=1) == digits.test_labels))
    return {"digits_right": right, "accuracy_percent": 100 * right / len(digits.test_labels)}


def _speed(network: Sequence[SparseLinear], digits: Digits) -> Report:
    """Return the times of the whole network against the rivals that are installed."""
    from sparseinf.bench import compare_stack
    from sparseinf.bench.rivals import missing_packages

    missing = {name: missing_packages(name) for name in _RIVALS}
    measured = compare_stack(
        network,
        [digits.test_images[:batch] for batch in BATCHES],
        against=[name for name in _RIVALS if not missing[name]],
    )
    notes = [note for note in measured.notes if not note.startswith(("gflops", "of_peak"))]
    notes += [
        f"{name} was left out: {' and '.join(packages)} not installed here."
        for name, packages in missing.items()
        if packages
    ]
    columns = ["batch", "contender", "median_us", "spread", "relative_time", "max_relative_error"]
    rows = [{column: row[column] for column in columns} for row in measured]
    return Report("time of the whole network, one thread", columns, rows, notes)
