from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.features.log_ratios import ASSORTMENT_PENALTY, CHANCE_PENALTY, fit_gaps
from segmentation.features.vectors import Matrix, closure, log_shares


def logs(seed: int, zeros: float, stores: int = 80, features: int = 6) -> Matrix:
    """Log-shares of stores without groups, some of them zero."""
    random = np.random.default_rng(seed)
    amounts = np.exp(random.normal(size=(stores, features)) * 0.5 + np.arange(features) / 2)
    amounts[random.random(amounts.shape) < zeros] = 0.0
    amounts[:, -1] += 1e-9  # no store without sales
    return log_shares(closure(amounts), 0.05)


def test_without_zeros_the_transform_centers_rows_and_columns() -> None:
    x = logs(1, 0.0)
    expected = x - x.mean(axis=1, keepdims=True)
    expected -= expected.mean(axis=0)
    np.testing.assert_allclose(fit_gaps(x).transform(x), expected, atol=1e-9)


@given(st.integers(0, 1000), st.sampled_from([0.1, 0.3, 0.5]))
def test_positive_cells_of_every_store_average_zero_and_so_do_those_of_a_column(
    seed: int, zeros: float
) -> None:
    x = logs(seed, zeros)
    known = ~np.isnan(x)
    transformed = np.where(known, fit_gaps(x).transform(x), 0.0)
    np.testing.assert_allclose(transformed.sum(axis=1), 0.0, atol=1e-9)
    np.testing.assert_allclose(transformed.sum(axis=0) / known.sum(axis=0), 0.0, atol=1e-6)


def test_a_chance_zero_is_a_little_below_the_expected_share() -> None:
    x = logs(2, 0.2)
    gaps = fit_gaps(x)
    transformed = gaps.transform(x)
    for column, values in enumerate(transformed.T):
        known = ~np.isnan(x[:, column])
        deviation = np.sqrt((values[known] ** 2).mean())
        assert gaps.gap_values[column] == pytest.approx(-CHANCE_PENALTY * deviation, rel=1e-6)
        np.testing.assert_array_equal(values[~known], gaps.gap_values[column])


def test_zeros_of_an_assortment_are_far_below_and_others_are_not() -> None:
    x = logs(3, 0.1)
    x[:25, :2] = np.nan  # 25 stores do not carry either need state
    gaps = fit_gaps(x)
    deviations = np.array(
        [
            np.sqrt(np.nanmean(np.where(np.isnan(c), np.nan, t) ** 2))
            for c, t in zip(x.T, gaps.transform(x).T, strict=True)
        ]
    )
    np.testing.assert_allclose(gaps.gap_values[:2], -ASSORTMENT_PENALTY * deviations[:2])
    np.testing.assert_allclose(gaps.gap_values[2:], -CHANCE_PENALTY * deviations[2:])


def test_a_store_is_transformed_the_same_alone_and_among_others() -> None:
    x = logs(4, 0.3)
    gaps = fit_gaps(x)
    together = gaps.transform(x)
    for row in range(len(x)):
        np.testing.assert_allclose(gaps.transform(x[[row]])[0], together[row], rtol=1e-12)


def test_the_size_of_a_store_changes_nothing() -> None:
    x = logs(5, 0.3)
    gaps = fit_gaps(x)
    np.testing.assert_allclose(gaps.transform(x + 2.0), gaps.transform(x), atol=1e-9)


def test_of_a_store_without_any_positive_cell_nothing_is_known() -> None:
    gaps = fit_gaps(logs(6, 0.2))
    assert np.isnan(gaps.transform(np.full((1, 6), np.nan))).all()


def test_a_column_without_any_positive_cell_and_a_table_without_rows_have_finite_numbers() -> None:
    x = logs(7, 0.1)
    x[:, 0] = np.nan
    for gaps in (fit_gaps(x), fit_gaps(x[:0])):
        assert np.isfinite(gaps.column_effects).all()
        assert np.isfinite(gaps.gap_values).all()
