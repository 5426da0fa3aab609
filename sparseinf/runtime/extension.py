"""Imports the compiled extension, and says what to do where it is not there."""

from __future__ import annotations

try:
    from sparseinf.runtime import _core
except ImportError as error:
    if error.name not in ("sparseinf.runtime._core", "sparseinf.runtime"):
        raise
    raise ImportError(
        "sparseinf is imported from its source tree, where its compiled part does not exist; "
        "run `pip install .` in that folder and start Python from another one"
    ) from error

__all__ = ["_core"]
