"""How x becomes 8 bits: whose range sets the scale, and where zero lies.

    q = clip(rint(x * inverse) + zero_point, 0, 255)        x counts as scale * (q - zero_point)

    uint8    low = min(0, min x), high = max(0, max x)
             scale = (high - low) / 255, inverse = 255 / (high - low), zero_point = rint(-low / scale)
    int8     scale = max |x| / 127, inverse = 127 / max |x|, zero_point = 128: kernels know uint8 only, so that int8
             is shifted

All arithmetic is float32. The range always holds 0, which therefore stays exactly 0. A range so small that the inverse
is not finite has scale 0: x counts as 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["DTYPES", "ActivationQuantization", "RangeScales", "scales_of_ranges"]

DTYPES = ("uint8", "int8")
"""What x may become: asymmetric or symmetric."""

_SCALES = ("column", "tensor", "static")
_ZERO_POINT = {"uint8": 0, "int8": 128}  # of a range in which there is nothing but 0


class RangeScales(NamedTuple):
    """What the ranges of x give, one of each for every range."""

    scales: npt.NDArray[np.float32]
    inverses: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.float32]
    """Whole numbers from 0 to 255."""


def scales_of_ranges(low: npt.ArrayLike, high: npt.ArrayLike, dtype: str) -> RangeScales:
    """Return scale, inverse and zero point of ranges with low <= 0 <= high.

    A range that float32 cannot hold has the scale infinity.
    """
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    with np.errstate(all="ignore"):
        num_steps = np.float32(127 if dtype == "int8" else 255)
        extents = np.maximum(-low, high) if dtype == "int8" else high - low
        inverses = np.asarray(num_steps / extents)
        has_steps = np.isfinite(inverses)
        scales = np.where(has_steps, extents / num_steps, np.float32(0))
        zero_points = np.rint(-low / scales) if dtype == "uint8" else np.full_like(scales, _ZERO_POINT[dtype])
    return RangeScales(
        scales,
        np.where(has_steps, inverses, np.float32(0)),
        np.where(has_steps, zero_points, np.float32(_ZERO_POINT[dtype])),
    )


@dataclass(frozen=True)
class ActivationQuantization:
    """How a layer quantizes its x.

    Parameters
    ----------
    scales : {"column", "tensor", "static"}
        Whether each row of x (a column to the kernels) has a scale by its own range, the whole x of a call has one, or
        the scale is always the same.
    dtype : {"uint8", "int8"}
        Asymmetric, with a zero point, or symmetric about 0.
    scale : float, only for static scales
        Becomes the nearest float32. 0.0 makes all x count as 0.
    zero_point : int from 0 to 255, only for static scales
        The uint8 that stands for 0 in the kernels: always 128 for int8.

    Raises
    ------
    TypeError
        If scale or zero_point is no number of its kind.
    ValueError
        If a value is unknown or out of range, or does not go with the others.

    Examples
    --------
    >>> from sparseinf.quantize import ActivationQuantization
    >>> ActivationQuantization.from_range(-1.0, 4.1)
    ActivationQuantization(scales='static', dtype='uint8', scale=0.019999999552965164, zero_point=50)
    >>> ActivationQuantization("tensor", "int8").to_dict()
    {'scales': 'tensor', 'dtype': 'int8'}
    """

    scales: str = "column"
    dtype: str = "uint8"
    scale: float | None = None
    zero_point: int | None = None

    def __post_init__(self) -> None:
        for name, allowed in (("scales", _SCALES), ("dtype", DTYPES)):
            if getattr(self, name) not in allowed:
                names = ", ".join(map(repr, allowed))
                raise ValueError(f"{name} must be one of {names}, but is {getattr(self, name)!r}")
        if self.scales == "static":
            object.__setattr__(self, "scale", _checked_scale(self.scale))
            object.__setattr__(self, "zero_point", _checked_zero_point(self.zero_point, self.scale == 0, self.dtype))
        elif self.scale is not None or self.zero_point is not None:
            raise ValueError(
                f"scale and zero_point belong to scales='static', but scales is {self.scales!r}: leave them out"
            )

    @classmethod
    def from_range(cls, low: float, high: float, dtype: str = "uint8") -> ActivationQuantization:
        """Return the static quantization of x from `low` to `high`; the range is widened to hold 0.

        Raises
        ------
        ValueError
            If the range is not finite, or too wide for float32.
        """
        made = scales_of_ranges(min(0.0, low), max(0.0, high), dtype)
        if not np.isfinite(made.scales) or not low <= high:
            raise ValueError(f"x from {low:g} to {high:g} has no range in float32; repair x, or scale it down")
        return cls("static", dtype, float(made.scales), int(made.zero_points))

    @classmethod
    def from_dict(cls, data: Any) -> ActivationQuantization:
        """Read what `to_dict` wrote.

        Raises
        ------
        TypeError, ValueError
            If it is no such mapping, or says what cannot be.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"a quantization of x is saved as a mapping, but this is a {type(data).__name__}")
        expected = {"scales", "dtype"} | ({"scale", "zero_point"} if data.get("scales") == "static" else set())
        if set(data) != expected:
            raise ValueError(f"a quantization of x must have the fields {sorted(expected)}, but has {sorted(data)}")
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are not None, as plain JSON values."""
        fields = {"scales": self.scales, "dtype": self.dtype, "scale": self.scale, "zero_point": self.zero_point}
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def inverse(self) -> float | None:
        """What x is multiplied by, 1 / scale in float32 (0.0 where the scale is 0); None unless it is static."""
        if self.scale is None:
            return None
        return float(np.float32(1) / np.float32(self.scale)) if self.scale else 0.0


def _checked_scale(scale: Any) -> float:
    if isinstance(scale, bool | str) or not hasattr(scale, "__float__"):
        raise TypeError(f"static scales need a scale, a number, but it is {scale!r}")
    with np.errstate(all="ignore"):
        try:
            number = np.float32(scale)
        except OverflowError:  # whole numbers know no infinity
            number = np.float32(np.inf)
        has_inverse = number == 0 or np.isfinite(np.float32(1) / number)
    if not (0 <= number < np.inf and has_inverse):
        raise ValueError(
            f"scale must be 0 or a positive float32 whose inverse is one too (from 2.94e-39 up), but is {scale!r}"
        )
    return float(number)


def _checked_zero_point(zero_point: Any, is_scale_zero: bool, dtype: str) -> int:
    if isinstance(zero_point, bool) or not hasattr(zero_point, "__index__"):
        raise TypeError(f"static scales need a zero_point, a whole number, but it is {zero_point!r}")
    number = int(zero_point)
    if not 0 <= number <= 255:
        raise ValueError(f"zero_point must be from 0 to 255 (int8 counts as uint8, shifted by 128), but is {number}")
    if (dtype == "int8" or is_scale_zero) and number != _ZERO_POINT[dtype]:
        case = "dtype='int8'" if dtype == "int8" else "scale=0"
        raise ValueError(f"zero_point must be {_ZERO_POINT[dtype]} for {case}, but is {number}")
    return number
