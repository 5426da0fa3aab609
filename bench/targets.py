"""Measures every number that this release promises, in one run, and writes them down, misses included.

    python bench/targets.py                    # everything, about ten minutes
    python bench/targets.py --only call tails  # some groups
    python bench/targets.py -o targets.md      # as Markdown too

Rules: one thread unless said otherwise, bias and ReLU included, rivals in the same process, turn about,
medians. Speeds are how many times longer the rival takes. Needs the `bench` extra, and a machine that has
nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import regimes
import regimes_int8
from promises import ORT, OWN_DENSE, Result, against

import sparseinf
from sparseinf import SparseLinear, bench, formats
from sparseinf.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray


def unstructured() -> Iterator[Result]:
    """CSR against ONNX Runtime dense, many columns."""
    promises = {0.5: (1.4, 1.8), 0.7: (2.2, 2.8), 0.8: (3, 4), 0.9: (5.5, 7), 0.95: (8, 11)}
    for shape in ((768, 768, 384), (3072, 768, 128)):
        for sparsity, (must, aim) in promises.items():
            yield against(shape, sparsity, (ORT,), (must, aim))


def dense() -> Iterator[Result]:
    """Our dense format against ONNX Runtime's, so that leaving a layer dense costs nothing."""
    for shape in ((768, 768, 384), (3072, 768, 128)):
        yield against(shape, 0.0, (ORT,), (0.97, 1.0), format="dense")


def vector() -> Iterator[Result]:
    """One column, weights from memory, against the faster of ONNX Runtime and our own dense."""
    for sparsity, must in ((0.7, 1.7), (0.9, 3.0)):
        yield against((4096, 4096, 1), sparsity, (ORT, OWN_DENSE), (must, None), from_memory=True)


def few_columns() -> Iterator[Result]:
    """Sixteen columns against ONNX Runtime dense."""
    yield against((4096, 4096, 16), 0.9, (ORT,), (3.5, 5))


def small() -> Iterator[Result]:
    """Matrices whose product takes less than a call once did, against the faster of NumPy and SciPy."""
    for side in (64, 256):
        for columns in (1, 8):
            yield against((side, side, columns), 0.9, ("numpy", "scipy"), (2, 4))


def avx2() -> Iterator[Result]:
    """CSR at the avx2 level against the faster of ONNX Runtime and our own avx2 dense.

    ONNX Runtime has no switch that holds it to AVX2, so it runs as it comes: on a processor with AVX-512 that
    is the harder comparison.
    """
    with sparseinf.use_isa("avx2"):
        for shape in ((768, 768, 384), (3072, 768, 128)):
            yield against(shape, 0.9, (ORT, OWN_DENSE), (4.5, 6), label="avx2 level, ")


def tails() -> Iterator[Result]:
    """How far the time of a number of columns lies above the line between the multiples of 16 around it."""
    layer = _layer((1024, 1024), 0.8)
    sizes = range(16, 145)
    calls = {str(n): _call(layer, bench.random_input(n, 1024)) for n in sizes if n <= 130 or n % 16 == 0}
    times = {int(n): timing.median_s for n, timing in bench.alternate(calls, min_seconds=0.05).items()}
    ratios = {}
    for n in range(16, 131):
        below, share = n - n % 16, n % 16 / 16
        above = below + 16
        line = times[below] if not share else (1 - share) * times[below] + share * times[above]
        ratios[n] = times[n] / line
    worst = sorted(ratios, key=ratios.__getitem__, reverse=True)[:3]
    yield Result(
        "1024x1024 at 80 %, N = 16 to 130: worst time over the line between multiples of 16",
        "x",
        ratios[worst[0]],
        1.25,
        1.1,
        at_most=True,
        detail="worst " + ", ".join(f"N = {n}: {ratios[n]:.2f}" for n in worst),
    )


def threads() -> Iterator[Result]:
    """Two threads against one."""
    x = bench.random_input(512, 768)
    calls = {str(n): _call(_layer((3072, 768), 0.9, threads=n), x) for n in (1, 2)}
    # Without the rest that rivals' spinning workers need: ours sleep after 50 us, and a rested core is slow to wake.
    one, two = bench.alternate(calls, min_seconds=1.0).values()
    yield Result(
        "3072x768x512 at 90 %, two threads against one",
        "x",
        one.median_s / two.median_s,
        1.8,
        1.95,
        detail=f"{1e3 * one.median_s:.2f} ms and {1e3 * two.median_s:.2f} ms",
    )


def call() -> Iterator[Result]:
    """Time a call that has hardly anything to compute."""
    layer, x = _layer((64, 64), 0.9, batch=1), bench.random_input(1, 64)
    y = np.empty((1, 64), dtype=np.float32)
    timing = bench.alternate({"call": lambda: layer(x, out=y)})["call"]
    yield Result("a call on 64x64 at 90 %, N = 1, with out=", "us", 1e6 * timing.median_s, 5, 2, at_most=True)


def importing() -> Iterator[Result]:
    """Import us after NumPy, in fresh processes."""
    seconds = [float(_python(_IMPORT)) for _ in range(20)]
    yield Result("import sparseinf beyond NumPy", "ms", 1e3 * float(np.median(seconds)), 60, 30, at_most=True)


