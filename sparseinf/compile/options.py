"""The options of `load` that concern one layer: which there are, and which values they have."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sparseinf.formats.pattern import checked_block, checked_nm
from sparseinf.quantize import METHODS, ActivationQuantization
from sparseinf.quantize.activation import DTYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Int8Options",
    "check_options",
    "check_said_together",
    "checked_batch",
    "checked_patterns",
    "checked_seconds",
    "split_int8_options",
]

_FORMATS = ("auto", "dense", "csr", "block", "nm")
_TUNINGS = ("measure", "model", "off")
_PRECISIONS = ("float32", "int8", "auto")

MIN_SNR_DB = 30.0
"""What a layer's noise must lie below its signal for `precision="auto"` to take int8, unless it is told otherwise."""


@dataclass(frozen=True)
class Int8Options:
    """The options that only int8 has; `load` tells of them. None: nothing was said, so that what was saved holds."""

    calibration: Any = None
    calibration_method: str | None = None
    activation_dtype: str | None = None
    activation_scales: str | None = None
    output_quantization: Any = None
    min_snr_db: float | None = None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the options."""
        return tuple(field.name for field in fields(cls))

    def said(self) -> list[str]:
        """Return the names of those that were given."""
        return [name for name in self.names() if getattr(self, name) is not None]

    @property
    def snr_floor_db(self) -> float:
        """What `min_snr_db` is, or else its default."""
        return MIN_SNR_DB if self.min_snr_db is None else float(self.min_snr_db)

    @property
    def output(self) -> ActivationQuantization | None:
        """How y becomes 8 bits; None where it stays float32."""
        said = self.output_quantization
        return (
            said if said is None or isinstance(said, ActivationQuantization) else ActivationQuantization.from_dict(said)
        )

    def choice_to_save(self) -> dict[str, Any]:
        """Return what another choice between the precisions needs to know; samples are not saved."""
        dynamic = {"activation_dtype": self.activation_dtype, "activation_scales": self.activation_scales}
        return {"min_snr_db": self.snr_floor_db, **{name: said for name, said in dynamic.items() if said is not None}}


_NO_INT8_OPTIONS = Int8Options()


def check_options(
    *,
    precision: str = "float32",
    format: str = "auto",
    tune: str = "measure",
    block: Any = None,
    nm: Any = None,
    int8: Int8Options = _NO_INT8_OPTIONS,
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
            f"{', '.join(map(repr, unknown))} is no option of load; the formats have block=(rows, cols) and nm=(n, m) "
            f"besides, and int8 has {', '.join(Int8Options.names())}"
        )
    for option, value, allowed in (
        ("precision", precision, _PRECISIONS),
        ("format", format, _FORMATS),
        ("tune", tune, _TUNINGS),
        ("calibration_method", int8.calibration_method, (None, *METHODS)),
        ("activation_dtype", int8.activation_dtype, (None, *DTYPES)),
        ("activation_scales", int8.activation_scales, (None, "column", "tensor")),
    ):
        if value not in allowed:
            names = ", ".join(repr(name) for name in allowed if name is not None)
            raise ValueError(f"{option} must be one of {names}, but is {value!r}")
    patterns = checked_patterns(block=block, nm=nm)
    for name, example in (("block", "block=(4, 1)"), ("nm", "nm=(2, 4)")):
        if name in patterns and format != name:
            raise ValueError(f"{name}={patterns[name]} belongs to format={name!r}, but format is {format!r}")
        if name not in patterns and format == name:
            raise ValueError(f"format={name!r} needs to know the pattern; add for instance {example}")
    _check_int8_options(int8, precision)


def _check_int8_options(int8: Int8Options, precision: str) -> None:
    said = int8.said()
    if precision == "float32" and said:
        raise ValueError(
            f"{said[0]} is for precision='int8' or 'auto', but the layer computes in float32; leave it out, or add one "
            "of these"
        )
    _check_output_quantization(int8, precision)
    floor = int8.min_snr_db
    if floor is not None and (isinstance(floor, bool | str) or not hasattr(floor, "__float__")):
        raise TypeError(f"min_snr_db must be a number of decibels, but is {floor!r}")
    if floor is not None and not math.isfinite(floor):
        raise ValueError(f"min_snr_db must be a finite number of decibels, but is {floor!r}")
    if int8.calibration is not None and int8.activation_scales is not None:
        raise ValueError(
            f"calibration gives x one scale for ever, but activation_scales={int8.activation_scales!r} asks for one a "
            "call; leave out one of the two"
        )


def _check_output_quantization(int8: Int8Options, precision: str) -> None:
    said = int8.output_quantization
    if said is None:
        return
    if not isinstance(said, ActivationQuantization | Mapping):
        raise TypeError(
            "output_quantization must be a sparseinf.quantize.ActivationQuantization, for instance the next layer's, "
            f"but is {said!r}"
        )
    scales = ActivationQuantization.from_dict(said).scales if isinstance(said, Mapping) else said.scales
    if scales != "static":
        raise ValueError(
            f"output_quantization must have a static scale, but has scales={scales!r}; make it with "
            "ActivationQuantization.from_range(low, high)"
        )
    if precision != "int8":
        raise ValueError(
            f"output_quantization needs precision='int8', but precision is {precision!r}: a layer in float32 has no "
            "output in 8 bits"
        )


def check_said_together(precision: str, options: Mapping[str, Any]) -> None:
    """Refuse options of int8 that a call of `load` gives, but that have no effect without others.

    Raises
    ------
    ValueError
        If one has none.
    """
    if options.get("calibration_method") is not None and options.get("calibration") is None:
        raise ValueError(
            "calibration_method says how samples of x become a scale, but there are no samples; add calibration=, or "
            "leave it out"
        )
    if options.get("min_snr_db") is not None and precision == "int8":
        raise ValueError(
            "min_snr_db is for precision='auto', which weighs it, but precision is 'int8'; leave out one of the two"
        )


def split_int8_options(options: Mapping[str, Any]) -> tuple[Int8Options, dict[str, Any]]:
    """Return the options that only int8 has, and the others."""
    names = Int8Options.names()
    others = {name: value for name, value in options.items() if name not in names}
    return Int8Options(**{name: options[name] for name in names if name in options}), others


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
