"""`Quantized`: a weight of int8 in any of the formats, with one float32 scale a row.

A row keeps its integers, and what 1 stands for among them:

    weight      0  2.5 0 -0.5       integers     0 127 0 -25       scales   2.5 / 127
                0  0   0  3                      0   0 0 127                3   / 127
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from sparseinf.formats.dense import Dense
from sparseinf.formats.float32 import check_extents, copied, frozen
from sparseinf.formats.format import Format
from sparseinf.formats.quantized_arrays import check_scales, multiplied, with_values
from sparseinf.formats.torch_tensors import quantized_arrays

if TYPE_CHECKING:
    import torch

    from sparseinf.formats.csr import Csr
    from sparseinf.formats.error_statistics import ErrorStatistics
    from sparseinf.formats.statistics import Statistics

__all__ = ["Quantized"]


@dataclass(frozen=True, eq=False, repr=False)
class Quantized:
    """A weight matrix of int8: weight[row, column] = integers[row, column] * scales[row].

    `sparseinf.formats.quantize` makes it from float32. The arrays are copied.

    Parameters
    ----------
    integers : Dense, Csr, Block or NM, whose `values` are int8
        Where the integers are, from -128 to 127. `float32_integers()` is a format to compute with; this one holds
        arrays.
    scales : float32, shape (out_features,)
        Positive and finite.

    Raises
    ------
    TypeError
        If `integers` is no such format, or an array has another dtype.
    ValueError
        If the format's arrays contradict each other, scales have another shape, one is not positive or not finite, or
        a product does not fit in float32.

    Examples
    --------
    >>> import numpy as np
    >>> from sparseinf.formats import Quantized
    >>> weight = Quantized.from_dense(np.array([[0, -128], [127, 0]], np.int8), scales=[0.5, 1])
    >>> weight
    Quantized(Dense(shape=(2, 2), sparsity=0.500, source_dtype='int8'))
    >>> weight.to_dense()
    array([[  0., -64.],
           [127.,   0.]], dtype=float32)
    """

    name: ClassVar[str] = "quantized"

    integers: Format
    scales: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if not isinstance(self.integers, Format):
            raise TypeError(
                f"integers must be a Dense, Csr, Block or NM, but got {type(self.integers).__name__}; "
                "Quantized.from_dense(integers, scales=scales) takes an array"
            )
        values = copied(self.integers.values, "int8", "integers.values")
        # Made anew from float32, the format is checked by its own constructor.
        checked = replace(self.integers, values=values.astype(np.float32))
        object.__setattr__(self, "integers", with_values(checked, values))
        object.__setattr__(self, "scales", copied(self.scales, "float32", "scales"))
        check_scales(self.integers, self.scales)

    @classmethod
    def unchecked(cls, integers: Format, scales: npt.NDArray[np.float32]) -> Quantized:
        """Wrap arrays that this library made or has checked itself; nothing is copied or looked at again."""
        made = object.__new__(cls)
        object.__setattr__(made, "integers", integers)
        object.__setattr__(made, "scales", frozen(scales))
        return made

    @classmethod
    def from_integers(cls, integers: Format, scales: npt.NDArray[np.float32]) -> Quantized:
        """Make it from a format whose float32 values are the integers, as `float32_integers` returns it.

        Raises
        ------
        TypeError
            If `scales` is no array of float32.
        ValueError
            If a value is not a whole number from -128 to 127, or the scales are none that the constructor takes.
        """
        with np.errstate(invalid="ignore"):
            values = integers.values.astype(np.int8)
        if (values != integers.values).any():
            place = np.flatnonzero(values != integers.values)[0]
            raise ValueError(
                f"a value of {integers.values.flat[place]:g} is among the integers, which must be whole numbers from "
                "-128 to 127; formats.quantize(weight) rounds, and finds the scales"
            )
        made = with_values(integers, values)
        own_scales = copied(scales, "float32", "scales")
        check_scales(made, own_scales)
        return cls.unchecked(made, own_scales)

    @classmethod
    def from_dense(cls, integers: npt.NDArray[np.int8], *, scales: Any) -> Quantized:
        """Take a weight that is quantized already.

        Parameters
        ----------
        integers : int8, shape (out_features, in_features), any strides
        scales : float, or float array of shape (1,), (out_features,) or (out_features, 1)
            Of all, or of each row; they become float32. A row of zeros may have the scale 0, which becomes 1.

        Raises
        ------
        TypeError
            If `integers` is no NumPy array of int8.
        ValueError
            If shapes do not fit, or the scales are none that the constructor takes.
        """
        values = copied(integers, "int8", "integers")
        if values.ndim != 2:
            raise ValueError(f"integers must have shape (out_features, in_features), but have {values.shape}")
        num_rows = len(values)
        check_extents(*values.shape)
        with np.errstate(over="ignore", under="ignore"):
            given = np.asarray(scales, np.float32)
        if given.shape not in ((), (1,), (num_rows,), (num_rows, 1)):
            raise ValueError(
                f"scales must be one number or have shape ({num_rows},), one for each row of the weight, but have "
                f"shape {given.shape}; with scales for parts of a row, multiply them in and give float32"
            )
        of_rows = np.array(np.broadcast_to(given.reshape(-1), num_rows))
        of_rows[(of_rows == 0) & ~values.any(axis=1)] = 1
        dense = Dense.unchecked(values, source_dtype="int8")
        check_scales(dense, of_rows)
        return cls.unchecked(dense, of_rows)

    @classmethod
    def from_torch(cls, tensor: torch.Tensor) -> Quantized:
        """Take a tensor of torch.qint8, with one scale or one for each row, and zero points of 0.

        Raises
        ------
        TypeError
            If it is no quantized tensor on the CPU, or not of torch.qint8.
        ValueError
            If it is not 2-D, has other scales, or a zero point that is not 0.
        """
        integers, scales = quantized_arrays(tensor)
        return cls.from_dense(integers, scales=scales)

    def dequantize(self) -> Format:
        """Return the weight in float32, in the same kind of format."""
        return with_values(self.integers, multiplied(self.integers, self.scales))

    def float32_integers(self) -> Format:
        """Return the integers as float32, without their scales, in the same kind of format."""
        return with_values(self.integers, self.integers.values.astype(np.float32))

    def to_dense(self) -> npt.NDArray[np.float32]:
        """Return a new, writable array of the values in float32, of shape (out_features, in_features)."""
        return self.dequantize().to_dense()

    def to_csr(self) -> Csr:
        """Return the nonzeros as compressed rows, in float32."""
        return self.dequantize().to_csr()

    def statistics(self) -> Statistics:
        """Describe where the nonzeros are; see `sparseinf.formats.statistics`."""
        from sparseinf.formats.statistics import statistics  # that module stands on this one

        return statistics(self)

    def error(self, weight: Any) -> ErrorStatistics:
        """Compare with the weight that this was made from.

        Parameters
        ----------
        weight : shape (out_features, in_features)
            Anything that `sparseinf.formats.from_any` takes.

        Raises
        ------
        TypeError, ValueError
            As `from_any`; `ValueError` also if the shapes differ.
        """
        from sparseinf.formats.error_statistics import error_statistics  # that module stands on this one

        return error_statistics(weight, self)

    @property
    def shape(self) -> tuple[int, int]:
        """(out_features, in_features)."""
        return self.integers.shape

    @property
    def source_dtype(self) -> str:
        """The dtype that the values had first; "int8" for a weight that came quantized."""
        return self.integers.source_dtype

    @property
    def num_nonzeros(self) -> int:
        """How many values are not zero."""
        return self.integers.num_nonzeros

    @property
    def sparsity(self) -> float:
        """Share of zeros; 0.0 for an empty matrix."""
        return self.integers.sparsity

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays take."""
        return self.integers.nbytes + self.scales.nbytes

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and unpickle through the constructors: checked like any other source, and read-only again."""
        return Quantized.from_integers, (self.float32_integers(), self.scales)

    def __repr__(self) -> str:
        return f"Quantized({self.integers!r})"
