"""Times a whole model against other libraries that run the same ONNX file, turn about, outputs compared."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.bench.machine import machine_sentence
from sparseinf.bench.rivals import missing_packages
from sparseinf.bench.timing import alternate, rest_after_threads
from sparseinf.report import Report

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from sparseinf.model import Model, Port

    Source = str | os.PathLike[str] | bytes | Any
    Call = Callable[[], list[npt.NDArray[Any]]]

__all__ = ["MODEL_RIVALS", "compare_model", "random_feeds"]

COLUMNS = ["contender", "median_ms", "spread", "relative_time", "max_relative_error", "runs"]
NOTES = [
    "relative_time is the median over that of sparseinf: 2 takes twice as long.",
    "spread is the distance between the quartiles over the median.",
    "max_relative_error is the largest distance of an output from onnxruntime's, or else ours, over its largest value.",
]
_UNKNOWN_EXTENT = 128


def random_feeds(model: Model, sizes: Mapping[str, int] | None = None, *, seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Return inputs that fit a model: floats are random, whole numbers and truth values 1.

    Parameters
    ----------
    model : Model
    sizes : mapping of str to int, optional
        Extents by name. Others that are not known are 1 in the first place of a shape, and 128 elsewhere.
    seed : int
    """
    generator = np.random.default_rng(seed)
    return {port.name: _random_array(port, sizes or {}, generator) for port in model.get_inputs()}


def _random_array(port: Port, sizes: Mapping[str, int], generator: np.random.Generator) -> npt.NDArray[Any]:
    shape = [
        extent if isinstance(extent, int) else sizes.get(extent or "", _UNKNOWN_EXTENT if place else 1)
        for place, extent in enumerate(port.shape or [])
    ]
    kind = port.type.removeprefix("tensor(").removesuffix(")")
    if kind == "float":
        return generator.standard_normal(shape, np.float32)
    return np.ones(shape, {"double": "float64"}.get(kind, kind))


def compare_model(
    model: Model,
    source: Source,
    feeds: Mapping[str, npt.NDArray[Any]],
    *,
    against: Sequence[str] | None = None,
    min_seconds: float = 0.5,
) -> Report:
    """Time a model and rivals on the same inputs, with the model's threads.

    Parameters
    ----------
    model : Model
    source : path, bytes or onnx.ModelProto
        What the model was made of: rivals are built from it.
    feeds : mapping of str to array
    against : sequence of str, optional
        Names in `MODEL_RIVALS`; None takes all that are installed.
    min_seconds : float
        The least time that the measurement takes for each contender.

    Raises
    ------
    ValueError
        If a rival that is asked for by name is unknown, not installed, or does not take the model.
    """
    calls: dict[str, Call] = {"sparseinf": partial(model.run, None, feeds)}
    runs, notes = {"sparseinf": repr(model)}, [*NOTES]
    for name in MODEL_RIVALS if against is None else against:
        if name not in MODEL_RIVALS:
            raise ValueError(f"rivals of models are {', '.join(MODEL_RIVALS)}, but {name!r} was asked for")
        missing = missing_packages(name)
        try:
            if missing:
                raise ModuleNotFoundError(f"needs {', '.join(missing)}")
            calls[name] = MODEL_RIVALS[name](source, feeds, model.threads)
        except Exception as error:  # whatever another library says of a model
            if against is not None:
                raise ValueError(f"rival {name!r} cannot be built: {error}") from error
            notes.append(f"{name} is left out: {error:.200}")
            continue
        runs[name] = f"{name} {version(name)}"
    outputs = {name: call() for name, call in calls.items()}
    expected = outputs.get("onnxruntime", outputs["sparseinf"])
    timings = alternate(calls, min_seconds=min_seconds, rest_seconds=rest_after_threads(model.threads))
    rows = [
        {
            "contender": name,
            "median_ms": 1e3 * timing.median_s,
            "spread": timing.spread,
            "relative_time": timing.median_s / timings["sparseinf"].median_s,
            "max_relative_error": max(map(_relative_error, outputs[name], expected), default=0.0),
            "runs": runs[name],
        }
        for name, timing in timings.items()
    ]
    return Report(f"benchmark, threads = {model.threads}", COLUMNS, rows, [*notes, machine_sentence()])


def _relative_error(y: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    if y.shape != expected.shape:
        return float("inf")
    if y.size == 0:
        return 0.0
    scale = float(np.abs(expected.astype(np.float64)).max())
    return float(np.abs(y.astype(np.float64) - expected.astype(np.float64)).max()) / (scale or 1.0)


def _onnxruntime(source: Source, feeds: Mapping[str, npt.NDArray[Any]], threads: int) -> Call:
    from sparseinf.bench.rivals.onnx_runtime import session_of

    session = session_of(_file_or_bytes(source), threads)
    return lambda: list(session.run(None, dict(feeds)))


def _openvino(source: Source, feeds: Mapping[str, npt.NDArray[Any]], threads: int) -> Call:
    from sparseinf.bench.rivals.open_vino import compiled_model

    arrays = list(feeds.values())
    compiled = compiled_model(_file_or_bytes(source), [array.shape for array in arrays], threads)
    request = compiled.create_infer_request()

    def call() -> list[npt.NDArray[Any]]:
        found = request.infer(arrays, share_inputs=True)
        return [np.asarray(found[port]) for port in compiled.outputs]

    return call


def _file_or_bytes(source: Source) -> str | bytes:
    if hasattr(source, "SerializeToString"):
        serialized: bytes = source.SerializeToString()
        return serialized
    return source if isinstance(source, bytes) else str(source)


MODEL_RIVALS: dict[str, Callable[[Source, Mapping[str, npt.NDArray[Any]], int], Call]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
"""What runs whole models beside us."""
