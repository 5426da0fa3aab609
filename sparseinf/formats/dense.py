"""`Dense`: a weight with every value stored, zeros included.

Dense is a format like the others: a layer that is not worth running sparse stays in this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from sparseinf.formats.csr import Csr
from sparseinf.formats.csr_arrays import compress
from sparseinf.formats.float32 import (
    check_matrix,
    dtype_name,
    first_nonfinite,
    frozen,
    nonfinite_error,
    to_float32,
)
from sparseinf.formats.torch_tensors import strided_values

if TYPE_CHECKING:
    import torch

    from sparseinf.formats.statistics import Statistics

__all__ = ["Dense"]


@dataclass(frozen=True, eq=False, repr=False)
class Dense:
    """A weight matrix with every value stored.

    Parameters
    ----------
    values : float32, shape (out_features, in_features), C-contiguous
        The weight. It is not copied, so do not change it afterwards; the format's own view is read-only.
    source_dtype : str
        The dtype that the values had before they became float32.

    Raises
    ------
    TypeError
        If `values` is not a NumPy array of floats.
    ValueError
        If it is not 2-D, not C-contiguous float32, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import Dense
    >>> Dense.from_dense(np.eye(2, 4))
    Dense(shape=(2, 4), sparsity=0.750, source_dtype='float64')
    """

    name: ClassVar[str] = "dense"

    values: npt.NDArray[np.float32]
    source_dtype: str = "float32"

    def __post_init__(self) -> None:
        check_matrix(self.values)
        if to_float32(self.values) is not self.values:
            raise ValueError(
                f"Dense(values) takes C-contiguous float32 as it is, but got dtype {self.values.dtype} with "
                f"strides {self.values.strides}; Dense.from_dense(values) converts it"
            )
        _check_finite(self.values, self.values)
        object.__setattr__(self, "values", frozen(self.values))

    @classmethod
    def unchecked(cls, values: npt.NDArray[np.float32], *, source_dtype: str = "float32") -> Dense:
        """Wrap values that this library made or has checked itself; nothing is looked at again."""
        made = object.__new__(cls)
        object.__setattr__(made, "values", frozen(values))
        object.__setattr__(made, "source_dtype", source_dtype)
        return made

    @classmethod
    def from_dense(cls, weight: npt.NDArray[Any]) -> Dense:
        """Make the format from an array; one that is C-contiguous float32 already is not copied.

        Parameters
        ----------
        weight : float32, float64, float16 or bfloat16, shape (out_features, in_features), any strides

        Raises
        ------
        TypeError
            For anything but a NumPy array of these dtypes.
        ValueError
            If it is not 2-D, or a value is NaN, infinite, or too large for float32.
        """
        check_matrix(weight)
        values = to_float32(weight)
        _check_finite(values, weight)
        return cls.unchecked(values, source_dtype=dtype_name(weight.dtype))

    @classmethod
    def from_torch(cls, tensor: torch.Tensor) -> Dense:
        """Make the format from a strided torch tensor on the CPU; contiguous float32 is not copied.

        Raises
        ------
        TypeError
            If the tensor is not strided, not on the CPU, or of a dtype that `from_dense` refuses.
        ValueError
            As `from_dense`.
        """
        values, source_dtype = strided_values(tensor)
        return cls.unchecked(cls.from_dense(values).values, source_dtype=source_dtype)

    def to_dense(self) -> npt.NDArray[np.float32]:
        """Return a new, writable float32 array of shape (out_features, in_features)."""
        return np.array(self.values)

    def to_csr(self) -> Csr:
        """Return the nonzeros as compressed rows."""
        shape, values, columns, row_offsets = compress(self.values)
        return Csr.unchecked(shape, values, columns, row_offsets, source_dtype=self.source_dtype)

    def statistics(self) -> Statistics:
        """Describe where the nonzeros are; see `sparseinf.formats.statistics`."""
        from sparseinf.formats.statistics import statistics  # that module stands on this one

        return statistics(self)

    @property
    def shape(self) -> tuple[int, int]:
        """(out_features, in_features)."""
        rows, columns = self.values.shape
        return rows, columns

    @cached_property
    def num_nonzeros(self) -> int:
        """How many values are not zero; -0.0 is a zero."""
        return int(np.count_nonzero(self.values))

    @property
    def sparsity(self) -> float:
        """Share of zeros; 0.0 for an empty matrix."""
        return 1.0 - self.num_nonzeros / self.values.size if self.values.size else 0.0

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays take."""
        return self.values.nbytes

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and unpickle through the constructor: checked like any other source, and read-only again."""
        return Dense, (self.values, self.source_dtype)

    def __repr__(self) -> str:
        return f"Dense(shape={self.shape}, sparsity={self.sparsity:.3f}, source_dtype={self.source_dtype!r})"


def _check_finite(values: npt.NDArray[np.float32], source: npt.NDArray[Any]) -> None:
    place = first_nonfinite(values)
    if place is not None:
        row, column = divmod(place, values.shape[1])
        raise nonfinite_error(source[row, column], row, column)
