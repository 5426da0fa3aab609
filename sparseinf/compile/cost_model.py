"""Predicts how long a layer takes in each form, from its shape and its nonzeros.

A prediction is a sum of amounts of work, each times the nanoseconds that one of it takes at an instruction-set level;
`float32_costs.py` and `int8_costs.py` have the sums. It is never less than reading the pack takes.
`bench/fit_cost_model.py` measures the constants. Choices depend on their ratios only, which vary little between
processors of one level.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sparseinf.compile import float32_costs, int8_costs
from sparseinf.runtime import float32_isa

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sparseinf.compile.layer_shape import LayerShape

__all__ = ["break_even", "dense_of", "kernel_isa", "pack_bytes", "predict_ns"]

# Bytes a nanosecond that weights of so many bytes can be read at: from the L2 cache nothing waits. Zen 4, one column,
# packs in a row: 1 to 4 MB 71 to 88, 8 MB 61, 10 MB 46, 14 MB 28.
_FROM_MEMORY = 25.0
_BYTES_A_NS = ((12 << 20, _FROM_MEMORY), (6 << 20, 50.0), (1 << 19, 80.0))


def dense_of(pack: str) -> str:
    """Return the dense form in the precision of another."""
    return "dense_int8" if pack in int8_costs.PACKS else "dense"


def kernel_isa(pack: str, isa: str) -> str:
    """Return the level whose kernels run a pack where `isa` is the highest allowed."""
    return isa if pack in int8_costs.PACKS else float32_isa(isa)


def pack_bytes(pack: str, shape: LayerShape) -> float:
    """Return how large a pack of the weight is."""
    costs = int8_costs if pack in int8_costs.PACKS else float32_costs
    num_bytes: float = costs.pack_bytes(pack, shape)
    return num_bytes


def predict_ns(pack: str, shape: LayerShape, num_columns: int, isa: str, *, from_memory: bool = False) -> float:
    """Return the predicted nanoseconds of one call with `num_columns` rows of x on one thread.

    Parameters
    ----------
    pack : str
        One of `float32_costs.PACKS` or `int8_costs.PACKS`.
    shape : LayerShape
    num_columns : int
        At least 1.
    isa : str
        An instruction-set level.
    from_memory : bool
        Whether the pack is in no cache, however small it is.
    """
    if pack in int8_costs.PACKS:
        int8 = int8_costs.CONSTANTS[isa]
        work, constants = int8_costs.terms(pack, shape, num_columns, int8), vars(int8)
        num_passes, least_ns = int8_costs.passes(pack, num_columns), 0.0
    else:
        float32 = float32_costs.CONSTANTS[float32_isa(isa)]
        work, constants = float32_costs.terms(pack, shape, num_columns, float32), vars(float32)
        num_passes = float32_costs.passes(pack, num_columns, float32)
        least_ns = float32_costs.least_ns(pack, shape, num_columns, float32)
    times = {name: amount * constants[name] for name, amount in work.items()}
    around: float = sum(times.pop(name) for name in ("convert", "call"))
    reading = num_passes * _read_ns(pack_bytes(pack, shape), from_memory=from_memory)
    compute: float = sum(times.values())
    return max(compute, least_ns, reading) + around


def break_even(
    corrections: Mapping[str, float], shape: LayerShape, num_columns: int, isa: str, dense: str = "dense"
) -> float | None:
    """Return the share of zeros from which on another pack is predicted to be faster than a dense one.

    Parameters
    ----------
    corrections : mapping of str to float
        For each pack, `dense` among them, what its predictions are multiplied by.
    shape : LayerShape
        Its number of nonzeros does not count.

    Returns
    -------
    float or None
        None if dense is as fast even when all is zero.
    """
    dense_ns = corrections[dense] * predict_ns(dense, shape, num_columns, isa)
    others = {pack: factor for pack, factor in corrections.items() if pack != dense}

    def gains(num_nonzeros: int) -> bool:
        sparse = replace(shape, num_nonzeros=num_nonzeros)
        return any(factor * predict_ns(pack, sparse, num_columns, isa) < dense_ns for pack, factor in others.items())

    if not gains(0):
        return None
    most, too_many = 0, shape.positions + 1
    while too_many - most > 1:
        middle = (most + too_many) // 2
        most, too_many = (middle, too_many) if gains(middle) else (most, middle)
    return 1 - most / shape.positions


def _read_ns(num_bytes: float, *, from_memory: bool) -> float:
    if from_memory:
        return num_bytes / _FROM_MEMORY
    return next((num_bytes / rate for least, rate in _BYTES_A_NS if num_bytes >= least), 0.0)
