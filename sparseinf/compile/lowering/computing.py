"""Operations that compute: products, normalization, convolutions, pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparseinf import runtime
from sparseinf.compile.lowering.rules import NativeStep, dtype_of, plain, with_attributes
from sparseinf.graph.windows import LARGEST_KERNEL, LARGEST_STEP, window_attributes

if TYPE_CHECKING:
    from sparseinf.compile.lowering.rules import Rule
    from sparseinf.graph import Graph, Node

__all__ = ["COMPUTING"]


def _step(node: Node, attributes: dict[str, Any], operation: str = "") -> NativeStep:
    return NativeStep(operation or node.op, attributes, node.inputs, node.outputs)


def _are_float32(node: Node, graph: Graph) -> bool:
    return all(dtype_of(graph, name) == "float32" for name in node.inputs if name)


def _float32(rule: Rule) -> Rule:
    """Refuse nodes with an input of another type."""
    return lambda node, graph: rule(node, graph) if _are_float32(node, graph) else None


def _matmul(node: Node, graph: Graph) -> NativeStep | None:
    if dtype_of(graph, node.inputs[0]) not in ("float32", "int32", "int64"):
        return None
    return _step(node, {"isa": runtime.current_isa()})


def _gemm(node: Node, graph: Graph) -> NativeStep | None:
    said = node.attributes
    alpha, beta = float(said.get("alpha", 1.0)), float(said.get("beta", 1.0))
    dtype = dtype_of(graph, node.inputs[0])
    if dtype != "float32" and (dtype not in ("int32", "int64") or (alpha, beta) != (1.0, 1.0)):
        return None
    attributes = {
        "isa": runtime.current_isa(),
        "trans_a": int(said.get("transA", 0)),
        "trans_b": int(said.get("transB", 0)),
        "alpha": alpha,
        "beta": beta,
    }
    return _step(node, attributes)


def _along_axis(node: Node, _: Graph) -> NativeStep | None:
    return _step(node, {"isa": runtime.current_isa(), "axis": int(node.attributes.get("axis", -1))})


def _layer_normalization(node: Node, _: Graph) -> NativeStep | None:
    said = node.attributes
    if int(said.get("stash_type", 1)) != 1:
        return None
    return _step(node, {"axis": int(said.get("axis", -1)), "epsilon": float(said.get("epsilon", 1e-5))})


def _group_normalization(node: Node, _: Graph) -> NativeStep | None:
    said = node.attributes
    groups = 0 if node.op == "InstanceNormalization" else int(said["num_groups"])
    if groups < (node.op == "GroupNormalization") or int(said.get("stash_type", 1)) != 1:
        return None
    attributes = {"num_groups": groups, "epsilon": float(said.get("epsilon", 1e-5))}
    return _step(node, attributes, "GroupNormalization")


def _batch_normalization(node: Node, _: Graph) -> NativeStep | None:
    said = node.attributes
    if said.get("training_mode") or len([name for name in node.outputs if name]) != 1:
        return None
    return _step(node, {"epsilon": float(said.get("epsilon", 1e-5))})


def _mean_variance_normalization(node: Node, _: Graph) -> NativeStep | None:
    return _step(node, {"axes": [int(axis) for axis in node.attributes.get("axes", (0, 2, 3))]})


def _lrn(node: Node, graph: Graph) -> NativeStep | None:
    is_bounded = 1 <= int(node.attributes["size"]) <= LARGEST_KERNEL
    return with_attributes(size=1, alpha=1e-4, beta=0.75, bias=1.0)(node, graph) if is_bounded else None


def _pool(*more: tuple[str, int]) -> Rule:
    """Pooling with whole numbers besides the window's, which have defaults."""

    def find(node: Node, _: Graph) -> NativeStep | None:
        window = window_attributes(node)
        if window is None:
            return None
        names = {"ceil_mode": 0, **dict(more)}
        return _step(node, window | {name: int(node.attributes.get(name, value)) for name, value in names.items()})

    return find


def _max_pool(node: Node, graph: Graph) -> NativeStep | None:
    if dtype_of(graph, node.inputs[0]) not in ("float32", "int8", "uint8"):
        return None
    return _pool(("storage_order", 0))(node, graph)


def _conv(node: Node, graph: Graph) -> NativeStep | None:
    window, weight = window_attributes(node), graph.value(node.inputs[1])
    x = graph.value(node.inputs[0])
    shapes = [value.shape for value in (x, weight) if value is not None and value.shape is not None]
    if window is None or any(len(shape) > 5 for shape in shapes):
        return None
    return _step(node, window | {"isa": runtime.current_isa(), "group": int(node.attributes.get("group", 1))})


def _conv_transpose(node: Node, graph: Graph) -> NativeStep | None:
    step = _conv(node, graph)
    if step is None:
        return None
    sizes = {name: [int(size) for size in node.attributes.get(name, ())] for name in ("output_padding", "output_shape")}
    if not all(0 <= size <= LARGEST_STEP for name in sizes for size in sizes[name]):
        return None
    return _step(node, step.attributes | sizes)


def _resize(node: Node, graph: Graph) -> NativeStep | None:
    said = node.attributes
    texts = {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"}
    if (
        dtype_of(graph, node.inputs[0]) != "float32"
        or said.get("antialias")
        or said.get("keep_aspect_ratio_policy", "stretch") != "stretch"
        or said.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    ):
        return None
    attributes = {
        **{name: str(said.get(name, default)) for name, default in texts.items()},
        "cubic_coeff_a": float(said.get("cubic_coeff_a", -0.75)),
        "exclude_outside": int(said.get("exclude_outside", 0)),
        "axes": [int(axis) for axis in said.get("axes", ())],
    }
    return _step(node, attributes)


COMPUTING: dict[str, Rule] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _float32(_along_axis)),
    "LayerNormalization": _float32(_layer_normalization),
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization"), _float32(_group_normalization)),
    "BatchNormalization": _float32(_batch_normalization),
    "LpNormalization": _float32(with_attributes(axis=-1, p=2)),
    "MeanVarianceNormalization": _float32(_mean_variance_normalization),
    "LRN": _float32(_lrn),
    "Conv": _float32(_conv),
    "ConvTranspose": _float32(_conv_transpose),
    "MaxPool": _max_pool,
    "AveragePool": _float32(_pool(("count_include_pad", 0))),
    "LpPool": _float32(_pool(("p", 2))),
    "Resize": _resize,
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _float32(plain)),
}
