"""The rivals in int8 and OpenVINO: that each is configured as well as its makers could."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sparseinf import bench
from sparseinf.bench import rivals
from sparseinf.bench.reference import evaluate, max_relative_error
from sparseinf.bench.rivals.onnx_model import serialized_model
from sparseinf.formats import Csr, Dense
from sparseinf.io import LinearRecord

if TYPE_CHECKING:
    from pathlib import Path


def layer_of(rows: int, columns: int, sparsity: float = 0.7) -> LinearRecord:
    return LinearRecord(Csr.from_dense(bench.random_weight((rows, columns), sparsity)), None, "relu")


def test_the_int8_model_is_fused_by_onnxruntime(tmp_path: Path) -> None:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns that a saved model is for this machine alone
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    model = serialized_model([layer_of(8, 12), layer_of(4, 8)], int8=True)
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert operators == ["DynamicQuantizeMatMul", "Relu"] * 2


def test_int8_weights_are_exact_where_eight_bits_hold_them() -> None:
    pytest.importorskip("onnxruntime")
    weight = np.array([[127, -3, 0], [0, 0, 0], [1270, 10, -20]], np.float32)
    layers = [LinearRecord(Dense.from_dense(weight), None, None)]
    x = np.array([[0, 255, 17], [1, 2, 3]], np.float32)  # its range is 255 steps of one
    np.testing.assert_allclose(rivals.build("onnxruntime_int8", layers)(x), evaluate(layers, x), atol=1e-3)


def test_int8_weights_take_a_byte_each_and_a_scale_a_row() -> None:
    pytest.importorskip("onnxruntime")
    assert rivals.build("onnxruntime_int8", [layer_of(20, 30)]).nbytes == 20 * 30 + 4 * 20


def test_the_errors_of_int8_are_no_failure_but_are_told() -> None:
    pytest.importorskip("onnxruntime")
    report = bench.run(bench.random_cases([(64, 96, 4)], [0.5]), against=["onnxruntime_int8"], min_seconds=0)
    assert report.rows[1]["max_relative_error"] > 1e-4
    assert any("eight bits" in note for note in report.notes)
    assert not any(note.startswith("WRONG") for note in report.notes)


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
    assert set(rivals.dense_rivals()) == set(rivals.known_rivals()) - {"scipy", "torch_csr", "onnxruntime_int8"}
