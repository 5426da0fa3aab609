"""What a float32 layer's call costs, form by form.

With N columns (rows of x), h half vectors of them, p panels and b visits to a row's accumulators, one a K block:

    csr, N > 1      nonzeros * (p * csr_visit + h * ((1 - d) * csr_half + d * csr_shared_half)) + p * b * csr_row
    csr, N = 1      nonzeros * csr_scalar + b * csr_row
    bitmap, N = 1   positions / 16 * bitmap_group
    block, N > 1    blocks * (p * block_visit + h * block_half) + p * strips * block_strip
    block, N = 1    blocks * block_scalar
    sell, N > 1     nonzeros * (p * sell_visit + h * sell_half) + p * rows * sell_row, in panels of two vectors
    sell, N = 1     nonzeros * sell_nonzero + rows * sell_row
    lookup, N > 1   steps * (g * lookup_step + N * lookup_column), in g groups of four columns
    lookup, N = 1   steps * lookup_single
    dense, N > 1    weights * (p * dense_visit + h * dense_half)
    dense, N = 1    weights * dense_scalar
    all             (in + out features) * N * convert + call

where d, the density, is how likely a nonzero's column is one of the other row's too, and a step is one nonzero of each
of sixteen rows as far as they are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparseinf.compile.layer_shape import LayerShape

__all__ = ["CONSTANTS", "PACKS", "Float32Constants", "least_ns", "pack_bytes", "passes", "terms"]

PACKS = ("dense", "csr", "bitmap", "sell", "lookup", "block4x1")
"""The forms of a float32 layer."""


@dataclass(frozen=True)
class Float32Constants:
    """Nanoseconds for one of each kind of work, and the columns in half a vector, at an instruction-set level."""

    half_vector: int
    csr_visit: float
    csr_half: float
    csr_shared_half: float
    csr_row: float
    csr_scalar: float
    bitmap_group: float
    sell_visit: float
    sell_half: float
    sell_nonzero: float
    sell_row: float
    lookup_step: float
    lookup_column: float
    lookup_single: float
    block_visit: float
    block_half: float
    block_strip: float
    block_scalar: float
    dense_visit: float
    dense_half: float
    dense_scalar: float
    convert: float
    call: float


# bench/fit_cost_model.py on an AMD EPYC (Zen 4), one thread, 2026-11-20; avx2 2026-11-21.
CONSTANTS: dict[str, Float32Constants] = {
    "scalar": Float32Constants(
        half_vector=2,
        csr_visit=0.348,
        csr_half=0.0944,
        csr_shared_half=0.0781,
        csr_row=0.822,
        csr_scalar=0.336,
        bitmap_group=19.2,
        sell_visit=0.493,
        sell_half=0.0185,
        sell_nonzero=0.217,
        sell_row=1.03,
        lookup_step=0.0,
        lookup_column=3.43,
        lookup_single=4.3,
        block_visit=0.682,
        block_half=0.351,
        block_strip=4.11,
        block_scalar=0.37,
        dense_visit=0.175,
        dense_half=0.0797,
        dense_scalar=0.0561,
        convert=0.553,
        call=418.0,
    ),
    "avx2": Float32Constants(
        half_vector=4,
        csr_visit=0.256,
        csr_half=0.0745,
        csr_shared_half=0.0681,
        csr_row=0.88,
        csr_scalar=0.36,
        bitmap_group=1.48,
        sell_visit=0.155,
        sell_half=0.0857,
        sell_nonzero=0.204,
        sell_row=1.62,
        lookup_step=0.724,
        lookup_column=2.71,
        lookup_single=4.05,
        block_visit=0.493,
        block_half=0.226,
        block_strip=3.28,
        block_scalar=0.409,
        dense_visit=0.0789,
        dense_half=0.0609,
        dense_scalar=0.0465,
        convert=0.123,
        call=520.0,
    ),
    "avx512": Float32Constants(
        half_vector=8,
        csr_visit=0.188,
        csr_half=0.162,
        csr_shared_half=0.102,
        csr_row=0.958,
        csr_scalar=0.328,
        bitmap_group=0.83,
        sell_visit=0.0778,
        sell_half=0.163,
        sell_nonzero=0.194,
        sell_row=1.7,
        lookup_step=0.544,
        lookup_column=0.464,
        lookup_single=0.908,
        block_visit=0.476,
        block_half=0.471,
        block_strip=1.2,
        block_scalar=0.4,
        dense_visit=0.0211,
        dense_half=0.137,
        dense_scalar=0.0448,
        convert=0.127,
        call=607.0,
    ),
}

_PREFERRED_HALVES = 8
_GROUP_COLUMNS = 4
_HELD_COLUMNS = 16  # groups of which come to a chunk of rows while it is in the L2 cache


def pack_bytes(pack: str, shape: LayerShape) -> float:
    """Return how large a pack (a name in `PACKS`) of the weight is."""
    if pack == "dense":
        return 4.0 * shape.positions
    if pack == "csr":
        return 6.2 * shape.num_nonzeros
    if pack == "sell":
        return 6.2 * shape.num_nonzeros + 2.0 * shape.out_features
    if pack == "lookup":
        return 80.5 * _lookup_steps(shape)
    if pack == "block4x1":
        return 18.0 * shape.num_blocks
    return 4.0 * shape.num_nonzeros + shape.positions / 8


def passes(pack: str, num_columns: int, constants: Float32Constants) -> int:
    """Return how many times a call reads a pack of the weight."""
    if pack == "bitmap":
        return num_columns  # one at a time
    if pack == "lookup":
        return math.ceil(num_columns / _HELD_COLUMNS)
    return _sell_panels(num_columns, constants.half_vector) if pack == "sell" else 1


def least_ns(pack: str, shape: LayerShape, num_columns: int, constants: Float32Constants) -> float:
    """Return what the multiplications alone take.

    Sharing x saves CSR loads, not multiplications: those of a nonzero take as long as a dense weight's. Zen 4,
    3072x768x128, ns a nonzero and half vector at 0 / 20 / 40 / 50 / 60 %: 0.154, 0.146, 0.143, 0.137, 0.138.
    """
    if pack != "csr" or num_columns == 1:
        return 0.0
    dense = terms("dense", shape, num_columns, constants)
    return shape.density * (dense["dense_visit"] * constants.dense_visit + dense["dense_half"] * constants.dense_half)


def terms(pack: str, shape: LayerShape, num_columns: int, constants: Float32Constants) -> dict[str, float]:
    """Return how much of each kind of work a call is, by the names of `Float32Constants`."""
    half_vector = constants.half_vector
    halves = math.ceil(num_columns / half_vector)
    panels = max(1, round(halves / _PREFERRED_HALVES))
    work: dict[str, float] = {
        "convert": (shape.in_features + shape.out_features) * num_columns,
        "call": 1,
    }
    if pack == "bitmap":
        work["bitmap_group"] = num_columns * shape.positions / 16
    elif pack == "sell" and num_columns == 1:
        work["sell_nonzero"] = shape.num_nonzeros
        work["sell_row"] = shape.out_features
    elif pack == "sell":
        narrow_panels = _sell_panels(num_columns, half_vector)
        work["sell_visit"] = narrow_panels * shape.num_nonzeros
        work["sell_half"] = halves * shape.num_nonzeros
        work["sell_row"] = narrow_panels * shape.out_features
    elif pack == "lookup" and num_columns == 1:
        work["lookup_single"] = _lookup_steps(shape)
    elif pack == "lookup":
        work["lookup_step"] = math.ceil(num_columns / _GROUP_COLUMNS) * _lookup_steps(shape)
        work["lookup_column"] = num_columns * _lookup_steps(shape)
    elif pack == "block4x1" and num_columns == 1:
        work["block_scalar"] = shape.num_blocks
    elif pack == "block4x1":
        work["block_visit"] = panels * shape.num_blocks
        work["block_half"] = halves * shape.num_blocks
        work["block_strip"] = panels * shape.out_features / 4
    elif pack == "dense" and num_columns == 1:
        work["dense_scalar"] = shape.positions
    elif pack == "dense":
        work["dense_visit"] = panels * shape.positions
        work["dense_half"] = halves * shape.positions
    elif num_columns == 1:
        work["csr_scalar"] = shape.num_nonzeros
        work["csr_row"] = _row_visits(shape, half_vector)
    else:
        work["csr_visit"] = panels * shape.num_nonzeros
        work["csr_half"] = halves * shape.num_nonzeros * (1 - shape.density)
        work["csr_shared_half"] = halves * shape.num_nonzeros * shape.density
        work["csr_row"] = panels * _row_visits(shape, half_vector)
    return work


def _sell_panels(num_columns: int, half_vector: int) -> int:
    return -(-num_columns // (4 * half_vector))


def _lookup_steps(shape: LayerShape) -> float:
    """Return the steps: sixteen lanes each, of which 91, 74 and 60 % are in use at 50, 80 and 90 % zeros."""
    density = shape.density
    # Lanes without a nonzero, a position: measured on random zeros, from 0 to 99.8 %.
    waiting = min(0.09 * (1 - density), 0.068, 0.05 + 0.3 * density, 15 * density)
    return (shape.num_nonzeros + waiting * shape.positions) / 16


def _row_visits(shape: LayerShape, half_vector: int) -> float:
    """Visits to a row's accumulators: once a K block in which the row has anything, and once at the start."""
    in_cache = 8192 / (_PREFERRED_HALVES * half_vector)
    block_columns = max(in_cache, min(14 / max(shape.density, 1e-9), 4096))  # as pack/csr_pack.cpp chooses
    blocks = max(1.0, shape.in_features / block_columns)
    return min(shape.out_features * blocks, float(shape.num_nonzeros)) + shape.out_features
