"""Values and names as they come: a bad row has a reason, and no store is lost.

A build takes seconds, so one build holds many bad things that do not touch each other, and each
test looks at one of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from .accounts import Outcome, outcome_of
from .helpers import QUICK, Inputs, Project, is_listed, small_inputs

# --- values -----------------------------------------------------------------------------------

#: Sales rows by name of the case: what differs from a good row, and the reason of the rejection.
BAD_SALES: Final[Mapping[str, tuple[Mapping[str, str | None], str]]] = {
    "null store": ({"store_id": None}, "store_id is missing"),
    "empty store": ({"store_id": ""}, "store_id is missing"),
    "blank store": ({"store_id": " \u00a0\t"}, "store_id is missing"),
    "unknown store": ({"store_id": "Unknown"}, "store_id is missing"),
    "nan store": ({"store_id": "nan"}, "store_id is missing"),
    "null product": ({"product_id": None}, "product_id is missing"),
    "empty product": ({"product_id": ""}, "product_id is missing"),
    "unknown product": ({"product_id": "UNKNOWN"}, "product_id is missing"),
    "other product": ({"product_id": "9-9"}, "product_id has no accepted row in products"),
    "half a product": ({"product_id": "no-category"}, "product_id has no accepted row in products"),
    "null amount": ({"sales_amount": None}, "sales_amount is missing"),
    "empty amount": ({"sales_amount": ""}, "sales_amount is missing"),
    "nan amount": ({"sales_amount": "NaN"}, "sales_amount is missing"),
    "text amount": ({"sales_amount": "twelve"}, "sales_amount is not a number"),
    "comma amount": ({"sales_amount": "12,50"}, "sales_amount is not a number"),
    "dollar amount": ({"sales_amount": "$5"}, "sales_amount is not a number"),
    "infinite amount": ({"sales_amount": "inf"}, "sales_amount is not finite"),
    "minus infinity": ({"sales_amount": "-Infinity"}, "sales_amount is not finite"),
    "huge amount": ({"sales_amount": "1e300"}, "sales_amount is too large"),
    "large amount": ({"sales_amount": "100000000000000"}, "sales_amount is too large"),
    "negative amount": ({"sales_amount": "-5.25"}, "sales_amount is negative"),
    "zero amount": ({"sales_amount": "0.00"}, "sales_amount is zero"),
    "no date": ({"sold_on": "yesterday"}, "sold_on is not a date"),
    "impossible date": ({"sold_on": "2025-02-30"}, "sold_on is not a date"),
    "German date": ({"sold_on": "31.01.2025"}, "sold_on is not a date"),
    "American date": ({"sold_on": "01/31/2025"}, "sold_on is not a date"),
    "date without dashes": ({"sold_on": "20250131"}, "sold_on is not a date"),
    "date in words": ({"sold_on": "Jan 31 2025"}, "sold_on is not a date"),
    "date of a spreadsheet": ({"sold_on": "45688"}, "sold_on is not a date"),
    "only row of a store": ({"store_id": "BAD", "sales_amount": "-1"}, "sales_amount is negative"),
}
#: Rows that look odd and are good all the same.
ODD_SALES: Final[Mapping[str, Mapping[str, str | None]]] = {
    "blanks around": {"sales_amount": " 7.78 ", "store_id": " S001 "},
    "nothing to see around": {"store_id": "\ufeffS001\u200b"},
    "time of day": {"sold_on": "2025-01-31T10:11:12Z"},
    "scientific": {"sales_amount": "1e2"},
    "smallest": {"sales_amount": "0.01", "product_id": "three-states"},
    "no date at all": {"sold_on": None},
    "no units": {"units": "a few"},
    "new store": {"store_id": "NEW"},
}
BAD_PRODUCTS: Final[Mapping[str, tuple[Mapping[str, str | None], str]]] = {
    "no id": ({"product_id": None}, "product_id is missing"),
    "unknown id": ({"product_id": "unknown"}, "product_id is missing"),
    "no category": ({"product_id": "no-category", "category": " "}, "category is missing"),
    "no need state": ({"product_id": "no-state", "need_state": ""}, "need_state is missing"),
    "repeated": (
        {"product_id": "1-1", "need_state": "Basic"},
        "product and need state stand in an earlier row",
    ),
}


@pytest.fixture(scope="module")
def bad_values(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Bad values of every kind in CSV files."""
    folder = tmp_path_factory.mktemp("values")
    good = small_inputs()
    sale = {
        "store_id": "S001",
        "product_id": "1-1",
        "sold_on": "2025-01-31",
        "sales_amount": "10.00",
        "units": "1",
    }
    rows = [{**sale, **row, "note": case} for case, (row, _) in BAD_SALES.items()]
    rows += [{**sale, **row, "note": case} for case, row in ODD_SALES.items()]
    rows += [{**sale, "note": "thrice"}] * 3
    sales = pl.concat(
        [
            good.sales.with_columns(pl.lit("good").alias("note")),
            pl.DataFrame(rows, schema={**good.sales.schema, "note": pl.String}),
        ]
    )
    product = {"product_id": "1-1", "category": "Bread", "need_state": "Basic"}
    products = pl.concat(
        [
            good.products,
            pl.DataFrame(
                [
                    *(
                        {**product, **row, "product_name": k}
                        for k, (row, _) in BAD_PRODUCTS.items()
                    ),
                    *(
                        {**product, "product_id": "three-states", "need_state": state}
                        for state in ("Basic", "Fancy", "Late")
                    ),
                ],
                schema=good.products.schema,
            ),
        ]
    )
    demographics = good.demographics.with_columns(
        pl.lit(None, dtype=pl.String).alias("all_missing"),
        pl.lit("7").alias("constant"),
    )
    store = {"median_income_usd": "50000", "median_age_years": "40", "area_type": "town"}
    demographics = pl.concat(
        [
            demographics.filter(pl.col("store_id") != "S007"),
            demographics.filter(pl.col("store_id") == "S004"),
            pl.DataFrame(
                [
                    {**store, "store_id": None},
                    {**store, "store_id": "unknown"},
                    {**store, "store_id": "S003", "area_type": "elsewhere"},
                    {**store, "store_id": "OUTSIDE"},
                    {**store, "store_id": "TEXT", "median_income_usd": "lots"},
                    {**store, "store_id": "INF", "median_income_usd": "inf"},
                    {**store, "store_id": "HUGE", "median_income_usd": "1e200"},
                ],
                schema=demographics.schema,
            ),
        ]
    )
    variables = Inputs(sales, products, demographics).write(folder / "inputs")
    return outcome_of(Project(folder), sales, {**variables, "segmentation": dict(QUICK)})


