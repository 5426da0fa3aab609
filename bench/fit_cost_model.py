"""Measures the constants of sparseinf/compile's cost model on this machine and prints them.

    python bench/fit_cost_model.py            # about five minutes
    python bench/fit_cost_model.py int8       # those of one precision

For each level and pack, layers of several shapes, sparsities and numbers of columns are timed with one thread; the
constants minimise the relative error of the predictions (least squares, no constant below zero). What is printed above
them is how far predictions are off.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import nnls

from sparseinf import runtime
from sparseinf.compile import float32_costs, int8_costs
from sparseinf.compile.candidates import LayerPacks
from sparseinf.compile.cost_model import predict_ns
from sparseinf.compile.layer_shape import LayerShape
from sparseinf.compile.options import Int8Options
from sparseinf.compile.precision import prepare_weight
from sparseinf.formats import Csr, Dense

if TYPE_CHECKING:
    from collections.abc import Iterator

COSTS = {"float32": float32_costs, "int8": int8_costs}
SHAPES = ((256, 256), (768, 768), (1024, 2048), (3072, 768))
SPARSITIES = (0.3, 0.5, 0.7, 0.9, 0.97)
COLUMNS = (1, 2, 8, 16, 24, 64, 130)


def median_ns(layer: runtime.Linear, x: np.ndarray) -> float:
    """Time single calls until they have taken 60 ms, and at least seven."""
    times: list[int] = []
    layer(x)
    while len(times) < 7 or sum(times) < 60e6:
        start = time.perf_counter_ns()
        layer(x)
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times)


def measurements(precision: str, pack_name: str, isa: str) -> Iterator[tuple[LayerShape, int, float]]:
    """Yield shape, number of columns and nanoseconds."""
    generator = np.random.default_rng(0)
    is_dense = pack_name.startswith("dense")
    for rows, columns in SHAPES:
        for sparsity in (0.0,) if is_dense else SPARSITIES:
            weight = generator.standard_normal((rows, columns)).astype(np.float32)
            block_rows = 4 if pack_name.startswith("block4x1") else 1
            is_zero = generator.random((rows // block_rows, columns)) < sparsity
            weight[np.repeat(is_zero, block_rows, axis=0)] = 0
            prepared = prepare_weight(
                Dense(weight) if is_dense else Csr.from_dense(weight),
                format="dense" if is_dense else "csr",
                patterns={},
                precision=precision,
                int8=Int8Options(),
            )
            shape = LayerShape(rows, columns, prepared.plain.num_nonzeros, 1.0)
            packs = LayerPacks(prepared, shape, isa, 1)
            layer = runtime.Linear(
                rows,
                columns,
                isa=isa,
                plans=[(1, packs[pack_name])],
                bias=None,
                epilogue=runtime.Epilogue(),
                num_threads=1,
                **packs.scale_arguments(pack_name),
            )
            for number in COLUMNS if pack_name != "bitmap" else (1,):
                x = generator.standard_normal((number, columns)).astype(np.float32)
                yield shape, number, median_ns(layer, x)


def fit(precision: str, isa: str) -> Any:
    """Return the constants of one precision and level."""
    costs = COSTS[precision]
    measured = [(p, shape, columns, ns) for p in costs.PACKS for shape, columns, ns in measurements(precision, p, isa)]
    start = costs.CONSTANTS[isa]
    names = [field.name for field in fields(start) if field.type == "float"]
    matrix = np.zeros((len(measured), len(names)))
    for i, (pack, shape, columns, ns) in enumerate(measured):
        for name, amount in costs.terms(pack, shape, columns, start).items():
            matrix[i, names.index(name)] = amount / ns
    rates, _ = nnls(matrix, np.ones(len(measured)))
    fitted = replace(start, **dict(zip(names, (float(f"{rate:.3g}") for rate in rates), strict=True)))

    costs.CONSTANTS[isa] = fitted
    for pack in costs.PACKS:
        ratios = [predict_ns(pack, s, n, isa) / ns for p, s, n, ns in measured if p == pack]
        print(
            f"{isa:10} {pack:14} predicted / measured: median {statistics.median(ratios):.2f}, "
            f"from {min(ratios):.2f} to {max(ratios):.2f} over {len(ratios)} layers"
        )
    return fitted


if __name__ == "__main__":
    print(runtime.cpu_info()["model"], time.strftime("%Y-%m-%d"))
    for chosen in sys.argv[1:] or COSTS:
        for level in COSTS[chosen].CONSTANTS:
            if level in runtime.available_isas():
                print(f'    "{level}": {fit(chosen, level)},')
