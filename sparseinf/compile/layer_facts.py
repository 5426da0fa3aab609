"""What a layer remembers of its weight, which itself is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparseinf.compile.candidates import CANDIDATES
from sparseinf.compile.layer_shape import LayerShape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseinf.compile.precision import PreparedWeight
    from sparseinf.formats import Weight

__all__ = ["LayerFacts"]


class LayerFacts:
    """See above; from a weight as it came and as packs were made of it."""

    def __init__(
        self,
        weight: Weight,
        prepared: PreparedWeight,
        packs: Sequence[str],
        threads: int,
        batch: tuple[int, ...] | None,
        tuner_notes: Sequence[str],
    ) -> None:
        self.shape = weight.shape
        self.pattern = prepared.pattern.if_used_by(packs)
        self.layer_shape = LayerShape.of(prepared.plain, self.pattern.strip_fill)
        self.int8 = prepared.int8_scales if CANDIDATES[packs[0]].precision == "int8" else None
        self.precisions = prepared.precisions
        self.snr_db = prepared.snr_db
        self.too_long = prepared.too_long
        self.sparsity = weight.sparsity
        self.source_dtype = weight.source_dtype
        self.threads = threads
        self.batch = batch
        self.tuner_notes = tuner_notes
