"""Instruction-set levels: which there are, and which may be used here.

A level is a ceiling for what is loaded under it. It is set for a block of code by `use_isa`, for a whole process by
the environment variable SPARSEINF_ISA, and is otherwise the highest that the processor has.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from sparseinf.errors import UnsupportedIsaError
from sparseinf.runtime.extension import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["available_isas", "current_isa", "float32_isa", "use_isa"]

_ceiling: ContextVar[str | None] = ContextVar("sparseinf_isa", default=None)


def available_isas() -> tuple[str, ...]:
    """Return the instruction-set levels that this machine runs, lowest first.

    Examples
    --------
    >>> import sparseinf
    >>> sparseinf.available_isas()[0]
    'scalar'
    """
    return _core.available_isas()


def float32_isa(isa: str) -> str:
    """Return the level whose float32 kernels run under a ceiling: levels above avx512 bring kernels for int8 only.

    Examples
    --------
    >>> float32_isa("scalar")
    'scalar'
    """
    level: str = _core.float32_isa(isa)
    return level


@contextmanager
def use_isa(isa: str) -> Iterator[None]:
    """Load nothing above an instruction-set level inside a `with` block.

    The level belongs to the context (thread, task), not to the process. Layers that are loaded inside keep it.

    Parameters
    ----------
    isa : str
        One of `available_isas()`.

    Raises
    ------
    UnsupportedIsaError
        If this machine does not have the level.

    Examples
    --------
    >>> import numpy as np, sparseinf
    >>> with sparseinf.use_isa("scalar"):
    ...     layer = sparseinf.load(np.eye(4, dtype=np.float32))
    >>> layer.isa
    'scalar'
    """
    token = _ceiling.set(_checked(isa, "use_isa"))
    try:
        yield
    finally:
        _ceiling.reset(token)


def current_isa() -> str:
    """Return the level that a layer loaded now would run on."""
    ceiling = _ceiling.get()
    if ceiling is not None:
        return ceiling
    from_environment = os.environ.get("SPARSEINF_ISA")
    if from_environment:
        return _checked(from_environment, "the environment variable SPARSEINF_ISA")
    return available_isas()[-1]


def _checked(isa: str, source: str) -> str:
    if isa not in available_isas():
        raise UnsupportedIsaError(
            f"{source} asks for {isa!r}, but this machine has {', '.join(available_isas())}; choose one of these"
        )
    return isa
