"""The options of `load` that concern one layer: which there are, and which values they have."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from sparseinf.formats.pattern import checked_block, checked_nm

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_options", "checked_batch", "checked_patterns", "checked_seconds"]

_FORMATS = ("auto", "dense", "csr", "block", "nm")
_TUNINGS = ("measure", "model", "off")


def check_options(
    *,
    precision: str = "float32",
    format: str = "auto",
    tune: str = "measure",
    calibration: Any = None,
    block: Any = None,
    nm: Any = None,
    **unknown: Any,
) -> None:
    """Refuse options that no layer has.

    Raises
    ------
    TypeError
        If an option is unknown.
    ValueError
        If one has a value that it cannot have.
    """
    if unknown:
        raise TypeError(
            f"{', '.join(map(repr, unknown))} is no option of load; "
            "the formats have block=(rows, cols) and nm=(n, m) besides"
        )
    for option, value, allowed in (
        ("precision", precision, ("float32",)),
        ("format", format, _FORMATS),
        ("tune", tune, _TUNINGS),
    ):
        if value not in allowed:
            raise ValueError(f"{option} must be one of {', '.join(map(repr, allowed))}, but is {value!r}")
    patterns = checked_patterns(block=block, nm=nm)
    for name, example in (("block", "block=(4, 1)"), ("nm", "nm=(2, 4)")):
        if name in patterns and format != name:
            raise ValueError(f"{name}={patterns[name]} belongs to format={name!r}, but format is {format!r}")
        if name not in patterns and format == name:
            raise ValueError(f"format={name!r} needs to know the pattern; add for instance {example}")
    if calibration is not None:
        raise ValueError("calibration is for precision='int8', but the layer computes in float32; leave it out")


def checked_patterns(*, block: Any = None, nm: Any = None) -> dict[str, tuple[int, int]]:
    """Return those of the options `block` and `nm` that are given.

    Raises
    ------
    TypeError, ValueError
        As `checked_block` and `checked_nm`.
    """
    patterns = {}
    if block is not None:
        patterns["block"] = checked_block(block)
    if nm is not None:
        patterns["nm"] = checked_nm(nm)
    return patterns


def checked_batch(batch: int | Iterable[int] | None) -> tuple[int, ...] | None:
    """Return the numbers of columns that `batch` names.

    Raises
    ------
    TypeError
        If it is neither a whole number, nor several, nor None.
    ValueError
        If it is empty, or a number is out of range.
    """
    if batch is None:
        return None
    try:
        sizes = tuple(map(operator.index, batch if hasattr(batch, "__iter__") else (batch,)))
    except TypeError:
        raise TypeError(f"batch must be a whole number, several of them, or None, but is {batch!r}") from None
    if not sizes or min(sizes) < 1 or max(sizes) >= 2**63:
        raise ValueError(f"batch must name numbers of rows of x, each from 1 to 2^63 - 1, but is {batch!r}")
    return sizes


def checked_seconds(seconds: float) -> float:
    """Return the time that `tune_seconds` names.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is negative, or not finite.
    """
    if isinstance(seconds, bool | str) or not hasattr(seconds, "__float__"):
        raise TypeError(f"tune_seconds must be a number of seconds, but is {seconds!r}")
    number = float(seconds)
    if not 0 <= number < math.inf:
        raise ValueError(f"tune_seconds must be a number of seconds from 0 up, but is {seconds!r}; 0 measures nothing")
    return number
