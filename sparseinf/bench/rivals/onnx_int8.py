"""Products in eight bits for `onnx_model.py`: quantized as x comes, with static scales, and by blocks.

x and y stay float32 in all of them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sparseinf.bench.rivals.int8_weights import StaticRange, integers_and_scales, static_ranges
from sparseinf.bench.rivals.onnx_model import RUNTIME_DOMAIN, Graph, serialized_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord

_MOST_BLOCK_COLUMNS, _LEAST_BLOCK_COLUMNS = 256, 16


def dynamic_model(layers: Sequence[LinearRecord]) -> bytes:
    """Return a model that quantizes x as it comes, all of it with one scale; errors as `serialized_model`."""
    return serialized_model(layers, [add_dynamic_product] * len(layers))


def static_model(layers: Sequence[LinearRecord], calibration: NDArray[np.float32], *, weight_bits: int = 8) -> bytes:
    """Return a model in QDQ form, scales of x found on `calibration` (N, in_features); errors as `serialized_model`.

    With 7 bits weights are at most 64: two products with uint8 then fit into 16 bits.
    """
    ranges = static_ranges(layers, calibration)
    products = [partial(add_static_product, x_range=x_range, weight_bits=weight_bits) for x_range in ranges]
    return serialized_model(layers, products)


def blockwise_model(layers: Sequence[LinearRecord]) -> bytes:
    """Return a model that quantizes x as it comes, each row in blocks; errors as `serialized_model`."""
    return serialized_model(layers, [add_blockwise_product] * len(layers))


def add_dynamic_product(graph: Graph, layer: LinearRecord, value: str, output: str) -> str:
    """Append x @ weight.T + bias in integers: the nodes that quantizers write and ONNX Runtime makes one of."""
    from onnx import TensorProto

    weight, scales = integers_and_scales(layer.weight)
    x, x_scale, x_zero = (f"{output}_{part}" for part in ("x", "x_scale", "x_zero"))
    graph.add("DynamicQuantizeLinear", [value], x, x_scale, x_zero)
    integers = [x, graph.constant(f"{output}_weight", weight.T, np.int8), x_zero]
    integers.append(graph.constant(f"{output}_weight_zero", np.zeros(len(scales)), np.int8))
    sums = graph.add("MatMulInteger", integers, f"{output}_sums")
    floats = graph.add("Cast", [sums], f"{output}_floats", to=TensorProto.FLOAT)
    weight_scale = graph.constant(f"{output}_weight_scale", scales)
    scale = graph.add("Mul", [x_scale, weight_scale], f"{output}_scale")
    if layer.bias is None:
        return graph.add("Mul", [floats, scale], output)
    scaled = graph.add("Mul", [floats, scale], f"{output}_scaled")
    return graph.add("Add", [scaled, graph.constant(f"{output}_bias", layer.bias)], output)


def add_static_product(
    graph: Graph, layer: LinearRecord, value: str, output: str, *, x_range: StaticRange, weight_bits: int
) -> str:
    """Append x @ weight.T + bias between QuantizeLinear and DequantizeLinear, for the library to compute in integers.

    The product is a Gemm with its bias in int32, in steps of x's scale times the row's: that is what ONNX Runtime 1.31
    makes a QGemm. A MatMul and an Add it makes a Gemm in float32 first, which no longer becomes integers (5 times
    slower); a bias in float32 stops it too. OpenVINO computes both in integers.
    """
    weight, scales = integers_and_scales(layer.weight)
    if weight_bits == 7:
        weight, scales = np.rint(weight / 2).astype(np.int8), 2 * scales
    if layer.bias is not None:
        weight, scales = _with_room_for_bias(weight, scales, layer.bias, x_range.scale)
    x_scale = graph.constant(f"{output}_x_scale", x_range.scale)
    x_zero = graph.constant(f"{output}_x_zero", x_range.zero, np.uint8)
    quantized = graph.add("QuantizeLinear", [value, x_scale, x_zero], f"{output}_quantized")
    inputs = [graph.add("DequantizeLinear", [quantized, x_scale, x_zero], f"{output}_x")]
    stored = [
        graph.constant(f"{output}_integers", weight, np.int8),
        graph.constant(f"{output}_weight_scale", scales),
        graph.constant(f"{output}_weight_zero", np.zeros(len(scales)), np.int8),
    ]
    inputs.append(graph.add("DequantizeLinear", stored, f"{output}_weight", axis=0))
    if layer.bias is not None:
        steps = np.float32(x_range.scale) * scales
        stored = [
            graph.constant(f"{output}_bias_integers", np.rint(layer.bias / steps.astype(np.float64)), np.int32),
            graph.constant(f"{output}_bias_scale", steps),
            graph.constant(f"{output}_bias_zero", np.zeros(len(scales)), np.int32),
        ]
        inputs.append(graph.add("DequantizeLinear", stored, f"{output}_bias", axis=0))
    return graph.add("Gemm", inputs, output, transB=1)


def add_blockwise_product(graph: Graph, layer: LinearRecord, value: str, output: str) -> str:
    """Append x @ weight.T + bias as MatMulNBits: weights unsigned around 128, in blocks of columns.

    All blocks of a row get the row's scale. Accuracy level 4 lets it quantize x to eight bits, with a scale for each
    block of a row.
    """
    weight, scales = integers_and_scales(layer.weight)
    rows, columns = weight.shape
    block = _block_columns(columns)
    blocks = -(-columns // block)
    stored = np.full((rows, blocks * block), 128, dtype=np.uint8)
    stored[:, :columns] = weight.astype(np.int16) + 128
    inputs = [
        value,
        graph.constant(f"{output}_weight", stored.reshape(rows, blocks, block), np.uint8),
        graph.constant(f"{output}_weight_scale", np.repeat(scales, blocks)),
    ]
    if layer.bias is not None:
        inputs += ["", "", graph.constant(f"{output}_bias", layer.bias)]
    attributes = {"K": columns, "N": rows, "bits": 8, "block_size": block, "accuracy_level": 4}
    return graph.add("MatMulNBits", inputs, output, domain=RUNTIME_DOMAIN, **attributes)


def _block_columns(columns: int) -> int:
    """Return how many columns a block has: a power of two as large as ONNX Runtime takes, without much padding."""
    block = _MOST_BLOCK_COLUMNS
    while block > _LEAST_BLOCK_COLUMNS and block >= 2 * columns:
        block //= 2
    return block


def _with_room_for_bias(
    weight: NDArray[np.int8], scales: NDArray[np.float32], bias: NDArray[np.float32], x_scale: float
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return integers and scales such that the bias is a fair number of steps of x's scale times the row's.

    A row that is tiny beside its bias gets larger steps, or 32 bits would not hold the bias; an empty row, whose scale
    says nothing, gets steps that are small beside it.
    """
    size = np.abs(bias.astype(np.float64)) / x_scale
    steps = np.where(weight.any(axis=1), np.maximum(scales, size / 2**30), size / 2**24).astype(np.float32)
    steps[steps == 0] = 1
    return np.rint(weight * (scales / steps)[:, np.newaxis]).astype(np.int8), steps
