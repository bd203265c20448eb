from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.features.vectors import Matrix
from segmentation.fitting.search_rows import (
    completed,
    completed_logs,
    main_axes,
    without_levels,
    without_twins,
)


@given(st.integers(0, 1000), st.integers(2, 6))
def test_every_value_stays_in_the_interval_of_its_level(seed: int, levels: int) -> None:
    values = np.random.default_rng(seed).integers(0, levels, size=(40, 2)).astype(float)
    spread = without_levels(values, [None, None], seed)
    assert np.abs(spread - values).max() < 0.5 * np.diff(np.unique(values)).max()
    np.testing.assert_array_equal(spread, without_levels(values, [None, None], seed))


def test_equal_levels_become_a_column_without_steps() -> None:
    values = np.tile([0.0, 1.0], 100)[:, None]
    placed = np.sort(without_levels(values, [None], 0)[:, 0])
    np.testing.assert_allclose(np.diff(placed), 0.01)
    assert placed[0] == pytest.approx(-0.495)


def test_columns_without_ties_and_constant_ones_stay_as_they_are_and_so_does_what_is_missing() -> (
    None
):
    values = np.column_stack([np.linspace(0, 1, 30), np.full(30, 7.0)])
    values[3, 0] = np.nan
    np.testing.assert_array_equal(without_levels(values, [None, None], 0), values)
    flags = np.tile([0.0, 1.0, np.nan], 10)[:, None]
    np.testing.assert_array_equal(np.isnan(without_levels(flags, [None], 0)), np.isnan(flags))


def pairs(n: int, seed: int = 0) -> Matrix:
    """Stores in pairs that are nearly equal."""
    random = np.random.default_rng(seed)
    rows: Matrix = np.repeat(random.normal(size=(n, 4)), 2, axis=0)
    return rows + 0.01 * random.normal(size=rows.shape)


def test_one_of_two_twins_is_left() -> None:
    np.testing.assert_array_equal(without_twins(pairs(20), 5), np.arange(0, 40, 2))


def test_as_many_equal_stores_as_a_cluster_needs_are_no_twins() -> None:
    rows = np.repeat(np.random.default_rng(0).normal(size=(6, 3)), 5, axis=0)
    assert len(without_twins(rows, 5)) == 30
    assert len(without_twins(rows, 6)) == 6


def test_stores_that_are_not_alike_are_nearly_all_left() -> None:
    rows = np.random.default_rng(1).normal(size=(200, 5))
    assert len(without_twins(rows, 5)) >= 190


def test_between_two_levels_of_a_category_there_are_as_many_stores_as_at_them() -> None:
    levels = np.eye(3)[np.repeat([0, 1, 2], 2000)]
    smooth = without_levels(levels, ["area"] * 3, 0)
    along = (smooth[:, 0] - smooth[:, 1])[:4000]  # from the second level to the first one
    at_levels, between = ((np.abs(along - place) < 0.25).sum() for place in (1.0, 0.0))
    assert between > 0.9 * at_levels


def low_rank(seed: int) -> Matrix:
    """Columns that follow from two common factors, nearly."""
    random = np.random.default_rng(seed)
    rows: Matrix = random.normal(size=(200, 2)) @ random.normal(size=(2, 8))
    return rows + 0.05 * random.normal(size=rows.shape)


def test_what_is_missing_is_completed_from_the_other_columns() -> None:
    rows = low_rank(2)
    known = np.random.default_rng(3).random(rows.shape) > 0.2
    filled = completed(np.where(known, rows, np.nan), known)
    np.testing.assert_array_equal(filled[known], rows[known])
    error = np.sqrt(((filled - rows)[~known] ** 2).mean())
    assert error < 0.2 * rows[~known].std()


@pytest.mark.parametrize("shape", [(12, 40), (40, 12)])
def test_the_axes_are_those_of_a_singular_value_decomposition(shape: tuple[int, int]) -> None:
    centered = np.random.default_rng(6).normal(size=shape)
    centered -= centered.mean(axis=0)
    squares, axes = main_axes(centered, 3)
    _, lengths, expected = np.linalg.svd(centered, full_matrices=False)
    np.testing.assert_allclose(squares[-3:], lengths[2::-1] ** 2)
    np.testing.assert_allclose(squares.sum(), (centered**2).sum())
    np.testing.assert_allclose(np.abs(axes.T @ expected[2::-1].T), np.eye(3), atol=1e-9)


def test_noise_is_completed_with_values_near_the_mean() -> None:
    rows = np.random.default_rng(4).normal(size=(300, 8))
    known = np.random.default_rng(5).random(rows.shape) > 0.2
    assert completed(rows, known)[~known].std() < 0.5


def test_a_row_without_any_known_cell_is_the_mean() -> None:
    rows = low_rank(6)
    known = np.ones(rows.shape, dtype=bool)
    known[0] = False
    np.testing.assert_allclose(completed(rows, known)[0], rows[1:].mean(axis=0), atol=1e-2)


def test_completed_log_shares_of_a_store_average_zero() -> None:
    rows = low_rank(7)
    rows -= rows.mean(axis=1, keepdims=True)
    known = np.random.default_rng(8).random(rows.shape) > 0.3
    filled = completed_logs(rows, known)
    np.testing.assert_allclose(filled.mean(axis=1), 0.0, atol=1e-12)
