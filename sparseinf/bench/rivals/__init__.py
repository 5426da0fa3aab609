"""The libraries we measure ourselves against, each given the same layers in the best form it has.

Our own dense format is one of them: a sparse layer must beat the best dense one there is, ours included.
A rival prepares its weights once (that is not timed) and then maps x (N, in_features) to y (N, out_features)
with bias and activation. Sparse rivals may hand back y transposed in memory: copying it would be our rule,
not theirs. Threads are held by the setting that each library offers for it.

Importing this imports none of the other libraries.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sparseinf.bench.rivals.contender import Contender
from sparseinf.bench.rivals.numpy_scipy import build_numpy, build_scipy
from sparseinf.bench.rivals.onnx_runtime import build_onnxruntime, build_onnxruntime_int8
from sparseinf.bench.rivals.open_vino import build_openvino
from sparseinf.bench.rivals.own import build_sparseinf_dense
from sparseinf.bench.rivals.pytorch import build_torch, build_torch_csr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sparseinf.io import LinearRecord

__all__ = ["Contender", "build", "choose", "dense_rivals", "known_rivals", "missing_packages"]


@dataclass(frozen=True)
class _Rival:
    """How to build a rival, and what must be installed for it. `is_dense`: it is what a sparse layer has to beat."""

    build: Callable[[str, Sequence[LinearRecord], int], Contender]
    packages: tuple[str, ...] = ()
    is_dense: bool = True


_RIVALS = {
    "sparseinf_dense": _Rival(build_sparseinf_dense),
    "numpy": _Rival(build_numpy, ("threadpoolctl",)),
    "scipy": _Rival(build_scipy, ("scipy",), is_dense=False),
    "torch": _Rival(build_torch, ("torch",)),
    "torch_csr": _Rival(build_torch_csr, ("torch",), is_dense=False),
    "onnxruntime": _Rival(build_onnxruntime, ("onnxruntime", "onnx")),
    # Dense too, but not the same arithmetic: what float32 layers are measured against are float32 ones.
    "onnxruntime_int8": _Rival(build_onnxruntime_int8, ("onnxruntime", "onnx"), is_dense=False),
    "openvino": _Rival(build_openvino, ("openvino", "onnx")),
}


def known_rivals() -> tuple[str, ...]:
    """Return the names that `build` takes, whether installed or not.

    Examples
    --------
    >>> known_rivals()[:5]
    ('sparseinf_dense', 'numpy', 'scipy', 'torch', 'torch_csr')
    >>> known_rivals()[5:]
    ('onnxruntime', 'onnxruntime_int8', 'openvino')
    """
    return tuple(_RIVALS)


def dense_rivals() -> tuple[str, ...]:
    """Return the names of those that run the weight densely in float32: the fastest of them is what to beat.

    Examples
    --------
    >>> dense_rivals()
    ('sparseinf_dense', 'numpy', 'torch', 'onnxruntime', 'openvino')
    """
    return tuple(name for name, rival in _RIVALS.items() if rival.is_dense)


def missing_packages(name: str) -> list[str]:
    """Return what would have to be installed before `build` could build this rival.

    Examples
    --------
    >>> missing_packages("numpy")
    []
    """
    return [package for package in _RIVALS[name].packages if find_spec(package) is None]


def build(name: str, layers: Sequence[LinearRecord], *, threads: int = 1) -> Contender:
    """Build one rival from a stack of layers.

    Parameters
    ----------
    name : str
        One of `known_rivals()`.
    layers : sequence of LinearRecord
        At least one layer; the output of one is the input of the next.
    threads : int
        How many threads the rival may use.

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
    try:
        return _RIVALS[name].build(name, layers, threads)
    except ValueError as error:
        raise ValueError(f"rival {name!r} cannot be built: {error}") from error


def choose(
    against: Sequence[str] | None, layers: Sequence[LinearRecord], *, threads: int = 1
) -> tuple[list[Contender], list[str]]:
    """Build the rivals that were asked for.

    Parameters
    ----------
    against : sequence of str, or None
        Names, each of which must work; None takes every rival that can be built here.
    layers, threads
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
        return [build(name, layers, threads=threads) for name in dict.fromkeys(against)], []
    rivals: list[Contender] = []
    left_out: list[str] = []
    for name in _RIVALS:
        try:
            rivals.append(build(name, layers, threads=threads))
        except ValueError as error:
            left_out.append(f"left out: {error}")
    return rivals, left_out
