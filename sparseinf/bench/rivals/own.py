"""Our own layers as contenders, and our dense format as the rival that any sparse one has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparseinf.bench.rivals.contender import Contender
from sparseinf.compile.plans import RANGES
from sparseinf.linear import SparseLinear

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord


def contender_of(layers: Sequence[SparseLinear], *, batch: int | None = None, name: str = "sparseinf") -> Contender:
    """Return layers of ours as a contender.

    Parameters
    ----------
    layers : sequence of SparseLinear
        The output of one is the input of the next.
    batch : int, optional
        Whose plans `runs` and `nbytes` describe; those of all batches when left out.
    name : str
        What the reports call it.
    """

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        for layer in layers:
            x = layer(x)
        return x

    columns = [first for first, _ in RANGES] if batch is None else [batch]
    plans = [layer.plan(number) for layer in layers for number in columns]
    return Contender(
        name,
        ", ".join(dict.fromkeys(plan.kernel for plan in plans)),
        call,
        sum(layer.nbytes if batch is None else layer.plan(batch).nbytes for layer in layers),
        uses_zeros=all(plan.format == "dense" for plan in plans),
        precision=precision_of(layers),
    )


def precision_of(layers: Sequence[SparseLinear]) -> str:
    """Return what layers compute in: "float32" or "int8" if all do, else "mixed"."""
    found = {layer.precision for layer in layers}
    return found.pop() if len(found) == 1 else "mixed"


def build_sparseinf_dense(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """Pack every layer densely, at the highest ISA level that may be used where this is called."""
    return _dense(name, layers, threads, "float32")


def build_sparseinf_dense_int8(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """Pack every layer densely in int8, activations quantized as they come, as `load` does by itself."""
    return _dense(name, layers, threads, "int8")


def _dense(name: str, layers: Sequence[LinearRecord], threads: int, precision: str) -> Contender:
    dense = [
        SparseLinear.from_format(
            layer.weight,
            bias=layer.bias,
            activation=layer.activation,
            precision=precision,
            format="dense",
            threads=threads,
        )
        for layer in layers
    ]
    return contender_of(dense, name=name)
