"""Trains, prunes and fine-tunes the network that `sparseinf demo` shows, and writes its file.

The whole story of a pruned network in one page: a 64-2048-2048-10 network learns the handwritten digits that
come with scikit-learn, loses 95 % of its weights bit by bit while it goes on learning, and is saved with
sparseinf. Needs PyTorch and scikit-learn and takes about a minute on one core:

    python examples/train_digits.py digits.safetensors

Whether int8 costs accuracy is told by several networks rather than by one: this trains five from other beginnings,
runs each in float32 and in int8, and writes no file:

    python examples/train_digits.py --seeds 5

Fixed seeds and split; another version of PyTorch or another processor may still round differently.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

import sparseinf
from sparseinf.demo import Digits, load_digits, load_network, run_network, saved_bytes
from sparseinf.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

WIDTH = 2048
# 95 % of all weights. The first and the last layer are small and keep more, as is usual.
SPARSITIES = {"fc1": 0.8, "fc2": 0.956, "fc3": 0.8}
BATCH = 48
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 3.0
DENSE_EPOCHS, PRUNE_EPOCHS, FINE_TUNE_EPOCHS = 15, 25, 15
# How x may be quantized: the options of `load`, from samples of each layer's x.
INT8: Mapping[str, Callable[[dict[str, NDArray[np.float32]]], dict[str, object]]] = {
    "int8_dynamic": lambda _: {},
    "int8_static_minmax": lambda samples: {"calibration": samples, "calibration_method": "minmax"},
    "int8_static_mse": lambda samples: {"calibration": samples, "calibration_method": "mse"},
}


def main() -> None:
    """Train, prune, fine-tune, report and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("output", type=Path, nargs="?", help="the file to write, for example digits.safetensors")
    task.add_argument("--seeds", type=int, metavar="N", help="train N networks, compare their accuracy, write nothing")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    digits = load_digits()
    if arguments.seeds is not None:
        if arguments.seeds < 2:
            parser.error(f"--seeds must be at least 2 for a mean and a spread, but is {arguments.seeds}")
        print(compare_seeds(digits, range(arguments.seeds)))
    else:
        write_network(digits, arguments.output)


def write_network(digits: Digits, output: Path) -> None:
    """Write the file that the demonstration shows."""
    network, dense_logits = trained_network(digits, seed=0)
    print(f"dense:  {accuracy(dense_logits, digits):.2%} of the test digits")
    print(f"sparse: {accuracy(evaluate(network, digits), digits):.2%}")
    # The dense weights would be twenty times the file. Their answers to the test digits are kept instead, so
    # that the demo can count what the dense network got right.
    weights = sparseinf.load({**network.state_dict(), "dense_test_logits": dense_logits})
    weights.save(output)
    print(weights.explain())
    print(f"{output}: {output.stat().st_size:,} bytes")


def compare_seeds(digits: Digits, seeds: Sequence[int]) -> Report:
    """Train a network for each seed, and return its accuracy in all precisions, with mean and standard deviation."""
    rows = []
    for seed in seeds:
        network, dense_logits = trained_network(digits, seed=seed)
        rows.append(figures(network.state_dict(), dense_logits, digits))
        print(f"seed {seed}:", ", ".join(f"{name} {value:.2f}" for name, value in rows[-1].items()), flush=True)
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    summary = {
        "mean": {name: values.mean() for name, values in columns.items()},
        "standard deviation": {name: values.std(ddof=1) for name, values in columns.items()},
    }
    return Report(
        f"handwritten digits, {len(rows)} trained networks",
        ["seed", *columns],
        [
            *({"seed": str(seed), **row} for seed, row in zip(seeds, rows, strict=True)),
            *({"seed": name, **row} for name, row in summary.items()),
        ],
        [
            f"figures without a unit are percent of {len(digits.test_labels)} test digits got right.",
            "dynamic: each row of x has its own scale. static: one scale, found on the training digits.",
            *(
                f"{name}: {values.mean():.2f} in the mean, standard deviation {values.std(ddof=1):.2f}."
                for name, values in columns.items()
            ),
            *(
                f"{name} minus sparse_float32: {difference.mean():+.2f} points, {difference.std(ddof=1):.2f}."
                for name in INT8
                for difference in [columns[name] - columns["sparse_float32"]]
            ),
        ],
    )


