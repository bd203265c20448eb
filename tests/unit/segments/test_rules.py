"""Clusters as if-then rules."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier

from segmentation.segments.rules import (
    MAX_DEPTH,
    MIN_RULE_STORES,
    RULES_SCHEMA,
    SPARE_RULES,
    Feature,
    Rule,
    cluster_rules,
    condition,
    rule_sql,
    short_decimal,
    tree_rules,
)
from segmentation.settings import Settings

SHARE = Feature("Late Night", "Late Night", "share", is_level=False, imputed=0.1)
NUMBER = Feature("a.parking", "parking", "raw_value", is_level=False, imputed=100.0)
LEVEL = Feature("a.area = town", "area = town", "raw_value", is_level=True, imputed=0.0)


@given(
    st.floats(-1e9, 1e9, allow_nan=False),
    st.floats(1e-6, 1e9, allow_nan=False),
)
def test_a_short_decimal_divides_as_the_long_one_does(low: float, width: float) -> None:
    high = low + width
    assert low <= short_decimal(low, high) < high


@pytest.mark.parametrize(
    ("low", "high", "short"),
    [(0.11873, 0.12491, 0.12), (87.0, 91.0, 90.0), (0.0, 1.0, 0.5), (1.0, np.nextafter(1, 2), 1.0)],
)
def test_a_short_decimal_has_no_more_digits_than_it_needs(
    low: float, high: float, short: float
) -> None:
    assert short_decimal(low, high) == short


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_every_store_fulfils_one_rule_and_the_rules_say_what_the_tree_says(
    seed: int, n_clusters: int
) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(80, 3)).round(2)
    clusters = generator.integers(1, n_clusters + 1, size=80)
    rules = tree_rules(values, clusters, seed=7)
    held = np.array([rule.holds(values) for rule in rules])
    assert (held.sum(axis=0) == 1).all()
    tree = DecisionTreeClassifier(
        max_depth=MAX_DEPTH,
        max_leaf_nodes=len(np.unique(clusters)) + SPARE_RULES,
        min_samples_leaf=MIN_RULE_STORES,
        random_state=7,
    ).fit(values, clusters)
    said = np.array([rules[position].cluster for position in held.argmax(axis=0)])
    np.testing.assert_array_equal(said, tree.predict(values))


def test_clusters_that_a_line_divides_are_said_in_one_rule_each() -> None:
    values = np.array([[0.1], [0.2], [0.8], [0.9]])
    assert tree_rules(values, np.array([2, 2, 1, 1]), seed=1) == [
        Rule({0: (0.5, np.inf)}, 1),
        Rule({0: (-np.inf, 0.5)}, 2),
    ]


def test_a_single_cluster_needs_no_rules() -> None:
    assert tree_rules(np.eye(4), np.ones(4, dtype=np.int64), seed=1) == []


def test_a_condition_reads_as_people_speak() -> None:
    rule = Rule({0: (0.117, 0.5), 1: (-np.inf, 12500.0), 2: (-np.inf, 0.5)}, 3)
    assert condition(rule, [SHARE, NUMBER, LEVEL]) == (
        "Late Night above 11.7 % of sales up to 50 % of sales and parking up to 12,500 "
        "and area is not town"
    )
    assert condition(Rule({2: (0.5, np.inf)}, 3), [SHARE, NUMBER, LEVEL]) == "area is town"


def test_names_with_quotes_stay_text_in_the_query() -> None:
    feature = Feature("Children's", "Children's", "share", is_level=False, imputed=0.25)
    sql = rule_sql(Rule({0: (0.5, np.inf)}, 1), [feature], "internal", "Mom's; drop table x")
    assert "scope = 'Mom''s; drop table x'" in sql
    assert "feature = 'Children''s'), 0.25) > 0.5" in sql


def test_rules_count_who_fulfils_them_and_who_of_them_is_right() -> None:
    stores = [f"S{number}" for number in range(6)]
    clusters = pl.DataFrame(
        {"scope": "Snacks", "store_id": stores, "cluster": [1, 1, 1, 2, 2, None]}
    )
    shares = pl.DataFrame(
        {
            "scope": "Snacks",
            "store_id": stores,
            "shares": [[0.0, share] for share in (0.1, 0.2, None, 0.8, 0.9, 0.5)],
        }
    )
    no_values = pl.DataFrame(
        schema={"store_id": pl.String, "feature": pl.String, "value": pl.Float64}
    )
    usage = pl.DataFrame(
        {
            "lane": "internal",
            "scope": "Snacks",
            "model_id": "m",
            "todays_feature": ["left out", "store_id", None],
            "is_used": [False, True, True],
        }
    )
    described = pl.DataFrame(
        {
            "lane": "internal",
            "scope": "Snacks",
            "feature": ["left out", "store_id"],  # a name that the tables have themselves
            "label": ["left out", "store_id"],
            "category_column": pl.Series([None, None], dtype=pl.String),
            "position": [1, 2],
        }
    )
    found = cluster_rules(
        {"internal": clusters, "external": clusters.clear()},
        shares,
        no_values,
        usage,
        described,
        Settings({}),
    )
    assert found.schema == RULES_SCHEMA
    # the missing value counts as the median, 0.5
    assert found.select("cluster", "n_stores", "n_right", "cluster_stores", "fidelity").rows() == [
        (1, 3, 3, 3, 1.0),
        (2, 2, 2, 2, 1.0),
    ]


def test_rules_of_the_external_lane_read_long_values_of_which_some_are_missing() -> None:
    stores = [f"S{number}" for number in range(6)]
    clusters = pl.DataFrame(
        {
            "scope": "external",
            "store_id": stores,
            "cluster": [1, 1, 1, 2, 2, 1],
        }
    )
    values = pl.DataFrame(
        {
            "store_id": [*stores[1:], stores[0]],
            "feature": ["a.rent_usd"] * 5 + ["a.visits"],
            "value": [10.0, 20.0, 80.0, 90.0, None, 5.0],
        }
    )
    features = pl.DataFrame(
        {
            "lane": "external",
            "scope": "external",
            "feature": ["a.rent_usd", "a.visits"],
            "label": ["rent_usd", "visits"],
            "category_column": pl.Series([None, None], dtype=pl.String),
            "position": [1, 2],
        }
    )
    found = cluster_rules(
        {"internal": clusters.clear(), "external": clusters},
        pl.DataFrame(
            schema={"scope": pl.String, "store_id": pl.String, "shares": pl.List(pl.Float64)}
        ),
        values,
        features.select(
            "lane", "scope", todays_feature="feature", model_id=pl.lit("m"), is_used=True
        ),
        features,
        Settings({}),
    )
    # both unknown rents count as the median, 50
    assert found.select("condition", "n_stores", "n_right").rows() == [
        ("rent usd up to 60", 4, 4),
        ("rent usd above 60", 2, 2),
    ]
