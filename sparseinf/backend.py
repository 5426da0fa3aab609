"""The ONNX project's backend interface: its own test suite runs us through this.

import sparseinf.backend as backend
backend.prepare(model, device="CPU", native_only=False).run(inputs)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.errors import UnsupportedModelError
from sparseinf.io.onnx_file import read_onnx
from sparseinf.model import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["PreparedModel", "is_compatible", "prepare", "run_model", "supports_device"]


class PreparedModel:
    """A compiled model, as the interface has it."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def run(self, inputs: Sequence[npt.NDArray[Any]] | npt.NDArray[Any], **_: Any) -> tuple[npt.NDArray[Any], ...]:
        """Return all outputs of the inputs in the model's order; a single input may come without a list.

        What NumPy had no type for once comes as onnx.TensorProto, scalars as such.
        """
        arrays = [_as_array(x) for x in (inputs if isinstance(inputs, list | tuple) else [inputs])]
        ports = self.model.get_inputs()
        if len(arrays) != len(ports):
            raise ValueError(f"the model has {len(ports)} inputs, but {len(arrays)} came")
        return tuple(self.model.run(None, {port.name: array for port, array in zip(ports, arrays, strict=True)}))


def _as_array(x: Any) -> Any:
    if hasattr(x, "SerializeToString"):
        from onnx import numpy_helper

        return numpy_helper.to_array(x)
    return np.asarray(x) if isinstance(x, np.generic) else x


def prepare(model: Any, device: str = "CPU", *, native_only: bool = False, **options: Any) -> PreparedModel:
    """Compile a model.

    Parameters
    ----------
    model : onnx.ModelProto
    device : str
        "CPU".
    native_only : bool
        Refuse a model that has nodes which only the package onnx can compute.
    **options
        Those of `sparseinf.load`.

    Raises
    ------
    UnsupportedModelError
        If the model, or a node of it with `native_only`, cannot be computed.
    ValueError
        If the device is another one.
    """
    if not supports_device(device):
        raise ValueError(f"sparseinf runs on the device 'CPU', but {device!r} was asked for")
    compiled = Model.from_graph(read_onnx(model), **{"tune": "off", **options})
    slow = compiled.reference_operators
    if native_only and slow:
        raise UnsupportedModelError(f"there is no native operation for {', '.join(slow)}")
    return PreparedModel(compiled)


def run_model(
    model: Any, inputs: Sequence[npt.NDArray[Any]], device: str = "CPU", **options: Any
) -> tuple[npt.NDArray[Any], ...]:
    """Compile a model and run it once; see `prepare`."""
    return prepare(model, device, **options).run(inputs)


def supports_device(device: str) -> bool:
    """Tell whether models run on a device: on "CPU"."""
    return device.partition(":")[0] == "CPU"


def is_compatible(model: Any, device: str = "CPU", **options: Any) -> bool:
    """Tell whether `prepare` would take a model."""
    try:
        prepare(model, device, **options)
    except ValueError:  # all of our own errors are
        return False
    return True
