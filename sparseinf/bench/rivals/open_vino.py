"""OpenVINO as a rival: the same dense ONNX models that ONNX Runtime gets, compiled for its processor plugin.

In eight bits it is the static model in QDQ form. Weights in int8 with x quantized as it comes, which OpenVINO 2026.4
has too (DYNAMIC_QUANTIZATION_GROUP_SIZE), took 1.2 times as long at 768x768x384 in groups of 128 (Zen 4, one thread).
Where the processor has no VNNI, sums of eight bits overflow (one half of the right result for the largest values), and
weights get seven bits.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.bench.rivals.contender import Contender
from sparseinf.bench.rivals.int8_weights import largest_products
from sparseinf.bench.rivals.onnx_int8 import static_model
from sparseinf.bench.rivals.onnx_model import serialized_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord


def build_openvino(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """OpenVINO, dense in float32."""
    return Contender(
        name,
        f"openvino {version('openvino')}, dense",
        _call_of(serialized_model(layers), threads),
        sum(4 * rows * columns for rows, columns in (layer.weight.shape for layer in layers)),
    )


def build_openvino_int8(
    name: str, layers: Sequence[LinearRecord], threads: int, calibration: NDArray[np.float32]
) -> Contender:
    """OpenVINO, dense in int8: activations quantized with scales that were found on `calibration`."""
    weight_bits = 8 if _sums_are_exact() else 7
    return Contender(
        name,
        f"openvino {version('openvino')}, dense, int8 (static quantization)",
        _call_of(static_model(layers, calibration, weight_bits=weight_bits), threads),
        sum((columns + 4) * rows for rows, columns in (layer.weight.shape for layer in layers)),
        notes=(f"{name} has weights of seven bits: eight overflow on this processor.",) if weight_bits == 7 else (),
        precision="int8",
    )


def _call_of(model: bytes, threads: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return one inference: of one compiled model for each batch, made when it first comes."""
    import openvino

    requests: dict[int, Any] = {}

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(x) not in requests:
            requests[len(x)] = compiled_model(model, [x.shape], threads).create_infer_request()
        request = requests[len(x)]
        # Views, so that neither x nor y is copied, and set one by one: handing x to `infer` takes 10 us longer.
        request.set_input_tensor(openvino.Tensor(x, shared_memory=True))
        request.infer(share_outputs=True)
        result: NDArray[np.float32] = request.get_output_tensor().data
        return result

    return call


@cache
def _sums_are_exact() -> bool:
    """Tell whether it adds products of eight bits without loss here."""
    layer, x, expected = largest_products()
    return bool(np.allclose(_call_of(static_model([layer], x), threads=1)(x), expected, rtol=1e-4))


def compiled_model(model: bytes | str, shapes: Sequence[tuple[int, ...]], threads: int) -> Any:
    """Compile for one shape of each input: known shapes let OpenVINO choose its kernels once, not in every call."""
    import openvino

    core = openvino.Core()
    network = core.read_model(model=model)
    network.reshape({port: list(shape) for port, shape in zip(network.inputs, shapes, strict=True)})
    # By itself it would take bfloat16 where the processor has it, split its threads between streams, and bind them to
    # cores, the caller's thread among them, which the other contenders run in.
    settings = {
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    return core.compile_model(network, "CPU", settings)
