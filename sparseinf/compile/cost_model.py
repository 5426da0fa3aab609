"""Predicts how long a layer takes in each form, from its shape and its nonzeros.

A prediction is a sum of amounts of work, each times the nanoseconds that one of it takes at an instruction-set level.
With N columns (rows of x), h half vectors of them, p panels and b visits to a row's accumulators, one a K block:

    csr, N > 1      nonzeros * (p * csr_visit + h * ((1 - d) * csr_half + d * csr_shared_half)) + p * b * csr_row
    csr, N = 1      nonzeros * csr_scalar + b * csr_row
    bitmap, N = 1   positions / 16 * bitmap_group
    block, N > 1    blocks * (p * block_visit + h * block_half) + p * strips * block_strip
    block, N = 1    blocks * block_scalar
    sell, N > 1     nonzeros * (p * sell_visit + h * sell_half) + p * rows * sell_row, in panels of two vectors
    sell, N = 1     nonzeros * sell_nonzero + rows * sell_row
    dense, N > 1    weights * (p * dense_visit + h * dense_half)
    dense, N = 1    weights * dense_scalar
    all             (in + out features) * N * convert + call

where d, the density, is how likely a nonzero's column is one of the other row's too; and it is never less than
reading the pack takes. `bench/fit_cost_model.py` measures the constants. Choices depend on their ratios only, which
vary little between processors of one level.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sparseinf.formats import Format

__all__ = ["CONSTANTS", "LayerShape", "LevelConstants", "break_even", "pack_bytes", "predict_ns", "terms"]


@dataclass(frozen=True)
class LayerShape:
    """What the model looks at: a weight's extents and its number of nonzeros."""

    out_features: int
    in_features: int
    num_nonzeros: int
    strip_fill: float = 0.0
    """Share of nonzeros among the elements of the 4x1 blocks that hold any; 0.0 if these are no candidate."""

    @classmethod
    def of(cls, weight: Format, strip_fill: float = 0.0) -> LayerShape:
        """Return what the model looks at of a weight."""
        return cls(*weight.shape, weight.num_nonzeros, strip_fill)

    @property
    def num_blocks(self) -> float:
        """Number of 4x1 blocks that hold a nonzero."""
        return self.num_nonzeros / (4 * self.strip_fill) if self.strip_fill else math.inf

    @property
    def positions(self) -> int:
        """Zeros and nonzeros together."""
        return self.out_features * self.in_features

    @property
    def density(self) -> float:
        """Share of nonzeros."""
        return self.num_nonzeros / max(self.positions, 1)


@dataclass(frozen=True)
class LevelConstants:
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
    block_visit: float
    block_half: float
    block_strip: float
    block_scalar: float
    dense_visit: float
    dense_half: float
    dense_scalar: float
    convert: float
    call: float

    def rates(self) -> dict[str, float]:
        """Return the measured constants by name."""
        return {name: value for name, value in asdict(self).items() if name != "half_vector"}


