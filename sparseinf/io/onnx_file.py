"""ONNX models: what the `onnx` package reads becomes a graph of ours.

The package does what it does well: it checks the model, brings old operators to a newer version, puts the bodies of the
model's own functions in their places and finds out types and shapes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.errors import CorruptFileError, UnsupportedModelError
from sparseinf.graph import Graph, Node, Value

if TYPE_CHECKING:
    import onnx

__all__ = ["read_onnx"]


def read_onnx(source: str | os.PathLike[str] | bytes | Any) -> Graph:
    """Return a model as a graph.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto
        A path's external data must lie in the file's folder, or below.

    Raises
    ------
    ModuleNotFoundError
        If the package onnx is not installed.
    FileNotFoundError
        If there is no such file.
    CorruptFileError
        If it is no ONNX model, or one that contradicts itself.
    UnsupportedModelError
        If it needs what cannot be brought to `Graph.LEAST_OPSET`.
    """
    try:
        import onnx
        from onnx import inliner
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "ONNX models are read with the package onnx, which is not installed; pip install 'sparseinf[onnx]'"
        ) from None
    proto = _checked(_proto_of(source))
    if proto.functions:
        proto = inliner.inline_local_functions(proto, True)
    proto = _converted(proto)
    try:
        return _graph_of(onnx.shape_inference.infer_shapes(proto, check_type=True, data_prop=True))
    except UnsupportedModelError:
        raise
    except onnx.shape_inference.InferenceError as error:
        raise CorruptFileError(f"the model's types and shapes contradict each other: {error}") from error
    except (KeyError, TypeError, ValueError) as error:  # of types and tensors that there are not
        raise CorruptFileError(f"the model describes what cannot be: {error}") from error


def _proto_of(source: str | os.PathLike[str] | bytes | Any) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    if isinstance(source, onnx.ModelProto):
        return source
    try:
        if isinstance(source, bytes | bytearray | memoryview):
            return onnx.load_model_from_string(bytes(source))
        if not Path(source).is_file():
            raise FileNotFoundError(f"there is no file {os.fspath(source)}")
        return onnx.load(os.fspath(source))
    except DecodeError as error:
        raise CorruptFileError(f"this is no ONNX model: {error}") from error
    except onnx.checker.ValidationError as error:  # external data that is missing, or outside the folder
        raise CorruptFileError(f"the model's external data cannot be read: {error}") from error


def _checked(proto: onnx.ModelProto) -> onnx.ModelProto:
    import onnx

    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, UnicodeDecodeError) as error:
        raise CorruptFileError(f"the model is not what ONNX allows: {error}") from error
    return proto


def _converted(proto: onnx.ModelProto) -> onnx.ModelProto:
    import onnx
    from onnx import version_converter

    if _opsets_of(proto).get("", Graph.LEAST_OPSET) >= Graph.LEAST_OPSET:
        return proto
    try:
        # The converter asks for types that only inference tells.
        return version_converter.convert_version(onnx.shape_inference.infer_shapes(proto), Graph.LEAST_OPSET)
    except (RuntimeError, version_converter.ConvertError) as error:
        raise UnsupportedModelError(
            f"the model cannot be brought to version {Graph.LEAST_OPSET} of ONNX's operators: {error}"
        ) from error


def _opsets_of(proto: onnx.ModelProto) -> dict[str, int]:
    return {"" if opset.domain == "ai.onnx" else opset.domain: opset.version for opset in proto.opset_import}


def _graph_of(proto: onnx.ModelProto) -> Graph:
    from onnx import numpy_helper

    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    nodes = []
    names: set[str] = set()
    for node in proto.graph.node:
        attributes = {attribute.name: _attribute_of(attribute) for attribute in node.attribute}
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            constants[node.output[0]] = _constant_of(attributes)
            continue
        op = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        name = node.name if node.name and node.name not in names else next(filter(None, node.output), "")
        names.add(name)
        captures = sorted({read for attribute in node.attribute for read in _captures_of(attribute)})
        nodes.append(Node(op, list(node.input), list(node.output), attributes, name, captures))
    return Graph(
        nodes=nodes,
        inputs=[_value_of(value) for value in proto.graph.input if value.name not in constants],
        outputs=[_value_of(value) for value in proto.graph.output],
        constants=constants,
        values={value.name: _value_of(value) for value in proto.graph.value_info},
        opsets=_opsets_of(proto),
    )


def _captures_of(attribute: onnx.AttributeProto) -> set[str]:
    """Return what graphs in an attribute read and do not make themselves."""
    captured: set[str] = set()
    for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
        made = {value.name for value in [*graph.input, *graph.initializer]}
        for node in graph.node:
            inner = {read for each in node.attribute for read in _captures_of(each)}
            captured.update(name for name in {*node.input, *inner} if name and name not in made)
            made.update(node.output)
        captured.update(output.name for output in graph.output if output.name not in made)
    return captured


def _attribute_of(attribute: onnx.AttributeProto) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list | tuple) or type(value).__name__.startswith("Repeated"):
        return [element.decode() if isinstance(element, bytes) else element for element in value]
    return value


def _constant_of(attributes: dict[str, Any]) -> np.ndarray[Any, Any]:
    ((kind, value),) = attributes.items()
    if kind in ("value_float", "value_floats"):
        return np.array(value, np.float32)
    if kind in ("value_int", "value_ints"):
        return np.array(value, np.int64)
    return np.asarray(value)


def _value_of(value: onnx.ValueInfoProto) -> Value:
    from onnx import helper

    if not value.type.HasField("tensor_type"):
        raise UnsupportedModelError(f"value {value.name!r} is no tensor, but sequences and maps are not supported")
    tensor = value.type.tensor_type
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type)) if tensor.elem_type else np.dtype(np.void)
    if not tensor.HasField("shape"):
        return Value(value.name, dtype)
    shape = tuple(
        extent.dim_value if extent.HasField("dim_value") else extent.dim_param or None for extent in tensor.shape.dim
    )
    return Value(value.name, dtype, shape)
