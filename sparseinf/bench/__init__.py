"""Measures layers against other libraries, in one process and turn about, with every answer checked."""

from __future__ import annotations

from sparseinf.bench.comparison import compare, compare_stack
from sparseinf.bench.layers import (
    Case,
    mask_cases,
    merge,
    model_cases,
    random_cases,
    random_input,
    run,
)
from sparseinf.bench.machine import describe_machine, machine_sentence, measured_peaks
from sparseinf.bench.masks import read_mask
from sparseinf.bench.page import write_html
from sparseinf.bench.patterns import Planting, checked_pattern, layer_sparsities, random_weight
from sparseinf.bench.publish import write_json, write_markdown
from sparseinf.bench.rivals import known_rivals
from sparseinf.bench.shapes import MODELS, Shape, shapes_of
from sparseinf.bench.timing import Timing, alternate, rest_after_threads
from sparseinf.bench.whole_models import MODEL_RIVALS, compare_model, random_feeds

__all__ = [
    "MODELS",
    "MODEL_RIVALS",
    "Case",
    "Planting",
    "Shape",
    "Timing",
    "alternate",
    "checked_pattern",
    "compare",
    "compare_model",
    "compare_stack",
    "describe_machine",
    "known_rivals",
    "layer_sparsities",
    "machine_sentence",
    "mask_cases",
    "measured_peaks",
    "merge",
    "model_cases",
    "random_cases",
    "random_feeds",
    "random_input",
    "random_weight",
    "read_mask",
    "rest_after_threads",
    "run",
    "shapes_of",
    "write_html",
    "write_json",
    "write_markdown",
]
