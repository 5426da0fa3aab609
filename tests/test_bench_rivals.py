"""OpenVINO and our own dense layers as rivals: that each is configured as well as its makers could."""

from __future__ import annotations

import os

import pytest

from sparseinf import bench
from sparseinf.bench import rivals
from sparseinf.bench.reference import evaluate, max_relative_error
from sparseinf.formats import Csr
from sparseinf.io import LinearRecord


def layer_of(rows: int, columns: int, sparsity: float = 0.7) -> LinearRecord:
    return LinearRecord(Csr.from_dense(bench.random_weight((rows, columns), sparsity)), None, "relu")


def test_openvino_serves_every_batch_in_turn() -> None:
    pytest.importorskip("openvino")
    layers = [layer_of(20, 30), layer_of(7, 20)]
    contender = rivals.build("openvino", layers)
    for batch in (5, 1, 5, 3):
        x = bench.random_input(batch, 30, seed=batch)
        assert max_relative_error(contender(x), evaluate(layers, x)) < 1e-5


def test_openvino_leaves_the_thread_that_calls_it_free() -> None:
    pytest.importorskip("openvino")
    before = os.sched_getaffinity(0)
    rivals.build("openvino", [layer_of(20, 30)], threads=2)(bench.random_input(4, 30))
    assert os.sched_getaffinity(0) == before


def test_our_own_dense_rival_names_the_kernels_of_every_batch() -> None:
    runs = rivals.build("sparseinf_dense", [layer_of(20, 30)]).runs
    assert "gemv_dense" in runs
    assert "spmm_dense" in runs


def test_dense_rivals_are_dense_and_in_float32() -> None:
    assert set(rivals.dense_rivals()) == set(rivals.known_rivals("float32")) - {"scipy", "torch_csr"}
