"""Nodes computed by the `onnx` package's reference evaluator: slowly, and as the standard says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.errors import UnsupportedModelError
from sparseinf.graph.ir import Graph, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

__all__ = ["reference_function"]


def reference_function(node: Node) -> Callable[[Sequence[npt.NDArray[Any] | None]], list[npt.NDArray[Any]]]:
    """Return what computes the node's outputs from its inputs; an input that is left out is None.

    Raises
    ------
    UnsupportedModelError
        If the evaluator does not know the operator either.
    """
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    attributes = {name: _as_attribute(value) for name, value in node.attributes.items()}
    proto = helper.make_node(node.op, node.inputs, node.outputs, **attributes)
    present = list(dict.fromkeys(name for name in node.inputs if name))
    values = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in present]
    outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.outputs if name]
    model = helper.make_model(
        helper.make_graph([proto], "node", values, outputs), opset_imports=[helper.make_opsetid("", Graph.OPSET)]
    )
    try:
        evaluator = ReferenceEvaluator(model)
    except (NotImplementedError, RuntimeError) as error:
        raise UnsupportedModelError(f"operator {node.op} is known neither natively nor to onnx: {error}") from error

    def compute(inputs: Sequence[npt.NDArray[Any] | None]) -> list[npt.NDArray[Any]]:
        feeds = {name: array for name, array in zip(node.inputs, inputs, strict=True) if name}
        return [np.asarray(output) for output in evaluator.run(None, feeds)]

    return compute


def _as_attribute(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    from onnx import numpy_helper

    return numpy_helper.from_array(value)
