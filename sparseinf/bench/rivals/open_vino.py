"""OpenVINO as a rival: the same dense ONNX model that ONNX Runtime gets, compiled for its processor plugin."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sparseinf.bench.rivals.contender import Contender
from sparseinf.bench.rivals.onnx_model import serialized_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord


def build_openvino(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """OpenVINO, dense in float32: one compiled model for each batch, made when it first comes."""
    import openvino

    requests: dict[int, Any] = {}
    model = serialized_model(layers)

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(x) not in requests:
            requests[len(x)] = _request(model, x.shape, threads)
        request = requests[len(x)]
        # Views, so that neither x nor y is copied, and set one by one: handing x to `infer` takes 10 us longer.
        request.set_input_tensor(openvino.Tensor(x, shared_memory=True))
        request.infer(share_outputs=True)
        result: NDArray[np.float32] = request.get_output_tensor().data
        return result

    return Contender(
        name,
        f"openvino {version('openvino')}, dense",
        call,
        sum(4 * rows * columns for rows, columns in (layer.weight.shape for layer in layers)),
    )


def _request(model: bytes, shape: tuple[int, ...], threads: int) -> Any:
    """Compile for one shape of x: known shapes let OpenVINO choose its kernels once, not in every call."""
    import openvino

    core = openvino.Core()
    network = core.read_model(model=model)
    network.reshape(list(shape))
    # By itself it would take bfloat16 where the processor has it, split its threads between streams, and bind them to
    # cores, the caller's thread among them, which the other contenders run in.
    settings = {
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    return core.compile_model(network, "CPU", settings).create_infer_request()
