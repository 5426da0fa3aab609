"""ONNX Runtime as a rival: one dense session for the whole stack of layers."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from sparseinf.bench.rivals.contender import Contender
from sparseinf.bench.rivals.onnx_model import serialized_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseinf.io import LinearRecord


def build_onnxruntime(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """ONNX Runtime, dense: one session for the whole stack, its worker threads as it ships them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(serialized_model(layers), options, providers=["CPUExecutionProvider"])
    return Contender(
        name,
        f"onnxruntime {version('onnxruntime')}, dense",
        lambda x: session.run(None, {"x": x})[0],
        sum(4 * rows * columns for rows, columns in (layer.weight.shape for layer in layers)),
    )
