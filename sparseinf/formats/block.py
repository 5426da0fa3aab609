"""`Block`: small dense blocks, the format of what was pruned block by block.

The matrix is cut into blocks, and those that hold a nonzero are stored whole, one row of blocks after the other.
With block=(2, 2):

    weight      0 0 5 7        values               [5 7]  [2 0]
                0 0 0 1                             [0 1]  [3 0]
                2 0 0 0        block_columns        1      0
                3 0 0 0        block_row_offsets    0 1 2
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from sparseinf.formats.block_arrays import check_blocks, compress_blocks, expand_blocks
from sparseinf.formats.csr import Csr
from sparseinf.formats.float32 import copied, frozen
from sparseinf.formats.pattern import checked_block

if TYPE_CHECKING:
    from sparseinf.formats.statistics import Statistics

__all__ = ["Block"]


@dataclass(frozen=True, eq=False, repr=False)
class Block:
    """A weight matrix as the blocks that hold a nonzero.

    Blocks start at multiples of their shape; one that reaches over the edge of the matrix is stored whole, with
    zeros outside. The arrays are copied, so that no later change to yours can put an index out of range.

    Parameters
    ----------
    shape : (out_features, in_features)
    values : float32, shape (num_blocks, rows, cols)
        The blocks, one row of blocks after the other; finite, none of zeros alone. 1 to 64 rows and columns.
    block_columns : int32, shape (num_blocks,)
        Which column of blocks each stands in, ascending within a row of blocks.
    block_row_offsets : int64, shape (number of block rows + 1,)
        Where each row of blocks starts among them; the last is num_blocks.
    source_dtype : str
        The dtype that the values had before they became float32.

    Raises
    ------
    TypeError
        If an array has another dtype.
    ValueError
        If shapes do not fit together, an index is out of range or out of order, a value is NaN or infinite, a block
        holds zeros alone, or one holds a value outside the matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import Block
    >>> weight = np.array([[0, 0, 5, 7], [0, 0, 0, 1], [2, 0, 0, 0], [3, 0, 0, 0]], np.float32)
    >>> blocks = Block.from_dense(weight, block=(2, 2))
    >>> blocks
    Block(shape=(4, 4), block=(2, 2), num_blocks=2, sparsity=0.688, source_dtype='float32')
    >>> blocks.block_columns
    array([1, 0], dtype=int32)
    """

    name: ClassVar[str] = "block"

    shape: tuple[int, int]
    values: npt.NDArray[np.float32]
    block_columns: npt.NDArray[np.int32]
    block_row_offsets: npt.NDArray[np.int64]
    source_dtype: str = "float32"

    def __post_init__(self) -> None:
        for field, dtype in (("values", "float32"), ("block_columns", "int32"), ("block_row_offsets", "int64")):
            object.__setattr__(self, field, copied(getattr(self, field), dtype, field))
        shape = check_blocks(self.shape, self.values, self.block_columns, self.block_row_offsets)
        object.__setattr__(self, "shape", shape)

    @classmethod
    def unchecked(
        cls,
        shape: tuple[int, int],
        values: npt.NDArray[np.float32],
        block_columns: npt.NDArray[np.int32],
        block_row_offsets: npt.NDArray[np.int64],
        *,
        source_dtype: str = "float32",
    ) -> Block:
        """Wrap arrays that this library made or has checked itself; nothing is copied or looked at again."""
        made = object.__new__(cls)
        object.__setattr__(made, "shape", shape)
        object.__setattr__(made, "values", frozen(values))
        object.__setattr__(made, "block_columns", frozen(block_columns))
        object.__setattr__(made, "block_row_offsets", frozen(block_row_offsets))
        object.__setattr__(made, "source_dtype", source_dtype)
        return made

    @classmethod
    def from_dense(cls, weight: npt.NDArray[Any], *, block: tuple[int, int]) -> Block:
        """Keep the blocks of an array that hold a nonzero.

        Parameters
        ----------
        weight : float32, float64, float16 or bfloat16, shape (out_features, in_features), any strides
        block : (rows, cols)
            Each from 1 to 64; they need not divide the shape.

        Raises
        ------
        TypeError
            For anything but a NumPy array of these dtypes, or if `block` is no pair of whole numbers.
        ValueError
            If the weight is not 2-D, a value is NaN, infinite, or too large for float32, or `block` is out of range.
        """
        checked_block(block)
        return cls.from_csr(Csr.from_dense(weight), block=block)

    @classmethod
    def from_csr(cls, csr: Csr, *, block: tuple[int, int]) -> Block:
        """Make the format from compressed rows; the memory that takes is that of the blocks, not of the matrix.

        Raises
        ------
        TypeError
            If `csr` is no `Csr`, or `block` no pair of whole numbers.
        ValueError
            If `block` is out of range.
        """
        if not isinstance(csr, Csr):
            raise TypeError(f"a Csr is expected, but got {type(csr).__name__}; formats.from_any(x).to_csr() makes one")
        arrays = compress_blocks(csr, checked_block(block))
        return cls.unchecked(csr.shape, *arrays, source_dtype=csr.source_dtype)

    def to_dense(self) -> npt.NDArray[np.float32]:
        """Return a new, writable float32 array of shape (out_features, in_features)."""
        return self.to_csr().to_dense()

    def to_csr(self) -> Csr:
        """Return the nonzeros as compressed rows."""
        arrays = expand_blocks(self.shape, self.values, self.block_columns, self.block_row_offsets)
        return Csr.unchecked(self.shape, *arrays, source_dtype=self.source_dtype)

    def statistics(self) -> Statistics:
        """Describe where the nonzeros are; see `sparseinf.formats.statistics`."""
        from sparseinf.formats.statistics import statistics  # that module stands on this one

        return statistics(self)

    @property
    def block(self) -> tuple[int, int]:
        """(rows, cols) of a block."""
        _, rows, columns = self.values.shape
        return rows, columns

    @property
    def num_blocks(self) -> int:
        """How many blocks are stored."""
        return len(self.values)

    @cached_property
    def num_nonzeros(self) -> int:
        """How many values are not zero: those within blocks that are do not count."""
        return int(np.count_nonzero(self.values))

    @property
    def sparsity(self) -> float:
        """Share of zeros; 0.0 for an empty matrix."""
        size = self.shape[0] * self.shape[1]
        return 1.0 - self.num_nonzeros / size if size else 0.0

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays take."""
        return self.values.nbytes + self.block_columns.nbytes + self.block_row_offsets.nbytes

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and unpickle through the constructor: checked like any other source, and read-only again."""
        return Block, (self.shape, self.values, self.block_columns, self.block_row_offsets, self.source_dtype)

    def __repr__(self) -> str:
        return (
            f"Block(shape={self.shape}, block={self.block}, num_blocks={self.num_blocks}, "
            f"sparsity={self.sparsity:.3f}, source_dtype={self.source_dtype!r})"
        )
