"""In which precisions a weight may run, and what int8 costs in accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparseinf.compile.int8_scales import Int8Scales, check_sums
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
    """

    plain: Csr | Dense
    pattern: Pattern
    precisions: tuple[str, ...]
    integers: Csr | Dense | None = None
    int8_scales: Int8Scales | None = None
    snr_db: float | None = None


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
        How x is quantized, as saved files have it, where that is known; a calibration goes before it.

    Raises
    ------
    TypeError, ValueError
        If the weight does not fit the pattern that is asked for, or has rows too long for int8, or the samples of the
        calibration are none.
    """
    if precision == "float32" and not isinstance(weight, Quantized):
        plain, pattern = plain_weight(weight, format, **patterns)
        return PreparedWeight(plain, pattern, ("float32",))
    x_quantization, samples = _quantization_of_x(weight.shape[1], int8, activations)
    if isinstance(weight, Quantized):
        integers, pattern = plain_weight(weight.float32_integers(), format, **patterns)
        check_sums(integers)
        return PreparedWeight(integers, pattern, ("int8",), integers, Int8Scales(weight.scales, x_quantization))
    plain, pattern = plain_weight(weight, format, **patterns)
    quantized = quantize(plain)
    snr_db = layer_snr_db(plain, quantized, x_quantization, samples)
    if precision == "auto" and snr_db < int8.min_snr_db:
        return PreparedWeight(plain, pattern, ("float32",), snr_db=snr_db)
    integers, _ = plain_weight(quantized.float32_integers(), "dense" if isinstance(plain, Dense) else "csr")
    check_sums(integers)
    precisions = ("float32", "int8") if precision == "auto" else ("int8",)
    return PreparedWeight(plain, pattern, precisions, integers, Int8Scales(quantized.scales, x_quantization), snr_db)


def _quantization_of_x(
    in_features: int, int8: Int8Options, activations: Mapping[str, Any] | None
) -> tuple[ActivationQuantization, NDArray[np.float32] | None]:
    """Return how x is quantized, and some rows of it where there are samples."""
    if int8.calibration is not None:
        gathered = calibrate(int8.calibration, in_features, method=int8.calibration_method, dtype=int8.activation_dtype)
        return gathered.activations(), gathered.rows()
    if activations is not None:
        return ActivationQuantization.from_dict(activations), None
    return ActivationQuantization(int8.activation_scales, int8.activation_dtype), None
