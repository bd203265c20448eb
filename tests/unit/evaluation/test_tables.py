from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import duckdb
import numpy as np
import polars as pl
import pytest

from segmentation.evaluation.first_half import first_half_models
from segmentation.evaluation.periods import Panel, halves
from segmentation.evaluation.products import RANKING_SCHEMA
from segmentation.evaluation.simulation import simulated_chain
from segmentation.evaluation.tables import (
    budget_table,
    expected_shares_table,
    new_stores_table,
    ranking_table,
    room_table,
    store_groups_table,
    validity_table,
    value_table,
)
from segmentation.settings import Settings

from .helpers import sales_of

SETTINGS = Settings({"stability_resamples": 2, "gap_references": 2, "max_clusters": 4})
NO_ATTRIBUTES = pl.DataFrame(
    schema={"store_id": pl.String(), "attribute": pl.String(), "level": pl.String()}
)


@pytest.fixture(scope="module")
def chains() -> dict[str, Panel]:
    """Strong groups, no groups, and too short a time."""
    strong, _ = simulated_chain(n_stores=60, n_groups=3, group_spread=0.8, seed=4)
    even, _ = simulated_chain(n_stores=60, seed=4)
    short, _ = simulated_chain(n_stores=60, n_periods=6, seed=4)
    return {"Bread": even, "Honey": short, "Tea": strong}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def segments(chains: dict[str, Panel]) -> pl.DataFrame:
    """Segments of the stores of every chain: every third store in the same one."""
    return pl.DataFrame(
        [
            (category, store, f"{number % 3 + 1}-1")
            for category, chain in chains.items()
            for number, store in enumerate(chain.stores)
        ],
        schema=["category", "store_id", "segment_id"],
        orient="row",
    )


def history_of(
    segments: pl.DataFrame, known_on: dt.date, connection: duckdb.DuckDBPyConnection
) -> duckdb.DuckDBPyRelation:
    """The history after one build, on the given day."""
    rows = segments.with_columns(
        internal_cluster=pl.lit(1),
        external_cluster=pl.col("segment_id").str.head(1).cast(pl.Int64),
        dbt_valid_from=pl.lit(dt.datetime.combine(known_on, dt.time(8))),
        dbt_valid_to=pl.lit(None, dtype=pl.Datetime),
    )
    connection.register("history", rows.to_arrow())
    return connection.table("history")


def verdicts(found: pl.DataFrame, category: str) -> dict[str, str]:
    own = found.filter(pl.col("category") == category)
    return dict(own.select("predictor", "verdict").iter_rows())


def explanation(found: pl.DataFrame, category: str, predictor: str) -> str:
    own = found.filter(pl.col("category") == category, pl.col("predictor") == predictor)
    return str(own["explanation"].item())


