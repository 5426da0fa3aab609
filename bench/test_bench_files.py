"""Saving and loading under pytest-benchmark: 8 million nonzeros, the packing included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import sparseinf
from sparseinf import bench

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 4096


@pytest.fixture(scope="module")
def layer() -> sparseinf.SparseLinear:
    """Return the layer to save and load."""
    return sparseinf.load(bench.random_weight((SIDE, SIDE), 0.5), format="csr", tune="model", threads=1, batch=64)


def test_save(benchmark: Any, layer: sparseinf.SparseLinear, tmp_path: Path) -> None:
    """Time saving, and note what a nonzero takes in the file."""
    path = tmp_path / "layer.safetensors"
    benchmark(layer.save, path)
    num_nonzeros = (1 - layer.sparsity) * SIDE * SIDE
    benchmark.extra_info["bytes_a_nonzero"] = path.stat().st_size / num_nonzeros


def test_load(benchmark: Any, layer: sparseinf.SparseLinear, tmp_path: Path) -> None:
    """Time loading a file that the system has in its cache."""
    path = tmp_path / "layer.safetensors"
    layer.save(path)
    benchmark(sparseinf.load, path, tune="model", threads=1, batch=64)
