from __future__ import annotations

import datetime as dt

import duckdb
import numpy as np
import polars as pl
import pytest

from segmentation.evaluation.first_half import (
    FirstHalf,
    first_clusters,
    first_half,
    first_half_models,
    known_before,
)
from segmentation.evaluation.periods import Panel, halves, panels
from segmentation.evaluation.simulation import simulated_chain
from segmentation.settings import Settings

from .helpers import sales_of

SETTINGS = Settings({"stability_resamples": 2, "gap_references": 2, "max_clusters": 4})


@pytest.fixture(scope="module")
def planted() -> Panel:
    whole, _ = simulated_chain(n_stores=60, n_groups=3, group_spread=0.8, seed=4)
    return whole


@pytest.fixture(scope="module")
def models(planted: Panel) -> pl.DataFrame:
    with duckdb.connect() as connection:
        sales = sales_of({"Tea": planted}, connection)
        return first_half_models(connection, sales, ["Tea"], SETTINGS, existing=None)


def with_another_second_half(whole: Panel) -> Panel:
    """The same chain until the middle; then the stores swap their sales."""
    amounts = whole.amounts.copy()
    cut = len(halves(whole)[0].starts)
    amounts[:, cut:] = np.random.default_rng(0).permutation(amounts[:, cut:]) * 3 + 1
    return Panel(whole.stores, whole.need_states, whole.starts, whole.end, amounts)


def known_of(sales: duckdb.DuckDBPyRelation) -> FirstHalf:
    """What was known of the only category."""
    ((_, whole),) = panels(sales, ["Tea"], SETTINGS.project.period)
    return first_half(sales, whole, "Tea", SETTINGS)


def test_planted_groups_are_found_in_the_first_half(planted: Panel, models: pl.DataFrame) -> None:
    with duckdb.connect() as connection:
        known = known_of(sales_of({"Tea": planted}, connection))
    found = first_clusters(known, "Tea", models, SETTINGS)
    assert found.problem is None
    assert found.stores == planted.stores
    assert len(set(found.labels.values())) == 3
    groups = {tuple(found.labels[store] for store in planted.stores[n::3]) for n in range(3)}
    assert all(len(set(group)) == 1 for group in groups)


def test_another_second_half_changes_nothing_that_was_fitted_on_the_first(
    planted: Panel, models: pl.DataFrame
) -> None:
    changed = with_another_second_half(planted)
    with duckdb.connect() as connection:
        sales = sales_of({"Tea": changed}, connection)
        assert first_half_models(connection, sales, ["Tea"], SETTINGS, existing=models).is_empty()
        known = known_of(sales)
    with duckdb.connect() as connection:
        before = known_of(sales_of({"Tea": planted}, connection))
    assert known.features.equals(before.features)
    one, other = (first_clusters(k, "Tea", models, SETTINGS) for k in (known, before))
    assert one.labels == other.labels != {}


def test_a_need_state_that_is_new_in_the_second_half_is_unknown_in_the_first(
    planted: Panel,
) -> None:
    amounts = planted.amounts.copy()
    amounts[:, : len(halves(planted)[0].starts), 0] = 0
    later = Panel(planted.stores, planted.need_states, planted.starts, planted.end, amounts)
    with duckdb.connect() as connection:
        known = known_of(sales_of({"Tea": later}, connection))
    assert known.scope_features["feature"].to_list() == list(planted.need_states[1:])


def test_too_little_data_is_not_fitted() -> None:
    short, _ = simulated_chain(n_stores=40, n_periods=6)
    with duckdb.connect() as connection:
        sales = sales_of({"Tea": short}, connection)
        assert first_half_models(
            connection, sales, ["Tea", "Bread"], SETTINGS, existing=None
        ).is_empty()
        known = known_of(sales)
    assert first_clusters(known, "Tea", pl.DataFrame(), SETTINGS).problem is not None


def test_a_model_of_other_data_is_not_used(models: pl.DataFrame) -> None:
    other, _ = simulated_chain(n_stores=60, n_groups=3, group_spread=0.8, seed=5)
    with duckdb.connect() as connection:
        known = known_of(sales_of({"Tea": other}, connection))
    found = first_clusters(known, "Tea", models, SETTINGS)
    assert found.labels == {}
    assert found.problem == "no model was fitted on the first half, because retrain is never"


HISTORY = """
from (
    values
    ('Tea', 'S1', '1-1', 1, 2, timestamp '2024-01-10 08:00:00', timestamp '2025-01-01 00:00:00'),
    ('Tea', 'S1', '2-1', 2, 1, timestamp '2025-01-01 00:00:00', null),
    ('Tea', 'S2', '2-x', 2, null, timestamp '2024-05-01 08:00:00', null),
    ('Bread', 'S1', '9-9', 9, 9, timestamp '2024-01-10 08:00:00', null)
) as t (
    category, store_id, segment_id, internal_cluster, external_cluster,
    dbt_valid_from, dbt_valid_to
)
"""


def test_groups_are_those_in_force_when_the_second_half_began() -> None:
    with duckdb.connect() as connection:
        history = connection.sql(HISTORY)
        found, known_on = known_before(history, "Tea", dt.date(2024, 12, 30))
        assert found.rows() == [("S1", "1-1", "1", "2"), ("S2", "2-x", "2", None)]
        assert known_on == dt.date(2024, 5, 1)
        found, known_on = known_before(history, "Tea", dt.date(2025, 6, 1))
        assert found["segment_id"].to_list() == ["2-1", "2-x"]
        found, known_on = known_before(history, "Tea", dt.date(2023, 1, 1))
        assert found.is_empty()
        assert known_on is None
