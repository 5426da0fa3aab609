"""`quantize`: a float32 weight becomes int8, each row by its largest value."""

from __future__ import annotations

from typing import Any

from sparseinf.formats.conversion import from_any
from sparseinf.formats.quantized import Quantized
from sparseinf.formats.quantized_arrays import rounded, row_scales, with_values, without_new_zeros

__all__ = ["quantize"]


def quantize(weight: Any) -> Quantized:
    """Round a weight to int8: integers = rint(weight / scale), with scale = max(abs(row)) / 127 for each row.

    Zeros stay zero. Nonzeros that are rounded to zero leave `Csr`, and stay as zeros in `Dense` and inside the
    blocks of `Block` and the groups of `NM`.

    Parameters
    ----------
    weight : shape (out_features, in_features)
        Anything that `from_any` takes; a `Quantized` is returned as it is.

    Returns
    -------
    Quantized
        In the format that `from_any` makes. Its values differ from the weight's by half a scale at most.

    Raises
    ------
    TypeError, ValueError
        As `from_any`.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import quantize
    >>> weight = np.array([[0, 2.54, 0.705], [0, 0, 0]], np.float32)
    >>> quantized = quantize(weight)
    >>> quantized.integers.values
    array([[  0, 127,  35],
           [  0,   0,   0]], dtype=int8)
    >>> quantized.scales
    array([0.02, 1.  ], dtype=float32)
    >>> round(quantized.error(weight).snr_db)
    54
    """
    source = from_any(weight)
    if isinstance(source, Quantized):
        return source
    scales = row_scales(source)
    integers = with_values(source, rounded(source, scales))
    return Quantized.unchecked(without_new_zeros(integers, source.num_nonzeros), scales)