def figures(tensors: Mapping[str, torch.Tensor], dense_logits: torch.Tensor, digits: Digits) -> dict[str, float]:
    """Return the accuracy of one network in percent, and the sizes of its files."""
    sparse = load_network(sparseinf.load(tensors, tune="model"))
    samples, x = {}, digits.train_images
    for layer in sparse:
        samples[layer.name] = x
        x = layer(x)
    in_int8 = {
        name: load_network(sparseinf.load(tensors, precision="int8", tune="model", **options(samples)))
        for name, options in INT8.items()
    }
    networks = {"sparse_float32": sparse, **in_int8}
    logits = {name: run_network(network, digits.test_images) for name, network in networks.items()}
    return {
        "dense_float32": 100 * accuracy(dense_logits, digits),
        **{name: 100 * accuracy(values, digits) for name, values in logits.items()},
        "float32_bytes_a_nonzero": bytes_a_nonzero(sparse),
        "int8_bytes_a_nonzero": bytes_a_nonzero(in_int8["int8_dynamic"]),
    }


def bytes_a_nonzero(network: Sequence[sparseinf.SparseLinear]) -> float:
    """Return the bytes of a file over the nonzeros in it."""
    return saved_bytes(network) / sum(layer.weight.num_nonzeros for layer in network)


def trained_network(digits: Digits, *, seed: int) -> tuple[torch.nn.Sequential, torch.Tensor]:
    """Return a network that was trained, pruned and fine-tuned, and the logits that it had before it was pruned."""
    torch.manual_seed(seed)
    network = torch.nn.Sequential()
    for name, (inputs, outputs) in {"fc1": (64, WIDTH), "fc2": (WIDTH, WIDTH), "fc3": (WIDTH, 10)}.items():
        network.add_module(name, torch.nn.Linear(inputs, outputs))
        if name != "fc3":
            network.add_module(f"{name}_relu", torch.nn.ReLU())

    train(network, digits, [0.0] * DENSE_EPOCHS)
    dense_logits = evaluate(network, digits)

    # The cubic schedule of Zhu and Gupta (arXiv:1710.01878): most weights go early, the last ones slowly.
    rising = [1 - (1 - epoch / PRUNE_EPOCHS) ** 3 for epoch in range(1, PRUNE_EPOCHS + 1)]
    train(network, digits, rising + [1.0] * FINE_TUNE_EPOCHS)
    return network, dense_logits


def train(network: torch.nn.Sequential, digits: Digits, progress: Sequence[float]) -> None:
    """Train one epoch at each value of `progress`, the share of `SPARSITIES` to be reached by then."""
    images, labels = torch.from_numpy(digits.train_images), torch.from_numpy(digits.train_labels)
    matrices = {name: network.get_parameter(f"{name}.weight") for name in SPARSITIES}
    # Strong weight decay: what the loss does not hold up sinks, so that small comes to mean useless.
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    steps = len(progress) * math.ceil(len(images) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for reached in progress:
        masks = {name: prune(matrices[name], reached * sparsity) for name, sparsity in SPARSITIES.items()}
        for indices in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[indices]), labels[indices]).backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for name, mask in masks.items():
                    matrices[name].mul_(mask)


def prune(matrix: torch.Tensor, sparsity: float) -> torch.Tensor:
    """Set the smallest weights to zero, `sparsity` of them all, and return where the others stand."""
    with torch.no_grad():
        num_pruned = int(sparsity * matrix.numel())
        magnitudes = matrix.abs().flatten()
        mask = magnitudes > (magnitudes.kthvalue(num_pruned).values if num_pruned else -1.0)
        mask = mask.view_as(matrix)
        matrix.mul_(mask)
        return mask


def evaluate(network: torch.nn.Sequential, digits: Digits) -> torch.Tensor:
    """Return the network's logits for the test digits, shape (number of digits, 10)."""
    with torch.no_grad():
        logits: torch.Tensor = network(torch.from_numpy(digits.test_images))
        return logits


def accuracy(logits: torch.Tensor | NDArray[np.float32], digits: Digits) -> float:
    """Return the share of the test digits that the logits get right."""
    return float((np.asarray(logits).argmax(axis=1) == digits.test_labels).mean())


if __name__ == "__main__":
    main()
