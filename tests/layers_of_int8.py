"""What tests of int8 layers share: a layer, its x, every way to quantize it, and what comes out by the reference."""

from __future__ import annotations

import numpy as np
import pytest
from int8_reference import int8_linear, quantize_weight
from linear_reference import sparse_weight

import sparseinf

WEIGHT = sparse_weight((33, 70), 0.7)
BIAS = np.linspace(-1, 1, 33).astype(np.float32)
DYNAMIC = [(scales, dtype) for scales in ("column", "tensor") for dtype in ("uint8", "int8")]


def columns_of(num_columns, in_features=70, seed=0):
    x = np.random.default_rng(seed).standard_normal((num_columns, in_features)).astype(np.float32)
    return x * (1 + np.arange(num_columns, dtype=np.float32)[:, np.newaxis])


def load(weight=WEIGHT, **options):
    return sparseinf.load(weight, **{"precision": "int8", "tune": "model", **options})


def expected_of(x, activations, weight=WEIGHT, bias=None, activation=None):
    return int8_linear(x, *quantize_weight(weight), bias, activation, activations=activations).astype(np.float32)


def with_static_scale(**options):
    return load(calibration=columns_of(9, seed=1), **options)


OF_ALL_MODES = {
    **{f"{scales}-{dtype}": {"activation_scales": scales, "activation_dtype": dtype} for scales, dtype in DYNAMIC},
    **{
        f"static-{dtype}": {"calibration": columns_of(9, seed=1), "activation_dtype": dtype}
        for dtype in ("uint8", "int8")
    },
}
SYMMETRIC_TENSOR = OF_ALL_MODES["tensor-int8"]
every_mode = pytest.mark.parametrize("mode", OF_ALL_MODES.values(), ids=OF_ALL_MODES)