@pytest.fixture
def validity(
    chains: dict[str, Panel], segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> pl.DataFrame:
    """Verdicts of a first build, which was made after all of the sales."""
    sales = sales_of(chains, connection)
    attributes = segments.filter(pl.col("category") == "Tea").select(
        "store_id", attribute=pl.lit("demographics.region"), level="segment_id"
    )
    return validity_table(
        sales,
        segments,
        attributes,
        history_of(segments, dt.date(2030, 1, 1), connection),
        first_half_models(connection, sales, sorted(chains), SETTINGS, existing=None),
        SETTINGS,
    )


def test_verdicts_follow_what_was_planted(validity: pl.DataFrame) -> None:
    assert verdicts(validity, "Tea") == {
        "demographics.region": "holds",
        "external clusters": "not possible",
        "internal clusters": "holds",
        "own mix": "holds",
        "own mix, shrunken": "holds",
        "segments": "not possible",
    }
    assert verdicts(validity, "Bread")["internal clusters"] == "not possible"
    assert verdicts(validity, "Bread")["demographics.region"] == "does not hold"
    assert set(verdicts(validity, "Honey").values()) == {"not possible"}


def test_every_test_that_is_not_possible_gives_its_reason(validity: pl.DataFrame) -> None:
    assert "does not fall into groups" in explanation(validity, "Bread", "internal clusters")
    assert "no build was made before 2000-07-03" in explanation(validity, "Tea", "segments")
    assert "the shorter half of the sales has 6 weeks" in explanation(validity, "Honey", "segments")


def test_segments_of_a_build_before_the_second_half_are_tested(
    chains: dict[str, Panel], segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> None:
    tea = {"Tea": chains["Tea"]}
    own = segments.filter(pl.col("category") == "Tea")
    sales = sales_of(tea, connection)
    split_on = halves(chains["Tea"])[1].starts[0]
    none = first_half_models(connection, sales, [], SETTINGS, existing=None)
    for known_on, verdict in (
        (split_on - dt.timedelta(days=1), "holds"),
        (split_on, "not possible"),
    ):
        found = validity_table(
            sales, own, NO_ATTRIBUTES, history_of(own, known_on, connection), none, SETTINGS
        )
        assert verdicts(found, "Tea")["segments"] == verdict
        assert verdicts(found, "Tea")["external clusters"] == verdict


def test_sales_without_dates_are_not_tested_and_have_no_other_rows(
    segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> None:
    even, _ = simulated_chain(n_stores=4, n_periods=2)
    sales = sales_of({"Bread": even}, connection).filter("false")
    found = validity_table(
        sales,
        segments,
        NO_ATTRIBUTES,
        history_of(segments, dt.date(1999, 1, 1), connection),
        first_half_models(connection, sales, [], SETTINGS, existing=None),
        SETTINGS,
    )
    assert set(found["verdict"]) == {"not possible"}
    assert "there are no sales with dates" in explanation(found, "Tea", "segments")
    assert expected_shares_table(sales, segments, SETTINGS).is_empty()
    value = value_table(
        sales, segments, first_half_models(connection, sales, [], SETTINGS, existing=None), SETTINGS
    )
    assert value.height == 3
    assert all("there are no sales with dates" in text for text in value["explanation"])
    room = room_table(sales, segments, SETTINGS)
    assert room["store_id"].null_count() == len(room) == 3
    assert all("there are no sales with dates" in text for text in room["explanation"])


def test_expected_shares_sum_to_one(
    chains: dict[str, Panel], segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> None:
    found = expected_shares_table(sales_of(chains, connection), segments, SETTINGS)
    sums = found.group_by("category", "store_id").agg(pl.col("expected_share").sum())
    assert len(sums) == 180
    np.testing.assert_allclose(sums["expected_share"], 1)


def test_room_of_segments_and_categories_is_the_sum_of_their_stores(
    chains: dict[str, Panel], segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> None:
    found = room_table(sales_of(chains, connection), segments, SETTINGS)
    stores = found.filter(pl.col("store_id").is_not_null())
    sums = found.filter(pl.col("store_id").is_null(), pl.col("room").is_not_null())
    assert set(stores["category"]) == {"Bread", "Tea"}
    for category, segment, room in sums.select("category", "segment_id", "room").iter_rows():
        own = stores.filter(pl.col("category") == category)
        if segment is not None:
            own = own.filter(pl.col("segment_id") == segment)
        assert own["room"].sum() == room


def test_more_clusters_than_are_planted_are_not_worth_their_upkeep(
    chains: dict[str, Panel], segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> None:
    sales = sales_of(chains, connection)
    models = first_half_models(connection, sales, sorted(chains), SETTINGS, existing=None)
    found = value_table(sales, segments, models, SETTINGS)
    assert set(found["category"]) == {"Bread", "Honey", "Tea"}
    assert explanations(found)["Honey"] == (
        "Honey: numbers of clusters cannot be compared: the shorter half of the sales has 6 weeks; "
        "at least 13 are needed"
    )
    best = dict(found.filter("is_best").select("category", "n_segments").iter_rows())
    assert best["Bread"] == 1
    gained = found.filter(pl.col("category") == "Tea")["sales_better_placed"].to_list()
    assert gained[0] == 0
    assert gained[1] < gained[2]
    step = gained[2] - gained[1]
    costly = Settings({"max_clusters": 4, "cost_per_segment": gained[2]})
    cheap = Settings({"max_clusters": 4, "cost_per_segment": step / 2})
    for settings, n_segments in ((cheap, 3), (costly, 1)):
        priced = value_table(sales, segments, models, settings)
        tea = priced.filter(pl.col("category") == "Tea", pl.col("n_segments") <= 3)
        assert tea.sort("net_value")["n_segments"][-1] == n_segments


def test_stores_that_share_their_segments_are_one_group_without_loss(
    chains: dict[str, Panel], segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> None:
    found = store_groups_table(sales_of(chains, connection), segments, SETTINGS)
    groups = found.filter(pl.col("store_id").is_not_null()).join(
        segments.filter(pl.col("category") == "Tea").select("store_id", own="segment_id"),
        on="store_id",
    )
    assert groups["store_group"].n_unique() == 3
    assert len(groups.select("store_group", "own").unique()) == 3
    losses = found.filter(pl.col("category").is_not_null())
    assert losses["category"].to_list() == ["Bread", "Honey", "Tea"]
    np.testing.assert_allclose(losses["loss"], 0, atol=1e-6)
    two = Settings({"n_store_groups": 2})
    coarser = store_groups_table(sales_of(chains, connection), segments, two)
    assert coarser["store_group"].n_unique() == 3  # two groups, and null in the rows of losses
    assert coarser.filter(pl.col("category") == "Tea")["loss"].item() > 0


@pytest.mark.parametrize(
    ("n_stores", "n_segments", "n_groups"), [(7, 2, 1), (10, 2, 1), (60, 12, 7), (400, 15, 15)]
)
def test_groups_have_eight_stores_on_average_unless_a_number_is_given(
    n_stores: int, n_segments: int, n_groups: int, connection: duckdb.DuckDBPyConnection
) -> None:
    whole, _ = simulated_chain(n_stores=n_stores, n_periods=2, seed=4)
    own = pl.DataFrame(
        {
            "category": ["Tea"] * n_stores,
            "store_id": whole.stores,
            "segment_id": [str(number % n_segments) for number in range(n_stores)],
        }
    )
    sales = sales_of({"Tea": whole}, connection)
    found = store_groups_table(sales, own, SETTINGS)["store_group"].drop_nulls()
    assert found.n_unique() == n_groups
    given = store_groups_table(sales, own, Settings({"n_store_groups": 2}))["store_group"]
    assert given.drop_nulls().n_unique() == 2


def test_the_order_of_products_is_tested_where_there_are_clusters(
    chains: dict[str, Panel], segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> None:
    sales = sales_of(chains, connection)
    models = first_half_models(connection, sales, list(chains), SETTINGS, existing=None)
    validity = validity_table(
        sales,
        segments,
        NO_ATTRIBUTES,
        history_of(segments, dt.date(2030, 1, 1), connection),
        models,
        SETTINGS,
    ).filter(pl.col("predictor") == "internal clusters")
    tea = halves(chains["Tea"])
    products = pl.DataFrame(
        [
            ("Tea", store, f"{need_state} {size}", float(first), float(second))
            for row, store in enumerate(chains["Tea"].stores)
            for column, need_state in enumerate(chains["Tea"].need_states)
            for size in (1, 2)
            for first, second in [[half.totals()[row, column] / size for half in tea]]
        ],
        schema=["category", "store_id", "product_id", "first_half", "second_half"],
        orient="row",
    )
    connection.register("products", products.to_arrow())
    given = validity.select("category", "verdict", "split_on", "explanation")
    found = ranking_table(sales, connection.table("products"), given, models, SETTINGS)
    assert found.schema == RANKING_SCHEMA
    verdicts = dict(found.select("category", "verdict").iter_rows())
    assert verdicts == {"Bread": "not possible", "Honey": "not possible", "Tea": "holds"}
    assert "does not fall into groups" in explanations(found)["Bread"]
    assert explanations(found)["Tea"].startswith("Tea: the brief ranks the products of the next")


def explanations(found: pl.DataFrame) -> dict[str, str]:
    return dict(found.select("category", "explanation").iter_rows())


def test_a_budget_joins_segments_where_it_costs_least(
    chains: dict[str, Panel], segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> None:
    sales = sales_of(chains, connection)
    assert budget_table(sales, sales, segments, SETTINGS).is_empty()
    found = budget_table(sales, sales, segments, Settings({"max_segments_total": 5}))
    # only in Tea do the segments differ
    chosen = found.select("category", "n_segments_in_budget").unique().sort("category")
    assert chosen.rows() == [("Bread", 1), ("Honey", 1), ("Tea", 3)]
    tea = found.filter(pl.col("category") == "Tea")
    assert tea["segment_id"].to_list() == tea["joined_segment_id"].to_list()
    bread = found.filter(pl.col("category") == "Bread")
    assert bread["joined_segment_id"].n_unique() == 1
    texts = dict(found.select("category", "explanation").iter_rows())
    assert texts["Tea"] == "Tea: 3 of 3 segments remain; tested on sales from 2000-07-03"
    assert texts["Honey"] == (
        "Honey: 1 of 3 segments remains; not tested on later sales, as the shorter half of the "
        "sales has 6 weeks; at least 13 are needed"
    )
    least = budget_table(sales, sales, segments, Settings({"max_segments_total": 1}))
    assert all(
        "; the budget of 1 is exceeded, as each of 3 categories keeps a segment" in text
        for text in least["explanation"]
    )
    assert set(least["n_segments_in_budget"]) == {1}
    assert (least["misplaced_sales_in_budget"] > 0).all()


def test_a_budget_goes_to_segments_that_last(connection: duckdb.DuckDBPyConnection) -> None:
    """Segments that differ twice as much, but deal their mixes anew, get nothing of the budget."""
    lasting, labels = simulated_chain(n_stores=60, n_groups=3, group_spread=0.3, seed=4)
    fleeting, _ = simulated_chain(n_stores=60, n_groups=3, group_spread=0.8, seed=5)
    order = np.argsort((labels + 1) % 3, kind="stable")[np.argsort(np.argsort(labels))]
    fleeting.amounts[:, 13:] = fleeting.amounts[order][:, 13:]
    sales = sales_of({"Bread": fleeting, "Tea": lasting}, connection)
    segments = pl.DataFrame(
        [
            (category, store, f"{label + 1}-1")
            for category in ("Bread", "Tea")
            for store, label in zip(lasting.stores, labels.tolist(), strict=True)
        ],
        schema=["category", "store_id", "segment_id"],
        orient="row",
    )
    found = budget_table(sales, sales, segments, Settings({"max_segments_total": 4}))
    chosen = found.select("category", "n_segments_in_budget").unique().sort("category")
    assert chosen.rows() == [("Bread", 1), ("Tea", 3)]
    undated = sales.filter("false")
    found = budget_table(sales, undated, segments, Settings({"max_segments_total": 4}))
    assert all("not tested on later sales, as there are no" in one for one in found["explanation"])


def test_joining_does_not_look_at_the_sales_that_test_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Segments by the mix of both halves, where the mix of the second says nothing of the first."""
    fleeting, labels = simulated_chain(n_stores=90, n_groups=3, group_spread=0.8, seed=5)
    generator = np.random.default_rng(5)
    order = generator.permutation(90)
    fleeting.amounts[:, 13:] = fleeting.amounts[order][:, 13:]
    lasting, _ = simulated_chain(n_stores=90, n_groups=3, group_spread=0.1, seed=4)
    pairs = [f"{one}-{other}" for one, other in zip(labels, labels[order], strict=True)]
    segments = pl.DataFrame(
        {
            "category": ["Bread"] * 90 + ["Tea"] * 90,
            "store_id": [*fleeting.stores, *lasting.stores],
            "segment_id": [*pairs, *map(str, labels)],
        }
    )
    sales = sales_of({"Bread": fleeting, "Tea": lasting}, connection)
    found = budget_table(sales, sales, segments, Settings({"max_segments_total": 4}))
    chosen = found.select("category", "n_segments_in_budget").unique().sort("category")
    assert chosen.rows() == [("Bread", 1), ("Tea", 3)]


def test_a_segment_of_new_stores_has_no_later_sales_to_be_tested_on(
    chains: dict[str, Panel], segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> None:
    tea = chains["Tea"]
    amounts = tea.amounts.copy()
    amounts[2::3, :13] = 0
    opened = Panel(tea.stores, tea.need_states, tea.starts, tea.end, amounts)
    sales = sales_of({"Tea": opened}, connection)
    own = segments.filter(pl.col("category") == "Tea")
    found = budget_table(sales, sales, own, Settings({"max_segments_total": 2}))
    assert found["segment_id"].to_list() == ["1-1", "2-1", "3-1"]
    assert all(
        "not tested on later sales, as no store of segment 3-1 sold in both halves" in text
        for text in found["explanation"]
    )


def test_a_new_store_gets_the_segment_that_its_surroundings_tell(
    chains: dict[str, Panel], segments: pl.DataFrame, connection: duckdb.DuckDBPyConnection
) -> None:
    tea = {"Tea": chains["Tea"]}
    own = segments.filter(pl.col("category") == "Tea")
    generator = np.random.default_rng(0)
    kinds = [int(segment[0]) for segment in own["segment_id"]]
    surroundings = pl.DataFrame(
        {
            "store_id": [*own["store_id"], "new"],
            "x": [[kind + generator.normal(0, 0.1), generator.normal()] for kind in [*kinds, 2]],
        }
    )
    stores = pl.DataFrame({"store_id": surroundings["store_id"]}).with_columns(
        has_sales=pl.col("store_id") != "new"
    )
    sales = sales_of(tea, connection)
    found = new_stores_table(sales, own, surroundings, stores, SETTINGS)
    probabilities = found.filter(pl.col("segment_id").is_not_null())
    assert set(probabilities["store_id"]) == {"new"}
    assert probabilities.sort("probability")["segment_id"][-1] == "2-1"
    assert probabilities["probability"].sum() == pytest.approx(1)
    mix = found.filter(pl.col("need_state").is_not_null())
    assert mix["expected_share"].sum() == pytest.approx(1)
    assert found.filter(pl.col("explanation").is_not_null())["uses_surroundings"].to_list() == [
        True
    ]
    nobody = stores.filter("has_sales")
    assert new_stores_table(sales, own, surroundings, nobody, SETTINGS).is_empty()
