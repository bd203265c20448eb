from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from segmentation.evaluation.opportunity import (
    OPPORTUNITY_SCHEMA,
    ROOM_SCHEMA,
    evenly_spread,
    null_room,
    room,
    sampling_variance,
    segment_opportunity,
    shrunken_shares,
    without_season,
)
from segmentation.evaluation.periods import ORIGIN, Panel
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


@dataclass(frozen=True)
class Planted:
    """A chain, and the room that its true mixes leave."""

    whole: Panel
    labels: Labels
    true_room: float


def planted(seed: int, store_spread: float, baskets: float, *, season: float = 0.1) -> Planted:
    """A chain whose stores have a mix of their own, and the same chain with a thousand baskets."""
    options = {"store_spread": store_spread, "group_spread": 0.3, "season": season, "seed": seed}
    whole, labels = simulated_chain(baskets_per_period=baskets, **options)  # type: ignore[arg-type]
    certain, _ = simulated_chain(baskets_per_period=1e6, **options)  # type: ignore[arg-type]
    mix = (certain.amounts / certain.amounts.sum(axis=2, keepdims=True)).mean(axis=1)
    gaps = [
        np.maximum(np.quantile(mix[labels == own], 0.75, axis=0) - row, 0.0).sum()
        for row, own in zip(mix, labels, strict=True)
    ]
    return Planted(whole, labels, float(whole.amounts.sum(axis=(1, 2)) @ np.array(gaps)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("store_spread", "baskets", "season"),
    [(0.3, 60.0, 0.1), (0.15, 200.0, 0.1), (0.3, 60.0, 0.6)],
)
def test_room_is_the_planted_one_and_its_interval_covers_it(
    store_spread: float, baskets: float, season: float
) -> None:
    ratios, covered = [], []
    for seed in range(20):
        chain = planted(seed, store_spread, baskets, season=season)
        _, sums = segment_opportunity(
            chain.whole, "Tea", segments(chain.whole, chain.labels), seed=seed
        )
        (row,) = sums.filter(pl.col("segment_id").is_null()).to_dicts()
        ratios.append(float(row["room"]) / chain.true_room)
        covered.append(float(row["room_low"]) <= chain.true_room <= float(row["room_high"]))
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)
    assert np.mean(covered) >= 0.8


