"""Trains, prunes and fine-tunes the network that `sparseinf demo` shows, and writes its file.

The whole story of a pruned network in one page: a 64-2048-2048-10 network learns the handwritten digits that
come with scikit-learn, loses 95 % of its weights bit by bit while it goes on learning, and is saved with
sparseinf. Needs PyTorch and scikit-learn and takes about a minute on one core:

    python examples/train_digits.py digits.safetensors

Fixed seed and split; another version of PyTorch or another processor may still round differently.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

import sparseinf
from sparseinf.demo import Digits, load_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 2048
# 95 % of all weights. The first and the last layer are small and keep more, as is usual.
SPARSITIES = {"fc1": 0.8, "fc2": 0.956, "fc3": 0.8}
BATCH = 48
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 3.0
DENSE_EPOCHS, PRUNE_EPOCHS, FINE_TUNE_EPOCHS = 15, 25, 15


def main() -> None:
    """Train, prune, fine-tune, report and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the file to write, for example digits.safetensors")
    output = parser.parse_args().output

    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = load_digits()
    network = torch.nn.Sequential()
    for name, (inputs, outputs) in {"fc1": (64, WIDTH), "fc2": (WIDTH, WIDTH), "fc3": (WIDTH, 10)}.items():
        network.add_module(name, torch.nn.Linear(inputs, outputs))
        if name != "fc3":
            network.add_module(f"{name}_relu", torch.nn.ReLU())

    train(network, digits, [0.0] * DENSE_EPOCHS)
    dense_logits = evaluate(network, digits)
    print(f"dense:  {accuracy(dense_logits, digits):.2%} of the test digits")

    # The cubic schedule of Zhu and Gupta (arXiv:1710.01878): most weights go early, the last ones slowly.
    rising = [1 - (1 - epoch / PRUNE_EPOCHS) ** 3 for epoch in range(1, PRUNE_EPOCHS + 1)]
    train(network, digits, rising + [1.0] * FINE_TUNE_EPOCHS)
    print(f"sparse: {accuracy(evaluate(network, digits), digits):.2%}")

    # The dense weights would be twenty times the file. Their answers to the test digits are kept instead, so
    # that the demo can count what the dense network got right.
    weights = sparseinf.load({**network.state_dict(), "dense_test_logits": dense_logits})
    weights.save(output)
    print(weights.explain())
    print(f"{output}: {output.stat().st_size:,} bytes")


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


def accuracy(logits: torch.Tensor, digits: Digits) -> float:
    """Return the share of the test digits that the logits get right."""
    return float((logits.argmax(dim=1).numpy() == digits.test_labels).mean())


if __name__ == "__main__":
    main()
