"""`Model`: a whole network, compiled for this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf import runtime
from sparseinf.compile.segments import NativeSegment, make_segments
from sparseinf.compile.tune import TUNE_SECONDS, tuner_of_load
from sparseinf.formats import from_any
from sparseinf.graph import LAYER_OPERATORS
from sparseinf.graph.passes import rewrite
from sparseinf.io import LinearRecord, ModelRecord, write
from sparseinf.linear import SparseLinear
from sparseinf.report import Report

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from sparseinf.graph import Graph, Node, Value

__all__ = ["Model", "Port"]

_TYPE_NAMES = {"float32": "float", "float64": "double"}


@dataclass(frozen=True)
class Port:
    """An input or an output of a model, as ONNX Runtime describes it.

    Parameters
    ----------
    name : str
    shape : list of int, str or None
        Extents; named ones are the same wherever the name is, None may be anything.
    type : str
        For instance "tensor(float)" or "tensor(int64)".
    """

    name: str
    shape: list[int | str | None] | None
    type: str


class Model:
    """A network that `sparseinf.load` made of an ONNX model.

    Calls may come from several threads at once.

    Examples
    --------
    >>> import numpy as np, onnx.parser, sparseinf
    >>> model = sparseinf.load(onnx.parser.parse_model('''
    ...     <ir_version: 10, opset_import: ["": 21]>
    ...     network (float[n, 2] x) => (float[n, 2] y) <float[2, 2] w = {1, 0, 0, 2}>
    ...     { z = MatMul(x, w)  y = Relu(z) }
    ... '''))
    >>> model(np.array([[3, -1], [-3, 1]], np.float32))
    array([[3., 0.],
           [0., 2.]], dtype=float32)
    >>> model.get_inputs()
    [Port(name='x', shape=['n', 2], type='tensor(float)')]
    """

    def __init__(self, graph: Graph, layers: Mapping[str, SparseLinear], *, threads: int, source: Any = None) -> None:
        self._source = source
        self._graph = graph
        self._layers = dict(layers)
        self._threads = threads
        natives = {name: layer.native for name, layer in layers.items()}
        self._segments = make_segments(graph, natives, threads)

    @classmethod
    def from_graph(cls, graph: Graph, *, source: Any = None, **options: Any) -> Model:
        """Compile a graph, which is rewritten.

        Parameters
        ----------
        graph : Graph
        source : path, bytes or onnx.ModelProto, optional
            What it was read from, for rivals to be built of.
        **options
            Those of `sparseinf.load`, the same for all layers.
        """
        rewrite(graph)
        records = {node.name: _record_of(node) for node in graph.nodes if node.op in LAYER_OPERATORS}
        return cls.from_record(ModelRecord(graph, records), source=source, **options)

    @classmethod
    def from_record(
        cls,
        record: ModelRecord,
        *,
        source: Any = None,
        threads: int | None = None,
        tune_seconds: float = TUNE_SECONDS,
        **options: Any,
    ) -> Model:
        """Compile a model as it was saved; `options` go before those that its layers were saved with."""
        with tuner_of_load(tune_seconds, num_layers=len(record.layers)) as tuner:
            layers = {
                name: SparseLinear.from_record(layer, name=name, threads=threads, tuner=tuner, **options)
                for name, layer in record.layers.items()
            }
        return cls(record.graph, layers, threads=runtime.checked_threads(threads), source=source)

    def __call__(self, *inputs: npt.NDArray[Any]) -> npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]:
        """Compute the outputs of inputs in the model's order: an array, or a tuple of several.

        Raises
        ------
        TypeError, ValueError
            As `run`; also if there are too few or too many inputs.
        """
        outputs = self.run(None, self._feeds_of(inputs))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def run(self, output_names: Sequence[str] | None, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Compute outputs by name, as ONNX Runtime's sessions do.

        Parameters
        ----------
        output_names : sequence of str, or None
            Which outputs, in which order; None is all in the model's order.
        feeds : mapping of str to array
            All inputs by name, of the declared types. Strides do not matter.

        Returns
        -------
        list of array

        Raises
        ------
        TypeError
            If an input is no NumPy array of the declared type.
        ValueError
            If an input is missing, unknown or of a shape that does not fit, or there is no such output.
        """
        values = self._checked_feeds(feeds)
        wanted = self._wanted(output_names)
        for segment in self._segments:
            segment.run(values)
        return [self._output(values, name) for name in wanted]

    def profile(self, *inputs: npt.NDArray[Any]) -> Report:
        """Run once, and tell how long each node took, longest first."""
        values = self._checked_feeds(self._feeds_of(inputs))
        rows: list[dict[str, Any]] = []
        for segment in self._segments:
            if isinstance(segment, NativeSegment):
                times_ns = segment.profile(values)
                rows += [_profile_row(node, "native", ns) for node, ns in zip(segment.nodes, times_ns, strict=True)]
            else:
                start = time.perf_counter_ns()
                segment.run(values)
                rows.append(_profile_row(segment.node, "reference", time.perf_counter_ns() - start))
        total = sum(row["time_us"] for row in rows)
        for row in rows:
            row["share_percent"] = 100 * row["time_us"] / total if total else 0.0
        rows.sort(key=lambda row: -row["time_us"])
        return Report(
            f"{len(rows)} nodes, {total / 1e3:.3g} ms", ["node", "operator", "runs", "time_us", "share_percent"], rows
        )

    def benchmark(
        self,
        *inputs: npt.NDArray[Any],
        against: Sequence[str] | None = None,
        source: str | os.PathLike[str] | bytes | Any = None,
    ) -> Report:
        """Time the model beside other libraries on the same inputs, turn about, and compare the results.

        Parameters
        ----------
        *inputs : array
            In the model's order.
        against : sequence of str, optional
            "onnxruntime", "openvino"; None takes all that are installed.
        source : path, bytes or onnx.ModelProto, optional
            What rivals are built from; what the model was loaded from, if that was an ONNX model.

        Raises
        ------
        ValueError
            If a rival that is asked for by name cannot be built, or there is nothing to build one from.
        """
        from sparseinf.bench import compare_model

        source = self._source if source is None else source
        if source is None:
            raise ValueError("rivals are built from an ONNX model, but this one was saved; give its file as source=")
        return compare_model(self, source, self._feeds_of(inputs), against=against)

    def get_inputs(self) -> list[Port]:
        """Return the inputs, in the order in which a call takes them."""
        return [_port(value) for value in self._graph.inputs]

    def get_outputs(self) -> list[Port]:
        """Return the outputs, in the order in which a call returns them."""
        return [_port(value) for value in self._graph.outputs]

    @property
    def threads(self) -> int:
        """How many threads a call may use."""
        return self._threads

    @property
    def layers(self) -> dict[str, SparseLinear]:
        """The layers with packed weights, by the names of their nodes."""
        return dict(self._layers)

    @property
    def reference_operators(self) -> list[str]:
        """The operators of the nodes, one each, that only the package onnx can compute."""
        return [segment.node.op for segment in self._segments if not isinstance(segment, NativeSegment)]

    @property
    def nbytes(self) -> int:
        """Bytes of all packs and constants."""
        constants = sum(array.nbytes for array in self._graph.constants.values())
        return constants + sum(layer.nbytes for layer in self._layers.values())

    def explain(self) -> Report:
        """Return one report with the rows of all layers, and what runs outside the native program."""
        reports = [layer.explain() for layer in self._layers.values()]
        columns = dict.fromkeys(column for report in reports for column in report.columns)
        notes = dict.fromkeys(note for report in reports for note in report.notes)
        slow = self.reference_operators
        if slow:
            names = ", ".join(sorted(set(slow)))
            notes[f"{len(slow)} nodes run by the reference evaluator of onnx, one at a time: {names}."] = None
        return Report(
            f"{len(self._graph.nodes)} nodes, {len(self._layers)} of them layers",
            list(columns) or ["layer"],
            [row for report in reports for row in report.rows],
            list(notes),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file that `sparseinf.load` reads, without onnx where all of it runs natively; atomic.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        write(path, ModelRecord(self._graph, {name: layer.record() for name, layer in self._layers.items()}))

    def __repr__(self) -> str:
        inputs = ", ".join(value.name for value in self._graph.inputs)
        return f"Model({inputs}: {len(self._graph.nodes)} nodes, {len(self._layers)} layers, threads={self._threads})"

    def _feeds_of(self, inputs: Sequence[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        names = [value.name for value in self._graph.inputs]
        if len(inputs) != len(names):
            raise ValueError(f"the model has {len(names)} inputs ({', '.join(names)}), but {len(inputs)} came")
        return dict(zip(names, inputs, strict=True))

    def _checked_feeds(self, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        declared = {value.name: value for value in self._graph.inputs}
        missing, unknown = declared.keys() - feeds.keys(), feeds.keys() - declared.keys()
        if missing or unknown:
            raise ValueError(
                f"the model's inputs are {[*declared]}, but "
                + (f"{sorted(unknown)} came" if unknown else f"{sorted(missing)} are missing")
            )
        named: dict[str, int] = {}
        for name, value in declared.items():
            _check_feed(feeds[name], value, named)
        return dict(feeds)

    def _wanted(self, output_names: Sequence[str] | None) -> list[str]:
        names = [value.name for value in self._graph.outputs]
        if output_names is None:
            return names
        unknown = [name for name in output_names if name not in names]
        if unknown:
            raise ValueError(f"the model's outputs are {names}, but {unknown} were asked for")
        return list(output_names)

    def _output(self, values: dict[str, npt.NDArray[Any]], name: str) -> npt.NDArray[Any]:
        array = values[name] if name in values else self._graph.constants[name]
        is_shared = name in self._graph.constants or any(name == value.name for value in self._graph.inputs)
        return array.copy() if is_shared else array


def _record_of(node: Node) -> LinearRecord:
    """Take the weight out of a layer's node: it lives in the layer from now on."""
    said = node.attributes
    return LinearRecord(from_any(said.pop("weight")), said.pop("bias"), said.pop("activation"))


def _check_feed(array: Any, value: Value, named: dict[str, int]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != value.dtype:
        came = f"dtype {array.dtype}" if isinstance(array, np.ndarray) else f"type {type(array).__name__}"
        raise TypeError(
            f"input {value.name!r} must be a NumPy array of dtype {value.dtype}, but is of {came}; convert it with "
            f".astype(np.{value.dtype})"
        )
    if value.shape is None:
        return
    fits = array.ndim == len(value.shape)
    for extent, size in zip(value.shape, array.shape, strict=True) if fits else ():
        expected = named.setdefault(extent, size) if isinstance(extent, str) else extent
        fits = fits and expected in (None, size)
    if not fits:
        declared = ", ".join("?" if extent is None else str(extent) for extent in value.shape)
        raise ValueError(
            f"input {value.name!r} must have shape ({declared}){_named_text(value.shape, named)}, but has shape "
            f"{array.shape}"
        )


def _named_text(shape: tuple[int | str | None, ...], named: dict[str, int]) -> str:
    known = [f"{extent} = {named[extent]}" for extent in shape if isinstance(extent, str) and extent in named]
    return f" with {', '.join(known)}" if known else ""


def _port(value: Value) -> Port:
    name = _TYPE_NAMES.get(value.dtype.name, value.dtype.name)
    return Port(value.name, None if value.shape is None else list(value.shape), f"tensor({name})")


def _profile_row(node: Any, runs: str, time_ns: int) -> dict[str, Any]:
    return {"node": node.name, "operator": node.op, "runs": runs, "time_us": time_ns / 1e3}
