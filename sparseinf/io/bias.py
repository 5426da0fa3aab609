"""What a bias may be, wherever it comes from: it becomes float32 once, and must be finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sparseinf.formats.float32 import SOURCE_DTYPES, dtype_name, first_nonfinite, to_float32
from sparseinf.io.tensor_types import as_array

__all__ = ["as_bias"]


def as_bias(value: Any, name: str, out_features: int) -> npt.NDArray[np.float32]:
    """Return a copy of a bias as float32.

    Parameters
    ----------
    value : float32, float64, float16 or bfloat16, shape (out_features,)
        A NumPy array or a torch tensor.
    name : str
        What messages call it.
    out_features : int
        Of the weight that it belongs to.

    Raises
    ------
    TypeError
        If it is no array and no tensor on the CPU, or of another dtype.
    ValueError
        If it has another shape, or a value is NaN, infinite, or too large for float32.
    """
    source = as_array(value, name)
    if dtype_name(source.dtype) not in SOURCE_DTYPES:
        raise TypeError(
            f"{name} has dtype {source.dtype}, but the bias of a layer is expected to be one of "
            f"{', '.join(SOURCE_DTYPES)}; convert it with .astype(np.float32)"
        )
    if source.shape != (out_features,):
        raise ValueError(
            f"{name} has shape {source.shape}, but its weight has out_features = {out_features}: "
            f"({out_features},) is expected; repair it or leave it out"
        )
    bias = np.array(to_float32(source))
    place = first_nonfinite(bias)
    if place is not None:
        raise ValueError(f"{name}[{place}] is {source[place]}, but must be finite, also in float32; repair it")
    return bias
