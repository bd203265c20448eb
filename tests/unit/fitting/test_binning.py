from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segmentation.features.vectors import Matrix
from segmentation.fitting.binning import Distribution, distribution

VALUES = arrays(
    np.float64,
    st.integers(0, 60),
    elements=st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, float("nan")])),
)


def counted_again(values: Matrix, found: Distribution) -> list[int]:
    """Count the way SQL does: the bin of a value is the number of edges below it."""
    bins = [sum(edge < value for edge in found.edges) for value in values if not np.isnan(value)]
    return [bins.count(number) for number in range(len(found.edges) + 1)]


@given(VALUES)
def test_every_value_is_counted_once_and_in_the_bin_that_sql_finds(values: Matrix) -> None:
    found = distribution(values)
    assert sum(found.counts) + found.n_missing == len(values)
    assert found.n_missing == int(np.isnan(values).sum())
    assert list(found.counts) == counted_again(values, found)


@given(VALUES)
def test_no_bin_is_empty_and_edges_ascend(values: Matrix) -> None:
    found = distribution(values)
    assert list(found.edges) == sorted(set(found.edges))
    if not np.isnan(values).all():
        assert min(found.counts) > 0


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_stores_does_not_matter(values: Matrix, random: object) -> None:
    order = np.random.default_rng(hash(str(random)) % 2**32).permutation(len(values))
    assert distribution(values[order]) == distribution(values)


def test_continuous_values_fall_into_ten_equal_bins() -> None:
    values = np.random.default_rng(1).normal(size=1000)
    assert distribution(values).counts == (100,) * 10


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0] * 97 + [1.0] * 3, Distribution((0.5,), (97, 3), 0)),
        ([0.0] * 3 + [1.0] * 97, Distribution((), (100,), 0)),
        ([2.0, 2.0, float("nan")], Distribution((), (2,), 1)),
        ([float("nan")] * 4, Distribution((), (0,), 4)),
        ([], Distribution((), (0,), 0)),
    ],
)
def test_values_that_repeat_share_a_bin(values: list[float], expected: Distribution) -> None:
    assert distribution(np.array(values, dtype=np.float64)) == expected


def test_neighbours_in_floating_point_keep_their_order() -> None:
    low = 0.1
    values = np.array([low] * 5 + [np.nextafter(low, 1)] * 5)
    found = distribution(values)
    assert found.counts == (5, 5)
    assert counted_again(values, found) == [5, 5]


def test_a_value_with_another_last_digit_stays_in_its_bin() -> None:
    values = np.random.default_rng(2).integers(0, 30, size=200).astype(np.float64)
    found = distribution(values)
    assert counted_again(values * (1 + 1e-12), found) == list(found.counts)
    assert counted_again(values * (1 - 1e-12), found) == list(found.counts)
