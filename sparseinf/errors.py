"""The exceptions that sparseinf adds to Python's own.

All three are `ValueError`: code that only asks "was my input at fault?" needs to catch nothing else.
A wrong kind of argument stays a `TypeError`, a missing file a `FileNotFoundError`.
"""

from __future__ import annotations

__all__ = ["CorruptFileError", "UnsupportedIsaError", "UnsupportedModelError"]


class CorruptFileError(ValueError):
    """A file is truncated, damaged, or says something about itself that is not true."""


class UnsupportedModelError(ValueError):
    """A model or a saved file needs something that this version of sparseinf does not have."""


class UnsupportedIsaError(ValueError):
    """An instruction set level was asked for that this processor or this build does not offer."""
