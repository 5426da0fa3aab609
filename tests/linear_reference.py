"""What the tests of layers hold results against: float64 NumPy, a rigorous error bound, arrays behind guard pages."""

from __future__ import annotations

import ctypes
import math
import mmap

import numpy as np

EPSILON = 2.0**-24


def sparse_weight(shape, sparsity, *, seed=0):
    """A normal random weight with zeros at random places, one empty row and one full row where there are enough."""
    generator = np.random.default_rng([seed, *shape, int(1000 * sparsity)])
    weight = generator.standard_normal(shape).astype(np.float32)
    weight[generator.random(shape) < sparsity] = 0
    if shape[0] > 2:
        weight[1] = 0
        weight[2] = generator.standard_normal(shape[1])
    return weight


def product(x, weight, bias=None, residual=None):
    """The exact sums, and how far float32 ones may be from them (depth * epsilon * sum of magnitudes)."""
    x64, weight64 = x.astype(np.float64), weight.astype(np.float64)
    sums = x64 @ weight64.T
    magnitudes = np.abs(x64) @ np.abs(weight64).T
    for term in (bias, residual):
        if term is not None:
            sums = sums + term
            magnitudes = magnitudes + np.abs(term)
    depth = np.count_nonzero(weight, axis=1) + 3
    return sums, depth * EPSILON * magnitudes + 1e-38


_erf = np.vectorize(math.erf, otypes=[np.float64])


def activate(sums, activation):
    """Every activation of the interface, by its definition."""
    with np.errstate(all="ignore"):
        match activation:
            case None:
                return sums
            case "relu":
                return np.maximum(sums, 0)
            case "relu6":
                return np.clip(sums, 0, 6)
            case ("clip", low, high):
                return np.clip(sums, low, high)
            case "gelu":
                return 0.5 * sums * (1 + _erf(sums / math.sqrt(2)))
            case "gelu_tanh":
                return 0.5 * sums * (1 + np.tanh(math.sqrt(2 / math.pi) * (sums + 0.044715 * sums**3)))
            case "silu":
                return sums / (1 + np.exp(-sums))
            case "hardswish":
                return sums * np.clip(sums + 3, 0, 6) / 6
            case "hardsigmoid":
                return np.clip(sums + 3, 0, 6) / 6
            case "sigmoid":
                return 1 / (1 + np.exp(-sums))
            case "tanh":
                return np.tanh(sums)
            case ("leaky_relu", slope):
                return np.where(sums < 0, slope * sums, sums)
    raise AssertionError(activation)


_libc = ctypes.CDLL(None, use_errno=True)


def guarded(array, *, at_end=True):
    """A copy of the array that ends (or begins) at a page that must not be touched."""
    page = mmap.PAGESIZE
    size = -(-max(array.nbytes, 1) // page) * page
    region = mmap.mmap(-1, size + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    for guard in (start, start + page + size):
        assert _libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 0) == 0
    offset = page + (size - array.nbytes if at_end else 0)
    copy = np.frombuffer(region, dtype=array.dtype, count=array.size, offset=offset).reshape(array.shape)
    copy[...] = array
    return copy