@pytest.mark.parametrize("case", BAD_SALES)
def test_a_bad_sales_row_is_rejected_with_its_reason(bad_values: Outcome, case: str) -> None:
    assert bad_values.reasons("sales", "note", case) == [BAD_SALES[case][1]]
    assert is_listed(BAD_SALES[case][1])


@pytest.mark.parametrize("case", ODD_SALES)
def test_an_odd_sales_row_that_can_be_read_is_accepted(bad_values: Outcome, case: str) -> None:
    assert bad_values.reasons("sales", "note", case) == []


def test_of_exact_copies_one_is_accepted(bad_values: Outcome) -> None:
    assert bad_values.reasons("sales", "note", "thrice") == ["row repeats another one exactly"] * 2


@pytest.mark.parametrize("case", BAD_PRODUCTS)
def test_a_bad_product_row_is_rejected_with_its_reason(bad_values: Outcome, case: str) -> None:
    assert bad_values.reasons("products", "product_name", case) == [BAD_PRODUCTS[case][1]]
    assert is_listed(BAD_PRODUCTS[case][1])


def test_external_rows_without_a_store_are_rejected(bad_values: Outcome) -> None:
    rejected = bad_values.project.query(
        "select reason, count(*) as n from governance.rejected_rows"
        " where input = 'demographics' and is_whole_row and store_id is null group by 1"
    )
    assert rejected.rows() == [("store_id is missing", 2)]


@pytest.mark.parametrize(
    ("store", "reason"),
    [
        ("S004", "row repeats another one exactly"),
        ("S003", "store stands in another row with other values"),
    ],
)
def test_of_two_external_rows_of_a_store_one_is_accepted(
    bad_values: Outcome, store: str, reason: str
) -> None:
    assert bad_values.reasons("demographics", "store_id", store) == [reason]
    vectors = bad_values.project.query("select store_id from features.feat_external")["store_id"]
    assert (vectors == store).sum() == 1


