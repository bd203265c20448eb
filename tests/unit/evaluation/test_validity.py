from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.evaluation.periods import Panel, halves
from segmentation.evaluation.simulation import simulated_chain
from segmentation.evaluation.validity import (
    EXPECTED_SHARE_SCHEMA,
    VALIDITY_SCHEMA,
    Grouping,
    expected_share,
    group_mean_of_others,
    grouping_skill,
    mean_of_others,
    mix_error,
    predict,
    prior_sales,
    segment_validity,
    shrink,
    skill,
)
from segmentation.features.vectors import Labels, Matrix, closure

BEFORE = dt.date(2000, 1, 1)


def both_mixes(whole: Panel) -> tuple[Matrix, Matrix]:
    first, second = halves(whole)
    return closure(first.totals()), closure(second.totals())


def named(whole: Panel, labels: Labels, known_on: dt.date = BEFORE) -> Grouping:
    groups = {s: f"group {label}" for s, label in zip(whole.stores, labels, strict=True)}
    return Grouping("segments", groups, known_on)


def verdict_of(frame: pl.DataFrame, predictor: str = "segments") -> str:
    return str(frame.filter(pl.col("predictor") == predictor)["verdict"].item())


def test_a_group_mean_leaves_the_store_itself_out() -> None:
    values = np.array([[1.0], [2.0], [6.0], [10.0], [20.0]])
    labels = np.array([0, 0, 0, 1, -1])
    # the group of the fourth row is too small, and the fifth row has none
    assert group_mean_of_others(values, labels, minimum=2).ravel().tolist() == [
        4.0,
        3.5,
        1.5,
        7.25,
        4.75,
    ]


def test_a_perfect_prediction_has_skill_one_and_the_chain_mean_has_none() -> None:
    errors = np.array([0.1, 0.3, 0.2])
    assert skill(np.zeros(3), errors).skill == 1
    assert skill(errors, errors).skill == 0
    assert not skill(errors, errors).holds


@given(st.integers(0, 1000))
def test_a_mix_error_is_a_share_of_sales(seed: int) -> None:
    generator = np.random.default_rng(seed)
    one, other = closure(generator.random((2, 5))), closure(generator.random((2, 5)))
    errors = mix_error(one, other)
    assert ((errors >= 0) & (errors <= 1)).all()
    np.testing.assert_allclose(mix_error(one, one), 0)


@given(st.integers(0, 50), st.integers(0, 39))
def test_no_store_takes_part_in_its_own_prediction(seed: int, store: int) -> None:
    whole, labels = simulated_chain(n_stores=40, n_periods=4, group_spread=0.5, seed=seed)
    p1, p2 = both_mixes(whole)
    changed = p2.copy()
    changed[store] = np.roll(changed[store], 3)
    first = predict(group_mean_of_others(p1, labels), p1, p2)[store]
    second = predict(group_mean_of_others(p1, labels), p1, changed)[store]
    np.testing.assert_allclose(first, second, rtol=1e-12)


@pytest.mark.parametrize(
    ("spread", "verdict"), [(0.8, "holds"), (0.2, "holds"), (0.0, "does not hold")]
)
@pytest.mark.parametrize("seed", range(3))
def test_planted_groups_get_the_right_verdict(spread: float, verdict: str, seed: int) -> None:
    whole, labels = simulated_chain(n_stores=200, group_spread=spread, store_spread=0.1, seed=seed)
    found = segment_validity(whole, "Tea", [named(whole, labels)])
    assert verdict_of(found) == verdict


def test_strong_groups_have_more_skill_than_weak_ones() -> None:
    skills = []
    for spread in (0.0, 0.2, 0.8):
        whole, labels = simulated_chain(n_stores=200, group_spread=spread, store_spread=0.1, seed=1)
        skills.append(grouping_skill(*both_mixes(whole), labels).skill)
    assert skills[0] < 0.02 < skills[1] < 0.4 < skills[2]


def test_shuffled_groups_hold_in_at_most_one_of_forty_draws() -> None:
    whole, labels = simulated_chain(n_stores=200, group_spread=0.8, store_spread=0.3, seed=2)
    p1, p2 = both_mixes(whole)
    generator = np.random.default_rng(0)
    held = [grouping_skill(p1, p2, generator.permutation(labels)).holds for _ in range(400)]
    assert np.mean(held) <= 0.025


def test_groups_made_of_the_second_half_would_seem_to_hold() -> None:
    """The leak that `known_on` keeps out: on a chain without groups it looks like skill."""
    whole, _ = simulated_chain(n_stores=200, store_spread=0.4, seed=3)
    _, p2 = both_mixes(whole)
    leaking = (p2[:, 0] > np.median(p2[:, 0])).astype(np.intp)
    assert grouping_skill(*both_mixes(whole), leaking).holds
    found = segment_validity(
        whole, "Tea", [named(whole, leaking, known_on=halves(whole)[1].starts[0])]
    )
    assert verdict_of(found) == "not possible"
    assert "the groups use data until 2000-07-03" in found["explanation"][0]


