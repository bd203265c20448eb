from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from segmentation.evaluation.simulation import simulated_chain
from segmentation.evaluation.value_of_k import VALUE_OF_K_SCHEMA, value_of_k
from segmentation.features.vectors import Labels


def candidates(labels: Labels) -> dict[int, Labels]:
    """The planted four groups, two pairs of them, and each cut in two at random."""
    halves = np.random.default_rng(0).integers(0, 2, len(labels))
    return {2: labels // 2, 4: labels, 8: 2 * labels + halves}


def best_of(frame: pl.DataFrame) -> int:
    return int(frame.filter("is_best")["n_segments"].item())


def test_the_planted_number_is_best_where_segments_cost_little() -> None:
    whole, labels = simulated_chain(n_stores=160, group_spread=0.6, store_spread=0.1, seed=1)
    found = value_of_k(whole, "Tea", candidates(labels), cost_per_segment=1.0)
    assert found.schema == VALUE_OF_K_SCHEMA
    assert found["n_segments"].to_list() == [1, 2, 4, 8]
    assert best_of(found) == 4


def test_one_plan_is_best_where_segments_cost_more_than_they_gain() -> None:
    whole, labels = simulated_chain(n_stores=160, group_spread=0.6, store_spread=0.1, seed=1)
    cost = whole.amounts.sum()
    assert best_of(value_of_k(whole, "Tea", candidates(labels), cost_per_segment=cost)) == 1


def test_one_plan_is_best_where_no_groups_hold() -> None:
    whole, labels = simulated_chain(n_stores=160, store_spread=0.1, seed=1)
    assert best_of(value_of_k(whole, "Tea", candidates(labels), cost_per_segment=0.0)) == 1


def test_net_value_is_the_gain_less_the_upkeep() -> None:
    whole, labels = simulated_chain(n_stores=160, group_spread=0.6, seed=1)
    found = value_of_k(whole, "Tea", candidates(labels), cost_per_segment=7.0)
    net = (found["sales_better_placed"] - 7.0 * found["n_segments"]).to_list()
    assert found["net_value"].to_list() == pytest.approx(net)
    assert found["sales_better_placed"][0] == 0


@pytest.mark.parametrize(("n_periods", "n_stores"), [(1, 60), (6, 60), (26, 12)])
def test_too_little_data_has_one_row_that_says_why(n_periods: int, n_stores: int) -> None:
    whole, labels = simulated_chain(n_periods=n_periods, n_stores=n_stores)
    (row,) = value_of_k(whole, "Tea", candidates(labels), cost_per_segment=1.0).to_dicts()
    assert row["n_segments"] == 1
    assert row["net_value"] is None
    assert not row["is_best"]
    assert row["explanation"].startswith("Tea: numbers of clusters cannot be compared: ")


def test_a_single_need_state_is_said_to_leave_nothing_to_plan() -> None:
    whole, labels = simulated_chain(n_stores=60, n_need_states=1)
    (row,) = value_of_k(whole, "Tea", candidates(labels), cost_per_segment=1.0).to_dicts()
    assert row["explanation"] == (
        "Tea: numbers of clusters cannot be compared: there is only one need state"
    )


def test_a_gain_within_chance_does_not_pay_for_more_segments() -> None:
    """One of the planted groups is cut in two at random, which is as good by chance alone."""
    largest, best = [], []
    for seed in range(20):
        whole, labels = simulated_chain(
            n_stores=160, group_spread=0.4, store_spread=0.05, baskets_per_period=500, seed=seed
        )
        cut = np.random.default_rng(seed).integers(0, 2, len(labels))
        more = np.where((labels == 0) & (cut == 1), 4, labels)
        found = value_of_k(whole, "Tea", {4: labels, 5: more}, cost_per_segment=0.0)
        largest.append(found.sort("net_value")["n_segments"][-1])
        best.append(best_of(found))
    assert np.mean(np.array(largest) == 5) >= 0.1
    assert np.mean(np.array(best) == 4) >= 0.9


def test_the_sentence_tells_why_a_number_is_best() -> None:
    whole, labels = simulated_chain(n_stores=160, group_spread=0.6, store_spread=0.1, seed=1)
    gain = value_of_k(whole, "Tea", {4: labels}, cost_per_segment=0.0)["sales_better_placed"][1]
    shuffled = np.random.default_rng(0).permutation(labels)
    texts = [
        value_of_k(whole, "Tea", {4: given}, cost_per_segment=cost)["explanation"][0]
        for given, cost in ((labels, 0.0), (labels, 0.33 * gain), (labels, gain), (shuffled, 0.0))
    ]
    assert texts == [
        "Tea: 4 clusters have the largest net value, and no smaller number is within one standard "
        "error of it",
        "Tea: one plan for all stores is within one standard error of the largest net value, "
        "which 4 clusters have",
        "Tea: one plan for all stores has the largest net value",
        "Tea: no number of clusters holds on later sales, so one plan for all stores is best",
    ]


def test_the_gain_has_a_standard_error_that_covers_new_stores() -> None:
    """The gain of many chains with the same groups varies as much as its standard error says."""
    gains, errors = [], []
    for seed in range(40):
        whole, labels = simulated_chain(n_stores=160, group_spread=0.0, store_spread=0.3, seed=seed)
        found = value_of_k(whole, "Tea", {4: labels}, cost_per_segment=0.0)
        gains.append(found["sales_better_placed"][1])
        errors.append(found["net_value_standard_error"][1])
    assert np.std(gains) == pytest.approx(np.mean(errors), rel=0.4)