@pytest.mark.parametrize(
    ("store", "reason"),
    [
        ("TEXT", "not a number in a numeric column"),
        ("INF", "not a finite number"),
        ("HUGE", "number too large to compute with"),
    ],
)
def test_a_bad_external_value_is_set_aside_and_its_store_is_kept(
    bad_values: Outcome, store: str, reason: str
) -> None:
    values = bad_values.project.query(
        "select column_name, reason from governance.rejected_rows where store_id = ?", [store]
    )
    assert values.rows() == [("median_income_usd", reason)]
    clusters = bad_values.project.query(
        "select cluster from lanes.external_clusters where store_id = ?", [store]
    )
    assert clusters["cluster"].null_count() == 0
    assert len(clusters) == 1


@pytest.mark.parametrize(
    ("feature", "reason"),
    [("all_missing", "too many missing values"), ("constant", "near-constant")],
)
def test_a_column_that_says_nothing_is_dropped_with_its_reason(
    bad_values: Outcome, feature: str, reason: str
) -> None:
    decision = bad_values.project.query(
        "select reason, is_kept from governance.feature_decisions where feature = ?",
        [f"demographics.{feature}"],
    )
    assert decision.rows() == [(reason, False)]


def test_a_store_without_external_data_keeps_its_internal_cluster(bad_values: Outcome) -> None:
    rows = bad_values.project.query(
        "select category, internal_cluster is not null, external_cluster is null,"
        " has_internal, has_external from segments.store_segments where store_id = 'S007'"
        " order by 1"
    )
    assert rows.rows() == [(c, True, True, True, False) for c in ("Bread", "Cheese")]


def test_a_store_without_an_accepted_sale_is_known_and_has_no_segment(bad_values: Outcome) -> None:
    stores = bad_values.project.query(
        "select store_id, has_sales, has_external from features.dim_stores"
        " where store_id in ('OUTSIDE', 'BAD') order by 1"
    )
    assert stores.rows() == [("BAD", False, False), ("OUTSIDE", False, True)]
    scored = bad_values.project.query("select store_id from lanes.external_clusters")["store_id"]
    assert "OUTSIDE" in scored.to_list()


def test_bad_values_lose_no_money_and_no_store(bad_values: Outcome) -> None:
    bad_values.assert_sales_are_accounted_for()
    bad_values.assert_no_store_is_lost({*small_inputs().demographics["store_id"], "NEW"})


# --- names and types --------------------------------------------------------------------------

LONG: Final = "A long name, " * 23 + "up to three hundred"
STRANGE_NAMES: Final = (
    "external",
    "'; drop schema segments cascade; --",
    "{{ 1/0 }} {% raw %} {# never closed",
    'Men\'s "best" / A\\B; c:d',
    "Crème brûlée 🧀 日本",
    LONG,
)
TINY: Final = {"One store": 1, "Two stores": 2, "Few stores": 4}


