"""`Format`: the ways to hold a weight matrix of float32."""

from __future__ import annotations

from typing import TypeAlias

from sparseinf.formats.block import Block
from sparseinf.formats.csr import Csr
from sparseinf.formats.dense import Dense
from sparseinf.formats.nm import NM

__all__ = ["Format"]

Format: TypeAlias = Dense | Csr | Block | NM
