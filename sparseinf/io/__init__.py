"""Files: bytes in, named tensors or records out, and our own saved files back. Nothing is decided here."""

from __future__ import annotations

from sparseinf.io.artifact import is_artifact, read, write
from sparseinf.io.records import LinearRecord, ModelRecord, Record, WeightsRecord
from sparseinf.io.sources import open_tensors

__all__ = ["LinearRecord", "ModelRecord", "Record", "WeightsRecord", "is_artifact", "open_tensors", "read", "write"]
