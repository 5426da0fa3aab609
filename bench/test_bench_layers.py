"""Single layers under pytest-benchmark: ours and every rival that is installed, side by side in groups.

    pytest bench --benchmark-only --benchmark-group-by=group

For figures to publish use `sparseinf bench` or `bench/targets.py`, which take contenders turn about; this
suite is for looking at one change at a time (`--benchmark-compare`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sparseinf
from sparseinf import bench
from sparseinf.bench import rivals
from sparseinf.bench.reference import evaluate, max_relative_error

SHAPES = [(768, 768, 384), (3072, 768, 128), (4096, 4096, 16), (4096, 4096, 1), (1024, 1024, 17), (64, 64, 1)]
SPARSITIES = [0.5, 0.8, 0.9, 0.95]
CONTENDERS = ["sparseinf", *rivals.known_rivals("float32"), "onnxruntime_int8"]


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("sparsity", SPARSITIES, ids="{:.0%}".format)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_layer(benchmark: Any, shape: tuple[int, int, int], sparsity: float, contender: str) -> None:
    """Time one contender on one shape at one sparsity, and check its answer."""
    rows, columns, batch = shape
    bias = np.random.default_rng(2).standard_normal(rows, dtype=np.float32)
    weight = bench.random_weight((rows, columns), sparsity)
    layer = sparseinf.load(weight, bias=bias, activation="relu", batch=batch, threads=1)
    x = bench.random_input(batch, columns)
    benchmark.group = f"{rows}x{columns}x{batch} at {sparsity:.0%}"
    tolerance = 1e-4
    if contender == "sparseinf":
        benchmark.extra_info["kernel"] = layer.plan(batch).kernel
        y = benchmark(layer, x)
    else:
        if missing := rivals.missing_packages(contender):
            pytest.skip(f"{contender} needs {' and '.join(missing)}")
        rival = rivals.build(contender, [layer.record()])
        tolerance = rival.tolerance
        with rival.held():
            y = benchmark(rival, x)
    if benchmark.enabled:  # otherwise (--benchmark-disable) it ran once, for its answer alone
        gflops = 2e-9 * rows * columns * batch / benchmark.stats["median"]
        benchmark.extra_info["dense_equivalent_gflops"] = gflops
    assert max_relative_error(y, evaluate([layer.record()], x)) < tolerance
