"""Operators that make one element of many."""

from __future__ import annotations

from sparseinf.compile.lowering.rules import FLOATS, NUMBERS, Rule, on, with_attributes

__all__ = ["REDUCTIONS"]

_REDUCTION = with_attributes(keepdims=1, noop_with_empty_axes=0)
_ARGUMENT = with_attributes(axis=0, keepdims=1, select_last_index=0)
_SUMS = ("ReduceSum", "ReduceMean", "ReduceL1", "ReduceSumSquare", "ReduceProd")

REDUCTIONS: dict[str, Rule] = {
    **dict.fromkeys(_SUMS, on(FLOATS | {"int64", "int32"}, _REDUCTION)),
    **dict.fromkeys(("ReduceL2", "ReduceLogSum", "ReduceLogSumExp"), on(FLOATS, _REDUCTION)),
    **dict.fromkeys(("ReduceMax", "ReduceMin"), on(NUMBERS | {"bool"}, _REDUCTION)),
    **dict.fromkeys(("ArgMax", "ArgMin"), on(NUMBERS, _ARGUMENT)),
    "TopK": on(NUMBERS, with_attributes(axis=-1, largest=1)),
}
