"""The demonstration: a network really trained, pruned and fine-tuned on handwritten digits.

`examples/train_digits.py` made the weights that lie beside this file. They are stored sparse, in float32; the network
in int8 is made from them when the demonstration runs. The dense network they were pruned from left only its answers to
the test digits, for its accuracy to be counted from.

What int8 costs is no matter of one network. Five, trained with seeds 0 to 4 by `examples/train_digits.py --seeds 5`
(2026-11-21, AMD EPYC, Zen 4), mean and standard deviation:

| network | percent of 360 test digits | minus sparse float32, points | file, bytes a nonzero |
|---|---|---|---|
| dense float32 | 98.00, 0.12 | +0.17, 0.25 | 4 a weight |
| sparse float32 | 97.83, 0.30 | | 5.04, 0.0003 |
| sparse int8, dynamic scales | 97.78, 0.20 | -0.06, 0.12 | 1.93, 0.0000 |
| sparse int8, static scales, minmax | 97.78, 0.20 | -0.06, 0.12 | as above |
| sparse int8, static scales, mse | 97.78, 0.20 | -0.06, 0.12 | as above |

The difference is one digit of the fifth network: 0.28 points of it. In the other four int8 answers every test digit as
float32 does. Static scales were found on the training digits. The bytes count biases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparseinf.demo.digits import Digits, load_digits
from sparseinf.demo.network import BATCHES, load_network, load_weights, run_network, saved_bytes
from sparseinf.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from sparseinf.linear import SparseLinear

__all__ = [
    "Digits",
    "load_digits",
    "load_network",
    "load_weights",
    "reports",
    "run_network",
    "saved_bytes",
]

_RIVALS = ("numpy", "onnxruntime", "onnxruntime_int8")
_DENSE, _SPARSE, _INT8 = "dense float32", "sparse float32", "sparse int8"


def reports() -> Iterator[Report]:
    """Yield the tables of the demonstration, each as soon as it is measured.

    Raises
    ------
    ImportError
        When scikit-learn, which has the digits, is not installed.
    """
    digits = load_digits()
    weights, int8_weights = load_weights(), load_weights("int8")
    networks = {
        _DENSE: load_network(weights, format="dense"),
        _SPARSE: load_network(weights),
        _INT8: load_network(int8_weights),
    }
    yield _quality(digits, networks, weights.other["dense_test_logits"])
    yield _speed(digits, networks)
    yield weights.explain()
    yield int8_weights.explain()


def _quality(
    digits: Digits, networks: Mapping[str, Sequence[SparseLinear]], dense_logits: NDArray[np.floating]
) -> Report:
    """Return what pruning and int8 cost, and what they saved."""
    layers = networks[_SPARSE]
    num_weights = sum(layer.out_features * layer.in_features for layer in layers)
    sparsity = 1 - sum(layer.weight.num_nonzeros for layer in layers) / num_weights
    shape = "-".join(str(layer.in_features) for layer in layers) + f"-{layers[-1].out_features}"
    rows = []
    for name, network in networks.items():
        logits = dense_logits if name == _DENSE else run_network(network, digits.test_images)
        right = int(np.count_nonzero(np.argmax(logits, axis=1) == digits.test_labels))
        if name == _DENSE:
            nonzeros, file_bytes = num_weights, 4 * (num_weights + sum(layer.out_features for layer in layers))
        else:
            nonzeros, file_bytes = sum(layer.weight.num_nonzeros for layer in network), saved_bytes(network)
        rows.append(
            {
                "network": name,
                "digits_right": right,
                "accuracy_percent": 100 * right / len(digits.test_labels),
                "file_bytes": file_bytes,
                "bytes_a_nonzero": file_bytes / nonzeros,
                "memory_bytes": sum(layer.nbytes for layer in network),
            }
        )
    return Report(
        f"handwritten digits: a {shape} network, {sparsity:.1%} of its weights pruned",
        list(rows[0]),
        rows,
        [
            f"accuracy is counted over {len(digits.test_labels)} digits that no network was trained on.",
            "the sparse networks just ran; the dense one's answers were recorded by examples/train_digits.py.",
            "sparse int8 was made just now, from the float32 weights by load(..., precision='int8'): activations have "
            "dynamic scales, one for each row of x, and nothing was calibrated or trained again.",
            "files hold weights and biases; the dense one's bytes are those of its float32 numbers. memory is what "
            "the layers run on, packs for several batches among it.",
        ],
    )


def _speed(digits: Digits, networks: Mapping[str, Sequence[SparseLinear]]) -> Report:
    """Return the times of the whole networks, and of the rivals that are installed."""
    from sparseinf.bench import compare_stack
    from sparseinf.bench.rivals import missing_packages
    from sparseinf.bench.rivals.own import contender_of

    missing = {name: missing_packages(name) for name in _RIVALS}
    measured = compare_stack(
        networks[_SPARSE],
        [digits.test_images[:batch] for batch in BATCHES],
        against=[name for name in _RIVALS if not missing[name]],
        beside=[contender_of(networks[name], name=name) for name in (_INT8, _DENSE)],
    )
    notes = [note for note in measured.notes if not note.startswith(("gflops", "of_peak", "relative_time"))]
    notes.insert(0, f"relative_time is the median over that of {_SPARSE}: 2 takes twice as long.")
    notes.append(f"{_DENSE} multiplies the pruned weights' zeros: the weights that it had would take the same time.")
    notes += [
        f"{name} was left out: {' and '.join(packages)} not installed here."
        for name, packages in missing.items()
        if packages
    ]
    columns = ["batch", "contender", "precision", "median_us", "spread", "relative_time", "max_relative_error"]
    rows = [{column: row[column] for column in columns} for row in measured]
    for row in rows:
        if row["contender"] == "sparseinf":
            row["contender"] = _SPARSE
    return Report("time of the whole network, one thread", columns, rows, notes)
