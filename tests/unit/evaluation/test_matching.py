from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from segmentation.evaluation.matching import (
    BALANCE_SCHEMA,
    EFFECT_SCHEMA,
    MATCHES_SCHEMA,
    MatchedStores,
    estimate,
    expected_change,
    growth,
    matched_stores,
    nearest_controls,
    past_coordinates,
)
from segmentation.evaluation.periods import Panel
from segmentation.evaluation.simulation import simulated_chain

N_BEFORE = 13


def chain(seed: int = 0, n_stores: int = 160) -> Panel:
    """A chain whose stores also grow at their own pace."""
    whole, _ = simulated_chain(n_stores=n_stores, group_spread=0.3, store_spread=0.1, seed=seed)
    pace = np.random.default_rng(1000 + seed).normal(0, 0.1, n_stores)
    whole.amounts[:, N_BEFORE:] *= np.exp(pace)[:, np.newaxis, np.newaxis]
    return whole


def measure(whole: Panel, tests: list[str], **options: bool) -> MatchedStores:
    return matched_stores(whole, tests, whole.starts[N_BEFORE], seed=0, **options)  # type: ignore[arg-type]


def test_a_thousand_placebo_tests_center_on_zero_and_are_covered() -> None:
    effects, covered = [], []
    for seed in range(100):
        whole = chain(seed)
        before, after = whole.amounts[:, :N_BEFORE], whole.amounts[:, N_BEFORE:]
        points, _ = past_coordinates(before)
        ratios = growth(before, after)
        generator = np.random.default_rng(seed)
        for _ in range(10):
            tests = np.sort(generator.permutation(160)[:24])
            found = estimate(ratios, points, tests, None, generator, n_placebos=80)
            effects.append(found.effect)
            covered.append(found.low <= 0 <= found.high)
    assert len(effects) == 1000
    assert abs(np.mean(effects)) < 0.003
    assert 0.93 <= np.mean(covered) <= 0.98


def test_an_effect_is_found() -> None:
    whole = chain()
    tests = list(whole.stores[::5])
    whole.amounts[::5, N_BEFORE:] *= 1.2
    (row,) = measure(whole, tests).effect.to_dicts()
    assert row["effect_low"] > 0
    assert row["effect_low"] < 0.2 < row["effect_high"]
    assert "Warning" not in row["explanation"]


def test_each_test_store_has_ten_controls_that_are_no_test_stores() -> None:
    whole = chain()
    tests = list(whole.stores[::5])
    found = measure(whole, tests)
    assert found.matches.schema == MATCHES_SCHEMA
    assert found.balance.schema == BALANCE_SCHEMA
    assert found.effect.schema == EFFECT_SCHEMA
    assert set(found.matches["store_id"]) == set(tests)
    assert not set(found.matches["control_store_id"]) & set(tests)
    assert found.matches.group_by("store_id").len()["len"].to_list() == [10] * len(tests)


def test_controls_are_nearer_to_the_test_stores_than_all_others_are() -> None:
    whole, labels = simulated_chain(n_stores=400, group_spread=0.8, seed=1)
    tests = [store for store, label in zip(whole.stores, labels, strict=True) if label == 0][:25]
    balance = measure(whole, tests).balance.filter(pl.col("measure").str.starts_with("share"))
    to_controls = (balance["tests"] - balance["controls"]).abs().sum()
    to_others = (balance["tests"] - balance["others"]).abs().sum()
    assert to_controls < to_others / 3


def test_controls_come_from_the_same_segment_if_asked() -> None:
    whole = chain()
    segments = {store: str(number % 2) for number, store in enumerate(whole.stores)}
    found = matched_stores(
        whole, list(whole.stores[::5]), whole.starts[N_BEFORE], segments=segments, seed=0
    )
    for store, control in found.matches.select("store_id", "control_store_id").iter_rows():
        assert segments[store] == segments[control]


def test_a_store_that_closes_during_the_test_stays_in_it() -> None:
    whole = chain()
    whole.amounts[0, N_BEFORE + 2 :] = 0
    found = measure(whole, list(whole.stores[::5]))
    assert whole.stores[0] in set(found.matches["store_id"])


def test_a_store_without_a_past_is_not_compared() -> None:
    whole = chain()
    whole.amounts[0, : N_BEFORE - 2] = 0
    found = measure(whole, list(whole.stores[::5]))
    assert whole.stores[0] not in set(found.matches["store_id"])


def test_stores_with_a_weak_past_get_a_warning_instead_of_an_effect() -> None:
    whole = chain()
    _, measures = past_coordinates(whole.amounts[:, :N_BEFORE])
    weakest = np.argsort(measures[:, 1])[:24]
    (row,) = measure(whole, [whole.stores[store] for store in weakest]).effect.to_dicts()
    assert row["past_is_unusual"]
    assert "regression to the mean" in row["explanation"]


def test_stores_that_are_said_to_be_chosen_by_their_past_get_the_warning() -> None:
    whole = chain()
    found = measure(whole, list(whole.stores[::5]), chosen_by_past=True)
    assert "were chosen for their past sales" in found.effect["explanation"][0]


