"""What an int8 layer's call costs, form by form.

With N columns (rows of x), in p panels of 16, 32 or 64 bytes, w sixteens of columns in these, h half vectors of
columns in the panels of quads, g groups of at most eight columns, and b K blocks:

    csr, N > 1          quads * (p * quad_visit + w * quad_step) + w * rows * b * quad_row
    lookup              steps * (g * lookup_step + N * lookup_column) + N * rows * lookup_row
    block4x1, N > 8     quads * (p * block_visit + w * block_step) + w * strips * block_strip
    block4x1, N <= 8    quads * (block_few + N * block_column) + N * strips * block_strip
    bitmap              N * positions / 64 * bitmap_group
    dense, N > 1        weights / 4 * (panels * dense_visit + h * dense_half)
    dense, N = 1        weights * dense_scalar
    all                 (in + out features) * N * convert + call

where quads are fours of nonzeros of a row, or of blocks of a strip, filled up in each K block, and a step is four
nonzeros of each of sixteen rows as far as they are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparseinf.compile.layer_shape import LayerShape

__all__ = ["CONSTANTS", "PACKS", "Int8Constants", "pack_bytes", "passes", "terms"]

PACKS = ("dense_int8", "csr_int8", "bitmap_int8", "lookup_int8", "block4x1_int8")
"""The forms of an int8 layer."""

_BLOCK_COLUMNS = 384  # as pack/quad_pack.cpp chooses
_QUADS_PANEL_HALVES = 12
_GROUP_COLUMNS = 8


@dataclass(frozen=True)
class Int8Constants:
    """Nanoseconds for one of each kind of work, and widths in columns, at an instruction-set level."""

    half_vector: int
    widest_panel: int
    quad_visit: float
    quad_step: float
    quad_row: float
    lookup_step: float
    lookup_column: float
    lookup_row: float
    bitmap_group: float
    block_visit: float
    block_step: float
    block_few: float
    block_column: float
    block_strip: float
    dense_visit: float
    dense_half: float
    dense_scalar: float
    convert: float
    call: float


# bench/fit_cost_model.py on an AMD EPYC (Zen 4), one thread, 2026-11-21.
CONSTANTS: dict[str, Int8Constants] = {
    "scalar": Int8Constants(
        half_vector=2,
        widest_panel=16,
        quad_visit=0.0,
        quad_step=31.0,
        quad_row=0.0,
        lookup_step=2.23,
        lookup_column=29.0,
        lookup_row=4.58,
        bitmap_group=104.0,
        block_visit=160.0,
        block_step=0.0,
        block_few=2.96,
        block_column=8.72,
        block_strip=19.9,
        dense_visit=0.0,
        dense_half=5.02,
        dense_scalar=0.571,
        convert=1.22,
        call=627.0,
    ),
    "avx2": Int8Constants(
        half_vector=4,
        widest_panel=32,
        quad_visit=2.61,
        quad_step=0.0,
        quad_row=1.05,
        lookup_step=0.275,
        lookup_column=3.05,
        lookup_row=0.564,
        bitmap_group=4.69,
        block_visit=7.8,
        block_step=0.0149,
        block_few=1.51,
        block_column=0.224,
        block_strip=4.61,
        dense_visit=0.328,
        dense_half=0.194,
        dense_scalar=0.0201,
        convert=0.26,
        call=756.0,
    ),
    "avx512": Int8Constants(
        half_vector=8,
        widest_panel=64,
        quad_visit=1.21,
        quad_step=0.789,
        quad_row=0.734,
        lookup_step=0.438,
        lookup_column=2.69,
        lookup_row=0.513,
        bitmap_group=4.79,
        block_visit=2.45,
        block_step=2.74,
        block_few=1.23,
        block_column=0.256,
        block_strip=5.43,
        dense_visit=0.189,
        dense_half=0.392,
        dense_scalar=0.0179,
        convert=0.183,
        call=791.0,
    ),
    "avx512vnni": Int8Constants(
        half_vector=8,
        widest_panel=64,
        quad_visit=0.793,
        quad_step=0.16,
        quad_row=0.55,
        lookup_step=0.0,
        lookup_column=2.23,
        lookup_row=0.342,
        bitmap_group=4.3,
        block_visit=0.9,
        block_step=0.883,
        block_few=0.998,
        block_column=0.0522,
        block_strip=1.78,
        dense_visit=0.0255,
        dense_half=0.131,
        dense_scalar=0.0103,
        convert=0.206,
        call=812.0,
    ),
    "avx512vbmi": Int8Constants(
        half_vector=8,
        widest_panel=64,
        quad_visit=0.581,
        quad_step=0.219,
        quad_row=0.68,
        lookup_step=1.15,
        lookup_column=0.233,
        lookup_row=0.0819,
        bitmap_group=1.1,
        block_visit=0.693,
        block_step=0.914,
        block_few=0.948,
        block_column=0.0552,
        block_strip=3.36,
        dense_visit=0.0254,
        dense_half=0.131,
        dense_scalar=0.0102,
        convert=0.2,
        call=869.0,
    ),
}


def pack_bytes(pack: str, shape: LayerShape) -> float:
    """Return how large a pack of the weight is."""
    if pack == "dense_int8":
        return 1.0 * shape.positions
    if pack == "bitmap_int8":
        return shape.num_nonzeros + shape.positions / 8
    if pack == "block4x1_int8":
        return 6.2 * shape.num_blocks
    return 128.0 * _lookup_steps(shape) if pack == "lookup_int8" else 3.3 * shape.num_nonzeros


def passes(pack: str, num_columns: int) -> int:
    """Return how many times a call reads a pack of the weight."""
    if pack == "bitmap_int8":
        return num_columns  # one at a time
    return math.ceil(num_columns / _GROUP_COLUMNS) if pack == "lookup_int8" else 1


def terms(pack: str, shape: LayerShape, num_columns: int, constants: Int8Constants) -> dict[str, float]:
    """Return how much of each kind of work a call is, by the names of `Int8Constants`."""
    work: dict[str, float] = {
        "convert": (shape.in_features + shape.out_features) * num_columns,
        "call": 1,
    }
    if pack == "csr_int8":
        panels, sixteens = _byte_panels(num_columns, constants.widest_panel)
        row_visits = shape.out_features * math.ceil(shape.in_features / _BLOCK_COLUMNS)
        quads = (shape.num_nonzeros + 1.5 * min(row_visits, shape.num_nonzeros)) / 4
        work["quad_visit"] = panels * quads
        work["quad_step"] = sixteens * quads
        work["quad_row"] = sixteens * row_visits
    elif pack == "lookup_int8":
        steps = _lookup_steps(shape)
        work["lookup_step"] = passes(pack, num_columns) * steps
        work["lookup_column"] = num_columns * steps
        work["lookup_row"] = num_columns * shape.out_features
    elif pack == "block4x1_int8":
        panels, sixteens = _byte_panels(num_columns, constants.widest_panel)
        strips = shape.out_features / 4
        quads = (shape.num_blocks + 1.5 * strips) / 4
        if num_columns <= _GROUP_COLUMNS:
            work["block_few"] = quads
            work["block_column"] = num_columns * quads
            work["block_strip"] = strips * num_columns / 16
        else:
            work["block_visit"] = panels * quads
            work["block_step"] = sixteens * quads
            work["block_strip"] = strips * sixteens
    elif pack == "bitmap_int8":
        work["bitmap_group"] = num_columns * shape.positions / 64
    elif num_columns == 1:
        work["dense_scalar"] = shape.positions
    else:
        halves = math.ceil(num_columns / constants.half_vector)
        work["dense_visit"] = math.ceil(halves / _QUADS_PANEL_HALVES) * shape.positions / 4
        work["dense_half"] = halves * shape.positions / 4
    return work


def _lookup_steps(shape: LayerShape) -> float:
    """Return the steps: 64 lanes each, of which 95, 83 and 69 % are in use at 50, 80 and 90 % zeros."""
    in_use = 1 - 0.38 * (1 - shape.density) ** 3
    return shape.num_nonzeros / 64 / in_use


def _byte_panels(num_columns: int, widest: int) -> tuple[int, int]:
    """Return the number of panels, and of sixteens of columns in them."""
    whole, rest = divmod(num_columns, widest)
    last = next(width for width in (0, 16, 32, 64) if width >= rest)
    return whole + (rest > 0), (whole * widest + last) // 16
