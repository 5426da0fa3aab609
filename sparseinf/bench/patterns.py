"""Weights with planted zeros: where the zeros of a pruned layer lie, by pattern, sparsity and seed.

Every element gets a score, and those with the lowest scores stay: a weight's zeros only grow with its sparsity, so
that the times of one layer at several sparsities lie on one smooth curve. Patterns:

- "unstructured": each element on its own;
- "4x1", "1x4", ...: blocks of so many rows and columns, from the first element on; cut off at the edges;
- "2:4", ...: of each so many neighbours in a row at most so many stay;
- "skewed": unstructured, every row with a density of its own, log-normal with a standard deviation of a factor e;
- "realistic": like really pruned networks: some rows have up to a thousand times the nonzeros of the mean, some
  columns many more than others, and some rows and columns none at all.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NAMED = ("unstructured", "skewed", "realistic")
_DEAD_ROWS, _DEAD_COLUMNS = 0.1, 0.05
_MOST_OVER_MEAN = 1000.0
# The power of the tail of row lengths: of 3000 rows the longest has 100 to 1000 times the mean.
_TAIL = 1.0


class Planting:
    """One weight whose zeros grow: what stays at a sparsity stays at all lower ones.

    Parameters
    ----------
    shape : (out_features, in_features)
        The shape of the weight.
    pattern : str
        See the top of this file.
    seed : int
        The same seed gives the same weights.

    Raises
    ------
    ValueError
        When the pattern is not known.

    Examples
    --------
    >>> planting = Planting((8, 8), pattern="2:4")
    >>> planting.least_sparsity
    0.5
    >>> int(np.count_nonzero(planting.weight(0.5)))
    32
    """

    def __init__(self, shape: tuple[int, int], *, pattern: str = "unstructured", seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._pattern = checked_pattern(pattern)
        self._values: NDArray[np.float32] = rng.standard_normal(shape, dtype=np.float32)
        self._scores = _scores(shape, pattern, rng)

    @cached_property
    def least_sparsity(self) -> float:
        """The share of elements that are zero whatever is asked for: the dead ones, or those that n:m forbids."""
        return float(np.mean(np.isinf(self._scores))) if self._scores.size else 0.0

    def weight(self, sparsity: float) -> NDArray[np.float32]:
        """Return the weight with this share of zeros, exact to an element or a block.

        Raises
        ------
        ValueError
            When the sparsity is no share, or less than the pattern's own.
        """
        if not 0 <= sparsity <= 1:
            raise ValueError(f"sparsity must lie between 0 and 1, but is {sparsity}")
        count, least = round((1 - sparsity) * self._scores.size), self.least_sparsity
        if count > round((1 - least) * self._scores.size):
            raise ValueError(
                f"the pattern {self._pattern!r} has at least {least:.1%} zeros here, but sparsity = {sparsity} "
                "was asked for: ask for more"
            )
        weight = np.array(self._values)
        if count < weight.size:
            weight[self._scores >= np.partition(self._scores, count, axis=None)[count]] = 0
        return weight


def random_weight(
    shape: tuple[int, int], sparsity: float, *, pattern: str = "unstructured", seed: int = 0
) -> NDArray[np.float32]:
    """Draw a weight with random zeros.

    Parameters
    ----------
    shape : (out_features, in_features)
        The shape of the weight.
    sparsity : float
        The share of zeros to expect, from 0 to 1.
    pattern : str
        "unstructured", "skewed", "realistic", blocks such as "4x1", or n:m such as "2:4".
    seed : int
        The same seed gives the same weight.

    Returns
    -------
    float32, shape (out_features, in_features)

    Raises
    ------
    ValueError
        When the pattern is not known, or cannot have this sparsity.

    Examples
    --------
    >>> weight = random_weight((64, 64), 0.9)
    >>> weight.dtype.name, bool(0.85 < np.mean(weight == 0) < 0.95)
    ('float32', True)
    """
    return Planting(shape, pattern=pattern, seed=seed).weight(sparsity)


def checked_pattern(text: str) -> str:
    """Return the name of a pattern as it came.

    Raises
    ------
    ValueError
        When it is not known, with those that are.

    Examples
    --------
    >>> checked_pattern("16x1")
    '16x1'
    """
    if text in _NAMED or _block_of(text) or _group_of(text):
        return text
    raise ValueError(
        f"pattern {text!r} is not known: choose from {', '.join(_NAMED)}, blocks such as 4x1, or n:m such as 2:4"
    )


def layer_sparsities(sizes: Sequence[int], sparsity: float, *, seed: int = 0) -> list[float]:
    """Spread the sparsity of a whole network over its layers, as pruning by magnitude does.

    Parameters
    ----------
    sizes : sequence of int
        The elements of each layer.
    sparsity : float
        The share of zeros in all of them together.
    seed : int
        The same seed gives the same sparsities.

    Returns
    -------
    list of float
        The densities differ by a log-normal factor with a standard deviation of a factor 1.6.

    Examples
    --------
    >>> shares = layer_sparsities([100, 100, 200], 0.9)
    >>> round(float(np.average(shares, weights=[100, 100, 200])), 6), len(set(shares))
    (0.9, 3)
    """
    factors = np.random.default_rng(seed).lognormal(sigma=np.log(1.6), size=len(sizes))
    weights = np.asarray(sizes) / max(1, sum(sizes))
    # No layer is denser than dense, so the scale is found by halving an interval.
    low, high = 0.0, 1 / min(factors.min(initial=1.0), 1.0)
    for _ in range(60):
        scale = (low + high) / 2
        too_dense = float(weights @ np.minimum(scale * factors, 1)) > 1 - sparsity
        low, high = (low, scale) if too_dense else (scale, high)
    return [float(share) for share in 1 - np.minimum(high * factors, 1)]


def _scores(shape: tuple[int, int], pattern: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the score of every element; infinity for those that are zero in any case."""
    if block := _block_of(pattern):
        counts = [-(-size // step) for size, step in zip(shape, block, strict=True)]
        blocks = rng.random(counts, dtype=np.float32)
        return blocks.repeat(block[0], axis=0).repeat(block[1], axis=1)[: shape[0], : shape[1]]
    scores = rng.random(shape, dtype=np.float32)
    if group := _group_of(pattern):
        return _at_most(*group, scores, rng)
    if pattern == "skewed":
        scores /= rng.lognormal(size=(shape[0], 1)).astype(np.float32)
    if pattern == "realistic":
        scores /= _tailed(shape[0], rng)[:, np.newaxis]
        scores /= rng.lognormal(size=shape[1]).astype(np.float32)
        scores[rng.random(shape[0]) < _DEAD_ROWS] = np.inf
        scores[:, rng.random(shape[1]) < _DEAD_COLUMNS] = np.inf
    return scores


def _at_most(n: int, m: int, scores: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return new scores for the n lowest of each m neighbours in a row, infinity for the others."""
    rows, columns = scores.shape
    groups = np.full((rows, -(-columns // m), m), np.inf, np.float32)
    padded = (rows, groups.shape[1] * m)
    groups.reshape(padded)[:, :columns] = scores
    # By their places, not by their values: two neighbours may have the same score.
    stays = np.zeros(groups.shape, bool)
    np.put_along_axis(stays, np.argpartition(groups, n - 1, axis=-1)[..., :n], values=True, axis=-1)
    again = rng.random(scores.shape, dtype=np.float32)
    again[~stays.reshape(padded)[:, :columns]] = np.inf
    return again


def _tailed(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return factors with a heavy tail (Pareto), none of them over `_MOST_OVER_MEAN` times their mean."""
    factors = 1 + rng.pareto(_TAIL, size=count)
    longest = _MOST_OVER_MEAN * factors.sum() / max(1, count)
    return factors.clip(max=longest).astype(np.float32)


def _block_of(pattern: str) -> tuple[int, int] | None:
    """Return (4, 1) for "4x1", None for a pattern that is no block."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", pattern)
    return (int(match[1]), int(match[2])) if match else None


def _group_of(pattern: str) -> tuple[int, int] | None:
    """Return (2, 4) for "2:4", None for a pattern that is no n:m."""
    match = re.fullmatch(r"([1-9]\d*):([1-9]\d*)", pattern)
    return (int(match[1]), int(match[2])) if match and int(match[1]) <= int(match[2]) else None
