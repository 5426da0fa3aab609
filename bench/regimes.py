"""The groups of `targets.py` about regimes: patterns, few columns, weights from memory, real masks, and few zeros."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from promises import ORT, OWN_DENSE, Result, against

import sparseinf
from sparseinf import bench
from sparseinf.bench.rivals import build
from sparseinf.linear import SparseLinear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DENSE = (ORT, OWN_DENSE)
LARGE = ((768, 768, 384), (3072, 768, 128))


def few_zeros() -> Iterator[Result]:
    """Unstructured, many columns, from half zeros on."""
    for shape in LARGE:
        for sparsity, must, aim in ((0.5, 1.5, 1.8), (0.6, 1.9, 2.2), (0.7, 2.4, 2.9)):
            yield against(shape, sparsity, DENSE, (must, aim))


def patterns() -> Iterator[Result]:
    """Blocks and n:m, many columns; found in the weight, not told."""
    for shape in LARGE:
        for sparsity, must, aim in ((0.5, 1.85, 1.95), (0.7, 2.9, 3.2), (0.9, 7, 8.7)):
            yield against(shape, sparsity, DENSE, (must, aim), pattern="4x1")
        yield against(shape, 0.5, DENSE, (1.5, 1.85), pattern="2:4")
        for pattern in ("1x4", "4x4"):
            yield against(shape, 0.8, DENSE, (3.3, 4.3), pattern=pattern)


def from_memory() -> Iterator[Result]:
    """One column, weights from memory: against dense, and the share of the read bandwidth that is used."""
    for shape in ((4096, 4096, 1), (11008, 4096, 1)):
        for sparsity, must, aim in ((0.5, 1.6, 1.8), (0.7, 2.3, 2.8), (0.9, 4, 6)):
            result = against(shape, sparsity, DENSE, (must, aim), from_memory=True)
            yield result
            share = float(result.detail.split("of_bandwidth ")[1].split(";")[0])
            what = f"{'x'.join(map(str, shape))} at {sparsity:.0%}: bytes a second over the read bandwidth"
            yield replace(result, what=what, unit="", measured=share, must=0.7, aim=0.9)


def small_batches() -> Iterator[Result]:
    """Two to fifteen columns."""
    for side in (1024, 4096):
        for columns in (2, 4, 8, 15):
            yield against((side, side, columns), 0.8, DENSE, (1.3, 2.5))


def nearly_dense() -> Iterator[Result]:
    """So few zeros that sparse formats may lose: what is chosen must not."""
    for shape in ((768, 768, 384), (1024, 1024, 1), (1024, 1024, 8), (3072, 768, 128)):
        for sparsity in (0.0, 0.2, 0.4):
            yield against(shape, sparsity, DENSE, (0.95, 1.0))


def masks() -> Iterator[Result]:
    """Every mask in the folder MASKS names, loaded without a hint, against dense and every single format.

    A format that runs the very kernel that was chosen is not timed: it would tell the noise alone.
    """
    folder = Path(os.environ.get("MASKS", "masks"))
    for path in sorted(folder.glob("*.smtx")):
        weight = bench.read_mask(path)
        layers = {"auto": SparseLinear.from_format(weight, threads=1)}
        for form in ("dense", "csr"):
            layers[form] = SparseLinear.from_format(weight, threads=1, format=form)
        layers["4x1"] = SparseLinear.from_format(weight, threads=1, format="block", block=(4, 1))
        rival = build("onnxruntime", [layers["auto"].record()], threads=1)
        for columns in (1, 8, 17, 49, 196, 512):
            x = bench.random_input(columns, weight.shape[1])
            kernel = layers["auto"].plan(columns).kernel
            others = {form: layer for form, layer in layers.items() if layer.plan(columns).kernel != kernel}
            calls = {name: partial(call, x) for name, call in {"auto": layers["auto"], **others, ORT: rival}.items()}
            times = bench.alternate(calls, min_seconds=0.15)
            ours = times.pop("auto").median_s
            best = min(times, key=lambda name: times[name].median_s)
            yield Result(
                f"{path.stem}, N = {columns}: best of all over auto",
                "x",
                times[best].median_s / ours,
                0.93,
                1.0,
                detail=f"{1e6 * ours:,.1f} us with {kernel}, best {best}",
            )


def break_even() -> Iterator[Result]:
    """What the tool says against measuring on a grid: how many points of sparsity it is off."""
    for shape in ((768, 768, 128), (1024, 1024, 1)):
        rows, columns, batch = shape
        found = sparseinf.breakeven(*shape, formats=["csr"], seconds=10).rows[0]["break_even"] or 0.0
        x = bench.random_input(batch, columns)
        grid = [i / 50 for i in range(40)]
        wins = {}
        for sparsity in grid:
            weight = bench.random_weight((rows, columns), sparsity)
            forms = {
                name: SparseLinear.from_format(
                    sparseinf.formats.Csr.from_dense(weight), threads=1, format=name, batch=batch
                )
                for name in ("dense", "csr")
            }
            calls = {name: partial(layer, x) for name, layer in forms.items()}
            times = bench.alternate(calls, min_seconds=0.05)
            wins[sparsity] = times["csr"].median_s < times["dense"].median_s
        crossing = next((s for s in grid if all(wins[t] for t in grid if t >= s)), 1.0)
        yield Result(
            f"break-even of csr at {'x'.join(map(str, shape))}: points off a grid measured beside it",
            "points",
            100 * abs(found - crossing),
            5,
            2,
            at_most=True,
            detail=f"tool {found:.0%}, grid {crossing:.0%}",
        )


GROUPS: dict[str, Callable[[], Iterator[Result]]] = {
    "few_zeros": few_zeros,
    "patterns": patterns,
    "from_memory": from_memory,
    "small_batches": small_batches,
    "nearly_dense": nearly_dense,
    "masks": masks,
    "break_even": break_even,
}
