"""What a sparse weight is: portable, immutable, saved to disk, and the same on every CPU."""

from __future__ import annotations

from sparseinf.formats.block import Block
from sparseinf.formats.conversion import Weight, from_any
from sparseinf.formats.csr import Csr
from sparseinf.formats.dense import Dense
from sparseinf.formats.error_statistics import ErrorStatistics
from sparseinf.formats.format import Format
from sparseinf.formats.nm import NM
from sparseinf.formats.quantize import quantize
from sparseinf.formats.quantized import Quantized
from sparseinf.formats.statistics import Statistics, statistics
from sparseinf.formats.structure import Structure, detect_structure

__all__ = [
    "NM",
    "Block",
    "Csr",
    "Dense",
    "ErrorStatistics",
    "Format",
    "Quantized",
    "Statistics",
    "Structure",
    "Weight",
    "detect_structure",
    "from_any",
    "quantize",
    "statistics",
]
