from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.evaluation.simulation import simulated_chain
from segmentation.evaluation.store_groups import (
    BUDGET_SCHEMA,
    GROUP_LOSS_SCHEMA,
    STORE_GROUPS_SCHEMA,
    Plans,
    group_loss,
    merged_steps,
    segment_budget,
    store_groups,
)
from segmentation.features.vectors import closure

LOSSES = st.dictionaries(
    st.sampled_from("abcd"),
    st.dictionaries(st.integers(1, 6), st.integers(0, 50), min_size=1, max_size=4),
    min_size=1,
)


def segments_of(labels: dict[str, list[int]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (category, f"S{store:05d}", f"{category}-{label}")
            for category, given_labels in labels.items()
            for store, label in enumerate(given_labels)
        ],
        schema=["category", "store_id", "segment_id"],
        orient="row",
    )


def test_stores_that_share_all_segments_are_one_group() -> None:
    labels = [0, 0, 0, 1, 1, 2]
    segments = segments_of({"Tea": labels, "Bread": labels})
    found = store_groups(segments, {"Tea": 10.0, "Bread": 5.0}, 3, seed=0)
    assert found.schema == STORE_GROUPS_SCHEMA
    assert found["store_group"].to_list() == ["group 1"] * 3 + ["group 2"] * 2 + ["group 3"]
    assert found["agreement"].to_list() == pytest.approx([1.0] * 5 + [None])


def test_the_category_with_more_sales_decides() -> None:
    segments = segments_of({"Tea": [0, 0, 1, 1], "Bread": [0, 1, 0, 1]})
    found = store_groups(segments, {"Tea": 90.0, "Bread": 10.0}, 2, seed=0)
    groups = found["store_group"].to_list()
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert found["agreement"].to_list() == pytest.approx([0.9] * 4)


def test_a_single_grouping_costs_nothing_where_it_is_the_segments() -> None:
    whole, labels = simulated_chain(n_stores=60, group_spread=0.8, seed=1)
    other, other_labels = simulated_chain(n_stores=60, group_spread=0.8, seed=2)
    segments = {
        "Tea": dict(zip(whole.stores, map(str, labels), strict=True)),
        "Bread": dict(zip(other.stores, map(str, other_labels), strict=True)),
    }
    groups = pl.DataFrame(
        {
            "store_id": whole.stores,
            "store_group": [f"group {number}" for number in labels],
            "agreement": [1.0] * 60,
        }
    )
    found = group_loss({"Tea": whole}, segments, groups)
    assert found.schema == GROUP_LOSS_SCHEMA
    assert found["loss"].to_list() == [0.0]
    shuffled = groups.with_columns(pl.col("store_group").shuffle(seed=1))
    losses = group_loss({"Tea": whole, "Bread": other}, segments, shuffled)
    assert losses["category"].to_list() == ["Bread", "Tea"]
    assert (losses["loss"] > 0).all()


@given(LOSSES, st.integers(1, 20))
def test_the_budget_is_as_good_as_trying_everything(
    losses: dict[str, dict[int, int]], maximum: int
) -> None:
    candidates = {
        name: [(n, float(loss)) for n, loss in given.items()] for name, given in losses.items()
    }
    every = [
        sum(loss for _, loss in choice)
        for choice in itertools.product(*candidates.values())
        if sum(n for n, _ in choice) <= maximum
    ]
    if not every:
        with pytest.raises(ValueError, match=f"max_segments_total is {maximum}"):
            segment_budget(candidates, maximum)
        return
    found = segment_budget(candidates, maximum)
    assert found.schema == BUDGET_SCHEMA
    assert found["category"].to_list() == sorted(losses)
    assert found["n_segments"].sum() <= maximum
    assert found["loss"].sum() == min(every)


def test_merging_follows_the_planted_groups() -> None:
    whole, labels = simulated_chain(n_stores=60, group_spread=0.8, store_spread=0.05, seed=3)
    halved = labels * 2 + (np.arange(60) // 4) % 2
    shares = closure(whole.totals())
    plans = Plans(shares, shares, whole.totals().sum(axis=1))
    steps = merged_steps(plans, halved)
    assert sorted(steps) == list(range(1, 9))
    loss, found = steps[4]
    assert len(set(zip(found.tolist(), labels.tolist(), strict=True))) == 4
    assert loss == pytest.approx(plans.misplaced_sales(labels))
    assert steps[1][0] > 2 * steps[4][0]


def test_merging_is_near_the_best_of_all_mergers() -> None:
    whole, labels = simulated_chain(
        n_stores=50, n_groups=5, group_spread=0.4, store_spread=0.1, seed=4
    )
    shares = closure(whole.totals())
    plans = Plans(shares, shares, whole.totals().sum(axis=1))
    steps = merged_steps(plans, labels)
    for n_segments in (2, 3, 4):
        best = min(
            plans.misplaced_sales(np.array(plan, dtype=np.intp)[labels])
            for plan in itertools.product(range(n_segments), repeat=5)
            if len(set(plan)) == n_segments
        )
        assert best <= steps[n_segments][0] <= 1.05 * best
