"""ONNX Runtime as a rival: one dense session for the whole stack of layers, in float32 or in eight bits of three kinds.

Measured with version 1.31 on Zen 4 (AMD EPYC, VNNI, one thread, bias and ReLU, 2026-11-21), microseconds; the weights
of 4096x4096 come from memory:

| form | 768x768x384 | 4096x4096x1 |
|---|---|---|
| dynamic: DynamicQuantizeMatMul, fused from MatMulInteger; written directly it is the same | 1210 | 997 |
| dynamic, graph optimisation off | 1270 | |
| dynamic, `session.disable_prepacking` on | 1219 | 3339 |
| dynamic, `session.x64quantprecision` on, or weights in uint8 | 2860 | |
| static: QGemm; MatMulIntegerToFloat, or y quantized as well, is the same | 1200 | 978 |
| blockwise: MatMulNBits, blocks of 256 columns | 2278 | 627 |
| blockwise, blocks of 128 | 2463 | 624 |
| blockwise, blocks of 64 | 2852 | 726 |

The blockwise form has the fastest kernel for one row of x. It is level with the dynamic one at 4 rows where weights
come from memory, at 2 where they lie in the cache.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.bench.rivals.contender import Contender
from sparseinf.bench.rivals.int8_weights import largest_products
from sparseinf.bench.rivals.onnx_int8 import blockwise_model, dynamic_model, static_model
from sparseinf.bench.rivals.onnx_model import serialized_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord


def build_onnxruntime(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """ONNX Runtime, dense: one session for the whole stack, its worker threads as it ships them."""
    session = session_of(serialized_model(layers), threads)
    return Contender(
        name,
        f"onnxruntime {version('onnxruntime')}, dense",
        lambda x: session.run(None, {"x": x})[0],
        sum(4 * rows * columns for rows, columns in (layer.weight.shape for layer in layers)),
    )


def build_onnxruntime_int8(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """ONNX Runtime, dense in int8: weights with a scale a row, activations quantized as they come."""
    return _int8_contender(name, "dynamic quantization", dynamic_model(layers), layers, threads)


def build_onnxruntime_int8_static(
    name: str, layers: Sequence[LinearRecord], threads: int, calibration: NDArray[np.float32]
) -> Contender:
    """ONNX Runtime, dense in int8: activations quantized with scales that were found on `calibration`."""
    return _int8_contender(name, "static quantization", static_model(layers, calibration), layers, threads)


def build_onnxruntime_int8_blockwise(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """ONNX Runtime, dense in int8: activations quantized as they come, each row in blocks."""
    return _int8_contender(name, "blockwise dynamic quantization", blockwise_model(layers), layers, threads)


def _int8_contender(name: str, how: str, model: bytes, layers: Sequence[LinearRecord], threads: int) -> Contender:
    session = session_of(model, threads, is_careful=not _sums_are_exact())
    return Contender(
        name,
        f"onnxruntime {version('onnxruntime')}, dense, int8 ({how})",
        lambda x: session.run(None, {"x": x})[0],
        sum((columns + 4) * rows for rows, columns in (layer.weight.shape for layer in layers)),
        precision="int8",
    )


def session_of(model: bytes | str, threads: int, *, is_careful: bool = False) -> Any:
    """Open a session, of a file or its bytes, whose calls use so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if is_careful:
        options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@cache
def _sums_are_exact() -> bool:
    """Tell whether it adds products of eight bits without loss here.

    Processors without VNNI add pairs of products in 16 bits, which overflow, unless `session.x64quantprecision` makes
    them careful. The option is not for others: it slows down those with VNNI by a factor of 2.4, for nothing.
    """
    layer, x, expected = largest_products()
    y = session_of(dynamic_model([layer]), threads=1).run(None, {"x": x})[0]
    return bool(np.allclose(y, expected, rtol=1e-4))
