"""Measures the table of README.md and writes it there, machine and date included.

    python bench/readme_table.py

Needs the `bench` extra and a machine that has nothing else to do; takes about five minutes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparseinf import SparseLinear, bench, formats

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- made by bench/readme_table.py -->\n", "<!-- end -->\n"
LAYERS = (
    ((768, 768, 384), "unstructured", "float32"),
    ((3072, 768, 128), "unstructured", "float32"),
    ((768, 768, 384), "4x1", "float32"),
    ((2048, 2048, 16), "unstructured", "float32"),
    ((1024, 1024, 4), "unstructured", "float32"),
    ((4096, 4096, 1), "unstructured", "float32"),
    ((768, 768, 384), "unstructured", "int8"),
    ((768, 768, 384), "4x1", "int8"),
    ((4096, 4096, 8), "unstructured", "int8"),
    ((8192, 8192, 1), "unstructured", "int8"),
)
RIVALS = {"float32": ("onnxruntime",), "int8": ("onnxruntime_int8", "onnxruntime_int8_blockwise")}
SPARSITIES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95)


def speeds(shape: tuple[int, int, int], pattern: str, precision: str) -> list[float]:
    """Return for each sparsity how many times longer dense ONNX Runtime takes, in the form that suits it best."""
    result = []
    for sparsity in SPARSITIES:
        cases = bench.random_cases([shape], [sparsity], pattern=pattern, from_memory=shape[2] == 1)
        _, *rivals = bench.run(cases, against=RIVALS[precision], threads=1, min_seconds=0.5, precision=precision)
        result.append(min(rival["relative_time"] for rival in rivals))
        print(shape, pattern, precision, sparsity, f"{result[-1]:.2f}", flush=True)
    return result


def sizes() -> list[float]:
    """Return for each sparsity the packs' bytes over those of the dense weight, for all numbers of columns."""
    weights = [formats.Csr.from_dense(bench.random_weight((2048, 2048), sparsity)) for sparsity in SPARSITIES]
    return [SparseLinear.from_format(w, threads=1).nbytes / (4 * np.prod(w.shape)) for w in weights]


def table() -> str:
    """Return the table as Markdown."""
    lines = [
        "| layer (out x in), rows of x | " + " | ".join(f"{sparsity:.0%} zeros" for sparsity in SPARSITIES) + " |",
        "|---" * (1 + len(SPARSITIES)) + "|",
    ]
    for (rows, columns, number), pattern, precision in LAYERS:
        cells = " | ".join(f"{speed:.2g}x" for speed in speeds((rows, columns, number), pattern, precision))
        note = ", weights from memory" if number == 1 else ""
        note += "" if pattern == "unstructured" else f", {pattern} blocks"
        note += "" if precision == "float32" else ", in int8"
        lines.append(f"| {rows} x {columns}, {number}{note} | {cells} |")
    lines.append("| memory of a 2048 x 2048 layer / dense | " + " | ".join(f"{size:.2f}" for size in sizes()) + " |")
    return "\n".join([*lines, "", f"({bench.machine_sentence()})", ""])


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    README.write_text(head + BEGIN + table() + END + tail, encoding="utf-8")
