"""One node as a model: it must run natively, and give what the package onnx or NumPy gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx_models import model, node, reference

import sparseinf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

NUMBERS = ("float32", "int64", "int32", "int8", "uint8")


def numbers(dtype: str, *shape: int, seed: int = 0) -> Any:
    """Small numbers of both signs, where the type has them; bool: both values."""
    values = np.random.default_rng(seed).integers(-9, 10, shape)
    if dtype == "bool":
        return np.asarray(values > 0)
    if dtype == "float32":
        return np.asarray(values + np.random.default_rng(seed + 1).random(shape), np.float32)
    return np.asarray(np.abs(values) if dtype == "uint8" else values, dtype)


def proto_of_node(
    op: str,
    inputs: Sequence[npt.NDArray[Any] | None],
    outputs: Sequence[str],
    ranks: Sequence[int] | None,
    attributes: Mapping[str, Any],
) -> Any:
    """Extents are unknown to the model. An input may be None, an output "": left out."""
    names = [f"x{i}" if array is not None else "" for i, array in enumerate(inputs)]
    results = [f"y{i}" if dtype else "" for i, dtype in enumerate(outputs)]
    shapes = [None] * len(outputs) if ranks is None else [[None] * rank for rank in ranks]
    return model(
        [node(op, names, results, **attributes)],
        {f"x{i}": (array.dtype.name, [None] * array.ndim) for i, array in enumerate(inputs) if array is not None},
        {f"y{i}": (dtype, shape) for i, (dtype, shape) in enumerate(zip(outputs, shapes, strict=True)) if dtype},
    )


def load_node(
    op: str,
    inputs: Sequence[npt.NDArray[Any] | None],
    outputs: Sequence[str] = ("float32",),
    ranks: Sequence[int] | None = None,
    num_threads: int = 2,
    **attributes: Any,
) -> sparseinf.Model:
    """Return the model of a node, whose outputs have the rank of the first input where nothing is said."""
    first = inputs[0]
    assert first is not None
    proto = proto_of_node(op, inputs, outputs, [first.ndim] * len(outputs) if ranks is None else ranks, attributes)
    return sparseinf.load(proto, threads=num_threads)


def run_native(
    op: str,
    inputs: Sequence[npt.NDArray[Any] | None],
    outputs: Sequence[str] = ("float32",),
    ranks: Sequence[int] | None = None,
    **attributes: Any,
) -> list[npt.NDArray[Any]]:
    """Run a node, and see to it that it was run natively."""
    loaded = load_node(op, inputs, outputs, ranks, **attributes)
    feeds = {f"x{i}": array for i, array in enumerate(inputs) if array is not None}
    rows = loaded.profile(*feeds.values()).to_dict()["rows"]
    assert [row["runs"] for row in rows] in ([], ["native"]), rows  # nodes that do nothing are removed
    found = loaded.run(None, feeds)
    assert [array.dtype.name for array in found] == [dtype for dtype in outputs if dtype]
    return list(found)


def check_node(
    op: str,
    inputs: Sequence[npt.NDArray[Any] | None],
    outputs: Sequence[str] = ("float32",),
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    **attributes: Any,
) -> None:
    """Hold a node's outputs against those of onnx's reference evaluator."""
    proto = proto_of_node(op, inputs, outputs, None, attributes)
    expected = reference(proto, {f"x{i}": array for i, array in enumerate(inputs) if array is not None})
    found = run_native(op, inputs, outputs, [y.ndim for y in expected], **attributes)
    for y, known in zip(found, expected, strict=True):
        assert y.shape == known.shape
        np.testing.assert_allclose(y, known, rtol=rtol, atol=atol)
