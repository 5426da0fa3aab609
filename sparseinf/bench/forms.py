"""The formats whose break-even is measured: how `load` is asked for each, and the zeros that it is made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparseinf.bench.patterns import random_weight
from sparseinf.formats import from_any
from sparseinf.linear import SparseLinear

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Form:
    """How a format is asked for, and the pattern of zeros that it is made for."""

    pattern: str
    options: dict[str, Any]


FORMS = {
    "csr": Form("unstructured", {"format": "csr"}),
    **{f"{rows}x1": Form(f"{rows}x1", {"format": "block", "block": (rows, 1)}) for rows in (4, 8, 16)},
    **{f"{n}:{m}": Form(f"{n}:{m}", {"format": "nm", "nm": (n, m)}) for n, m in ((2, 4), (4, 8))},
}


def known_forms(precision: str = "float32") -> tuple[str, ...]:
    """Return the formats that `sparseinf.breakeven` compares: of all it knows, those that `load` makes here.

    Examples
    --------
    >>> "csr" in known_forms()
    True
    """
    return tuple(name for name in FORMS if _is_made(name, precision))


def checked_forms(formats: Sequence[str] | None, precision: str = "float32") -> tuple[str, ...]:
    """Return the formats asked for, all that can be made if none were.

    Raises
    ------
    TypeError
        When they are a single name.
    ValueError
        When one is not known, or cannot be made here.
    """
    if isinstance(formats, str):
        raise TypeError(f"formats must be a sequence of names, but is the text {formats!r}: write [{formats!r}]")
    known = known_forms(precision)
    for name in formats or ():
        if name not in known:
            raise ValueError(f"format {name!r} has no break-even here: choose from {', '.join(known)}")
    return known if formats is None else tuple(dict.fromkeys(formats))


def _is_made(name: str, precision: str) -> bool:
    """Tell whether `load` makes a format at the current level, of a weight that suits it."""
    form = FORMS[name]
    weight = from_any(random_weight((16, 16), 0.8, pattern=form.pattern))
    try:
        SparseLinear.from_format(weight, precision=precision, tune="model", threads=1, **form.options)
    except (TypeError, ValueError):
        return False
    return True
