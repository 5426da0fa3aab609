"""Small ONNX models for tests, and what the package onnx says that they compute."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

onnx = pytest.importorskip("onnx")


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Any:
    return onnx.helper.make_node(op, inputs, outputs, **attributes)


def model(
    nodes: Sequence[Any],
    inputs: Mapping[str, tuple[str, Sequence[int | str | None] | None]],
    outputs: Mapping[str, tuple[str, Sequence[int | str | None] | None]],
    constants: Mapping[str, npt.NDArray[Any]] | None = None,
    *,
    opset: int = 21,
    domains: Mapping[str, int] | None = None,
) -> Any:
    """Values are (dtype, shape)."""

    def value(name: str, dtype: str, shape: Sequence[int | str | None] | None) -> Any:
        return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)

    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [value(name, *said) for name, said in inputs.items()],
        [value(name, *said) for name, said in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in {"": opset, **(domains or {})}.items()]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)


def reference(proto: Any, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    from onnx.reference import ReferenceEvaluator

    return [np.asarray(output) for output in ReferenceEvaluator(proto).run(None, dict(feeds))]


def perceptron(sizes: Sequence[int], sparsity: float = 0.9, seed: int = 0) -> Any:
    """Gemm and Relu, turn about; x (n, sizes[0]) -> y (n, sizes[-1])."""
    generator = np.random.default_rng(seed)
    nodes, constants, x = [], {}, "x"
    for i, (columns, rows) in enumerate(pairwise(sizes)):
        weight = generator.standard_normal((rows, columns)).astype(np.float32)
        constants[f"w{i}"] = np.where(generator.random(weight.shape) < sparsity, np.float32(0), weight)
        constants[f"b{i}"] = generator.standard_normal(rows).astype(np.float32)
        is_last = i == len(sizes) - 2
        nodes.append(node("Gemm", [x, f"w{i}", f"b{i}"], ["y" if is_last else f"z{i}"], transB=1))
        x = f"z{i}"
        if not is_last:
            nodes.append(node("Relu", [x], [f"a{i}"]))
            x = f"a{i}"
    return model(nodes, {"x": ("float32", ["n", sizes[0]])}, {"y": ("float32", ["n", sizes[-1]])}, constants)
