"""Measures the constants of sparseinf/compile/cost_model.py on this machine and prints them.

    python bench/fit_cost_model.py        # about a minute

For each level and pack, layers of several shapes, sparsities and numbers of columns are timed with one thread; the
constants minimise the relative error of the predictions (least squares, no constant below zero). What is printed above
them is how far predictions are off.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

from sparseinf import runtime
from sparseinf.compile.cost_model import CONSTANTS, LayerShape, LevelConstants, predict_ns, terms
from sparseinf.formats import Csr

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKS = ("dense", "csr", "bitmap", "sell", "block4x1")
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


def measurements(pack_name: str, isa: str) -> Iterator[tuple[LayerShape, int, float]]:
    """Yield shape, number of columns and nanoseconds."""
    generator = np.random.default_rng(0)
    for rows, columns in SHAPES:
        for sparsity in SPARSITIES if pack_name != "dense" else (0.0,):
            weight = generator.standard_normal((rows, columns)).astype(np.float32)
            block_rows = 4 if pack_name == "block4x1" else 1
            is_zero = generator.random((rows // block_rows, columns)) < sparsity
            weight[np.repeat(is_zero, block_rows, axis=0)] = 0
            csr = Csr.from_dense(weight)
            arrays = (csr.row_offsets, csr.columns, csr.values, columns)
            if pack_name == "dense":
                pack = runtime.pack_dense(weight, 1)
            elif pack_name == "bitmap":
                pack = runtime.pack_bitmap(*arrays, 1)
            elif pack_name == "csr":
                pack = runtime.pack_csr(*arrays, isa, runtime.csr_panel_columns(isa), 1)
            else:
                make = {"sell": runtime.pack_sell, "block4x1": runtime.pack_block}
                pack = make[pack_name](*arrays, isa, 1)
            layer = runtime.Linear(
                rows,
                columns,
                isa=isa,
                plans=[(1, pack)],
                bias=None,
                epilogue=runtime.Epilogue(),
                num_threads=1,
            )
            for number in COLUMNS if pack_name != "bitmap" else (1,):
                x = generator.standard_normal((number, columns)).astype(np.float32)
                yield LayerShape(rows, columns, csr.num_nonzeros, 1.0), number, median_ns(layer, x)


def fit(isa: str) -> LevelConstants:
    """Return the constants of one level."""
    measured = [(pack, shape, columns, ns) for pack in PACKS for shape, columns, ns in measurements(pack, isa)]
    start = CONSTANTS[isa]
    names = list(start.rates())
    matrix = np.zeros((len(measured), len(names)))
    for i, (pack, shape, columns, ns) in enumerate(measured):
        for name, amount in terms(pack, shape, columns, start.half_vector).items():
            matrix[i, names.index(name)] = amount / ns
    rates, _ = nnls(matrix, np.ones(len(measured)))
    fitted = replace(start, **dict(zip(names, (float(f"{rate:.3g}") for rate in rates), strict=True)))

    CONSTANTS[isa] = fitted
    for pack in PACKS:
        ratios = [predict_ns(pack, s, n, isa) / ns for p, s, n, ns in measured if p == pack]
        print(
            f"{isa:8} {pack:8} predicted / measured: median {statistics.median(ratios):.2f}, "
            f"from {min(ratios):.2f} to {max(ratios):.2f} over {len(ratios)} layers"
        )
    return fitted


if __name__ == "__main__":
    print(runtime.cpu_info()["model"], time.strftime("%Y-%m-%d"))
    for level in runtime.available_isas():
        print(f'    "{level}": {fit(level)},')
