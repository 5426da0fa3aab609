"""The arithmetic of int8 weights: scales of rows, integers from values and values from integers, for every format.

`quantized.py` holds the class; this file holds the loops, over some values at a time as in `csr_arrays.py`.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparseinf.formats.block import Block
from sparseinf.formats.csr import Csr
from sparseinf.formats.csr_arrays import bands, drop_zeros
from sparseinf.formats.dense import Dense
from sparseinf.formats.float32 import frozen
from sparseinf.formats.nm import NM
from sparseinf.formats.nm_arrays import put_zeros_last

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sparseinf.formats.format import Format

__all__ = ["check_scales", "multiplied", "rounded", "row_scales", "with_values", "without_new_zeros"]

Scales = npt.NDArray[np.float32]

_LARGEST_INTEGER = 127
_VALUES_TOGETHER = 1 << 17


def with_values(weight: Format, values: npt.NDArray[Any]) -> Format:
    """Return a format with the same places and other values, of any dtype; nothing is copied or looked at."""
    made = object.__new__(type(weight))
    for field in fields(weight):
        value = frozen(values) if field.name == "values" else getattr(weight, field.name)
        object.__setattr__(made, field.name, value)
    return made


def row_scales(weight: Format) -> Scales:
    """Return for each row what 1 stands for, when its largest value becomes 127; 1.0 for a row of zeros."""
    largest = _row_magnitudes(weight)
    with np.errstate(over="ignore", under="ignore"):
        scales: Scales = largest / np.float32(_LARGEST_INTEGER)
        # Subnormal scales are coarse: one that was rounded down by much would make the largest value 128, or be 0.
        is_too_small = largest >= scales.astype(np.float64) * (_LARGEST_INTEGER + 0.5)
        scales = np.where(is_too_small, np.nextafter(scales, np.float32(np.inf)), scales)
        # The largest float32 of all comes back as infinity if its scale was rounded up.
        is_too_large = np.isinf(scales * np.float32(_LARGEST_INTEGER))
        scales = np.where(is_too_large, np.nextafter(scales, np.float32(0)), scales)
    scales[largest == 0] = 1
    return scales


def rounded(weight: Format, scales: Scales) -> npt.NDArray[np.int8]:
    """Return values / scales as the nearest integers, those half way between two as the even one."""
    integers = np.empty(weight.values.shape, np.int8)
    for part, part_scales in _parts(weight, scales):
        integers[part] = np.rint(weight.values[part] / part_scales)
    return integers


def multiplied(integers: Format, scales: Scales) -> npt.NDArray[np.float32]:
    """Return the values that integers stand for."""
    values = np.empty(integers.values.shape, np.float32)
    for part, part_scales in _parts(integers, scales):
        np.multiply(integers.values[part], part_scales, out=values[part])
    return values


def without_new_zeros(integers: Format, num_nonzeros: int) -> Format:
    """Return a format as its kind has it, if some of its once `num_nonzeros` nonzeros have become zero."""
    if isinstance(integers, Dense) or np.count_nonzero(integers.values) == num_nonzeros:
        return integers
    if isinstance(integers, Csr):
        csr_arrays = drop_zeros(integers.values, integers.columns, integers.row_offsets)
        return Csr.unchecked(integers.shape, *csr_arrays, source_dtype=integers.source_dtype)
    if isinstance(integers, Block):
        block_arrays = drop_zeros(integers.values, integers.block_columns, integers.block_row_offsets)
        return Block.unchecked(integers.shape, *block_arrays, source_dtype=integers.source_dtype)
    group_arrays = put_zeros_last(integers.values, integers.positions)
    return NM.unchecked(integers.shape, integers.nm, *group_arrays, source_dtype=integers.source_dtype)


def check_scales(integers: Format, scales: Scales) -> None:
    """Refuse scales that are not one a row, positive and finite, or too large for the integers of their row."""
    num_rows = integers.shape[0]
    if scales.shape != (num_rows,):
        raise ValueError(
            f"scales must have shape ({num_rows},), one for each row of the weight, but have {scales.shape}; "
            "Quantized.from_dense takes a single scale, too"
        )
    is_wrong = ~(np.isfinite(scales) & (scales > 0))
    if is_wrong.any():
        row = int(is_wrong.argmax())
        raise ValueError(
            f"scales[{row}] is {scales[row]}, but every scale must be positive and finite; a row of zeros can have 1"
        )
    largest = _row_magnitudes(integers)
    with np.errstate(over="ignore"):
        is_too_large = np.isinf(largest * scales)
    if is_too_large.any():
        row = int(is_too_large.argmax())
        raise ValueError(
            f"row {row} has an integer of size {largest[row]:.0f} and the scale {scales[row]}: their product does not "
            "fit in float32; scale the weight down"
        )


def _row_magnitudes(weight: Format) -> npt.NDArray[np.float32]:
    """Return the largest size of a value in each row, 0 where there is none."""
    highest, lowest = (_row_reduced(weight, reduce) for reduce in (np.maximum, np.minimum))
    return np.maximum(highest.astype(np.float32), -lowest.astype(np.float32))  # in int8, 128 would be -128


def _row_reduced(weight: Format, reduce: np.ufunc) -> npt.NDArray[Any]:
    if isinstance(weight, Csr):
        return _reduced_between(reduce, weight.values, weight.row_offsets)
    if isinstance(weight, Block):
        of_blocks = reduce.reduce(weight.values, axis=2)
        of_rows = _reduced_between(reduce, of_blocks, weight.block_row_offsets)
        return of_rows.reshape(-1)[: weight.shape[0]]
    reduced: npt.NDArray[Any] = reduce.reduce(weight.values, axis=(*range(1, weight.values.ndim),), initial=0)
    return reduced


def _reduced_between(
    reduce: np.ufunc, values: npt.NDArray[Any], row_offsets: npt.NDArray[np.int64]
) -> npt.NDArray[Any]:
    """Reduce the values between each two offsets; 0 where there are none."""
    reduced = np.zeros((row_offsets.size - 1, *values.shape[1:]), values.dtype)
    has_values = row_offsets[1:] > row_offsets[:-1]
    if has_values.any():
        reduced[has_values] = reduce.reduceat(values, row_offsets[:-1][has_values], axis=0)
    return reduced


def _parts(weight: Format, scales: Scales) -> Iterator[tuple[slice, Scales]]:
    """Cut the values along their first axis; yield each part with the scale of every value, to be broadcast."""
    if isinstance(weight, Csr):
        for rows in bands(weight.row_offsets, 1, _VALUES_TOGETHER):
            offsets = weight.row_offsets[rows.start : rows.stop + 1]
            yield slice(offsets[0], offsets[-1]), np.repeat(scales[rows], np.diff(offsets))
        return
    if isinstance(weight, Block):
        height, width = weight.block
        offsets = weight.block_row_offsets
        of_block_rows = np.ones((offsets.size - 1, height), np.float32)  # also of rows beyond the edge
        of_block_rows.reshape(-1)[: scales.size] = scales
        for rows in bands(offsets, 1, _VALUES_TOGETHER // (height * width)):
            num_blocks = np.diff(offsets[rows.start : rows.stop + 1])
            of_blocks = np.repeat(of_block_rows[rows], num_blocks, axis=0)
            yield slice(offsets[rows.start], offsets[rows.stop]), of_blocks[:, :, np.newaxis]
        return
    num_rows = weight.shape[0]
    num_together = max(1, _VALUES_TOGETHER * num_rows // max(1, weight.values.size))
    for start in range(0, num_rows, num_together):
        rows = slice(start, start + num_together)
        yield rows, scales[rows].reshape(-1, *[1] * (weight.values.ndim - 1))