def test_an_attribute_of_the_retailer_is_a_rival_like_the_segments() -> None:
    whole, labels = simulated_chain(n_stores=200, group_spread=0.5, seed=6)
    formats = Grouping("format", {s: str(int(s[1:]) % 2) for s in whole.stores}, BEFORE)
    found = segment_validity(whole, "Tea", [named(whole, labels), formats])
    assert found["predictor"].to_list() == ["segments", "format", "own mix", "own mix, shrunken"]
    skills = dict(found.select("predictor", "skill").iter_rows())
    assert skills["segments"] > skills["format"] > 0


def test_undated_groups_cannot_be_tested() -> None:
    whole, labels = simulated_chain(n_stores=60, group_spread=1.0)
    found = segment_validity(whole, "Tea", [named(whole, labels, known_on=dt.date.max)])
    assert verdict_of(found) == "not possible"
    assert "data until an unknown date" in found["explanation"][0]


def test_a_store_with_a_mix_of_its_own_is_predicted_best_by_its_shrunken_past() -> None:
    whole, labels = simulated_chain(n_stores=100, store_spread=0.25, baskets_per_period=15, seed=4)
    found = segment_validity(whole, "Tea", [named(whole, labels)])
    assert found.schema == VALIDITY_SCHEMA
    skills = dict(found.select("predictor", "skill").iter_rows())
    assert skills["own mix, shrunken"] > max(skills["own mix"], skills["segments"], 0)
    assert verdict_of(found, "own mix, shrunken") == "holds"


def test_shrinkage_follows_what_the_past_says() -> None:
    strong, _ = simulated_chain(store_spread=1.0, baskets_per_period=200, seed=5)
    nothing, _ = simulated_chain(store_spread=0.0, baskets_per_period=5, seed=5)
    weak, strength = prior_sales(nothing.amounts), prior_sales(strong.amounts)
    assert weak is not None
    assert strength is not None
    assert weak > np.median(nothing.amounts.sum(axis=(1, 2)))
    assert strength < np.median(strong.amounts.sum(axis=(1, 2))) / 10


def test_shrinkage_lies_between_the_own_mix_and_the_chain() -> None:
    shares = closure(np.random.default_rng(0).random((10, 4)))
    sales = np.full(10, 100.0)
    np.testing.assert_allclose(shrink(shares, sales, 0.0), shares)
    np.testing.assert_allclose(shrink(shares, sales, np.inf), mean_of_others(shares))
    np.testing.assert_allclose(shrink(shares, sales, 100.0), (shares + mean_of_others(shares)) / 2)


def test_one_period_cannot_say_how_much_to_shrink() -> None:
    whole, _ = simulated_chain(n_periods=1)
    assert prior_sales(whole.amounts) is None
    assert expected_share(whole, "Tea").is_empty()


@pytest.mark.parametrize("n_periods", [2, 26])
def test_no_past_makes_the_mix_of_a_store_certain(n_periods: int) -> None:
    whole, _ = simulated_chain(
        n_periods=n_periods, store_spread=1.0, baskets_per_period=1e5, season=0.0, seed=5
    )
    weights = expected_share(whole, "Tea")["own_weight"]
    assert weights.max() < 1  # type: ignore[operator]
    assert weights.min() > 0.9  # type: ignore[operator]


def test_expected_shares_sum_to_one() -> None:
    whole, _ = simulated_chain(n_stores=30, n_periods=6, store_spread=0.5)
    found = expected_share(whole, "Tea")
    assert found.schema == EXPECTED_SHARE_SCHEMA
    sums = found.group_by("store_id").agg(pl.col("share", "expected_share").sum())
    assert len(sums) == 30
    np.testing.assert_allclose(sums.select("share", "expected_share").to_numpy(), 1)


def test_too_little_data_gives_rows_that_say_so() -> None:
    whole, labels = simulated_chain(n_periods=6)
    found = segment_validity(whole, "Tea", [named(whole, labels)])
    assert found["verdict"].to_list() == ["not possible"] * 3
    assert found["explanation"][0] == (
        "Tea: segments cannot be tested: the shorter half of the sales has 6 "
        "weeks; at least 13 are needed"
    )


def test_stores_that_all_sell_the_same_mix_leave_nothing_to_predict() -> None:
    whole, labels = simulated_chain(n_stores=60, seed=1)
    whole.amounts[:] = 10.0
    found = segment_validity(whole, "Tea", [named(whole, labels)])
    assert set(found["verdict"]) == {"not possible"}
    assert found["explanation"][0] == (
        "Tea: segments cannot be tested: the mix of the chain predicts every store without error"
    )


def test_a_single_need_state_leaves_nothing_to_predict() -> None:
    whole, labels = simulated_chain(n_stores=60, seed=1)
    single = Panel(
        whole.stores, ("tea",), whole.starts, whole.end, whole.amounts.sum(axis=2, keepdims=True)
    )
    groups = dict(zip(whole.stores, map(str, labels), strict=True))
    found = segment_validity(single, "Tea", [Grouping("segments", groups, dt.date.min)])
    assert set(found["verdict"]) == {"not possible"}
    assert found["explanation"][0] == (
        "Tea: segments cannot be tested: there is only one need state"
    )