def tuning() -> Iterator[Result]:
    """Load the linear layers of a BERT-base, choices measured: with an empty cache, then with a full one."""
    with tempfile.TemporaryDirectory() as folder:
        for what, must, aim in (("nothing measured before", 10, 4), ("everything measured before", 1, 0.4)):
            seconds = float(_python(_LOAD_BERT, SPARSEINF_CACHE=folder))
            yield Result(f"loading 72 layers of BERT-base at 80 %, {what}", "s", seconds, must, aim, at_most=True)


def files() -> Iterator[Result]:
    """Size of saved files; time and memory of loading 100 million nonzeros with one thread."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "layer.safetensors")
        sparsities = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
        sizes = {}
        for sparsity in sparsities:
            weight = bench.random_weight((2048, 2048), sparsity)
            sparseinf.load(weight, format="csr", tune="off").save(path)
            sizes[sparsity] = path.stat().st_size / np.count_nonzero(weight)
        worst = max(sizes, key=sizes.__getitem__)
        yield Result(
            "bytes a nonzero in a saved file, 50 to 99 %, the worst",
            "bytes",
            sizes[worst],
            5.3,
            at_most=True,
            detail=f"at {worst:.0%}",
        )
        weight = bench.random_weight((14142, 14142), 0.5)
        million = np.count_nonzero(weight) / 1e6
        sparseinf.load(weight, format="csr", batch=64, tune="off").save(path)
        del weight
        loads = [[float(word) for word in _python(_LOAD, str(path)).split()] for _ in range(3)]
        seconds, ratio = np.median(loads, axis=0).tolist()
        what = f"loading {million:.0f} million nonzeros, one thread: "
        yield Result(what + "time", "s", seconds, 1.0, at_most=True)
        yield Result(what + "memory over the bytes of the packs", "x", ratio, 1.3, at_most=True)


def _layer(shape: tuple[int, int], sparsity: float, *, threads: int = 1, batch: int | None = None) -> SparseLinear:
    """Return a layer with random zeros, bias and ReLU."""
    bias = np.random.default_rng(2).standard_normal(shape[0], dtype=np.float32)
    weight = formats.Csr.from_dense(bench.random_weight(shape, sparsity))
    return SparseLinear.from_format(weight, bias=bias, activation="relu", threads=threads, batch=batch)


def _call(layer: SparseLinear, x: NDArray[np.float32]) -> Callable[[], object]:
    """Return the call to time."""
    return partial(layer, x)


def _python(code: str, *arguments: str, **environment: str) -> str:
    """Run code in a fresh interpreter, away from this folder, and return what it prints."""
    command = [sys.executable, "-I", "-c", code, *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


_IMPORT = """
import time, numpy
begin = time.perf_counter()
import sparseinf
print(time.perf_counter() - begin)
"""

_LOAD = """
import sys, time
import numpy, sparseinf

def resident_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return 1024 * int(line.split()[1])

sparseinf.load(numpy.eye(64, dtype=numpy.float32), threads=1)  # whatever is paid once is paid here
before, begin = resident_bytes(), time.perf_counter()
layer = sparseinf.load(sys.argv[1], threads=1, batch=64, tune="model")
print(time.perf_counter() - begin, (resident_bytes() - before) / layer.nbytes)
"""


_LOAD_BERT = """
import time
import sparseinf
from sparseinf import bench

shapes = 12 * [*4 * [(768, 768)], (3072, 768), (768, 3072)]
tensors = {f"{i}.weight": bench.random_weight(shape, 0.8, seed=i) for i, shape in enumerate(shapes)}
begin = time.perf_counter()
sparseinf.load(tensors)
print(time.perf_counter() - begin)
"""


GROUPS: dict[str, Callable[[], Iterator[Result]]] = {
    "unstructured": unstructured,
    "dense": dense,
    "vector": vector,
    "few_columns": few_columns,
    "small": small,
    "tails": tails,
    "avx2": avx2,
    "threads": threads,
    "call": call,
    "import": importing,
    "files": files,
    "tuning": tuning,
    **regimes.GROUPS,
    **regimes_int8.GROUPS,
}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS), help="measure these groups")
    parser.add_argument("-o", "--output", type=Path, help="write the table as Markdown to this file")
    arguments = parser.parse_args()
    results = []
    for group in arguments.only:
        for result in GROUPS[group]():
            print(f"{result.what}: {result.measured:.3g} {result.unit} ({result.verdict()})", flush=True)
            results.append(result)
    report = Report(
        "What this release promises, and what was measured",
        ["what", "must", "aim", "measured", "verdict", "detail"],
        [result.row() for result in results],
        [
            "each x of an 'against' is how many times longer the fastest of the rivals takes.",
            "medians of at least 20 turns, contenders turn about; bias, ReLU and all conversions included.",
            bench.machine_sentence(),
        ],
    )
    print(f"\n{report}")
    if arguments.output is not None:
        bench.write_markdown(report, arguments.output)


if __name__ == "__main__":
    main()
