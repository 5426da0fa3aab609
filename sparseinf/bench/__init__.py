"""Measures layers against other libraries, in one process and turn about, with every answer checked."""

from __future__ import annotations

from sparseinf.bench.comparison import compare, compare_stack
from sparseinf.bench.layers import (
    Case,
    mask_cases,
    merge,
    random_cases,
    random_input,
    random_weight,
    run,
)
from sparseinf.bench.machine import describe_machine, machine_sentence, measured_peaks
from sparseinf.bench.masks import read_mask
from sparseinf.bench.publish import write_json, write_markdown
from sparseinf.bench.rivals import known_rivals
from sparseinf.bench.timing import Timing, alternate, rest_after_threads

__all__ = [
    "Case",
    "Timing",
    "alternate",
    "compare",
    "compare_stack",
    "describe_machine",
    "known_rivals",
    "machine_sentence",
    "mask_cases",
    "measured_peaks",
    "merge",
    "random_cases",
    "random_input",
    "random_weight",
    "read_mask",
    "rest_after_threads",
    "run",
    "write_json",
    "write_markdown",
]
