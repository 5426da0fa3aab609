"""The groups of `targets.py` about int8: x and y in float32, quantizing x counted, against the best dense int8.

The best dense int8 is the fastest of ONNX Runtime's dynamic form, its blockwise one (for a single row of x half as fast
again) and our own dense layer.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from promises import Result, against

import sparseinf
from sparseinf import bench
from sparseinf.bench.reference import evaluate, max_relative_error
from sparseinf.bench.rivals import build
from sparseinf.linear import SparseLinear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORT, ORT_BLOCKWISE = "onnxruntime_int8", "onnxruntime_int8_blockwise"
DENSE = (ORT, ORT_BLOCKWISE, "sparseinf_dense_int8")
LARGE = ((768, 768, 384), (3072, 768, 128), (768, 3072, 128))

int8_against = partial(against, precision="int8")


def unstructured() -> Iterator[Result]:
    """Unstructured, many columns."""
    promises = {0.5: (1.0, 1.2), 0.7: (1.45, 2), 0.8: (2, 2.8), 0.9: (3.1, 4.5), 0.95: (4.2, 6.5)}
    for shape in LARGE:
        for sparsity, (must, aim) in promises.items():
            yield int8_against(shape, sparsity, DENSE, (must, aim))


def blocks() -> Iterator[Result]:
    """Blocks of 4x1, many columns; found in the weight, not told."""
    for shape in LARGE:
        for sparsity, must, aim in ((0.5, 1.6, 1.9), (0.7, 2.4, 3), (0.9, 5, 7)):
            yield int8_against(shape, sparsity, DENSE, (must, aim), pattern="4x1")


def dense() -> Iterator[Result]:
    """Our dense format against ONNX Runtime's dynamic int8, and for one column from memory."""
    for shape in LARGE:
        yield int8_against(shape, 0.0, (ORT,), (1.0, 1.1), format="dense")
    for shape in ((4096, 4096, 1), (8192, 8192, 1)):
        yield int8_against(shape, 0.0, (ORT,), (1.2, 1.5), format="dense", from_memory=True)


def from_memory() -> Iterator[Result]:
    """One column, weights from memory: against dense, and the share of the read bandwidth that is used."""
    shape = (8192, 8192, 1)
    for sparsity, must, aim in ((0.5, 1.2, 1.45), (0.7, 1.4, 2.1), (0.9, 2.8, 3.6)):
        result = int8_against(shape, sparsity, DENSE, (must, aim), from_memory=True)
        yield result
        yield replace(
            result,
            what=f"{'x'.join(map(str, shape))} at {sparsity:.0%} in int8: bytes a second over the read bandwidth",
            unit="",
            measured=float(result.detail.split("of_bandwidth ")[1].split(";")[0]),
            must=0.75,
            aim=0.92,
        )


def small_batches() -> Iterator[Result]:
    """Four and eight columns."""
    for columns in (4, 8):
        yield int8_against((4096, 4096, columns), 0.8, DENSE, (1.6, 2.8))


def masks() -> Iterator[Result]:
    """Every mask in the folder MASKS names, loaded without a hint, against dense and every single format.

    A format that runs the very kernel that was chosen is not timed: it would tell the noise alone, which for calls of
    microseconds is a tenth.
    """
    folder = Path(os.environ.get("MASKS", "masks"))
    compiled = partial(SparseLinear.from_format, threads=1, precision="int8")
    for path in sorted(folder.glob("*.smtx")):
        weight = bench.read_mask(path)
        layers = {"auto": compiled(weight)}
        for form in ("dense", "csr"):
            layers[form] = compiled(weight, format=form)
        layers["4x1"] = compiled(weight, format="block", block=(4, 1))
        record = replace(layers["auto"].record(), weight=weight)
        rivals = {name: build(name, [record]) for name in (ORT, ORT_BLOCKWISE)}
        for columns in (1, 8, 17, 49, 196, 512):
            x = bench.random_input(columns, weight.shape[1])
            kernel = layers["auto"].plan(columns).kernel
            others = {form: layer for form, layer in layers.items() if layer.plan(columns).kernel != kernel}
            calls = {name: partial(call, x) for name, call in {"auto": layers["auto"], **others, **rivals}.items()}
            times = bench.alternate(calls, min_seconds=0.15)
            ours = times.pop("auto").median_s
            best = min(times, key=lambda name: times[name].median_s)
            error = max_relative_error(calls["auto"](), evaluate([record], x))
            yield Result(
                f"{path.stem} in int8, N = {columns}: best of all over auto",
                "x",
                times[best].median_s / ours if error < 0.1 else 0.0,
                0.93,
                1.0,
                detail=f"{1e6 * ours:,.1f} us with {kernel}, error {error:.0e}, best {best}",
            )


def files() -> Iterator[Result]:
    """Size of saved files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "layer.safetensors")
        for side in (1024, 4096):
            weight = bench.random_weight((side, side), 0.9)
            sparseinf.load(weight, precision="int8", tune="off").save(path)
            yield Result(
                f"bytes a nonzero in a saved file, {side}x{side} at 90% in int8",
                "bytes",
                path.stat().st_size / np.count_nonzero(weight),
                2.3,
                1.9,
                at_most=True,
            )


GROUPS: dict[str, Callable[[], Iterator[Result]]] = {
    "int8_unstructured": unstructured,
    "int8_blocks": blocks,
    "int8_dense": dense,
    "int8_from_memory": from_memory,
    "int8_small_batches": small_batches,
    "int8_masks": masks,
    "int8_files": files,
}
