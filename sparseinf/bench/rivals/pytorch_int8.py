"""PyTorch in eight bits as a rival: its dynamic quantized linear layer, weights with a scale a row.

Of its engines "x86" is taken, which runs FBGEMM here. Measured with version 2.13 on Zen 4 (AMD EPYC, VNNI, one thread,
bias and ReLU, 2026-11-21), microseconds; the weights of 4096x4096 come from memory:

| form | 768x768x384 | 4096x4096x8 | 4096x4096x1 |
|---|---|---|---|
| x86, and fbgemm | 1210 | 863 | 699 |
| the same, ReLU inside (`linear_relu_dynamic`) | 1240 | 849 | 727 |
| onednn | 1200 | 1430 | 1403 |
| qnnpack | 9850 | | |
| `torch.ops.onednn.qlinear_pointwise` behind a quantization written in PyTorch | 1490 | | |
| `torch._int_mm` behind the same | 1336 | | |
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.bench.rivals.contender import Contender
from sparseinf.bench.rivals.int8_weights import integers_and_scales, largest_products
from sparseinf.bench.rivals.pytorch import torch_activation, torch_bias, torch_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord

# The best first; which of them exist depends on how PyTorch was built.
_ENGINES = ("x86", "fbgemm", "onednn", "qnnpack")


def build_torch_int8(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """PyTorch, dense in int8: `torch.ops.quantized.linear_dynamic`, which quantizes x as it comes."""
    import torch

    steps = [(_packed(layer), torch_activation(layer.activation)) for layer in layers]
    linear = torch.ops.quantized.linear_dynamic
    # Seven bits of x, where eight would overflow; that is what PyTorch's own layers do everywhere.
    reduce_range = not _sums_are_exact()

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            y = torch.from_numpy(x)
            for weight, activation in steps:
                y = activation(linear(y, weight, reduce_range))
            result: NDArray[np.float32] = y.numpy()
        return result

    return Contender(
        name,
        f"torch {version('torch')}, dense, int8 (dynamic quantization, {_engine()})",
        call,
        sum((columns + 4) * rows for rows, columns in (layer.weight.shape for layer in layers)),
        notes=(f"{name} has seven bits of x: eight overflow on this processor.",) if reduce_range else (),
        precision="int8",
        held=lambda: torch_threads(threads),
    )


def _packed(layer: LinearRecord) -> Any:
    """Return weight and bias as the engine wants them."""
    import torch

    integers, scales = integers_and_scales(layer.weight)
    values = torch.from_numpy(integers * scales[:, np.newaxis])
    steps, zeros = torch.from_numpy(scales.astype(np.float64)), torch.zeros(len(scales), dtype=torch.int64)
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = _engine()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*quantized tensor creation functions", category=UserWarning)
            weight = torch.quantize_per_channel(values, steps, zeros, axis=0, dtype=torch.qint8)
            return torch.ops.quantized.linear_prepack(weight, torch_bias(layer))
    finally:
        torch.backends.quantized.engine = before


@cache
def _engine() -> str:
    """Return the fastest engine that is here."""
    import torch

    supported = torch.backends.quantized.supported_engines
    found = [engine for engine in _ENGINES if engine in supported]
    if not found:
        raise ValueError("this PyTorch was built without an engine for quantized layers")
    return found[0]


@cache
def _sums_are_exact() -> bool:
    """Tell whether it adds products of eight bits without loss here."""
    import torch

    layer, x, expected = largest_products()
    y = torch.ops.quantized.linear_dynamic(torch.from_numpy(x), _packed(layer), False)
    return bool(np.allclose(y.numpy(), expected, rtol=1e-4))
