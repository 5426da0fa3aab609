"""The int8 linear layer in plain NumPy: integers exact, and float32 operations in the order of the kernels.

For row n of x and output m:

    sums[n][m] = sum_k w[m][k] q[n][k]  -  zero[n] * sum_k w[m][k]                                 in int32
    y[n][m] = act( float32(sums[n][m]) * (x_scale[n] * w_scale[m]) + bias[m] + residual[n][m] )    in float32
"""

from __future__ import annotations

import numpy as np
from linear_reference import activate

from sparseinf.quantize import ActivationQuantization

COLUMN_UINT8 = ActivationQuantization()


def quantize_weight(weight):
    """Integers (int8) and scales (float32) of a float32 weight, symmetric, row by row."""
    largest = np.abs(weight).max(axis=1, initial=0)
    scales = np.where(largest > 0, largest / np.float32(127), np.float32(1)).astype(np.float32)
    return np.rint(weight / scales[:, np.newaxis]).astype(np.int8), scales


def quantize_rows(x, activations):
    """The integers of x (uint8), and scales (float32) and zeros (int32) of its rows.

    A row with NaN or infinity, which only the mode "column" takes, has the scale NaN, and so has all of its y.
    """
    assert activations.scales == "column" or np.isfinite(x).all()
    q = np.empty(x.shape, np.uint8)
    scales, zeros = np.empty(len(x), np.float32), np.empty(len(x), np.int32)
    for n, row in enumerate(x):
        if not np.isfinite(row).all():
            q[n] = zeros[n] = 128 if activations.dtype == "int8" else 0
            scales[n] = np.nan
            continue
        scale, inverse, zero = _scale_of(x if activations.scales == "tensor" else row, activations)
        with np.errstate(over="ignore"):
            q[n] = np.clip(np.rint(row * inverse) + np.float32(zero), 0, 255)
        scales[n], zeros[n] = scale, zero
    return q, scales, zeros


def _scale_of(values, activations):
    """Scale, inverse and zero point of values that share them."""
    if activations.scales == "static":
        scale = np.float32(activations.scale)
        return scale, np.float32(1) / scale if scale else scale, activations.zero_point
    low = min(values.min(initial=0), np.float32(0))
    high = max(values.max(initial=0), np.float32(0))
    with np.errstate(all="ignore"):
        if activations.dtype == "int8":
            extent, num_steps, zero = max(-low, high), np.float32(127), 128
        else:
            extent, num_steps, zero = high - low, np.float32(255), 0
        inverse = num_steps / extent
        if not np.isfinite(inverse):
            return np.float32(0), np.float32(0), zero
        scale = extent / num_steps
        return scale, inverse, zero if activations.dtype == "int8" else int(np.rint(-low / scale))


def integer_sums(q, zeros, integers):
    """The exact int32 sums, shape (rows of x, out_features), of the int8 weight (out_features, in_features)."""
    # Products of float64 are quick, and exact: nothing here comes near 2^53.
    products = (q.astype(np.float64) @ integers.T.astype(np.float64)).astype(np.int64)
    corrections = zeros[:, np.newaxis].astype(np.int64) * integers.sum(axis=1, dtype=np.int64)
    for part in (products, corrections, products - corrections):
        assert (np.abs(part) < 2**31).all(), "int32 overflows"
    return (products - corrections).astype(np.int32)


def scaled_sums(sums, scales, weight_scales, bias=None, residual=None):
    """What the activation gets, in float32: one rounding an operation."""
    y = sums.astype(np.float32) * (scales[:, np.newaxis] * weight_scales)
    if bias is not None:
        y = y + bias
    if residual is not None:
        y = y + residual
    assert y.dtype == np.float32
    return y


def int8_linear(x, integers, weight_scales, bias=None, activation=None, residual=None, activations=COLUMN_UINT8):
    """The float32 sums after their activation in float64: None, "relu" and clips leave float32 values."""
    q, scales, zeros = quantize_rows(x, activations)
    sums = integer_sums(q, zeros, integers)
    return activate(scaled_sums(sums, scales, weight_scales, bias, residual).astype(np.float64), activation)