def noise(seed: int, n_stores: int = 160) -> Panel:
    """Stores that are all the same: who sold little before the test did so by chance."""
    whole, _ = simulated_chain(n_stores=n_stores, seed=seed)
    generator = np.random.default_rng(seed)
    whole.amounts[:] = generator.poisson(20.0, whole.amounts.shape)
    return whole


def chosen_by_past(whole: Panel, rule: str) -> list[str]:
    before = whole.amounts[:, :N_BEFORE].sum(axis=2)
    scores = {
        "lowest level": before.mean(axis=1),
        "highest level": -before.mean(axis=1),
        "lowest growth": before[:, 7:].mean(axis=1) / before[:, :7].mean(axis=1),
        "highest growth": -before[:, 7:].mean(axis=1) / before[:, :7].mean(axis=1),
    }[rule]
    return [whole.stores[row] for row in np.argsort(scores)[:26]]


@pytest.mark.parametrize(
    "rule", ["lowest level", "highest level", "lowest growth", "highest growth"]
)
@pytest.mark.parametrize("seed", range(5))
def test_stores_chosen_by_their_past_get_a_warning(rule: str, seed: int) -> None:
    whole = noise(seed)
    (row,) = measure(whole, chosen_by_past(whole, rule)).effect.to_dicts()
    assert row["past_is_unusual"]
    assert "regression to the mean" in row["explanation"]


@pytest.mark.parametrize(("make", "most"), [(chain, 0.05), (noise, 0.1)])
def test_stores_chosen_at_random_get_no_warning(make: Callable[[int], Panel], most: float) -> None:
    warned = []
    for seed in range(40):
        whole = make(seed)
        tests = np.random.default_rng(seed).permutation(whole.stores)[:24].tolist()
        warned.append(measure(whole, tests).effect["past_is_unusual"].item())
    assert np.mean(warned) <= most


def test_the_expected_change_is_the_one_of_stores_with_the_same_past() -> None:
    changes, expected = [], []
    for seed in range(40):
        whole = noise(seed)
        before, after = whole.amounts[:, :N_BEFORE], whole.amounts[:, N_BEFORE:]
        _, measures = past_coordinates(before)
        rows = np.argsort(measures[:, 0])[:26]
        mean = np.tile(np.delete(measures, rows, axis=0).mean(axis=0), (26, 1))
        ratios = growth(before, after)
        changes.append(ratios[rows].mean() - np.delete(ratios, rows).mean())
        expected.append(expected_change(measures, ratios, rows, mean))
    assert np.mean(changes) > 0.01
    assert np.mean(expected) == pytest.approx(np.mean(changes), rel=0.2)


@pytest.mark.parametrize("n_tests", [1, 5, 19])
def test_a_few_test_stores_have_controls_and_no_effect(n_tests: int) -> None:
    whole = chain()
    found = measure(whole, list(whole.stores[:n_tests]))
    assert found.matches.height == 10 * n_tests
    assert found.balance["measure"][0] == "log sales per period"
    (row,) = found.effect.to_dicts()
    assert row["effect"] is None
    stores = "1 test store" if n_tests == 1 else f"{n_tests} test stores"
    assert row["explanation"] == (
        f"Controls were found, but the effect cannot be measured: {stores} that sold regularly "
        "before the test; at least 20 are needed to tell an effect from chance"
    )


def test_without_other_stores_nothing_is_matched() -> None:
    whole = chain()
    found = measure(whole, list(whole.stores))
    assert found.matches.is_empty()
    assert found.effect["explanation"].to_list() == [
        "The test cannot be measured: 0 other stores that sold regularly before the test; "
        "at least 60 are needed to tell an effect from chance"
    ]


def test_test_stores_that_are_left_out_are_named() -> None:
    whole = chain()
    whole.amounts[:20:5, : N_BEFORE - 2] = 0
    (row,) = measure(whole, list(whole.stores[::5])).effect.to_dicts()
    assert row["n_tests"] == 28
    assert (
        "left out: 4 test stores that sold in less than 90% of the periods before the test "
        "(S00000, S00005, S00010 and others)" in row["explanation"]
    )


def test_a_test_store_without_others_in_its_segment_does_not_count_as_no_effect() -> None:
    whole = chain()
    tests = list(whole.stores[::5])
    whole.amounts[::5, N_BEFORE:] *= 1.5
    alone = set(tests[:10])
    segments = {store: "1-2" if store in alone else "1-1" for store in whole.stores}
    starts_on = whole.starts[N_BEFORE]
    found = matched_stores(whole, tests, starts_on, segments=segments, seed=0)
    (row,) = found.effect.to_dicts()
    assert row["n_tests"] == 22
    assert row["effect"] == pytest.approx(0.5, abs=0.1)
    assert "left out: 10 test stores that" in row["explanation"]
    assert "or have no other store in their segment" in row["explanation"]


def test_an_unknown_test_store_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 of 1 test stores have no sales"):
        measure(chain(), ["nowhere"])


def test_a_store_is_never_its_own_control() -> None:
    points = np.arange(5.0)[:, np.newaxis]
    rows = np.arange(5)
    near, _ = nearest_controls(points, rows, rows, None, 4)
    assert not (near == rows[:, np.newaxis]).any()
