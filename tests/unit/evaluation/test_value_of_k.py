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


def test_too_little_time_has_no_rows() -> None:
    whole, labels = simulated_chain(n_periods=6)
    assert value_of_k(whole, "Tea", candidates(labels), cost_per_segment=1.0).is_empty()
