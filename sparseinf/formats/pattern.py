"""The two numbers that name a pattern: `block=(rows, cols)` and `nm=(n, m)`, checked wherever they come in."""

from __future__ import annotations

import operator
from typing import Any

__all__ = ["MAX_PATTERN", "checked_block", "checked_nm"]

MAX_PATTERN = 64
"""The most rows or columns of a block, and the longest group."""


def checked_block(block: Any) -> tuple[int, int]:
    """Return the shape of blocks as two ints.

    Raises
    ------
    TypeError
        If it is no pair of whole numbers.
    ValueError
        If a number is not from 1 to 64.
    """
    rows, columns = _checked_pair(block, "block", "(rows, cols), for instance (4, 1)")
    if not (1 <= rows <= MAX_PATTERN and 1 <= columns <= MAX_PATTERN):
        raise ValueError(f"block must have from 1 to {MAX_PATTERN} rows and columns, but is ({rows}, {columns})")
    return rows, columns


def checked_nm(nm: Any) -> tuple[int, int]:
    """Return the pattern "at most n nonzeros among m neighbours in a row" as two ints.

    Raises
    ------
    TypeError
        If it is no pair of whole numbers.
    ValueError
        Unless 1 <= n <= m <= 64.
    """
    n, m = _checked_pair(nm, "nm", "(n, m), for instance (2, 4)")
    if not 1 <= n <= m <= MAX_PATTERN:
        raise ValueError(f"nm must be (n, m) with 1 <= n <= m <= {MAX_PATTERN}, but is ({n}, {m})")
    return n, m


def _checked_pair(value: Any, name: str, expected: str) -> tuple[int, int]:
    try:
        first, second = map(operator.index, value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a pair of whole numbers {expected}, but is {value!r}") from None
    return first, second
