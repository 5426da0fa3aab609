"""The dtypes that a safetensors file can hold, as NumPy knows them.

bfloat16 and the 8-bit floats have no NumPy dtype. Their bits travel in a structured dtype with one field of
the right name, so that nothing is lost between one file and the next, and nobody takes bits for numbers.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from sparseinf.formats.float32 import BFLOAT16

__all__ = ["DTYPES", "TOO_SMALL", "as_array", "code_of", "is_possible_shape"]

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "U16": np.dtype(np.uint16),
    "I16": np.dtype(np.int16),
    "U32": np.dtype(np.uint32),
    "I32": np.dtype(np.int32),
    "U64": np.dtype(np.uint64),
    "I64": np.dtype(np.int64),
    "F16": np.dtype(np.float16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
    "C64": np.dtype(np.complex64),
    "BF16": BFLOAT16,
    "F8_E4M3": np.dtype([("float8_e4m3fn", np.uint8)]),
    "F8_E5M2": np.dtype([("float8_e5m2", np.uint8)]),
    "F8_E8M0": np.dtype([("float8_e8m0fnu", np.uint8)]),
    "F8_E4M3FNUZ": np.dtype([("float8_e4m3fnuz", np.uint8)]),
    "F8_E5M2FNUZ": np.dtype([("float8_e5m2fnuz", np.uint8)]),
}
"""Code in the file -> dtype."""

TOO_SMALL = ("F4", "F6_E2M3", "F6_E3M2")
"""Codes of dtypes that share bytes between elements: real, but not read."""

_CODES = {dtype: code for code, dtype in DTYPES.items()}
# torch and ml_dtypes use the same names.
_BITS = {dtype.names[0]: dtype for dtype in DTYPES.values() if dtype.names is not None}


def is_possible_shape(shape: Any) -> bool:
    """Tell whether a file's word for a shape is one that NumPy can make, given the memory."""
    if not isinstance(shape, list | tuple) or not all(type(extent) is int and extent >= 0 for extent in shape):
        return False
    # NumPy has 32 dimensions (since 2.0: 64), and counts elements in int64 even where another extent is zero.
    return len(shape) <= 32 and math.prod(max(extent, 1) for extent in shape) < 2**59


def code_of(array: npt.NDArray[Any], name: str) -> str:
    """Return the code that a tensor of this dtype has in a file.

    Raises
    ------
    TypeError
        If no file can hold it.
    """
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        raise TypeError(
            f"tensor {name!r} has dtype {array.dtype}, which a safetensors file cannot hold; "
            "convert it, for instance to float32 or int64"
        )
    return code


def as_array(value: Any, name: str) -> npt.NDArray[Any]:
    """Return a tensor of any kind as a NumPy array: bits if NumPy has no such dtype, dense if it is sparse.

    Raises
    ------
    TypeError
        If it is no array and no tensor on the CPU, or of a dtype that NumPy cannot hold.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _torch_array(value, name, torch)
    scipy_sparse = sys.modules.get("scipy.sparse")
    if scipy_sparse is not None and scipy_sparse.issparse(value):
        return np.asarray(value.toarray())
    if isinstance(value, np.ma.MaskedArray) or not isinstance(value, np.ndarray | np.generic):
        raise TypeError(
            f"tensor {name!r} must be a NumPy array, a torch tensor or a scipy.sparse matrix, "
            f"but is a {type(value).__name__}; leave it out, or convert it with np.asarray"
        )
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(f"tensor {name!r} holds Python objects; convert it to an array of numbers")
    bits = _BITS.get(array.dtype.name)
    return array if bits is None else np.ascontiguousarray(array).view(bits).reshape(array.shape)


def _torch_array(tensor: Any, name: str, torch: Any) -> npt.NDArray[Any]:
    if tensor.device.type != "cpu":
        raise TypeError(f"tensor {name!r} is on {tensor.device}, but must be on the CPU; tensor.cpu() copies it")
    if tensor.is_quantized:
        raise TypeError(f"tensor {name!r} is quantized by torch; tensor.dequantize() makes an ordinary one")
    dense = tensor.detach()
    if dense.layout != torch.strided:
        try:
            dense = dense.to_dense()
        except RuntimeError:  # what torch raises when there is no memory
            raise MemoryError(
                f"tensor {name!r} is sparse, but no layer, and too large to be kept dense: "
                f"its shape is {tuple(tensor.shape)}"
            ) from None
    bits = _BITS.get(str(dense.dtype).removeprefix("torch."))
    if bits is None:
        array: npt.NDArray[Any] = dense.resolve_conj().resolve_neg().numpy()
        return array
    integers = {1: torch.uint8, 2: torch.int16}[bits.itemsize]
    return np.asarray(dense.contiguous().view(integers).numpy()).view(bits)
