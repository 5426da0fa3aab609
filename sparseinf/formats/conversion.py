"""One door for everything that can be a weight matrix."""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np

from sparseinf.formats.csr import Csr
from sparseinf.formats.dense import Dense
from sparseinf.formats.format import Format
from sparseinf.formats.quantized import Quantized

__all__ = ["Weight", "from_any"]

Weight: TypeAlias = Format | Quantized
"""A weight matrix in any of our formats, of float32 or of int8."""


def from_any(source: Any) -> Weight:
    """Make a format from any kind of matrix: sparse sources give `Csr`, quantized ones `Quantized`, others `Dense`.

    Parameters
    ----------
    source : shape (out_features, in_features); float32, float64, float16 or bfloat16
        A NumPy array (C-contiguous float32 is not copied), a torch tensor of any layout, also one of torch.qint8, a
        scipy.sparse matrix or array of any layout, or a format, which is returned as it is.

    Raises
    ------
    TypeError
        For anything else, and for other dtypes.
    ValueError
        If it is not 2-D, or a value is NaN, infinite, or too large for float32.

    Notes
    -----
    Integers without scales are refused: `Quantized.from_dense` takes both.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import from_any
    >>> from_any(np.zeros((2, 3), np.float32)).name
    'dense'
    """
    if isinstance(source, Weight):
        return source
    if isinstance(source, np.ndarray):
        return Dense.from_dense(source)
    # Whoever holds a tensor or a scipy matrix has imported its library: nobody else pays for the import.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(source, torch.Tensor):
        if getattr(source, "is_quantized", False):  # torch will drop its quantized tensors some day
            return Quantized.from_torch(source)
        return Dense.from_torch(source) if source.layout == torch.strided else Csr.from_torch(source)
    scipy_sparse = sys.modules.get("scipy.sparse")
    if scipy_sparse is not None and scipy_sparse.issparse(source):
        return Csr.from_scipy(source)
    raise TypeError(
        "a weight must be a 2-D NumPy array, a torch tensor, a scipy.sparse matrix or a format, "
        f"but got {type(source).__name__}; np.asarray(weight) may convert it"
    )
