"""What a weight may look like when it comes in, and how its values become float32: once, without a surprise.

Only floating point that float32 can stand for is taken. Integers are refused rather than guessed at (they are
usually quantized and need their scale), and NaN, infinity and overflow are refused by position.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "BFLOAT16",
    "MAX_EXTENT",
    "SOURCE_DTYPES",
    "check_extents",
    "check_float",
    "check_matrix",
    "copied",
    "dtype_name",
    "first_nonfinite",
    "frozen",
    "nonfinite_error",
    "to_float32",
]

BFLOAT16 = np.dtype([("bfloat16", np.uint16)])
"""The bits of bfloat16, for which NumPy has no dtype: array["bfloat16"] are the upper halves of float32."""

# A dtype may also be called bfloat16: other packages (ml_dtypes) register one, with casts.
SOURCE_DTYPES = ("float32", "float64", "float16", "bfloat16")
"""The dtypes that weights may come in."""

MAX_EXTENT = 2**31 - 64
"""The most rows or columns of a weight: kernels count them in int32, up to 64 at a time."""

# Packing looks at every row of every block of columns, also where nothing is: 5 s for as many as this.
_MAX_POSITIONS = 2**40


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return the dtype's name, also for `BFLOAT16`."""
    return "bfloat16" if dtype == BFLOAT16 else dtype.name


def check_extents(num_rows: int, num_columns: int) -> None:
    """Refuse a shape that is out of range, before anything is made of that size."""
    for name, extent in (("out_features", num_rows), ("in_features", num_columns)):
        if not 0 <= extent <= MAX_EXTENT:
            raise ValueError(f"{name} must be from 0 to {MAX_EXTENT} (they are counted in int32), but is {extent}")
    if num_rows * num_columns > _MAX_POSITIONS:
        raise ValueError(
            f"a weight of shape ({num_rows}, {num_columns}) has more than 2^40 positions, zeros included; split it"
        )


def check_float(name: str) -> None:
    """Refuse every dtype that weights do not come in, with the call that converts it."""
    if name not in SOURCE_DTYPES:
        raise TypeError(
            f"the weight has dtype {name}, but float32, float64, float16 or bfloat16 is expected; "
            "convert it yourself, in NumPy with weight.astype(np.float32), in torch with weight.float()"
        )


def check_matrix(weight: Any) -> None:
    """Refuse everything that is not a plain 2-D NumPy array of a float dtype."""
    if not isinstance(weight, np.ndarray):
        raise TypeError(
            f"a NumPy array is expected, but got {type(weight).__name__}; np.asarray(weight) may convert it, "
            "and formats.from_any takes torch tensors and scipy matrices too"
        )
    if isinstance(weight, np.ma.MaskedArray):
        raise TypeError("a plain NumPy array is expected, but got a masked array; weight.filled(0) makes one")
    if weight.ndim != 2:
        raise ValueError(
            f"a weight has two dimensions (out_features, in_features), but got shape {weight.shape}; "
            "reshape it, for instance with weight.reshape(out_features, -1)"
        )
    check_extents(*weight.shape)
    check_float(dtype_name(weight.dtype))


def to_float32(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return `array` as aligned, C-contiguous float32: itself, if it is that.

    Values out of range become infinite.
    """
    if array.dtype == BFLOAT16:
        return (array["bfloat16"].astype(np.uint32) << 16).view(np.float32)
    if array.dtype == np.float32 and array.flags.c_contiguous and array.flags.aligned:
        return array  # np.require makes a view if the dtype is equal, but not the same object (unpickled)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.require(array, np.float32, ["C_CONTIGUOUS", "ALIGNED"])


def first_nonfinite(values: npt.NDArray[np.float32]) -> int | None:
    """Return the flat position of the first NaN or infinity, or None."""
    if values.size == 0:
        return None
    # A NaN comes through both reductions, so the two decide without a temporary array.
    with np.errstate(invalid="ignore"):
        if np.isfinite(values.min()) and np.isfinite(values.max()):
            return None
    return int(np.flatnonzero(~np.isfinite(values))[0])


def nonfinite_error(source_value: Any, row: int, column: int) -> ValueError:
    """Return the error for a weight that float32 cannot hold, given its value before conversion."""
    source = np.asarray(source_value)
    value = float(to_float32(source) if source.dtype == BFLOAT16 else source)
    if np.isfinite(value):
        return ValueError(
            f"weight[{row}, {column}] = {value:g} does not fit in float32 (at most "
            f"{np.finfo(np.float32).max:g} in size); scale or clip the weight before loading it"
        )
    return ValueError(
        f"weight[{row}, {column}] is {value}, but every weight must be finite; "
        "repair it, for instance with np.nan_to_num, or look for the training step that broke it"
    )


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view; the array itself stays as writable as it was."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view


def copied(array: Any, dtype: str, name: str) -> npt.NDArray[Any]:
    """Return a read-only copy of what a constructor got, which must have this dtype already."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise TypeError(
            f"{name} must be a NumPy array of {dtype}, but is "
            f"{getattr(array, 'dtype', type(array).__name__)}; convert it with .astype(np.{dtype})"
        )
    return frozen(np.array(array, order="C"))
