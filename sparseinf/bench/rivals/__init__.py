"""The libraries we measure ourselves against, each given the same layers in the best form it has.

Our own dense format is one of them: a sparse layer must beat the best dense one there is, ours included.
A rival prepares its weights once (that is not timed) and then maps x (N, in_features) to y (N, out_features)
with bias and activation. Sparse rivals may hand back y transposed in memory: copying it would be our rule,
not theirs. Threads are held by the setting that each library offers for it.

Dense layers in int8 are rivals of their own, for int8 layers to beat. Weights have a scale a row, as ours; a weight
that is quantized already keeps its integers. x arrives and y leaves in float32.

Importing this imports none of the other libraries.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from sparseinf.bench.rivals.contender import Contender
from sparseinf.bench.rivals.numpy_scipy import build_numpy, build_scipy
from sparseinf.bench.rivals.onnx_runtime import (
    build_onnxruntime,
    build_onnxruntime_int8,
    build_onnxruntime_int8_blockwise,
    build_onnxruntime_int8_static,
)
from sparseinf.bench.rivals.open_vino import build_openvino, build_openvino_int8
from sparseinf.bench.rivals.own import build_sparseinf_dense, build_sparseinf_dense_int8
from sparseinf.bench.rivals.pytorch import build_torch, build_torch_csr
from sparseinf.bench.rivals.pytorch_int8 import build_torch_int8

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sparseinf.io import LinearRecord

__all__ = ["Contender", "build", "choose", "dense_rivals", "known_rivals", "missing_packages", "static_rivals"]


@dataclass(frozen=True)
class _Rival:
    """How to build a rival, and what must be installed for it.

    `is_dense`: it is what a sparse layer of the same precision has to beat. `is_static`: it is built with samples of x
    to find its scales on.
    """

    build: Callable[..., Contender]
    packages: tuple[str, ...] = ()
    precision: str = "float32"
    is_dense: bool = True
    is_static: bool = False


_ONNX = ("onnxruntime", "onnx")
_OPENVINO = ("openvino", "onnx")
_RIVALS = {
    "sparseinf_dense": _Rival(build_sparseinf_dense),
    "numpy": _Rival(build_numpy, ("threadpoolctl",)),
    "scipy": _Rival(build_scipy, ("scipy",), is_dense=False),
    "torch": _Rival(build_torch, ("torch",)),
    "torch_csr": _Rival(build_torch_csr, ("torch",), is_dense=False),
    "onnxruntime": _Rival(build_onnxruntime, _ONNX),
    "openvino": _Rival(build_openvino, _OPENVINO),
    "sparseinf_dense_int8": _Rival(build_sparseinf_dense_int8, precision="int8"),
    "torch_int8": _Rival(build_torch_int8, ("torch",), "int8"),
    "onnxruntime_int8": _Rival(build_onnxruntime_int8, _ONNX, "int8"),
    "onnxruntime_int8_static": _Rival(build_onnxruntime_int8_static, _ONNX, "int8", is_static=True),
    "onnxruntime_int8_blockwise": _Rival(build_onnxruntime_int8_blockwise, _ONNX, "int8"),
    "openvino_int8": _Rival(build_openvino_int8, _OPENVINO, "int8", is_static=True),
}


def known_rivals(precision: str | None = None) -> tuple[str, ...]:
    """Return the names that `build` takes, whether installed or not: all, or those of one precision.

    Examples
    --------
    >>> known_rivals("float32")
    ('sparseinf_dense', 'numpy', 'scipy', 'torch', 'torch_csr', 'onnxruntime', 'openvino')
    >>> known_rivals("int8")[:3]
    ('sparseinf_dense_int8', 'torch_int8', 'onnxruntime_int8')
    >>> known_rivals("int8")[3:]
    ('onnxruntime_int8_static', 'onnxruntime_int8_blockwise', 'openvino_int8')
    """
    return tuple(name for name, rival in _RIVALS.items() if precision in (None, rival.precision))


def dense_rivals(precision: str = "float32") -> tuple[str, ...]:
    """Return the names of those that run the weight densely: the fastest of them is what to beat.

    Examples
    --------
    >>> dense_rivals()
    ('sparseinf_dense', 'numpy', 'torch', 'onnxruntime', 'openvino')
    >>> dense_rivals("int8") == known_rivals("int8")
    True
    """
    return tuple(name for name in known_rivals(precision) if _RIVALS[name].is_dense)


def static_rivals() -> tuple[str, ...]:
    """Return the names of those whose activations have static scales, found on the `calibration` of `build`.

    Examples
    --------
    >>> static_rivals()
    ('onnxruntime_int8_static', 'openvino_int8')
    """
    return tuple(name for name, rival in _RIVALS.items() if rival.is_static)


def missing_packages(name: str) -> list[str]:
    """Return what would have to be installed before `build` could build this rival.

    Examples
    --------
    >>> missing_packages("numpy")
    []
    """
    return [package for package in _RIVALS[name].packages if find_spec(package) is None]


def build(
    name: str,
    layers: Sequence[LinearRecord],
    *,
    threads: int = 1,
    calibration: NDArray[np.float32] | None = None,
) -> Contender:
    """Build one rival from a stack of layers.

    Parameters
    ----------
    name : str
        One of `known_rivals()`.
    layers : sequence of LinearRecord
        At least one layer; the output of one is the input of the next.
    threads : int
        How many threads the rival may use.
    calibration : float32, shape (N, in_features), optional
        Samples of x, for rivals whose activations have static scales; normally distributed ones if left out.

    Raises
    ------
    ValueError
        When the name is not known, a package that the rival needs is not installed, or the library cannot
        run one of the layers. The message names the rival.
    """
    if name not in _RIVALS:
        raise ValueError(f"{name!r} is not a rival we know: choose from {', '.join(_RIVALS)}")
    missing = missing_packages(name)
    if missing:
        raise ValueError(
            f"rival {name!r} needs {' and '.join(missing)}, not installed here: "
            f"run pip install {' '.join(missing)} or leave this rival out"
        )
    rival = _RIVALS[name]
    try:
        if not rival.is_static:
            return rival.build(name, layers, threads)
        if calibration is None:
            calibration = _normal_samples(layers[0].weight.shape[1])
        return rival.build(name, layers, threads, calibration)
    except ValueError as error:
        raise ValueError(f"rival {name!r} cannot be built: {error}") from error


def _normal_samples(in_features: int) -> NDArray[np.float32]:
    return np.random.default_rng(3).standard_normal((64, in_features), dtype=np.float32)


def choose(
    against: Sequence[str] | None,
    layers: Sequence[LinearRecord],
    *,
    threads: int = 1,
    calibration: NDArray[np.float32] | None = None,
) -> tuple[list[Contender], list[str]]:
    """Build the rivals that were asked for.

    Parameters
    ----------
    against : sequence of str, or None
        Names, each of which must work; None takes every rival that can be built here.
    layers, threads, calibration
        As in `build`.

    Returns
    -------
    list of Contender, list of str
        The rivals, and one sentence for each that was left out (only with `against=None`).

    Raises
    ------
    TypeError
        If `against` is a single name.
    ValueError
        As in `build`, for rivals asked for by name.
    """
    if isinstance(against, str):
        raise TypeError(f"against must be a sequence of names, but is the text {against!r}: write [{against!r}]")
    if against is not None:
        names = dict.fromkeys(against)
        return [build(name, layers, threads=threads, calibration=calibration) for name in names], []
    rivals: list[Contender] = []
    left_out: list[str] = []
    for name in _RIVALS:
        try:
            rivals.append(build(name, layers, threads=threads, calibration=calibration))
        except ValueError as error:
            left_out.append(f"left out: {error}")
    return rivals, left_out
