"""Inference with pruned neural networks that really is faster on CPUs.

`load` turns pruned weights into layers; everything else is there to choose, to explain, and to measure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparseinf import formats
from sparseinf.errors import CorruptFileError, UnsupportedIsaError, UnsupportedModelError
from sparseinf.linear import SparseLinear
from sparseinf.loading import load
from sparseinf.model import Model
from sparseinf.report import Report
from sparseinf.runtime import available_isas, cpu_info, use_isa
from sparseinf.version import __version__
from sparseinf.weights import SparseWeights

if TYPE_CHECKING:
    from sparseinf.bench.breakeven import breakeven

__all__ = [
    "CorruptFileError",
    "Model",
    "Report",
    "SparseLinear",
    "SparseWeights",
    "UnsupportedIsaError",
    "UnsupportedModelError",
    "__version__",
    "available_isas",
    "breakeven",
    "cpu_info",
    "formats",
    "load",
    "use_isa",
]


def __getattr__(name: str) -> Any:
    """Import what measures only when it is asked for: importing the package stays quick."""
    if name == "breakeven":
        from sparseinf.bench.breakeven import breakeven

        return breakeven
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
