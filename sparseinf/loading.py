"""`load`: whatever holds weights becomes layers that run fast."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseinf.compile.options import check_said_together, checked_batch
from sparseinf.compile.tune import TUNE_SECONDS
from sparseinf.errors import CorruptFileError, UnsupportedModelError
from sparseinf.formats import from_any
from sparseinf.io import LinearRecord, ModelRecord, is_artifact, open_tensors, read
from sparseinf.io.onnx_file import read_onnx
from sparseinf.linear import SparseLinear
from sparseinf.model import Model
from sparseinf.weights import SparseWeights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sparseinf.compile.activation import Activation
    from sparseinf.io import Record

__all__ = ["load"]

_DEFAULTS: dict[str, Any] = {
    "precision": "float32",
    "format": "auto",
    "batch": None,
    "threads": None,
    "tune": "measure",
    "tune_seconds": TUNE_SECONDS,
    "calibration": None,
}


def load(
    source: Any,
    *,
    bias: Any = None,
    activation: Activation = None,
    precision: str = "float32",
    format: str = "auto",
    batch: int | Iterable[int] | None = None,
    threads: int | None = None,
    tune: str = "measure",
    tune_seconds: float = TUNE_SECONDS,
    calibration: Any = None,
    **format_options: Any,
) -> SparseLinear | SparseWeights | Model:
    """Compile pruned weights for this machine.

    Parameters
    ----------
    source : array, mapping or path
        A 2-D weight of shape (out_features, in_features) - a NumPy array, torch tensor, scipy.sparse matrix or one of
        `sparseinf.formats` - gives a `SparseLinear`. A mapping of names to arrays, a torch state dict, or a
        file (.npz, .safetensors, .pt, .pth) gives `SparseWeights`. A file that `save` wrote gives what was
        saved, with the options that it was made with wherever one here is left at its default. An ONNX model - a
        file (.onnx), its bytes, or an onnx.ModelProto - gives a `Model`.
    bias : float32, shape (out_features,), optional
        For a single weight.
    activation : None, str or tuple, optional
        For a single weight: "relu", "relu6", ("clip", low, high), "gelu", "gelu_tanh", "silu", "hardswish",
        "hardsigmoid", "sigmoid", "tanh" or ("leaky_relu", slope).
    precision : {"float32", "int8", "auto"}
        What the layers compute in. "int8": weights with a scale a row, activations quantized as they come, sums exact
        in 32 bits. "auto": the faster of the two for each layer, as long as its signal-to-noise ratio in int8 is at
        least `min_snr_db` and 32 bits hold its sums. Weights that come in int8 stay in int8.
    format : {"auto", "dense", "csr", "block", "nm"}
        "auto" takes for each range of columns what is fastest; dense is always among the candidates. Blocks and n:m
        patterns that the weight was pruned in are found. "block" needs `block=(rows, cols)`, "nm" needs `nm=(n, m)`:
        at most n nonzeros in each group of m neighbours along in_features.
    batch : int, iterable of int, or None
        Numbers of rows of x to be good at; None is all of them. Every number works in any case.
    threads : int, optional
        How many threads a call may use: the cores of this process, or SPARSEINF_NUM_THREADS.
    tune : {"measure", "model", "off"}
        How formats are chosen. "measure": the best few by the cost model are timed on the weight itself, or taken
        from a layer like it in this load or in the cache; a measurement overrules the model only beyond 5 %.
        "model": by the cost model alone, the same on every load. "off": as "model", and for ever without the cache.
    tune_seconds : float
        How long a load measures at most, all layers together; beyond it the cost model decides. Calls never measure.
    calibration : float32 array of shape (..., in_features), or iterable of such arrays, optional
        Samples of x for int8: a static scale and zero point are found with them, instead of those of each row. For a
        file or mapping a mapping of names to samples; layers without samples stay dynamic.
    **format_options
        `block` and `nm` as above. For int8 also `calibration_method` ("minmax", "percentile" or "mse"),
        `activation_dtype` ("uint8", asymmetric, or "int8", symmetric), `activation_scales` ("column": one for each row
        of x; "tensor": one a call) and, with "auto", `min_snr_db` (30). The first of each list is the default, unless
        the weight came with a quantization of x: then what is given here goes before it. A single weight in int8 may
        have an `output_quantization`, a `sparseinf.quantize.ActivationQuantization` with a static scale: y is then
        uint8, for a next layer whose `input_quantization` it is.

    Returns
    -------
    SparseLinear, SparseWeights or Model

    Raises
    ------
    TypeError
        If the source is of a kind, or a weight of a dtype, that cannot be loaded.
    ValueError
        If a weight is not 2-D, holds NaN or infinity, or an option is unknown; `CorruptFileError` if a file is
        damaged, `UnsupportedIsaError` if SPARSEINF_ISA names a level that this machine does not have.
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    Measured times are kept in the user's cache folder, in a file for this processor and this version. The environment
    variable SPARSEINF_CACHE names another folder, or is "off". `explain()` tells which times were measured.

    Examples
    --------
    >>> import numpy as np, sparseinf
    >>> weight = np.random.default_rng(0).standard_normal((256, 512), np.float32)
    >>> weight[abs(weight) < 1.6] = 0
    >>> layer = sparseinf.load(weight, activation="relu")
    >>> layer(np.ones((3, 512), np.float32)).shape
    (3, 256)
    >>> layer.format
    'csr'
    >>> sparseinf.load(np.repeat(weight[::8], 8, axis=0), format="block", block=(8, 1)).format
    'block'
    """
    options: dict[str, Any] = {
        "precision": precision,
        "format": format,
        "batch": checked_batch(batch),  # once: an iterator would be used up by the first layer
        "threads": threads,
        "tune": tune,
        "tune_seconds": tune_seconds,
        "calibration": calibration,
        **format_options,
    }
    check_said_together(precision, options)
    # scipy's matrices as dictionaries of keys are mappings too, but have a shape.
    is_mapping = isinstance(source, Mapping) and not hasattr(source, "shape")
    is_model = isinstance(source, bytes) or hasattr(source, "SerializeToString")
    if is_mapping or is_model or isinstance(source, str | os.PathLike):
        if bias is not None or activation is not None:
            raise TypeError("bias and activation belong to a single weight; a file or mapping brings its own")
        if is_model:
            return _load_model(source, options)
        if is_mapping:
            return SparseWeights.from_tensors(open_tensors(source), **options)
        return _load_file(os.fspath(source), options)
    if hasattr(source, "state_dict"):
        raise TypeError(
            "a torch.nn.Module was given, but weights are expected; use load(module.state_dict()), or "
            "sparseinf.torch.sparsify(module) to replace its layers"
        )
    return SparseLinear.from_format(from_any(source), bias=bias, activation=activation, **options)


def _load_model(source: Any, options: dict[str, Any]) -> Model:
    calibration = options.pop("calibration")
    if calibration is not None:
        raise UnsupportedModelError(
            "calibration of whole models is not supported yet; leave it out: int8 then quantizes as x comes"
        )
    return Model.from_graph(read_onnx(source), source=source, **options)


def _load_file(path: str, options: dict[str, Any]) -> SparseLinear | SparseWeights | Model:
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.endswith(".onnx"):
        return _load_model(path, options)
    if is_artifact(path):
        record = read(path)
        try:
            return _compile_record(record, options)
        except CorruptFileError as error:
            raise CorruptFileError(f"{path} is damaged: {error}") from None
    return SparseWeights.from_tensors(open_tensors(path), **options)


def _compile_record(record: Record, options: dict[str, Any]) -> SparseLinear | SparseWeights | Model:
    # Where the caller says nothing, what was saved holds.
    said = {name: value for name, value in options.items() if not _is_default(name, value)}
    if isinstance(record, LinearRecord):
        return SparseLinear.from_record(record, **said)
    if isinstance(record, ModelRecord):
        return Model.from_record(record, **said)
    return SparseWeights.from_record(record, **said)


def _is_default(name: str, value: Any) -> bool:
    if name not in _DEFAULTS:
        return False
    default = _DEFAULTS[name]
    return value is None if default is None else bool(value == default)  # an array == None is an array
