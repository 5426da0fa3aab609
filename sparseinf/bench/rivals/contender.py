"""What takes part in a comparison: a stack of layers prepared by one library, ready to be called."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparseinf.formats import Csr

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord


@dataclass(frozen=True)
class Contender:
    """A stack of layers as one library runs it.

    Parameters
    ----------
    name : str
        What the reports call it: "sparseinf", or the name that a rival was asked by.
    runs : str
        What it runs: our kernels, or library, version and form of the weights.
    call : function from float32 (N, in_features) to float32 (N, out_features)
        One inference.
    nbytes : int
        Bytes of the weights in this library's form, biases of rivals left out.
    uses_zeros : bool
        Whether zeros are read and multiplied like any other weight (dense forms).
    held : function that returns a context manager
        Within the context the library uses as many threads as it was built for.
    notes : tuple of str
        What a reader of its figures must know.
    precision : {"float32", "int8", "mixed"}
        What it computes in; mixed is some layers in one, some in the other.
    """

    name: str
    runs: str
    call: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    nbytes: int
    uses_zeros: bool = True
    held: Callable[[], AbstractContextManager[object]] = nullcontext
    notes: tuple[str, ...] = ()
    precision: str = "float32"

    @property
    def tolerance(self) -> float:
        """The largest error, as `max_relative_error` measures it, that its precision excuses."""
        # One step of the largest of 255 is 0.4 % of the range; a few layers, and the largest of many errors.
        return 1e-4 if self.precision == "float32" else 0.1

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run one inference."""
        return self.call(x)


def csr_of(layer: LinearRecord) -> Csr:
    """Return the weight in CSR, converted when it is kept dense."""
    weight = layer.weight
    return weight if isinstance(weight, Csr) else Csr.from_dense(weight.to_dense())
