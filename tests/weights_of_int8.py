"""What tests of int8 weights share: matrices of all shapes of trouble, and every format to hold them in."""

from __future__ import annotations

import numpy as np

from sparseinf.formats import NM, Block, Csr, Dense, Quantized

KINDS = {
    "dense": Dense.from_dense,
    "csr": Csr.from_dense,
    "block": lambda matrix: Block.from_dense(matrix, block=(4, 3)),
    "nm": lambda matrix: NM.from_dense(matrix, nm=(4, 4)),  # every matrix has this pattern
}
SHAPES = [(0, 0), (0, 3), (3, 0), (1, 1), (1, 300), (300, 1), (13, 41)]


def sparse_matrix(shape=(13, 41), density=0.3, seed=0):
    random = np.random.default_rng(seed)
    return (random.standard_normal(shape) * (random.random(shape) < density)).astype(np.float32)


def random_integers(shape=(13, 41), density=0.3, seed=0):
    """Whole numbers from -128 to 127, both among them where there is room, in float32; one row is empty."""
    random = np.random.default_rng(seed)
    integers = random.integers(-128, 128, shape) * (random.random(shape) < density)
    integers.reshape(-1)[-2:] = [-128, 127][: integers.size]
    integers[1:2] = 0
    return integers.astype(np.float32)


def random_scales(num_rows, seed=0):
    return np.random.default_rng(seed).uniform(1e-3, 2, num_rows).astype(np.float32)


def random_quantized(kind, shape=(13, 41), density=0.3):
    return Quantized.from_integers(KINDS[kind](random_integers(shape, density)), random_scales(shape[0]))


def product(integers, scales):
    """The weight that integers stand for, each value rounded once."""
    return (integers.astype(np.float64) * scales.astype(np.float64)[:, np.newaxis]).astype(np.float32)


def checked(weight):
    """Make a quantized weight again through the constructor that checks all of it."""
    return Quantized(weight.integers, weight.scales)
