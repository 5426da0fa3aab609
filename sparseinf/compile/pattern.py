"""The pattern that a weight was pruned in: given with it, asked for, or found.

Packs are made from a weight's values or its nonzeros alone; the pattern says which packs are worth making, and the
format in which the layer's weight is handed out and saved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sparseinf.formats import NM, Block, Csr, Dense, detect_structure

if TYPE_CHECKING:
    from collections.abc import Collection

    from sparseinf.formats import Format

__all__ = ["UNSTRUCTURED", "Pattern", "plain_weight"]

_STRIP_ROWS = 4  # what pack/block_pack.h makes of blocks of a multiple of this
_STRIP_PACKS = frozenset({"block4x1", "block4x1_int8"})

# A weight of fewer positions is not searched: its calls cost more than its arithmetic.
_LEAST_SEARCHED_POSITIONS = 1 << 12


@dataclass(frozen=True)
class Pattern:
    """How nonzeros stand together.

    Parameters
    ----------
    format : {"csr", "block", "nm"}
        The portable format that holds them best; "csr" for nonzeros anywhere.
    numbers : (int, int), optional
        Rows and columns of a block, or n and m.
    strip_fill : float
        The share of nonzeros among the elements of the 4x1 blocks that hold any; 0.0 if it is not known.
    is_found : bool
        Whether it was found in a weight that came without.
    num_empty_rows, num_empty_columns : int
        Outputs without a nonzero, and inputs that no output looks at, as far as the weight was searched.
    """

    format: str = "csr"
    numbers: tuple[int, int] | None = None
    strip_fill: float = 0.0
    is_found: bool = False
    num_empty_rows: int = 0
    num_empty_columns: int = 0

    def if_used_by(self, packs: Collection[str]) -> Pattern:
        """Return it; but blocks that were found, and that no pack makes use of, are better kept as csr."""
        is_in_vain = self.is_found and self.format == "block" and not _STRIP_PACKS.intersection(packs)
        return replace(self, format="csr", numbers=None, strip_fill=0.0) if is_in_vain else self

    def restored(self, weight: Csr | Dense) -> Format:
        """Return the weight in the pattern's format."""
        if self.format == "csr" or self.numbers is None:
            return weight
        csr = weight.to_csr()
        return Block.from_csr(csr, block=self.numbers) if self.format == "block" else NM.from_csr(csr, nm=self.numbers)

    def __str__(self) -> str:
        if self.numbers is None:
            return "unstructured"
        first, second = self.numbers
        if self.format == "nm":
            return f"{first}:{second}"
        return f"{first}x{second} blocks" + (f", {100 * self.strip_fill:.0f} % full" if self.strip_fill else "")


UNSTRUCTURED = Pattern()
"""Nonzeros anywhere."""


def plain_weight(
    weight: Format, format: str, *, block: tuple[int, int] | None = None, nm: tuple[int, int] | None = None
) -> tuple[Csr | Dense, Pattern]:
    """Return a weight as packs are made from it, and its pattern.

    Parameters
    ----------
    weight : Format
    format : {"auto", "dense", "csr", "block", "nm"}
        "auto" keeps the pattern that a weight comes with, and searches one that comes without.
    block, nm : (int, int), optional
        The pattern that "block" and "nm" ask for.

    Raises
    ------
    ValueError
        If the weight does not fit the pattern that is asked for.
    """
    if format == "block" and block is not None:
        weight = Block.from_csr(weight.to_csr(), block=block)
    elif format == "nm" and nm is not None:
        weight = NM.from_csr(weight.to_csr(), nm=nm)
    elif format in ("dense", "csr"):
        return weight if isinstance(weight, Dense) and format == "dense" else weight.to_csr(), UNSTRUCTURED
    if isinstance(weight, Block):
        fill = weight.num_nonzeros / max(weight.values.size, 1) if weight.block[0] % _STRIP_ROWS == 0 else 0.0
        return weight.to_csr(), Pattern("block", weight.block, fill)
    if isinstance(weight, NM):
        return weight.to_csr(), Pattern("nm", weight.nm)
    if format == "auto" and weight.shape[0] * weight.shape[1] >= _LEAST_SEARCHED_POSITIONS:
        return weight, _found(weight)
    return weight, UNSTRUCTURED


def _found(weight: Csr | Dense) -> Pattern:
    structure = detect_structure(weight)
    found = Pattern(
        is_found=True, num_empty_rows=structure.num_empty_rows, num_empty_columns=structure.num_empty_columns
    )
    if structure.nm:
        return replace(found, format="nm", numbers=next(iter(structure.nm)))
    strips = [block for block in structure.blocks if block[0] % _STRIP_ROWS == 0]
    if not strips:
        return found
    # Blocks of 8 and 16 rows are several of four, which leave out more zeros.
    fill = structure.blocks.get((_STRIP_ROWS, 1), structure.blocks[strips[0]])
    return replace(found, format="block", numbers=strips[0], strip_fill=fill)
