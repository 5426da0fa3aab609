"""`NM`: at most n nonzeros in each group of m neighbours of a row, the format of n:m pruning (2:4, 1:4).

Groups run along in_features; the last may be shorter. Each has n slots: first its nonzeros, with their positions inside
the group, then zeros. With nm=(2, 4):

    weight      0 5 0 7  0 0 9        values       5 7  9 0
                1 0 0 0  0 0 0                     1 0  0 0
                                      positions    1 3  2 0
                                                   0 0  0 0
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from sparseinf.formats.csr import Csr
from sparseinf.formats.float32 import copied, frozen
from sparseinf.formats.nm_arrays import check_groups, compress_groups, expand_groups
from sparseinf.formats.pattern import checked_nm

if TYPE_CHECKING:
    from sparseinf.formats.statistics import Statistics

__all__ = ["NM"]


@dataclass(frozen=True, eq=False, repr=False)
class NM:
    """A weight matrix with at most n nonzeros in each group of m neighbours of a row.

    The arrays are copied, so that no later change to yours can put a position out of range.

    Parameters
    ----------
    shape : (out_features, in_features)
    nm : (n, m)
        1 <= n <= m <= 64.
    values : float32, shape (out_features, num_groups, n)
        The nonzeros of each group, then zeros; finite.
    positions : uint8, shape (out_features, num_groups, n)
        Where they stand in their group, ascending; 0 beside those zeros.
    source_dtype : str
        The dtype that the values had before they became float32.

    Raises
    ------
    TypeError
        If an array has another dtype, or `nm` is no pair of whole numbers.
    ValueError
        If shapes do not fit together, a position is out of range or out of order, a zero stands before a nonzero of
        its group, or a value is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import NM
    >>> weight = NM.from_dense(np.array([[0, 5, 0, 7, 0, 0, 9], [1, 0, 0, 0, 0, 0, 0]], np.float32), nm=(2, 4))
    >>> weight
    NM(shape=(2, 7), nm=(2, 4), num_nonzeros=4, sparsity=0.714, source_dtype='float32')
    >>> weight.positions[0]
    array([[1, 3],
           [2, 0]], dtype=uint8)
    """

    name: ClassVar[str] = "nm"

    shape: tuple[int, int]
    nm: tuple[int, int]
    values: npt.NDArray[np.float32]
    positions: npt.NDArray[np.uint8]
    source_dtype: str = "float32"

    def __post_init__(self) -> None:
        for field, dtype in (("values", "float32"), ("positions", "uint8")):
            object.__setattr__(self, field, copied(getattr(self, field), dtype, field))
        object.__setattr__(self, "nm", checked_nm(self.nm))
        object.__setattr__(self, "shape", check_groups(self.shape, self.nm, self.values, self.positions))

    @classmethod
    def unchecked(
        cls,
        shape: tuple[int, int],
        nm: tuple[int, int],
        values: npt.NDArray[np.float32],
        positions: npt.NDArray[np.uint8],
        *,
        source_dtype: str = "float32",
    ) -> NM:
        """Wrap arrays that this library made or has checked itself; nothing is copied or looked at again."""
        made = object.__new__(cls)
        object.__setattr__(made, "shape", shape)
        object.__setattr__(made, "nm", nm)
        object.__setattr__(made, "values", frozen(values))
        object.__setattr__(made, "positions", frozen(positions))
        object.__setattr__(made, "source_dtype", source_dtype)
        return made

    @classmethod
    def from_dense(cls, weight: npt.NDArray[Any], *, nm: tuple[int, int]) -> NM:
        """Keep the nonzeros of an array that has the pattern; nothing is pruned to make it fit.

        Parameters
        ----------
        weight : float32, float64, float16 or bfloat16, shape (out_features, in_features), any strides
        nm : (n, m)
            At most n nonzeros in each m neighbours of a row, counted from the first column.

        Raises
        ------
        TypeError
            For anything but a NumPy array of these dtypes, or if `nm` is no pair of whole numbers.
        ValueError
            If a group has more than n nonzeros (the first is named), the weight is not 2-D, a value is NaN, infinite,
            or too large for float32, or `nm` is out of range.
        """
        checked_nm(nm)
        return cls.from_csr(Csr.from_dense(weight), nm=nm)

    @classmethod
    def from_csr(cls, csr: Csr, *, nm: tuple[int, int]) -> NM:
        """Make the format from compressed rows.

        Raises
        ------
        TypeError
            If `csr` is no `Csr`, or `nm` no pair of whole numbers.
        ValueError
            If a group has more than n nonzeros (the first is named), or `nm` is out of range.
        """
        if not isinstance(csr, Csr):
            raise TypeError(f"a Csr is expected, but got {type(csr).__name__}; formats.from_any(x).to_csr() makes one")
        pattern = checked_nm(nm)
        return cls.unchecked(csr.shape, pattern, *compress_groups(csr, pattern), source_dtype=csr.source_dtype)

    def to_dense(self) -> npt.NDArray[np.float32]:
        """Return a new, writable float32 array of shape (out_features, in_features)."""
        return self.to_csr().to_dense()

    def to_csr(self) -> Csr:
        """Return the nonzeros as compressed rows."""
        arrays = expand_groups(self.nm, self.values, self.positions)
        return Csr.unchecked(self.shape, *arrays, source_dtype=self.source_dtype)

    def statistics(self) -> Statistics:
        """Describe where the nonzeros are; see `sparseinf.formats.statistics`."""
        from sparseinf.formats.statistics import statistics  # that module stands on this one

        return statistics(self)

    @cached_property
    def num_nonzeros(self) -> int:
        """How many values are not zero: empty slots do not count."""
        return int(np.count_nonzero(self.values))

    @property
    def sparsity(self) -> float:
        """Share of zeros; 0.0 for an empty matrix."""
        size = self.shape[0] * self.shape[1]
        return 1.0 - self.num_nonzeros / size if size else 0.0

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays take."""
        return self.values.nbytes + self.positions.nbytes

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and unpickle through the constructor: checked like any other source, and read-only again."""
        return NM, (self.shape, self.nm, self.values, self.positions, self.source_dtype)

    def __repr__(self) -> str:
        return (
            f"NM(shape={self.shape}, nm={self.nm}, num_nonzeros={self.num_nonzeros}, sparsity={self.sparsity:.3f}, "
            f"source_dtype={self.source_dtype!r})"
        )
