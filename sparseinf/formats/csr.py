"""`Csr`: compressed sparse rows, the format of unstructured sparsity.

Row r owns the nonzeros row_offsets[r] to row_offsets[r + 1]; each is a value and the column it stands in:

    weight      0 5 0 7        values       5 7 2
                0 0 0 0        columns      1 3 0
                2 0 0 0        row_offsets  0 2 2 3
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from sparseinf.formats.csr_arrays import (
    check_indices,
    check_values,
    compress,
    drop_zeros,
    expand,
    scipy_arrays,
)
from sparseinf.formats.float32 import check_float, copied, dtype_name, frozen, to_float32
from sparseinf.formats.torch_tensors import sparse_arrays, strided_values

if TYPE_CHECKING:
    import torch

    from sparseinf.formats.statistics import Statistics

__all__ = ["Csr"]


@dataclass(frozen=True, eq=False, repr=False)
class Csr:
    """A weight matrix as compressed sparse rows, without explicit zeros.

    The arrays are copied, so that no later change to yours can put an index out of range.

    Parameters
    ----------
    shape : (out_features, in_features)
    values : float32, shape (num_nonzeros,)
        The nonzeros, row by row; finite, none of them zero.
    columns : int32, shape (num_nonzeros,)
        Their columns, ascending within a row.
    row_offsets : int64, shape (out_features + 1,)
        Where each row starts among them; the last is num_nonzeros.
    source_dtype : str
        The dtype that the values had before they became float32.

    Raises
    ------
    TypeError
        If an array has another dtype.
    ValueError
        If shapes do not fit together, an index is out of range or out of order, or a value is zero, NaN or
        infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import Csr
    >>> weight = Csr.from_dense(np.array([[0, 5, 0, 7], [0, 0, 0, 0], [2, 0, 0, 0]], np.float32))
    >>> weight
    Csr(shape=(3, 4), num_nonzeros=3, sparsity=0.750, source_dtype='float32')
    >>> weight.columns
    array([1, 3, 0], dtype=int32)
    """

    name: ClassVar[str] = "csr"

    shape: tuple[int, int]
    values: npt.NDArray[np.float32]
    columns: npt.NDArray[np.int32]
    row_offsets: npt.NDArray[np.int64]
    source_dtype: str = "float32"

    def __post_init__(self) -> None:
        for field, dtype in (("values", "float32"), ("columns", "int32"), ("row_offsets", "int64")):
            object.__setattr__(self, field, copied(getattr(self, field), dtype, field))
        shape = check_indices(self.shape, self.values, self.columns, self.row_offsets)
        object.__setattr__(self, "shape", shape)
        check_values(self.values, self.values, self.columns, self.row_offsets)
        zeros = np.flatnonzero(self.values == 0)
        if zeros.size:
            raise ValueError(
                f"values[{zeros[0]}] is zero, but zeros are not stored; Csr.from_scipy and Csr.from_dense drop them"
            )

    @classmethod
    def unchecked(
        cls,
        shape: tuple[int, int],
        values: npt.NDArray[np.float32],
        columns: npt.NDArray[np.int32],
        row_offsets: npt.NDArray[np.int64],
        *,
        source_dtype: str = "float32",
    ) -> Csr:
        """Wrap arrays that this library made or has checked itself; nothing is copied or looked at again."""
        made = object.__new__(cls)
        object.__setattr__(made, "shape", shape)
        for field, array in (("values", values), ("columns", columns), ("row_offsets", row_offsets)):
            object.__setattr__(made, field, frozen(array))
        object.__setattr__(made, "source_dtype", source_dtype)
        return made

    @classmethod
    def from_dense(cls, weight: npt.NDArray[Any]) -> Csr:
        """Keep the nonzeros of an array; -0.0 counts as zero.

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
        return cls.unchecked(*compress(weight), source_dtype=dtype_name(weight.dtype))

    @classmethod
    def from_scipy(cls, matrix: Any) -> Csr:
        """Make the format from a scipy.sparse matrix or array of any layout.

        Duplicates are summed and explicit zeros dropped; the matrix itself is not changed.

        Raises
        ------
        TypeError
            If it is not sparse, or its dtype is none that `from_dense` takes.
        ValueError
            If it is not 2-D, its indices are out of range, or a value is NaN, infinite, or too large for
            float32.
        """
        shape, values, columns, row_offsets = scipy_arrays(matrix)
        return cls._from_arrays(shape, values, columns, row_offsets, values.dtype.name)

    @classmethod
    def from_torch(cls, tensor: torch.Tensor) -> Csr:
        """Make the format from a torch tensor on the CPU: COO, CSR, CSC, BSR, BSC or strided.

        Raises
        ------
        TypeError
            If it is no tensor on the CPU, or its dtype is none that `from_dense` takes.
        ValueError
            If it is not 2-D, its indices are out of range or out of order, or a value is NaN, infinite, or
            too large for float32.
        """
        if str(getattr(tensor, "layout", "torch.strided")) == "torch.strided":
            array, source_dtype = strided_values(tensor)
            return cls.unchecked(*compress(array), source_dtype=source_dtype)
        values, columns, row_offsets, source_dtype = sparse_arrays(tensor)
        rows, width = tensor.shape
        return cls._from_arrays((rows, width), values, columns, row_offsets, source_dtype)

    @classmethod
    def _from_arrays(
        cls,
        shape: tuple[int, int],
        source_values: npt.NDArray[Any],
        columns: npt.NDArray[Any],
        row_offsets: npt.NDArray[Any],
        source_dtype: str,
    ) -> Csr:
        """Check, convert and copy the arrays of another library."""
        check_float(source_values.dtype.name)
        values = to_float32(source_values)
        shape = check_indices(shape, values, columns, row_offsets)
        check_values(values, source_values, columns, row_offsets)
        return cls.unchecked(shape, *drop_zeros(values, columns, row_offsets), source_dtype=source_dtype)

    def to_dense(self) -> npt.NDArray[np.float32]:
        """Return a new, writable float32 array of shape (out_features, in_features)."""
        return expand(self.shape, self.values, self.columns, self.row_offsets)

    def to_csr(self) -> Csr:
        """Return this weight itself: every format has this way to compressed rows."""
        return self

    def to_scipy(self) -> Any:
        """Return a `scipy.sparse.csr_array` with arrays of its own."""
        from scipy.sparse import csr_array

        return csr_array((self.values, self.columns, self.row_offsets), shape=self.shape, copy=True)

    def to_torch(self) -> torch.Tensor:
        """Return a `torch.sparse_csr` tensor with memory of its own and torch's int64 indices."""
        import torch

        return torch.sparse_csr_tensor(
            torch.tensor(self.row_offsets),
            torch.tensor(self.columns.astype(np.int64)),
            torch.tensor(self.values),
            size=self.shape,
            check_invariants=False,  # they hold: the arrays were checked when they came in
        )

    def statistics(self) -> Statistics:
        """Describe where the nonzeros are; see `sparseinf.formats.statistics`."""
        from sparseinf.formats.statistics import statistics  # that module stands on this one

        return statistics(self)

    @property
    def num_nonzeros(self) -> int:
        """How many values are stored."""
        return self.values.size

    @property
    def sparsity(self) -> float:
        """Share of zeros; 0.0 for an empty matrix."""
        size = self.shape[0] * self.shape[1]
        return 1.0 - self.num_nonzeros / size if size else 0.0

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays take."""
        return self.values.nbytes + self.columns.nbytes + self.row_offsets.nbytes

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and unpickle through the constructor: checked like any other source, and read-only again."""
        return Csr, (self.shape, self.values, self.columns, self.row_offsets, self.source_dtype)

    def __repr__(self) -> str:
        return (
            f"Csr(shape={self.shape}, num_nonzeros={self.num_nonzeros}, sparsity={self.sparsity:.3f}, "
            f"source_dtype={self.source_dtype!r})"
        )
