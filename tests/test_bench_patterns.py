"""Planted zeros: that each pattern is what its name says, as often as was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparseinf import bench
from sparseinf.formats import Csr

PATTERNS = ["unstructured", "skewed", "realistic", "4x1", "1x4", "3x5", "2:4", "1:2"]
SHAPES = st.tuples(st.integers(0, 40), st.integers(0, 40))


def zeros(weight: Any) -> float:
    return float(np.mean(weight == 0))


@given(SHAPES, st.sampled_from(PATTERNS), st.integers(0, 5), st.floats(0, 1), st.floats(0, 1))
def test_zeros_only_grow_with_sparsity(
    shape: tuple[int, int], pattern: str, seed: int, first: float, second: float
) -> None:
    planting = bench.Planting(shape, pattern=pattern, seed=seed)
    low, high = sorted(max(sparsity, planting.least_sparsity) for sparsity in (first, second))
    more, fewer = planting.weight(low), planting.weight(high)
    np.testing.assert_array_equal(fewer[fewer != 0], more[fewer != 0])


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("sparsity", [0.55, 0.8, 0.99, 1.0])
def test_weights_have_the_sparsity_asked_for(pattern: str, sparsity: float) -> None:
    assert zeros(bench.random_weight((200, 300), sparsity, pattern=pattern)) == pytest.approx(sparsity, abs=5e-4)


@pytest.mark.parametrize("pattern", ["unstructured", "skewed", "4x1"])
def test_sparsity_zero_is_dense(pattern: str) -> None:
    assert zeros(bench.random_weight((20, 30), 0, pattern=pattern)) == 0


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_same_seed_gives_the_same_weight(pattern: str) -> None:
    first, second, other = (bench.random_weight((20, 30), 0.6, pattern=pattern, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("pattern", "rows", "columns"), [("4x1", 4, 1), ("1x4", 1, 4), ("3x5", 3, 5)])
def test_blocks_are_whole_or_empty_but_at_the_edges(pattern: str, rows: int, columns: int) -> None:
    height, width = 8 * rows, 8 * columns
    weight = bench.random_weight((height + rows - 1, width + columns - 1), 0.7, pattern=pattern)
    whole = weight[:height, :width].reshape(8, rows, 8, columns)
    filled = np.count_nonzero(whole, axis=(1, 3))
    assert set(np.unique(filled)) == {0, rows * columns}


@pytest.mark.parametrize(("pattern", "n", "m"), [("2:4", 2, 4), ("1:2", 1, 2)])
@pytest.mark.parametrize("columns", [64, 63])
def test_of_m_neighbours_in_a_row_at_most_n_stay(pattern: str, n: int, m: int, columns: int) -> None:
    planting = bench.Planting((32, columns), pattern=pattern)
    weight = np.pad(planting.weight(planting.least_sparsity), ((0, 0), (0, -columns % m)))
    assert np.count_nonzero(weight.reshape(32, -1, m), axis=2).max() == n


def test_n_of_m_cannot_be_denser_than_it_is() -> None:
    with pytest.raises(ValueError, match=r"2:4.*at least 50\.0% zeros.*0\.3"):
        bench.random_weight((8, 16), 0.3, pattern="2:4")


def test_skewed_weights_have_rows_of_very_different_lengths() -> None:
    lengths = np.count_nonzero(bench.random_weight((200, 300), 0.9, pattern="skewed"), axis=1)
    assert lengths.max() > 3 * lengths.mean()


@pytest.mark.parametrize("seed", range(3))
def test_realistic_weights_have_long_rows_and_dead_rows_and_columns(seed: int) -> None:
    weight = bench.random_weight((2000, 1000), 0.999, pattern="realistic", seed=seed)
    lengths = np.count_nonzero(weight, axis=1)
    assert 50 * lengths.mean() < lengths.max() <= 1000 * lengths.mean()
    dense = bench.Planting((2000, 1000), pattern="realistic", seed=seed)
    dense_weight = dense.weight(dense.least_sparsity)
    assert np.mean(~dense_weight.any(axis=1)) == pytest.approx(0.1, abs=0.03)
    assert np.mean(~dense_weight.any(axis=0)) == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"pattern": "striped"}, "striped"),
        ({"pattern": "0x4"}, "0x4"),
        ({"pattern": "5:4"}, "5:4"),
        ({"sparsity": 1.5}, "1.5"),
        ({"sparsity": float("nan")}, "nan"),
    ],
)
def test_random_weights_refuse_what_they_do_not_know(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        bench.random_weight((4, 5), **{"sparsity": 0.5, **options})


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=8), st.floats(0, 1), st.integers(0, 3))
def test_layers_share_the_sparsity_of_their_network(sizes: list[int], sparsity: float, seed: int) -> None:
    shares = bench.layer_sparsities(sizes, sparsity, seed=seed)
    assert np.average(shares, weights=sizes) == pytest.approx(sparsity, abs=1e-9)
    assert all(0 <= share <= 1 for share in shares)


def test_layers_differ_in_sparsity() -> None:
    shares = bench.layer_sparsities([100] * 10, 0.8)
    assert max(shares) - min(shares) > 0.1


# The networks


@pytest.mark.parametrize("model", bench.MODELS)
def test_no_shape_of_a_network_is_listed_twice(model: str) -> None:
    shapes = [(shape.out_features, shape.in_features, shape.columns) for shape in bench.shapes_of(model)]
    assert len(set(shapes)) == len(shapes)
    assert len({shape.name for shape in bench.shapes_of(model)}) == len(shapes)


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'alexnet'.*resnet50"):
        bench.shapes_of("alexnet")


def test_a_network_gives_a_case_for_every_layer_pattern_and_sparsity() -> None:
    cases = list(bench.model_cases(["bert-base"], [0.5, 0.9], patterns=["unstructured", "4x1"], batches=[1, 8]))
    assert len(cases) == 3 * 2 * 2
    assert {case.batches for case in cases} == {(1, 8)}
    assert [case.pattern for case in cases[:4]] == ["unstructured", "unstructured", "4x1", "4x1"]
    assert cases[-1].name == "bert-base feed-forward down"
    assert cases[-1].weight.shape == (768, 3072)


def test_a_quick_network_is_one_layer_with_its_own_columns() -> None:
    (case,) = bench.model_cases(["mobilenetv2"], [0.9], quick=True)
    assert (case.weight.shape, case.batches) == ((96, 384), (196,))


def test_a_pattern_with_zeros_of_its_own_takes_those_once() -> None:
    cases = list(bench.model_cases(["mobilenetv2"], [0.0, 0.3, 0.5, 0.9], patterns=["2:4"], quick=True))
    assert [case.weight.sparsity for case in cases] == pytest.approx([0.5, 0.9], abs=1e-3)


def test_a_realistic_network_shares_its_sparsity_unequally() -> None:
    cases = list(bench.model_cases(["mobilenetv2"], [0.9], patterns=["realistic"]))
    sparsities = [case.weight.sparsity for case in cases]
    assert max(sparsities) - min(sparsities) > 0.05


def test_a_suite_tells_the_pattern_of_planted_zeros() -> None:
    weight = Csr.from_dense(bench.random_weight((8, 8), 0.5, pattern="4x1"))
    cases = [bench.Case("planted", weight, (1,), pattern="4x1"), bench.Case("found", weight, (1,))]
    report = bench.run(cases, against=[], min_seconds=0)
    assert [row["pattern"] for row in report] == ["4x1", None]