def test_shares_that_are_evenly_spread_differ_as_much_as_the_true_ones() -> None:
    generator = np.random.default_rng(0)
    true = generator.normal(0.3, 0.02, (2000, 1))
    seen = true + generator.normal(0, 0.02, true.shape)
    variance = np.full(true.shape, 0.02**2)
    shrunken, posterior = shrunken_shares(seen, variance, np.ones(2000))
    spread = evenly_spread(shrunken, posterior)
    assert shrunken.std() < 0.8 * true.std()
    assert spread.std() == pytest.approx(true.std(), rel=0.05)
    assert np.quantile(spread, 0.75) == pytest.approx(np.quantile(true, 0.75), rel=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_stores_that_opened_late_have_no_room_because_of_the_season(seed: int) -> None:
    whole, labels = simulated_chain(n_stores=120, baskets_per_period=60, season=1.0, seed=seed)
    whole.amounts[::4, :13] = 0
    assert room(whole.amounts, labels).amount.sum() <= 0.005 * whole.amounts.sum()


def test_a_season_that_all_stores_share_hides_no_room() -> None:
    found = []
    for season in (0.0, 1.0):
        whole, labels = simulated_chain(
            n_stores=120, store_spread=0.15, baskets_per_period=200, season=season, seed=1
        )
        found.append(room(whole.amounts, labels).amount.sum() / whole.amounts.sum())
    assert found[1] > 0.8 * found[0] > 0


def test_without_season_every_period_keeps_its_sales_and_the_chain_its_mix() -> None:
    whole, _ = simulated_chain(n_stores=30, season=1.0, seed=2)
    steady = without_season(whole.amounts)
    np.testing.assert_allclose(steady.sum(axis=2), whole.amounts.sum(axis=2))
    chain = closure(whole.amounts.sum(axis=0))
    assert np.ptp(chain, axis=0).max() > 0.1
    assert np.ptp(closure(steady.sum(axis=0)), axis=0).max() < 1e-12


def test_room_that_is_not_estimated_is_not_called_zero() -> None:
    whole, labels = simulated_chain(n_stores=38, n_groups=4, store_spread=0.5, seed=4)
    few = {
        s: "g0" if label == 0 and n < 20 else "g1"
        for n, (s, label) in enumerate(zip(whole.stores, labels, strict=True))
    }
    _, sums = segment_opportunity(whole, "Tea", few, seed=0)
    texts = dict(sums.select("segment_id", "explanation").iter_rows())
    assert texts["g0"] == (
        "Tea g0: room cannot be estimated: 5 stores in a segment; at least 8 are needed"
    )
    assert texts["g1"].startswith("Tea g1: room of ")
    assert texts[None].startswith("Tea: room of ")
    assert sums.filter(pl.col("room").is_null())["segment_id"].to_list() == ["g0"]
    assert sums.filter(pl.col("null_bound").is_null())["segment_id"].to_list() == ["g0"]
    _, sums = segment_opportunity(whole.take(list(whole.stores[:3])), "Tea", few, seed=0)
    assert all("room cannot be estimated" in text for text in sums["explanation"])
    assert sums["room"].null_count() == len(sums)
    _, sums = segment_opportunity(whole.take(["S00000"]), "Tea", few, seed=0)
    assert sums["explanation"].to_list() == [
        "Tea g0: room cannot be estimated: 1 store in a segment; at least 8 are needed",
        "Tea: room cannot be estimated: 1 store in a segment; at least 8 are needed",
    ]
    single = Panel(
        whole.stores, ("tea",), whole.starts, whole.end, whole.amounts.sum(axis=2, keepdims=True)
    )
    _, sums = segment_opportunity(single, "Tea", few, seed=0)
    assert all("only one need state" in text for text in sums["explanation"][1:])


def test_the_sentence_calls_room_a_ceiling_and_gives_its_interval() -> None:
    whole, labels = simulated_chain(n_stores=80, store_spread=0.5, seed=4)
    _, sums = segment_opportunity(whole, "Tea", segments(whole, labels), seed=0)
    (row,) = sums.filter(pl.col("segment_id").is_null()).to_dicts()
    part = 100 / float(row["sales_amount"])
    amounts = [float(row[name]) * part for name in ("room", "room_low", "room_high", "null_bound")]
    assert row["explanation"] == (
        "Tea: room of {:.1f}% of sales for another mix ({:.1f}% to {:.1f}%), a ceiling; "
        "chance alone gives up to {:.1f}%".format(*amounts)
    )
    even, _ = simulated_chain(n_stores=80, seed=4)
    _, sums = segment_opportunity(even, "Tea", segments(even, labels), seed=0)
    assert sums["explanation"].to_list()[-1] == (
        "Tea: no room found, as the stores of a segment differ no more than chance explains"
    )


@pytest.mark.parametrize(
    ("n_periods", "known"), [(2, "the sales have 2 periods"), (1, "the sales have 1 period")]
)
def test_too_few_periods_are_explained(n_periods: int, known: str) -> None:
    whole, labels = simulated_chain(n_periods=n_periods)
    detail, sums = segment_opportunity(whole, "Tea", segments(whole, labels), seed=0)
    assert detail.is_empty()
    assert sums["explanation"].to_list() == [
        f"Tea: room cannot be estimated: {known}; "
        "at least 8 are needed to tell differences between stores from chance"
    ]


def test_sales_without_dates_are_explained() -> None:
    nothing = Panel((), (), (), ORIGIN, np.zeros((0, 0, 0)))
    _, sums = segment_opportunity(nothing, "Tea", {}, seed=0)
    assert "there are no sales with dates" in sums["explanation"].item()


def with_seasons_of_segments(whole: Panel, labels: Labels, swing: float) -> Panel:
    """Two need states take turns, in half of the segments the other way round."""
    wave = swing * np.sin(2 * np.pi * np.arange(len(whole.starts)) / len(whole.starts))
    sign = np.where(labels % 2 == 0, 1.0, -1.0)[:, np.newaxis]
    whole.amounts[:, :, 0] *= 1 + sign * wave
    whole.amounts[:, :, 1] *= 1 - sign * wave
    return whole


def test_a_season_that_one_segment_has_hides_no_room() -> None:
    found = []
    for swing in (0.0, 0.8):
        whole, labels = simulated_chain(
            n_stores=120, store_spread=0.15, baskets_per_period=200, season=0.0, seed=1
        )
        with_seasons_of_segments(whole, labels, swing)
        found.append(room(whole.amounts, labels).amount.sum() / whole.amounts.sum())
    assert found[1] > 0.9 * found[0] > 0


@pytest.mark.parametrize("seed", range(4))
def test_stores_that_opened_late_have_no_room_because_of_the_season_of_their_segment(
    seed: int,
) -> None:
    whole, labels = simulated_chain(n_stores=120, baskets_per_period=60, season=0.0, seed=seed)
    with_seasons_of_segments(whole, labels, 0.8)
    whole.amounts[::5, :13] = 0
    assert room(whole.amounts, labels).amount.sum() <= 0.005 * whole.amounts.sum()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_stores", [40, 120])
def test_one_odd_store_makes_no_room_for_stores_that_differ_by_baskets_only(
    n_stores: int, seed: int
) -> None:
    whole, labels = simulated_chain(n_stores=n_stores, baskets_per_period=60, seed=seed)
    whole.amounts[0, :, 0], whole.amounts[0, :, 1:] = whole.amounts[0].sum(axis=1), 0.0
    found = room(whole.amounts, labels)
    assert found.amount[1:].sum() <= 0.005 * whole.amounts.sum()


@pytest.mark.parametrize("odd", ["sells one need state", "has one huge basket", "is uneven"])
def test_one_odd_store_changes_the_room_of_the_others_little(odd: str) -> None:
    rooms = []
    for is_odd in (False, True):
        whole, _ = simulated_chain(
            n_stores=40, n_groups=1, store_spread=0.3, baskets_per_period=60, seed=2
        )
        own = whole.amounts[0]
        if is_odd and odd == "sells one need state":
            own[:, 0], own[:, 1:] = own.sum(axis=1), 0.0
        elif is_odd and odd == "has one huge basket":
            own[5, 3] += 10 * own.sum()
        elif is_odd:
            place = np.arange(len(own)) % own.shape[1]
            totals = own.sum(axis=1)
            own[:] = 0.0
            own[np.arange(len(own)), place] = totals
        found = room(whole.amounts, np.zeros(40, dtype=np.intp))
        rooms.append(found.amount[1:].sum() / whole.amounts[1:].sum())
    assert rooms[1] == pytest.approx(rooms[0], rel=0.15)