# bench/fit_cost_model.py on an AMD EPYC (Zen 4), one thread, 2026-11-20.
CONSTANTS: dict[str, LevelConstants] = {
    "scalar": LevelConstants(
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
    "avx2": LevelConstants(
        half_vector=4,
        csr_visit=0.262,
        csr_half=0.073,
        csr_shared_half=0.0583,
        csr_row=0.942,
        csr_scalar=0.356,
        bitmap_group=1.48,
        sell_visit=0.147,
        sell_half=0.0855,
        sell_nonzero=0.193,
        sell_row=1.93,
        block_visit=0.327,
        block_half=0.471,
        block_strip=3.05,
        block_scalar=0.404,
        dense_visit=0.0798,
        dense_half=0.0596,
        dense_scalar=0.0454,
        convert=0.138,
        call=515.0,
    ),
    "avx512": LevelConstants(
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

# Bytes that weights of so many bytes can be read at: from the L2 cache nothing waits.
_BYTES_A_NS = ((16 << 20, 25.0), (1 << 19, 60.0))


def pack_bytes(pack: str, shape: LayerShape) -> float:
    """Return how large a pack ("dense", "csr", "bitmap", "sell" or "block4x1") of the weight is."""
    if pack == "dense":
        return 4.0 * shape.positions
    if pack == "csr":
        return 6.2 * shape.num_nonzeros
    if pack == "sell":
        return 6.2 * shape.num_nonzeros + 2.0 * shape.out_features
    if pack == "block4x1":
        return 18.0 * shape.num_blocks
    return 4.0 * shape.num_nonzeros + shape.positions / 8


def predict_ns(pack: str, shape: LayerShape, num_columns: int, isa: str) -> float:
    """Return the predicted nanoseconds of one call with `num_columns` rows of x on one thread.

    Parameters
    ----------
    pack : {"dense", "csr", "bitmap", "sell", "block4x1"}
    shape : LayerShape
    num_columns : int
        At least 1.
    isa : str
        An instruction-set level.
    """
    constants = CONSTANTS[isa]
    work = terms(pack, shape, num_columns, constants.half_vector)
    around: float = sum(work.pop(name) * getattr(constants, name) for name in ("convert", "call"))
    compute: float = sum(amount * getattr(constants, name) for name, amount in work.items())
    if pack == "csr" and num_columns > 1:
        # Sharing x saves loads, not multiplications: those of a nonzero take as long as a dense weight's. Zen 4,
        # 3072x768x128, ns a nonzero and half vector at 0 / 20 / 40 / 50 / 60 %: 0.154, 0.146, 0.143, 0.137, 0.138.
        dense_work = terms("dense", shape, num_columns, constants.half_vector)
        dense_rates = ("dense_visit", constants.dense_visit), ("dense_half", constants.dense_half)
        compute = max(compute, shape.density * sum(dense_work[name] * rate for name, rate in dense_rates))
    passes = {
        "bitmap": num_columns,  # one at a time
        "sell": _sell_panels(num_columns, constants.half_vector),
    }.get(pack, 1)
    return max(compute, passes * _read_ns(pack_bytes(pack, shape))) + around


def break_even(corrections: Mapping[str, float], shape: LayerShape, num_columns: int, isa: str) -> float | None:
    """Return the share of zeros from which on another pack is predicted to be faster than dense.

    Parameters
    ----------
    corrections : mapping of str to float
        For each pack, "dense" among them, what its predictions are multiplied by.
    shape : LayerShape
        Its number of nonzeros does not count.

    Returns
    -------
    float or None
        None if dense is as fast even when all is zero.
    """
    dense_ns = corrections["dense"] * predict_ns("dense", shape, num_columns, isa)
    others = {pack: factor for pack, factor in corrections.items() if pack != "dense"}

    def gains(num_nonzeros: int) -> bool:
        sparse = replace(shape, num_nonzeros=num_nonzeros)
        return any(factor * predict_ns(pack, sparse, num_columns, isa) < dense_ns for pack, factor in others.items())

    if not gains(0):
        return None
    most, too_many = 0, shape.positions + 1
    while too_many - most > 1:
        middle = (most + too_many) // 2
        most, too_many = (middle, too_many) if gains(middle) else (most, middle)
    return 1 - most / shape.positions


def _read_ns(num_bytes: float) -> float:
    return next((num_bytes / rate for least, rate in _BYTES_A_NS if num_bytes >= least), 0.0)


def terms(pack: str, shape: LayerShape, num_columns: int, half_vector: int) -> dict[str, float]:
    """Return how much of each kind of work a call is, by the names of `LevelConstants`."""
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


def _row_visits(shape: LayerShape, half_vector: int) -> float:
    """Visits to a row's accumulators: once a K block in which the row has anything, and once at the start."""
    in_cache = 8192 / (_PREFERRED_HALVES * half_vector)
    block_columns = max(in_cache, min(14 / max(shape.density, 1e-9), 4096))  # as pack/csr_pack.cpp chooses
    blocks = max(1.0, shape.in_features / block_columns)
    return min(shape.out_features * blocks, float(shape.num_nonzeros)) + shape.out_features
