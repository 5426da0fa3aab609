"""Predicts how long a layer takes in each form, from its shape and its nonzeros.

With N columns, h half vectors of them and p panels, times in nanoseconds on one thread:

    spmm_csr      nonzeros * (p * csr_visit + h * csr_half) + p * row_blocks * csr_row
    spmm_dense    weights * h * dense_half(h)
    gemv_csr      nonzeros * csr_scalar + row_blocks * csr_row
    gemv_bitmap   positions / 16 * bitmap_group
    gemv_dense    weights * dense_scalar

plus (in + out features) * N * convert, and never less than the pack's bytes take from memory. `bench/fit_cost_model.py`
measures the constants; choices depend only on their ratios, which vary little between processors of one level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONSTANTS", "LayerShape", "LevelConstants", "pack_bytes", "predict_ns"]


@dataclass(frozen=True)
class LayerShape:
    """What the model looks at: a weight's extents and its number of nonzeros."""

    out_features: int
    in_features: int
    num_nonzeros: int


@dataclass(frozen=True)
class LevelConstants:
    """Nanoseconds, for one instruction-set level."""

    half_vector: int
    csr_visit: float
    csr_half: float
    csr_row: float
    csr_scalar: float
    bitmap_group: float
    dense_half: tuple[float, float, float]
    """For one, two and more half vectors: narrow tiles load more than they multiply."""
    dense_scalar: float
    convert: float


# bench/fit_cost_model.py on an AMD EPYC (Zen 4), one thread, 2026-11-20.
CONSTANTS: Mapping[str, LevelConstants] = {
    "avx512": LevelConstants(8, 0.20, 0.15, 6.0, 0.35, 0.85, (0.150, 0.142, 0.140), 0.16, 0.12),
    "avx2": LevelConstants(4, 0.20, 0.085, 6.0, 0.35, 1.6, (0.090, 0.075, 0.072), 0.16, 0.15),
    "scalar": LevelConstants(2, 0.5, 0.25, 8.0, 0.7, 12.0, (0.4, 0.35, 0.3), 0.25, 0.4),
}

_MEMORY_BYTES_A_NS = 25.0
_PREFERRED_HALVES = 8


def pack_bytes(pack: str, shape: LayerShape) -> float:
    """Return how large a pack ("dense", "csr" or "bitmap") of the weight is."""
    positions = shape.out_features * shape.in_features
    if pack == "dense":
        return 4.0 * positions
    if pack == "csr":
        return 6.2 * shape.num_nonzeros
    return 4.0 * shape.num_nonzeros + positions / 8


def predict_ns(pack: str, shape: LayerShape, num_columns: int, isa: str) -> float:
    """Return the predicted nanoseconds of one call with `num_columns` rows of x on one thread.

    Parameters
    ----------
    pack : {"dense", "csr", "bitmap"}
    shape : LayerShape
    num_columns : int
        At least 1.
    isa : str
        An instruction-set level.
    """
    constants = CONSTANTS[isa]
    compute = _vector_ns(pack, shape, constants) if num_columns == 1 else 0.0
    if num_columns > 1 and pack == "bitmap":
        compute = num_columns * _vector_ns(pack, shape, constants)
    elif num_columns > 1:
        compute = _panels_ns(pack, shape, num_columns, constants)
    convert = (shape.in_features + shape.out_features) * num_columns * constants.convert
    passes = num_columns if pack == "bitmap" else 1
    return max(compute, passes * pack_bytes(pack, shape) / _MEMORY_BYTES_A_NS) + convert


def _vector_ns(pack: str, shape: LayerShape, constants: LevelConstants) -> float:
    positions = shape.out_features * shape.in_features
    if pack == "dense":
        return positions * constants.dense_scalar
    if pack == "bitmap":
        return positions / 16 * constants.bitmap_group
    return shape.num_nonzeros * constants.csr_scalar + _row_blocks(shape, constants) * constants.csr_row


def _panels_ns(pack: str, shape: LayerShape, num_columns: int, constants: LevelConstants) -> float:
    halves = math.ceil(num_columns / constants.half_vector)
    if pack == "dense":
        return shape.out_features * shape.in_features * halves * constants.dense_half[min(halves, 3) - 1]
    panels = max(1, round(halves / _PREFERRED_HALVES))
    visit = panels * constants.csr_visit + halves * constants.csr_half
    return shape.num_nonzeros * visit + panels * _row_blocks(shape, constants) * constants.csr_row


def _row_blocks(shape: LayerShape, constants: LevelConstants) -> float:
    """Visits to a row's accumulators: once a K block in which the row has anything."""
    density = shape.num_nonzeros / max(shape.out_features * shape.in_features, 1)
    in_cache = 8192 / (_PREFERRED_HALVES * constants.half_vector)
    block_columns = max(in_cache, min(14 / max(density, 1e-9), 4096))  # as pack/csr_pack.cpp chooses
    blocks = max(1.0, shape.in_features / block_columns)
    return min(shape.out_features * blocks, float(shape.num_nonzeros)) + shape.out_features
