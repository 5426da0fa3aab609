"""How x becomes 8 bits: scales and zero points, calibration from samples, and what int8 costs in accuracy."""

from __future__ import annotations

from sparseinf.quantize.activation import ActivationQuantization
from sparseinf.quantize.calibration import METHODS, Calibration, calibrate
from sparseinf.quantize.error import layer_snr_db

__all__ = ["METHODS", "ActivationQuantization", "Calibration", "calibrate", "layer_snr_db"]
