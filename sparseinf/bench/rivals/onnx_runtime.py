"""ONNX Runtime as a rival: one dense session for the whole stack of layers, in float32 or int8."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sparseinf.bench.rivals.contender import Contender
from sparseinf.bench.rivals.onnx_model import serialized_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseinf.io import LinearRecord


def build_onnxruntime(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """ONNX Runtime, dense: one session for the whole stack, its worker threads as it ships them."""
    session = _session(serialized_model(layers), threads)
    return Contender(
        name,
        f"onnxruntime {version('onnxruntime')}, dense",
        lambda x: session.run(None, {"x": x})[0],
        sum(4 * rows * columns for rows, columns in (layer.weight.shape for layer in layers)),
    )


def build_onnxruntime_int8(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """ONNX Runtime, dense in int8: weights with a scale a row, activations quantized as they come."""
    session = _session(serialized_model(layers, int8=True), threads)
    return Contender(
        name,
        f"onnxruntime {version('onnxruntime')}, dense, int8 (dynamic quantization)",
        lambda x: session.run(None, {"x": x})[0],
        sum((columns + 4) * rows for rows, columns in (layer.weight.shape for layer in layers)),
        notes=(f"{name} computes in int8: its errors are those of eight bits, and no failure.",),
        # One step of the largest of 255 is 0.4 % of the range; a few layers, and the largest of many errors.
        tolerance=0.1,
    )


def _session(model: bytes, threads: int) -> Any:
    """Open a session whose calls use so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Processors without VNNI add pairs of int8 products in 16 bits, which overflow; this makes them careful. Others,
    # and float32, it does not touch.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
