from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr
from scipy.stats import chi2

from segmentation.segments.drift import (
    DRIFT_SCHEMA,
    lane_drift,
    population_stability_index,
    stability_threshold,
)
from segmentation.settings import Settings

COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=12)
BINS_SCHEMA = {
    "lane": pl.String,
    "scope": pl.String,
    "subject": pl.String,
    "feature": pl.String,
    "bin": pl.String,
    "n_training": pl.Int64,
    "n_today": pl.Int64,
}


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=12))
def test_the_index_is_the_relative_entropy_both_ways(pairs: list[tuple[int, int]]) -> None:
    training, today = np.array(pairs).T
    p = (training + 0.5) / (training.sum() + 0.5 * len(pairs))
    q = (today + 0.5) / (today.sum() + 0.5 * len(pairs))
    by_hand = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    found = population_stability_index(training, today)
    assert found == pytest.approx(by_hand, abs=1e-12)
    assert found == pytest.approx(rel_entr(p, q).sum() + rel_entr(q, p).sum(), abs=1e-12)
    assert found == pytest.approx(population_stability_index(today, training), abs=1e-12)


@given(COUNTS)
def test_equal_counts_have_no_distance(counts: list[int]) -> None:
    assert population_stability_index(np.array(counts), np.array(counts)) == 0.0


def test_the_bins_are_the_last_axis() -> None:
    training = np.array([[10, 20], [5, 5]])
    today = np.array([[20, 10], [5, 5]])
    assert population_stability_index(training, today).shape == (2,)
    assert population_stability_index(training, today)[1] == 0.0


@pytest.mark.parametrize("rate", [0.05, 0.01, 0.001])
def test_with_many_stores_the_threshold_is_the_chi_squared_limit(rate: float) -> None:
    n, m, bins = 20_000, 30_000, 10
    expected = (1 / n + 1 / m) * chi2.ppf(1 - rate, bins - 1)
    found = stability_threshold(np.full(bins, n // bins), m, rate, seed=1)
    assert found == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("shares", [[0.1] * 10, [0.6, 0.2, 0.1, 0.05, 0.05]])
def test_few_stores_raise_about_as_many_false_alarms_as_asked_for(shares: list[float]) -> None:
    generator = np.random.default_rng(3)
    alarms = []
    for repeat in range(300):
        training = generator.multinomial(60, shares)
        today = generator.multinomial(40, shares)
        threshold = stability_threshold(training, 40, 0.05, seed=repeat)
        alarms.append(population_stability_index(training, today) > threshold)
    assert 0.01 <= np.mean(alarms) <= 0.1


def test_more_stores_leave_less_to_chance() -> None:
    few = stability_threshold(np.full(10, 4), 40, 0.01, seed=1)
    many = stability_threshold(np.full(10, 400), 4000, 0.01, seed=1)
    assert many < few / 50


def test_the_same_seed_gives_the_same_threshold() -> None:
    training = np.array([30, 20, 10])
    first, again, other = (stability_threshold(training, 50, 0.01, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def bins(rows: Sequence[tuple[str, str, list[int], list[int]]]) -> pl.DataFrame:
    """`drift_bins` of features given as (scope, feature, training counts, today's counts)."""
    return pl.DataFrame(
        [
            ("internal", scope, "feature", feature, f"{number:02d}", before, after)
            for scope, feature, training, today in rows
            for number, (before, after) in enumerate(zip(training, today, strict=True))
        ],
        schema=BINS_SCHEMA,
        orient="row",
    )


SAME = [40, 30, 30]
SHIFTED = [5, 15, 80]


def test_a_feature_that_moved_is_above_its_threshold_and_others_are_not() -> None:
    found = lane_drift(
        bins([("Snacks", "sweet", SAME, SAME), ("Snacks", "salty", SAME, SHIFTED)]), Settings({})
    )
    assert found.schema == DRIFT_SCHEMA
    assert found["feature"].to_list() == ["salty", "sweet"]
    assert found.select(pl.col("stability_index") > pl.col("threshold")).to_series().to_list() == [
        True,
        False,
    ]
    assert found["n_training"].to_list() == found["n_today"].to_list() == [100, 100]


def test_the_order_of_the_rows_and_other_scopes_change_nothing() -> None:
    alone = bins([("Snacks", "sweet", SAME, SHIFTED), ("Snacks", "salty", SHIFTED, SAME)])
    more = pl.concat([bins([("Bread", "dark", SAME, SAME)]), alone[::-1]])
    found = lane_drift(more, Settings({})).filter(pl.col("scope") == "Snacks")
    assert found.equals(lane_drift(alone, Settings({})))


def test_more_features_need_a_larger_index_each() -> None:
    one = lane_drift(bins([("Snacks", "a", SAME, SAME)]), Settings({}))
    names = "abcdefghij"
    ten = lane_drift(bins([("Snacks", name, SAME, SAME) for name in names]), Settings({}))
    assert ten["threshold"][0] > one["threshold"][0]


@pytest.mark.parametrize(("training", "today"), [([0, 0], [3, 4]), ([3, 4], [0, 0])])
def test_without_stores_on_one_side_there_is_no_index(
    training: list[int], today: list[int]
) -> None:
    found = lane_drift(bins([("Snacks", "sweet", training, today)]), Settings({}))
    assert found.row(0)[4:] == (None, None, sum(training), sum(today))


def test_nothing_to_compare_gives_no_row() -> None:
    found = lane_drift(bins([]), Settings({}))
    assert found.is_empty()
    assert found.schema == DRIFT_SCHEMA
