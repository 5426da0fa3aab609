"""The columns of nonzeros, or of blocks, in a saved file: each matrix in the encoding that takes the fewest bytes.

    "bitmap", "gaps"    see `csrc/pack/column_codec.h`
    "elias-fano"        see `elias_fano.py`; since version 3, and for quantized weights only

A float32 weight does without the third, although its file would be 10 % smaller at 90 % zeros: any version of this
library reads it as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparseinf.io.elias_fano import decode_places, encode_places, num_encoded_bytes
from sparseinf.runtime import decode_columns, encode_columns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["describe_columns", "restore_columns"]

_ELIAS_FANO = "elias-fano"


def describe_columns(
    columns: npt.NDArray[np.int32], row_offsets: npt.NDArray[np.int64], num_columns: int, *, is_quantized: bool
) -> tuple[str, npt.NDArray[np.uint8]]:
    """Return the name of the encoding, and the bytes."""
    encoding, data = encode_columns(columns, row_offsets, num_columns)
    if is_quantized and num_encoded_bytes((row_offsets.size - 1) * num_columns, columns.size) < data.size:
        return _ELIAS_FANO, encode_places(columns, row_offsets, num_columns)
    return encoding, data


def restore_columns(
    encoding: str, data: npt.NDArray[np.uint8], num_rows: int, num_columns: int, count: int, *, is_quantized: bool
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return columns and row offsets.

    Raises
    ------
    ValueError
        If there is no such encoding, or the bytes cannot be right. Memory is taken for what they can hold, and for
        `num_rows` rows.
    """
    if is_quantized and encoding == _ELIAS_FANO:
        return decode_places(data, num_rows, num_columns, count)
    return decode_columns(encoding, data, num_rows, num_columns, count)
