"""What must work on a processor without the newest instructions; .ci/run runs it on an emulated one.

Usage: old_processor.py LEVEL... - the levels that sparseinf must find, and no other. An instruction that
the processor does not have ends the process. No pytest: under emulation everything takes long.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

import sparseinf

ACTIVATIONS = (
    None,
    "relu",
    "relu6",
    ("clip", -0.5, 0.5),
    "gelu",
    "gelu_tanh",
    "silu",
    "hardswish",
    "hardsigmoid",
    "sigmoid",
    "tanh",
    ("leaky_relu", 0.1),
)
COLUMNS = (1, 2, 7, 8, 9, 16, 31, 33, 64, 97)


def check_products(format: str, isa: str) -> None:
    """Hold layers of a format, at a level, against NumPy in double precision."""
    generator = np.random.default_rng(0)
    for out_features, in_features in ((1, 1), (33, 70), (300, 515)):
        weight = generator.standard_normal((out_features, in_features)).astype(np.float32)
        weight[generator.random(weight.shape) < 0.8] = 0
        bias = generator.standard_normal(out_features).astype(np.float32)
        layer = sparseinf.load(weight, bias=bias, format=format, threads=2)
        for num_columns in COLUMNS:
            assert layer.plan(num_columns).isa == isa, layer.plan(num_columns)
            x = generator.standard_normal((num_columns, in_features)).astype(np.float32)
            expected = x.astype(np.float64) @ weight.T.astype(np.float64) + bias
            np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-4)


def check_activations() -> None:
    """See that every activation runs, keeps NaN and does what its neighbours at other widths do."""
    x = np.linspace(-9, 9, 64, dtype=np.float32)
    x[0] = np.nan
    for activation in ACTIVATIONS:
        layer = sparseinf.load(np.eye(64, dtype=np.float32), activation=activation, format="csr")
        y = layer(x)
        assert np.isnan(y[0]), activation
        assert np.isfinite(y[1:]).all(), activation
        np.testing.assert_array_equal(layer(np.tile(x, (19, 1))), np.tile(y, (19, 1)))


def check_saving() -> None:
    """Save and load a layer: the column codec and the packs' way back."""
    weight = np.random.default_rng(1).standard_normal((50, 60)).astype(np.float32)
    weight[np.abs(weight) < 1] = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "layer.safetensors")
        sparseinf.load(weight).save(path)
        np.testing.assert_array_equal(sparseinf.load(path).weight.to_dense(), weight)


def main(*levels: str) -> None:
    """Check everything on this processor, which must have exactly these levels."""
    assert sparseinf.available_isas() == levels, sparseinf.available_isas()
    for isa in levels:
        with sparseinf.use_isa(isa):
            for weight_format in ("dense", "csr", "auto"):
                check_products(weight_format, isa)
            check_activations()
    check_saving()
    print(f"works with {' and '.join(levels)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
