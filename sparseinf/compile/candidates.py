"""The packs that a layer can run on: one table, and everything else is generic over it.

A new pack is a line in `CANDIDATES`, a function that makes it, and its terms in `cost_model.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf import runtime
from sparseinf.formats import Csr, Dense

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from sparseinf.compile.layer_shape import LayerShape
    from sparseinf.compile.pattern import Pattern
    from sparseinf.compile.precision import PreparedWeight

__all__ = ["CANDIDATES", "Candidate", "LayerPacks", "candidates_of", "plain_weight_of_pack"]

# Packs that are not needed at the moment are kept up to this many bytes together: making one again is cheap.
_SPARE_BYTES = 64 << 20


class LayerPacks:
    """The packs of one weight: each is made when it is first asked for, and freed when another is needed more.

    Parameters
    ----------
    weight : PreparedWeight
    shape : LayerShape
    isa : str
        The level to compile for.
    threads : int
        How many threads may pack.
    """

    def __init__(self, weight: PreparedWeight, shape: LayerShape, isa: str, threads: int) -> None:
        self.weight = weight.plain
        self.scales = weight.int8_scales
        self.shape = shape
        self.isa = isa
        self.threads = threads
        self._integers = weight.integers
        self._packs: dict[str, runtime.Pack] = {}

    def __getitem__(self, name: str) -> runtime.Pack:
        """Return the pack of a candidate."""
        if name not in self._packs:
            self._packs[name] = CANDIDATES[name].make_pack(self)
        return self._packs[name]

    def __contains__(self, name: object) -> bool:
        """Tell whether the pack is there already."""
        return name in self._packs

    def make_room(self, needed: Collection[str]) -> None:
        """Free the packs that are not needed now, if together they are large."""
        spare = [name for name in self._packs if name not in needed]
        if sum(self._packs[name].nbytes for name in spare) > _SPARE_BYTES:
            for name in spare:
                del self._packs[name]

    def scale_arguments(self, name: str) -> dict[str, Any]:
        """Return what a layer takes besides if it runs a candidate of int8; nothing for float32."""
        is_int8 = CANDIDATES[name].precision == "int8"
        return self.scales.arguments() if self.scales is not None and is_int8 else {}

    @cached_property
    def csr(self) -> Csr:
        """The weight without its zeros; several packs are made from it."""
        return self.weight.to_csr()

    @property
    def integers(self) -> Csr | Dense:
        """The int8 weight, whole numbers in float32."""
        if self._integers is None:
            raise ValueError("this weight was not quantized")
        return self._integers

    @cached_property
    def integers_csr(self) -> Csr:
        """The int8 weight without its zeros."""
        return self.integers.to_csr()


@dataclass(frozen=True)
class Candidate:
    """A pack that a layer may run on.

    Parameters
    ----------
    format : {"dense", "csr", "block"}
        The value of `load`'s option that allows it, besides "auto"; the n:m patterns run on the packs of "csr", and so
        do blocks of other than a multiple of four rows.
    make_pack : function of LayerPacks
    precision : {"float32", "int8"}
    """

    format: str
    make_pack: Callable[[LayerPacks], runtime.Pack]
    precision: str = "float32"


def _dense_values(weight: Csr | Dense) -> NDArray[np.float32]:
    return weight.values if isinstance(weight, Dense) else weight.to_dense()


def _make_dense(packs: LayerPacks) -> runtime.Pack:
    return runtime.pack_dense(_dense_values(packs.weight), packs.threads)


def _make_csr(packs: LayerPacks) -> runtime.Pack:
    csr, isa = packs.csr, packs.isa
    # For wide panels, also where narrow ones were asked for: the larger K blocks that these could have make runs of
    # equal trip counts rare. Zen 4, 4096x4096 at 90 % from memory, one column: 1454 us packed for 8, 964 us for 64.
    panel_columns = runtime.csr_panel_columns(isa)
    return runtime.pack_csr(csr.row_offsets, csr.columns, csr.values, csr.shape[1], isa, panel_columns, packs.threads)


def _make_bitmap(packs: LayerPacks) -> runtime.Pack:
    csr = packs.csr
    return runtime.pack_bitmap(csr.row_offsets, csr.columns, csr.values, csr.shape[1], packs.threads)


def _make_sell(packs: LayerPacks) -> runtime.Pack:
    csr = packs.csr
    return runtime.pack_sell(csr.row_offsets, csr.columns, csr.values, csr.shape[1], packs.isa, packs.threads)


def _make_lookup(packs: LayerPacks) -> runtime.Pack:
    csr = packs.csr
    return runtime.pack_lookup(csr.row_offsets, csr.columns, csr.values, csr.shape[1], packs.threads)


def _make_block(packs: LayerPacks) -> runtime.Pack:
    csr = packs.csr
    return runtime.pack_block(csr.row_offsets, csr.columns, csr.values, csr.shape[1], packs.isa, packs.threads)


def _make_dense_int8(packs: LayerPacks) -> runtime.Pack:
    return runtime.pack_dense_int8(_dense_values(packs.integers).astype(np.int8), packs.threads)


def _make_csr_int8(packs: LayerPacks) -> runtime.Pack:
    csr = packs.integers_csr
    return runtime.pack_csr_int8(csr.row_offsets, csr.columns, csr.values, csr.shape[1], packs.isa, packs.threads)


# Zen 4, 4096x4096 at 80 %, us with windows of 64 / 128 columns: 1 column 198 / 221, 4 162 / 236, 8 248 / 403; only
# one column from memory gains by the fuller steps of 128, 8192x8192 at 90 %: 678 / 594.
_LOOKUP_WINDOW = 64


def _make_bitmap_int8(packs: LayerPacks) -> runtime.Pack:
    csr = packs.integers_csr
    return runtime.pack_bitmap_int8(csr.row_offsets, csr.columns, csr.values, csr.shape[1], packs.threads)


def _make_lookup_int8(packs: LayerPacks) -> runtime.Pack:
    csr = packs.integers_csr
    return runtime.pack_lookup_int8(
        csr.row_offsets, csr.columns, csr.values, csr.shape[1], _LOOKUP_WINDOW, packs.threads
    )


def _make_block_int8(packs: LayerPacks) -> runtime.Pack:
    csr = packs.integers_csr
    return runtime.pack_block_int8(csr.row_offsets, csr.columns, csr.values, csr.shape[1], packs.isa, packs.threads)


CANDIDATES: dict[str, Candidate] = {
    "dense": Candidate("dense", _make_dense),
    "csr": Candidate("csr", _make_csr),
    "bitmap": Candidate("csr", _make_bitmap),
    "sell": Candidate("csr", _make_sell),
    "lookup": Candidate("csr", _make_lookup),
    "block4x1": Candidate("block", _make_block),
    "dense_int8": Candidate("dense", _make_dense_int8, "int8"),
    "csr_int8": Candidate("csr", _make_csr_int8, "int8"),
    "bitmap_int8": Candidate("csr", _make_bitmap_int8, "int8"),
    "lookup_int8": Candidate("csr", _make_lookup_int8, "int8"),
    "block4x1_int8": Candidate("block", _make_block_int8, "int8"),
}
"""By the names that the runtime and the cost model have for the packs; the first of equals is taken."""


def candidates_of(format: str, pattern: Pattern, precision: str = "float32") -> list[str]:
    """Return the names of the candidates of one precision that `load`'s option `format` allows for a weight."""
    has_strips = pattern.strip_fill > 0
    allowed = {
        "auto": {"dense", "csr", "block"} if has_strips else {"dense", "csr"},
        "block": {"block"} if has_strips else {"csr"},
        "nm": {"csr"},
    }.get(format, {format})
    return [
        name
        for name, candidate in CANDIDATES.items()
        if candidate.format in allowed and candidate.precision == precision
    ]


def plain_weight_of_pack(pack: runtime.Pack, shape: tuple[int, int], source_dtype: str) -> Csr | Dense:
    """Return the weight that a pack was made from; the integers of an int8 one."""
    if pack.kind in ("dense", "dense_int8"):
        return Dense.unchecked(pack.to_dense().astype(np.float32, copy=False), source_dtype=source_dtype)
    row_offsets, columns, values = pack.to_csr()
    return Csr.unchecked(shape, values, columns, row_offsets, source_dtype=source_dtype)
