"""In which precisions a weight may run, and what int8 costs in accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparseinf.compile.int8_scales import Int8Scales, too_long_row
from sparseinf.compile.pattern import plain_weight
from sparseinf.formats import Dense, Quantized, quantize
from sparseinf.quantize import ActivationQuantization, calibrate, layer_snr_db

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from sparseinf.compile.options import Int8Options
    from sparseinf.compile.pattern import Pattern
    from sparseinf.formats import Csr, Weight

__all__ = ["PreparedWeight", "prepare_weight"]


@dataclass(frozen=True, eq=False)
class PreparedWeight:
    """A weight as packs are made from it.

    Parameters
    ----------
    plain : Dense or Csr
        In float32; of a weight that came in int8, its integers.
    pattern : Pattern
    precisions : tuple of {"float32", "int8"}
        Those to choose from.
    integers : Dense or Csr, optional
        The weight in int8, whole numbers in float32; where int8 is among the precisions.
    int8_scales : Int8Scales, optional
        What they stand for.
    snr_db : float, optional
        How far the noise of int8 lies below the signal; None where there is nothing to compare with.
    too_long : str, optional
        Which row is too long for int8, where it is that and not the noise that leaves float32 alone.
    """

    plain: Csr | Dense
    pattern: Pattern
    precisions: tuple[str, ...]
    integers: Csr | Dense | None = None
    int8_scales: Int8Scales | None = None
    snr_db: float | None = None
    too_long: str | None = None


def prepare_weight(
    weight: Weight,
    *,
    format: str,
    patterns: dict[str, tuple[int, int]],
    precision: str,
    int8: Int8Options,
    activations: Mapping[str, Any] | None = None,
) -> PreparedWeight:
    """Return a weight in the precisions that an option `precision` allows; one that came in int8 stays as it is.

    Parameters
    ----------
    weight : Weight
    format, patterns
        As `load` takes them.
    precision : {"float32", "int8", "auto"}
    int8 : Int8Options
    activations : mapping, optional
        How x is quantized, as saved files have it, where that is known; what options say goes before it.

    Raises
    ------
    TypeError, ValueError
        If the weight does not fit the pattern that is asked for, or has rows too long for int8, or the samples of the
        calibration are none, or a known static scale is not for the dtype that is asked for.
    """
    if precision == "float32" and not isinstance(weight, Quantized):
        plain, pattern = plain_weight(weight, format, **patterns)
        return PreparedWeight(plain, pattern, ("float32",))
    x_quantization, samples = _quantization_of_x(weight.shape[1], int8, activations)
    if isinstance(weight, Quantized):
        integers, pattern = plain_weight(weight.float32_integers(), format, **patterns)
        if text := too_long_row(integers):
            raise ValueError(f"{text}; load weight.dequantize(), or split the weight along in_features")
        return PreparedWeight(
            integers, pattern, ("int8",), integers, Int8Scales(weight.scales, x_quantization, int8.output)
        )
    plain, pattern = plain_weight(weight, format, **patterns)
    quantized = quantize(plain)
    snr_db = layer_snr_db(plain, quantized, x_quantization, samples)
    if precision == "auto" and snr_db < int8.snr_floor_db:
        return PreparedWeight(plain, pattern, ("float32",), snr_db=snr_db)
    integers, _ = plain_weight(quantized.float32_integers(), "dense" if isinstance(plain, Dense) else "csr")
    if text := too_long_row(integers):
        if precision == "auto":
            return PreparedWeight(plain, pattern, ("float32",), snr_db=snr_db, too_long=text)
        raise ValueError(f"{text}; load the weight with precision='float32' or 'auto', or split it along in_features")
    precisions = ("float32", "int8") if precision == "auto" else ("int8",)
    return PreparedWeight(
        plain, pattern, precisions, integers, Int8Scales(quantized.scales, x_quantization, int8.output), snr_db
    )


def _quantization_of_x(
    in_features: int, int8: Int8Options, activations: Mapping[str, Any] | None
) -> tuple[ActivationQuantization, NDArray[np.float32] | None]:
    """Return how x is quantized, and some rows of it where there are samples."""
    saved = None if activations is None else ActivationQuantization.from_dict(activations)
    dtype = int8.activation_dtype or ("uint8" if saved is None else saved.dtype)
    if int8.calibration is not None:
        method = int8.calibration_method or "minmax"
        gathered = calibrate(int8.calibration, in_features, method=method, dtype=dtype)
        return gathered.activations(), gathered.rows()
    scales = int8.activation_scales or ("column" if saved is None else saved.scales)
    if saved is None or scales != "static":
        return ActivationQuantization(scales, dtype), None
    if dtype != saved.dtype:
        raise ValueError(
            f"activation_dtype is {dtype!r}, but the weight came with a static scale of x for {saved.dtype!r}; add "
            "calibration= to find another, or activation_scales='column' to have none"
        )
    return saved, None