@pytest.fixture(scope="module")
def strange_names(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Strange names, tiny categories, ids as numbers and columns named like ours, in Parquet."""
    folder = tmp_path_factory.mktemp("names")
    good = small_inputs(
        categories=STRANGE_NAMES[:3], need_states=[*STRANGE_NAMES, "100 %", "a = b", "basic"]
    )
    more = small_inputs(categories=STRANGE_NAMES[3:], need_states=["x", "y", "X"], seed=2)
    sales = pl.concat(
        [good.sales, more.sales.with_columns(pl.format("m{}", "product_id").alias("product_id"))]
    )
    products = pl.concat(
        [
            good.products,
            more.products.with_columns(pl.format("m{}", "product_id").alias("product_id")),
        ]
    )
    tiny_sales = [
        {"store_id": f"S{n:03d}", "product_id": f"{category} {state}", "sales_amount": f"{n + 2}"}
        for category, size in TINY.items()
        for n in range(1, size + 1)
        for state in ("p", "q")[: 1 + n % 2]
    ]
    tiny_products = [
        {"product_id": f"{category} {state}", "category": category, "need_state": state}
        for category in TINY
        for state in ("p", "q")
    ]
    sales = pl.concat([sales, pl.DataFrame(tiny_sales)], how="diagonal").select(
        pl.col("store_id").str.slice(1).cast(pl.Int64),
        "product_id",
        pl.col("sold_on").str.to_date(),
        pl.col("sales_amount").cast(pl.Float64),
        pl.lit("till").alias("source"),
        pl.lit(1).alias("_copy"),
    )
    products = pl.concat([products, pl.DataFrame(tiny_products)], how="diagonal").with_columns(
        pl.lit("file").alias("source")
    )
    n = 400
    numbers = [math.sin(37.0 * row) for row in range(n)]
    demographics = pl.DataFrame(
        {
            "store_id": [float(row + 1) for row in range(n)],
            "source": numbers,
            "column_name": [("a", "b", "c")[row % 3] for row in range(n)],
            "_input_row": [math.sin(91.0 * row) for row in range(n)],
            'it\'s "quoted" {{ 1/0 }} = 🧀': [math.cos(53.0 * row) for row in range(n)],
            "many": [f"level {row % 350}" for row in range(n)],
            "opened_on": [date(2020, 1, 1) + timedelta(days=row % 5) for row in range(n)],
            "flag": [row % 2 == 0 for row in range(n)],
            "holes": [
                float("inf") if row == 5 else float("nan") if row == 6 else number
                for row, number in enumerate(reversed(numbers))
            ],
        }
    )
    variables = Inputs(sales, products, demographics).write(folder / "inputs", "parquet")
    settings = {**QUICK, "min_clusters": 3, "min_cluster_size": 1}
    return outcome_of(Project(folder), sales, {**variables, "segmentation": settings})


@pytest.mark.parametrize("name", STRANGE_NAMES, ids=lambda name: name[:12])
def test_a_category_of_any_name_is_fitted(strange_names: Outcome, name: str) -> None:
    models = strange_names.project.query(
        "select status, k from governance.model_registry where lane = 'internal' and scope = ?",
        [name],
    )
    assert models["status"].to_list() == ["fitted"]
    stores = strange_names.project.query(
        "select internal_cluster from segments.store_segments where category = ?", [name]
    )
    assert stores["internal_cluster"].n_unique() == models["k"].item()
    assert len(stores) == 40


@pytest.mark.parametrize("name", STRANGE_NAMES, ids=lambda name: name[:12])
def test_a_need_state_of_any_name_is_a_feature_of_that_name(
    strange_names: Outcome, name: str
) -> None:
    features = strange_names.project.query(
        "select scope, sum(share > 0) as stores from features.feature_values"
        " where lane = 'internal' and feature = ? group by all order by 1",
        [name],
    )
    assert features.rows() == [(scope, 40) for scope in sorted(STRANGE_NAMES[:3])]


def test_need_states_that_differ_in_case_are_two(strange_names: Outcome) -> None:
    features = strange_names.project.query(
        "select distinct feature from features.scope_features where scope = ?", [LONG]
    )
    assert set(features["feature"]) == {"x", "X", "y"}


@pytest.mark.parametrize("category", TINY)
def test_a_category_with_too_few_stores_is_one_group_with_the_reason(
    strange_names: Outcome, category: str
) -> None:
    model = strange_names.project.query(
        "select status, k, reason from governance.model_registry where scope = ?", [category]
    ).row(0, named=True)
    assert (model["status"], model["k"]) == ("no_structure", 1)
    assert model["reason"]
    stores = strange_names.project.query(
        "select internal_cluster from segments.store_segments where category = ?", [category]
    )
    assert stores["internal_cluster"].to_list() == [1] * TINY[category]


def test_a_column_with_hundreds_of_levels_becomes_its_most_frequent_ones(
    strange_names: Outcome,
) -> None:
    features = strange_names.project.query(
        "select feature from features.scope_features where category_column = 'demographics.many'"
    )["feature"]
    assert len(features) == 21
    assert "demographics.many = other" in features.to_list()
    assert "demographics.many = level 0" in features.to_list()


@pytest.mark.parametrize(
    "column", ["source", "_input_row", 'it\'s "quoted" {{ 1/0 }} = 🧀', "holes"]
)
def test_an_external_column_of_any_name_is_a_numeric_feature(
    strange_names: Outcome, column: str
) -> None:
    features = strange_names.project.query(
        "select feature_type from governance.feature_catalog where lane = 'external' and label = ?",
        [column],
    )
    assert features.rows() == [("numeric",)]


def test_external_features_are_made_of_the_columns_of_the_input_only(
    strange_names: Outcome,
) -> None:
    labels = strange_names.project.query(
        "select distinct coalesce(category_column, 'demographics.' || label) as label"
        " from features.scope_features where lane = 'external'"
    )["label"]
    columns = [
        *("source", "column_name", "_input_row", 'it\'s "quoted" {{ 1/0 }} = 🧀'),
        *("many", "opened_on", "flag", "holes"),
    ]
    assert set(labels) == {f"demographics.{column}" for column in columns}


def test_an_infinite_number_of_a_float_column_is_set_aside_and_nan_is_missing(
    strange_names: Outcome,
) -> None:
    values = strange_names.project.query(
        "select store_id, column_name, reason from governance.rejected_rows"
    )
    assert values.rows() == [("6", "holes", "not a finite number")]
    missing = strange_names.project.query(
        "select store_id from features.feature_values"
        " where feature = 'demographics.holes' and raw_value is null order by 1"
    )
    assert missing["store_id"].to_list() == ["6", "7"]


def test_ids_that_are_whole_numbers_meet_whatever_their_type(strange_names: Outcome) -> None:
    strange_names.assert_sales_are_accounted_for()
    strange_names.assert_no_store_is_lost({str(number) for number in range(1, 41)})
    without = strange_names.project.value(
        "select count(*) from segments.store_segments where not has_external"
    )
    assert without == 0


def test_an_amount_of_any_type_is_above_zero_where_its_four_decimals_are(tmp_path: Path) -> None:
    query = Project(tmp_path).compiled(
        "select {{ is_above_zero('x') }}, {{ as_amount('x') }} > 0, x::varchar, typeof(x)"
        " from amounts"
    )
    decimals = [(p, s) for p in (1, 9, 10, 14, 15, 16, 17, 18, 19, 38) for s in range(7) if s <= p]
    types = [f"decimal({precision}, {scale})" for precision, scale in decimals]
    types += ["tinyint", "smallint", "integer", "bigint", "hugeint", "usmallint", "double", "float"]
    types += [
        "varchar",
        "boolean",
        "date",
        "timestamp",
        "interval",
        "integer[]",
        "struct(a integer)",
    ]
    numbers = "'0', '-1', '1', '0.00001', '0.00004', '0.00005', '-0.00005', '0.0001', '0.01', '0.5'"
    with duckdb.connect() as connection:
        for of_type in [*types, '"null"']:
            value = "null" if of_type == '"null"' else f"try_cast(text as {of_type})"
            largest = ", ".join(f"'{'9' * digits}.{'9' * 6}'" for digits in (9, 12, 13, 14, 15, 18))
            connection.execute(
                f"create or replace view amounts as select {value} as x"
                f" from (select unnest([{numbers}, {largest}, '1e14', 'nan', null]) as text)"
            )
            for fast, slow, shown, type_name in connection.execute(query).fetchall():
                assert fast == slow, f"{shown} as {type_name}"


@pytest.mark.parametrize("column", ["store_id", "product_id"])
def test_an_id_that_came_in_after_the_ids_were_read_stops_a_partial_run(
    column: str, tmp_path: Path
) -> None:
    project, inputs = Project(tmp_path), small_inputs()
    variables = inputs.write(tmp_path / "inputs", "parquet")
    assert project.dbt("run", "--select", "+int_sales_outcomes", variables=variables).success
    new = inputs.sales.head(1).with_columns(pl.lit("new").alias(column))
    replace(inputs, sales=pl.concat([inputs.sales, new])).write(tmp_path / "inputs", "parquet")

    run = project.dbt("run", "--select", "int_sales_outcomes", variables=variables)

    assert not run.success
    (line,) = run.lines_with("the sales have ids")
    assert is_listed(line[line.index("the sales have ids") :])
    assert project.dbt("run", "--select", "+int_sales_outcomes", variables=variables).success
    n_rows = project.value("select sum(n_rows) from features.int_sales_outcomes")
    assert n_rows == len(inputs.sales) + 1


def test_need_states_are_those_that_sums_were_made_with(tmp_path: Path) -> None:
    project, inputs = Project(tmp_path), small_inputs()
    variables = inputs.write(tmp_path / "inputs")
    assert project.dbt("run", "--select", "+int_sales_by_need_state", variables=variables).success
    by_need_state = "from features.int_sales_by_need_state order by all"
    before = project.query(by_need_state)
    first = pl.DataFrame(
        {"product_id": ["0"], "product_name": ["0"], "category": ["A"], "need_state": ["A"]}
    )
    replace(inputs, products=pl.concat([first, inputs.products])).write(tmp_path / "inputs")

    models = ("int_sales_outcomes", "int_sales_by_need_state")
    assert project.dbt("run", "--select", *models, variables=variables).success

    assert_frame_equal(project.query(by_need_state), before)
