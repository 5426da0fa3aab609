"""Static ranges from samples: exact in any split, clipped where that loses less, refused where samples are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparseinf.quantize import METHODS, ActivationQuantization, Calibration, calibrate
from sparseinf.quantize.histogram import Histogram
from sparseinf.quantize.round_trip import round_trip

DTYPES = ("uint8", "int8")

values = st.floats(width=32, min_value=-(2.0**100), max_value=2.0**100) | st.floats(-4, 4, width=32)
rows = hnp.arrays(np.float32, st.tuples(st.integers(1, 80), st.just(3)), elements=values)


def normal(count, *, seed=0):
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def normal_with_outliers():
    x = normal(100_000)
    x[:30] *= 15
    return x


def found(x, method="minmax", dtype="uint8", **options):
    return calibrate(x.reshape(-1, 1), 1, method=method, dtype=dtype, **options).activations()


def squared_error(x, activations):
    return float(np.sum((round_trip(x.reshape(-1, 1), activations)[:, 0] - x) ** 2))


def highest(activations):
    """The largest x that is not clipped."""
    return activations.scale * (255 - activations.zero_point)


@settings(deadline=None, max_examples=50)
@given(rows, st.sampled_from(METHODS), st.sampled_from(DTYPES), st.lists(st.integers(0, 80), max_size=5))
def test_any_split_gives_the_same(x, method, dtype, cuts):
    parts = [part for part in np.split(x, sorted(cuts)) if len(part)]
    whole, split = (calibrate(samples, 3, method=method, dtype=dtype) for samples in (x, parts))
    assert whole.activations() == split.activations()
    np.testing.assert_array_equal(whole.rows(), split.rows())


@settings(deadline=None)
@given(rows, st.sampled_from(DTYPES))
def test_minmax_is_the_range_of_all(x, dtype):
    assert calibrate(x, 3, dtype=dtype).activations() == ActivationQuantization.from_range(x.min(), x.max(), dtype)


@settings(deadline=None)
@given(rows)
def test_a_histogram_counts_what_lies_in_its_bins(x):
    histogram = Histogram()
    for row in x:
        histogram.add(row)
    edges = histogram.edges
    assert histogram.counts.size <= 2048
    assert histogram.counts.size > 1000 or np.abs(x).max() == 0
    nonzeros = x[x != 0].astype(np.float64)
    expected = np.searchsorted(np.sort(nonzeros), edges[1:]) - np.searchsorted(np.sort(nonzeros), edges[:-1])
    np.testing.assert_array_equal(histogram.counts, expected)
    assert histogram.counts.sum() == nonzeros.size


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(1, 100))
def test_a_percentile_is_that_of_the_nonzeros_to_a_bin(seed, percent):
    x = normal(1000, seed=seed)
    x[::3] = 0
    histogram = Histogram()
    histogram.add(x)
    magnitudes = np.sort(np.abs(x[x != 0]))
    place = max(1, int(np.ceil(percent / 100 * magnitudes.size - 1e-9)))
    assert abs(histogram.magnitude_at(percent) - magnitudes[place - 1]) <= histogram.width
    assert histogram.magnitude_at(100) == magnitudes[-1]


def test_percentile_clips_one_value_in_ten_thousand_on_either_side():
    x = normal(200_000)
    x[:9], x[9:18] = 1000, -1000
    activations = found(x, "percentile")
    low, high = -activations.zero_point * activations.scale, highest(activations)
    assert 10 <= np.count_nonzero((x < low - 1) | (x > high + 1)) <= 20
    assert 0.9 < -low / high < 1.1


def test_percentile_clips_no_side_that_is_within_it_already():
    x = np.abs(normal(200_000))
    x[:10] = 1000
    activations = found(x, "percentile")
    assert activations.zero_point == 0
    assert highest(activations) < 1000


def test_other_percentiles_clip_more_or_nothing():
    x = normal_with_outliers()
    assert found(x, "percentile", percentile=100) == found(x)
    assert found(x, "percentile", percentile=90).scale < found(x, "percentile").scale


@pytest.mark.parametrize("dtype", DTYPES)
def test_outliers_are_clipped_by_mse_and_not_by_minmax(dtype):
    x = normal_with_outliers()
    widest, best = found(x, dtype=dtype), found(x, "mse", dtype)
    assert np.abs(round_trip(x.reshape(-1, 1), widest)[:, 0] - x).max() <= 0.51 * widest.scale
    assert best.scale < 0.85 * widest.scale
    assert squared_error(x, best) < 0.85 * squared_error(x, widest)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_uniform_distribution_is_not_clipped(dtype):
    x = np.random.default_rng(0).uniform(-3, 3, 100_000).astype(np.float32)
    assert found(x, "mse", dtype).scale == found(x, dtype=dtype).scale


@pytest.mark.parametrize(
    "x",
    [
        normal_with_outliers(),
        normal(30_000),
        np.maximum(normal_with_outliers(), 0),
        normal(30_000) ** 3,
        np.random.default_rng(0).laplace(size=30_000).astype(np.float32) - 2,
        np.random.default_rng(0).standard_t(2, 30_000).astype(np.float32),
        np.random.default_rng(0).lognormal(0, 2, 30_000).astype(np.float32),
        np.random.default_rng(0).integers(0, 9, 3000).astype(np.float32),
        np.full(10, 3.7, np.float32),
    ],
    ids=["outliers", "normal", "relu", "cubes", "shifted Laplace", "Student", "log-normal", "integers", "constant"],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_mse_is_near_the_least_error_of_all_ranges(x, dtype):
    candidates = [
        ActivationQuantization.from_range(x.min() * fraction, x.max() * fraction, dtype)
        for fraction in np.geomspace(1 / 64, 1, 60)
    ]
    least = min(squared_error(x, candidate) for candidate in candidates)
    # A bin is an eighth of a step or more: x on whole steps, of which nothing is lost, look as if they were not.
    resolution = x.size * (np.abs(x).max() / 1024) ** 2
    assert squared_error(x, found(x, "mse", dtype)) <= 1.01 * least + 0.5 * resolution


def test_many_values_far_below_a_step_are_no_reason_to_clip():
    # Each loses its square by being 0, not the s^2 / 12 of values that lie evenly over steps.
    x = np.full(1_000_000, 1e-5, np.float32)
    x[0] = 1
    assert found(x, "mse").scale > 0.9 * found(x).scale


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_but_zeros_counts_as_zero(method, dtype):
    expected = ActivationQuantization("static", dtype, 0, 128 if dtype == "int8" else 0)
    assert found(np.zeros(5, np.float32), method, dtype) == expected
    assert found(np.full(5, 1e-44, np.float32), method, dtype) == expected
    assert calibrate(np.zeros((2, 0), np.float32), 0, method=method, dtype=dtype).activations() == expected


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [4e-37, 1e30])
def test_scale_follows_the_size_of_x(method, size):
    x = normal_with_outliers()
    assert found(x * np.float32(size), method).scale == pytest.approx(size * found(x, method).scale, rel=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_a_range_too_wide_for_float32_is_refused(method):
    calibration = calibrate(np.array([[3e38, -3e38]], np.float32), 2, method=method)
    with pytest.raises(ValueError, match="no range in float32"):
        calibration.activations()


def test_samples_come_in_many_shapes():
    x = normal(24).reshape(2, 3, 4)
    expected = calibrate(x, 4).activations()
    for samples in ([*x], (part for part in x), x.reshape(6, 4), x[:, ::-1], [*x.reshape(6, 4)], np.asfortranarray(x)):
        assert calibrate(samples, 4).activations() == expected


def test_rows_are_spread_over_all_samples():
    x = np.arange(1000, dtype=np.float32).reshape(1000, 1)
    kept = calibrate(x, 1).rows()[:, 0]
    assert 16 < kept.size <= 32
    assert set(np.diff(kept)) == {32}
    assert calibrate(x[:32], 1).rows().tobytes() == x[:32].tobytes()


def test_rows_are_copies():
    x = np.ones((2, 3), np.float32)
    calibration = calibrate(x, 3)
    x[:] = 7
    assert (calibration.rows() == 1).all()


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        (7, TypeError, r"calibration must be a NumPy array .* or an iterable .* but is int"),
        ([], ValueError, "calibration holds no arrays"),
        ([[1.0, 2.0]], TypeError, r"calibration\[0\] must be a NumPy array of float32, but is list"),
        (np.ones((2, 4)), TypeError, r"calibration must be .* but is float64; convert it with .astype"),
        ([np.ones(4, np.float32), np.ones(4, int)], TypeError, r"calibration\[1\] must be .* but is int64"),
        (np.ones((2, 5), np.float32), ValueError, r"calibration has shape \(2, 5\), .* in_features = 4"),
        (np.array(1, np.float32), ValueError, r"calibration has shape \(\)"),
        ([np.ones((2, 4), np.float32), np.ones((2, 0, 4), np.float32)], ValueError, r"calibration\[1\] .* no rows"),
        (np.array([[0, 1, 2, 3], [0, np.nan, 0, 0]], np.float32), ValueError, "row 1, column 1 of calibration is nan"),
        (np.array([[0, 1, 2, -np.inf]], np.float32), ValueError, "row 0, column 3 of calibration is -inf"),
    ],
)
def test_wrong_samples_are_refused_by_name(samples, error, message):
    with pytest.raises(error, match=message):
        calibrate(samples, 4)


def test_what_is_added_has_the_name_that_it_is_given():
    with pytest.raises(ValueError, match=r"^hidden has shape \(3,\)"):
        Calibration(4).add(np.ones(3, np.float32), name="hidden")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "entropy"}, "calibration_method must be one of 'minmax', 'percentile', 'mse', but is 'entropy'"),
        ({"dtype": "int4"}, "activation_dtype must be one of 'uint8', 'int8', but is 'int4'"),
        ({"percentile": 0}, "percentile must be above 0 and at most 100, but is 0"),
        ({"percentile": 100.1}, "percentile must be"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Calibration(4, **options)
