"""Small numbers in as few bits as they need: each takes so many bits, the lowest first, in bytes without gaps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["num_packed_bytes", "pack_bits", "unpack_bits"]


def num_packed_bytes(count: int, num_bits: int) -> int:
    """Return how many bytes so many numbers take."""
    return -(-count * num_bits // 8)


def pack_bits(numbers: npt.NDArray[np.uint8], num_bits: int) -> npt.NDArray[np.uint8]:
    """Return numbers below 2^num_bits, with 0 to 8 bits each, in bytes without gaps."""
    num_words = -(-numbers.size // 8)
    lanes = np.zeros((num_words, 8), np.uint8)  # eight numbers become a word, of which `num_bits` bytes are used
    lanes.reshape(-1)[: numbers.size] = numbers
    words = np.zeros(num_words, "<u8")
    for lane in range(8):
        words |= lanes[:, lane].astype(np.uint64) << lane * num_bits
    return words.view(np.uint8).reshape(-1, 8)[:, :num_bits].reshape(-1)[: num_packed_bytes(numbers.size, num_bits)]


def unpack_bits(data: npt.NDArray[np.uint8], num_bits: int, count: int) -> npt.NDArray[np.uint8]:
    """Return the numbers that `pack_bits` was given.

    Raises
    ------
    ValueError
        If `data` cannot be what it made of so many.
    """
    num_bytes, num_words = num_packed_bytes(count, num_bits), -(-count // 8)
    if data.size != num_bytes:
        raise ValueError(f"{count} positions of {num_bits} bits take {num_bytes} bytes, but there are {data.size}")
    packed = np.zeros(num_words * num_bits, np.uint8)
    packed[:num_bytes] = data
    words = np.zeros((num_words, 8), np.uint8)
    words[:, :num_bits] = packed.reshape(num_words, num_bits)
    lanes = np.empty((num_words, 8), np.uint8)
    for lane in range(8):
        lanes[:, lane] = words.view("<u8")[:, 0] >> lane * num_bits & (1 << num_bits) - 1
    if lanes.reshape(-1)[count:].any():
        raise ValueError("bits are set after its last position")
    return lanes.reshape(-1)[:count]
