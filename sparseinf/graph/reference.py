"""Nodes computed by the `onnx` package's reference evaluator: slowly, and as the standard says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from sparseinf.graph.ir import Graph, Node

__all__ = ["reference_function"]


def reference_function(node: Node, graph: Graph) -> Callable[[Sequence[npt.NDArray[Any]]], list[npt.NDArray[Any]]]:
    """Return what computes the outputs of a graph's node from all that it reads, in the order of `Node.reads`.

    Raises
    ------
    UnsupportedModelError
        If the evaluator does not know the operator either.
    """
    from onnx import helper

    if node.op == "Loop":
        return _loop_function(node, graph)
    attributes = {name: _as_attribute(value) for name, value in node.attributes.items()}
    domain, _, name = node.op.rpartition(".")
    proto = helper.make_node(name, node.inputs, node.outputs, domain=domain, **attributes)
    outputs = [_described(name, graph) for name in node.outputs if name]
    inputs = [_described(name, graph) for name in dict.fromkeys(node.reads)]
    evaluate = _evaluator(helper.make_graph([proto], "node", inputs, outputs), graph, node.op)
    return lambda arrays: evaluate(dict(zip(node.reads, arrays, strict=True)))


def _evaluator(proto: Any, graph: Graph, op: str) -> Callable[[dict[str, Any]], list[npt.NDArray[Any]]]:
    """Return what computes the outputs of an onnx.GraphProto from its inputs by name."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    opsets = [helper.make_opsetid(domain, version) for domain, version in graph.opsets.items()]
    try:
        evaluator = ReferenceEvaluator(helper.make_model(proto, opset_imports=opsets))
    except Exception as error:  # it says so in many ways
        raise UnsupportedModelError(f"operator {op} is known neither natively nor to onnx: {error}") from error

    def evaluate(feeds: dict[str, Any]) -> list[npt.NDArray[Any]]:
        try:
            return [np.asarray(output) for output in evaluator.run(None, feeds)]
        except MemoryError:
            raise
        except Exception as error:  # whatever NumPy says of inputs that do not fit
            raise ValueError(f"operator {op} cannot be computed: {error}") from error

    return evaluate


def _loop_function(node: Node, graph: Graph) -> Callable[[Sequence[npt.NDArray[Any]]], list[npt.NDArray[Any]]]:
    """Return what runs a Loop's body; the evaluator's own loops make columns of the scalars that they gather."""
    from onnx import GraphProto

    body = GraphProto()
    body.CopyFrom(node.attributes["body"])
    counter, condition, *carried = (value.name for value in body.input)
    body.input.extend(_described(name, graph) for name in node.captures)
    evaluate = _evaluator(body, graph, node.op)
    gathered_values = [graph.value(name) for name in node.outputs[len(carried) :]]
    empty = [np.empty(0, np.float32 if value is None else value.dtype) for value in gathered_values]

    def compute(arrays: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        known = dict(zip(node.reads, arrays, strict=True))
        captured = {name: known[name] for name in node.captures}
        values = [known[name] for name in node.inputs[2:]]
        goes_on = known.get(node.input(1), np.array(True))
        gathered: list[list[npt.NDArray[Any]]] = [[] for _ in empty]
        trip = 0
        while goes_on and (not node.input(0) or trip < known[node.inputs[0]]):
            feeds = {counter: np.array(trip, np.int64), condition: np.array(True), **captured}
            goes_on, *found = evaluate({**feeds, **dict(zip(carried, values, strict=True))})
            values = found[: len(carried)]
            for parts, part in zip(gathered, found[len(carried) :], strict=True):
                parts.append(part)
            trip += 1
        found = [
            *values,
            *(np.stack(parts) if parts else nothing for parts, nothing in zip(gathered, empty, strict=True)),
        ]
        return [array for array, name in zip(found, node.outputs, strict=False) if name]

    return compute


def _described(name: str, graph: Graph) -> Any:
    """Return an onnx.ValueInfoProto: bodies of composite operators depend on types."""
    from onnx import TensorProto, helper

    value = graph.value(name)
    is_typed = value is not None and value.dtype.kind != "V"
    kind = helper.np_dtype_to_tensor_dtype(value.dtype) if value is not None and is_typed else TensorProto.UNDEFINED
    return helper.make_tensor_value_info(name, kind, None)


def _as_attribute(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    from onnx import numpy_helper

    return numpy_helper.from_array(value)
