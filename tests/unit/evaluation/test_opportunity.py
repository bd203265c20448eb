from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from segmentation.evaluation.opportunity import (
    OPPORTUNITY_SCHEMA,
    ROOM_SCHEMA,
    null_room,
    room,
    sampling_variance,
    segment_opportunity,
    shrunken_shares,
)
from segmentation.evaluation.periods import Panel
from segmentation.evaluation.simulation import simulated_chain
from segmentation.features.vectors import Labels, closure


def segments(whole: Panel, labels: Labels) -> dict[str, str]:
    return {store: f"g{label}" for store, label in zip(whole.stores, labels, strict=True)}


def test_the_sampling_variance_is_the_variance_over_repeated_chains() -> None:
    totals, variances = [], []
    for seed in range(400):
        generator = np.random.default_rng(seed)
        amounts = generator.poisson([30.0, 10.0, 5.0], (1, 26, 3)).astype(float)
        totals.append(closure(amounts.sum(axis=1))[0])
        variances.append(sampling_variance(amounts)[0])
    np.testing.assert_allclose(np.mean(variances, axis=0), np.var(totals, axis=0), rtol=0.15)


def test_stores_that_differ_by_chance_are_all_shrunken_to_the_mean() -> None:
    whole, _ = simulated_chain(n_stores=60, seed=1)
    shares = closure(whole.totals())
    shrunken, variance = shrunken_shares(
        shares, sampling_variance(whole.amounts), whole.totals().sum(axis=1)
    )
    assert np.ptp(shrunken, axis=0).max() < 1e-12
    assert not variance.any()


def test_shrunken_shares_are_closer_to_the_truth() -> None:
    whole, _ = simulated_chain(n_stores=80, n_groups=1, store_spread=0.3, seed=2)
    first = whole.amounts[:, ::2]
    later = closure(whole.amounts[:, 1::2].sum(axis=1))
    raw = closure(first.sum(axis=1))
    shrunken, _ = shrunken_shares(raw, sampling_variance(first), first.sum(axis=(1, 2)))
    assert ((shrunken - later) ** 2).sum() < ((raw - later) ** 2).sum()


@pytest.mark.parametrize("baskets", [5.0, 20.0, 200.0])
@pytest.mark.parametrize("seed", range(4))
def test_stores_that_differ_by_baskets_only_have_no_room(baskets: float, seed: int) -> None:
    whole, labels = simulated_chain(n_stores=120, baskets_per_period=baskets, seed=seed)
    found = room(whole.amounts, labels)
    assert found.amount.sum() <= 0.005 * whole.amounts.sum()


@pytest.mark.parametrize("seed", range(4))
def test_stores_that_differ_by_their_households_only_have_no_room(seed: int) -> None:
    """Households in place of periods: each buys to its own taste in one store."""
    generator = np.random.default_rng(seed)
    tastes = generator.dirichlet(np.ones(6), size=(100, 40))
    amounts = generator.gamma(2.0, 500.0, (100, 40, 1)) * tastes
    found = room(amounts, np.zeros(100, dtype=np.intp))
    assert found.amount.sum() <= 0.005 * amounts.sum()


def test_stores_with_a_mix_of_their_own_have_room() -> None:
    whole, labels = simulated_chain(n_stores=120, store_spread=0.4, seed=1)
    found = room(whole.amounts, labels)
    assert found.amount.sum() > 0.03 * whole.amounts.sum()
    assert (found.low <= found.amount).all()
    assert (found.amount <= found.high).all()


def test_the_shrunken_gap_is_smaller_than_the_raw_one() -> None:
    whole, labels = simulated_chain(n_stores=120, store_spread=0.4, baskets_per_period=10, seed=1)
    shares, sales = closure(whole.totals()), whole.totals().sum(axis=1)
    raw = 0.0
    for label in range(4):
        rows = labels == label
        gap = np.quantile(shares[rows], 0.75, axis=0) - shares[rows]
        raw += float((sales[rows, np.newaxis] * np.maximum(gap, 0)).sum())
    assert room(whole.amounts, labels).amount.sum() < raw


def test_segments_of_a_few_stores_have_no_room() -> None:
    whole, _ = simulated_chain(n_stores=12, store_spread=1.0)
    assert not room(whole.amounts, np.arange(12) % 2).amount.any()


def test_the_null_bound_is_below_the_room_of_stores_that_differ() -> None:
    whole, labels = simulated_chain(n_stores=80, store_spread=0.5, seed=3)
    nulls = null_room(whole.amounts, labels, seed=0).sum(axis=1)
    assert np.quantile(nulls, 0.95) < 0.005 * whole.amounts.sum()
    np.testing.assert_array_equal(nulls, null_room(whole.amounts, labels, seed=0).sum(axis=1))


def test_sums_agree_to_the_cent() -> None:
    whole, labels = simulated_chain(n_stores=80, store_spread=0.5, seed=4)
    detail, sums = segment_opportunity(whole, "Tea", segments(whole, labels), seed=0)
    assert detail.schema == OPPORTUNITY_SCHEMA
    assert sums.schema == ROOM_SCHEMA
    per_segment = sums.filter(pl.col("segment_id").is_not_null())
    (category,) = sums.filter(pl.col("segment_id").is_null()).to_dicts()
    assert per_segment["room"].sum() == category["room"] == detail["room"].sum()
    assert category["room"] > 0
    assert float(category["sales_amount"]) == pytest.approx(whole.amounts.sum())
    assert category["room_low"] < category["room"] < category["room_high"]
    assert "chance alone gives up to" in category["explanation"]


def test_too_few_periods_are_explained() -> None:
    whole, labels = simulated_chain(n_periods=2)
    detail, sums = segment_opportunity(whole, "Tea", segments(whole, labels), seed=0)
    assert detail.is_empty()
    assert sums["explanation"].to_list() == [
        "Tea: room cannot be estimated: the sales have 2 periods; "
        "at least 8 are needed to tell differences between stores from chance"
    ]
