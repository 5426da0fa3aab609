"""The rivals that anybody has: NumPy with every zero multiplied, and SciPy's compressed sparse rows."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from sparseinf.bench.reference import formula
from sparseinf.bench.rivals.contender import Contender, csr_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord


def build_numpy(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """NumPy: a product with the transposed weight, laid out once the way its BLAS likes best."""
    from threadpoolctl import threadpool_limits

    if any(layer.activation == "gelu" for layer in layers) and find_spec("scipy") is None:
        raise ValueError("NumPy has no erf for activation 'gelu'; SciPy, which has it, is not installed")
    steps = [
        (np.ascontiguousarray(layer.weight.to_dense().T), layer.bias, formula(layer.activation)) for layer in layers
    ]

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        for weight, bias, activation in steps:
            x = x @ weight
            if bias is not None:
                x += bias
            x = activation(x)
        return x

    return Contender(
        name,
        f"numpy {version('numpy')}, dense",
        call,
        sum(weight.nbytes for weight, _, _ in steps),
        held=lambda: threadpool_limits(threads, user_api="blas"),
    )


def build_scipy(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """SciPy: a CSR matrix times the transposed x."""
    from scipy.sparse import csr_array

    # 32-bit indices: a third fewer bytes than the 64-bit ones that SciPy would also take.
    steps = [
        (
            csr_array((w.values, w.columns, w.row_offsets.astype(np.int32)), shape=w.shape, copy=True),
            layer.bias,
            formula(layer.activation),
        )
        for w, layer in ((csr_of(layer), layer) for layer in layers)
    ]

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        y = x.T
        for weight, bias, activation in steps:
            y = weight @ y
            if bias is not None:
                y += bias[:, np.newaxis]
            y = activation(y)
        turned: NDArray[np.float32] = y.T
        return turned

    return Contender(
        name,
        f"scipy {version('scipy')}, CSR",
        call,
        sum(w.data.nbytes + w.indices.nbytes + w.indptr.nbytes for w, _, _ in steps),
        uses_zeros=False,
        notes=("scipy runs its sparse product on one thread, whatever is asked.",) if threads > 1 else (),
    )
