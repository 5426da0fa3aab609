"""Imports the compiled extension, and says what to do where it is not there."""

from __future__ import annotations

from pathlib import Path

try:
    from sparseinf.runtime import _core
except ImportError as error:
    if error.name not in ("sparseinf.runtime._core", "sparseinf.runtime"):
        raise
    raise ImportError(
        "sparseinf is imported from its source tree, where its compiled part does not exist; "
        "run `pip install .` in that folder and start Python from another one"
    ) from error

__all__ = ["_core", "extension_build"]


def extension_build() -> str:
    """Return a text that another build of the extension does not have: size and time of its file."""
    try:
        facts = Path(_core.__file__).stat()
    except (OSError, TypeError):  # not a file of its own, as in a bundle
        return "unknown"
    return f"{facts.st_size} {facts.st_mtime_ns}"
