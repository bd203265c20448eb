"""Values and names as they come: a bad row has a reason, and no store is lost.

A build takes seconds, so one build holds many bad things that do not touch each other, and each
test looks at one of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

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
    "amount in words": ({"sales_amount": "five apples"}, "sales_amount is not a number"),
    "infinite amount": ({"sales_amount": "inf"}, "sales_amount is not finite"),
    "minus infinity": ({"sales_amount": "-Infinity"}, "sales_amount is not finite"),
    "huge amount": ({"sales_amount": "1e300"}, "sales_amount is too large"),
    "large amount": ({"sales_amount": "100000000000000"}, "sales_amount is too large"),
}
#: Rows that look odd but are good.
ODD_SALES: Final[Mapping[str, Mapping[str, str | None]]] = {
    "blanks around": {"sales_amount": " 7.78 ", "store_id": " S001 "},
    "nothing to see around": {"store_id": "\ufeffS001\u200b"},
    "time of day": {"sold_on": "2025-01-31T10:11:12Z"},
    "scientific": {"sales_amount": "1e2"},
    "smallest": {"sales_amount": "0.01", "product_id": "three-states"},
    "no date at all": {"sold_on": None},
    "no units": {"units": "a few"},
    "return": {"sales_amount": "-5.25"},
    "zero amount": {"sales_amount": "0.00"},
    "only row of a store, a return": {"store_id": "RETURNS", "sales_amount": "-1"},
    "new store": {"store_id": "NEW"},
}
#: Values of `sold_on` that are not dates; the rows still count.
BAD_DATES: Final[Mapping[str, str]] = {
    "text": "yesterday",
    "impossible date": "2025-02-30",
    "German date": "31.01.2025",
    "American date": "01/31/2025",
    "date without dashes": "20250131",
    "date in words": "Jan 31 2025",
    "date of a spreadsheet": "45688",
}
BAD_PRODUCTS: Final[Mapping[str, tuple[Mapping[str, str | None], str]]] = {
    "no id": ({"product_id": None}, "product_id is missing"),
    "unknown id": ({"product_id": "unknown"}, "product_id is missing"),
    "no category": ({"product_id": "no-category", "category": " "}, "category is missing"),
    "no need state": ({"product_id": "no-state", "need_state": ""}, "need_state is missing"),
    "repeated": (
        {"product_id": "1-1", "need_state": "Basic"},
        "product and need state repeat an earlier row",
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
    rows += [{**sale, "sold_on": day, "note": case} for case, day in BAD_DATES.items()]
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
    settings = {**QUICK, "max_rejected_share": 0.2}
    return outcome_of(Project(folder), sales, {**variables, "segmentation": settings})


@pytest.mark.parametrize("case", BAD_SALES)
def test_a_bad_sales_row_is_rejected_with_its_reason(bad_values: Outcome, case: str) -> None:
    assert bad_values.reasons("sales", "note", case) == [BAD_SALES[case][1]]
    assert is_listed(BAD_SALES[case][1])


@pytest.mark.parametrize("case", ODD_SALES)
def test_an_odd_sales_row_that_can_be_read_is_accepted(bad_values: Outcome, case: str) -> None:
    assert bad_values.reasons("sales", "note", case) == []


def test_exact_copies_count(bad_values: Outcome) -> None:
    assert bad_values.reasons("sales", "note", "thrice") == []


@pytest.mark.parametrize("case", BAD_DATES)
def test_a_bad_date_costs_the_date_and_not_the_row(bad_values: Outcome, case: str) -> None:
    assert bad_values.reasons("sales", "note", case) == []
    values = bad_values.project.query(
        "select column_name, reason, sales_amount from governance.rejected_rows"
        " where json_extract_string(input_row, '$.note') = ?",
        [case],
    )
    assert values.rows() == [("sold_on", "sold_on is not a date", None)]


def test_a_need_state_without_sales_after_returns_is_zero_and_can_be_found(
    bad_values: Outcome,
) -> None:
    reason = "the need state has no sales left after returns"
    zeroed = bad_values.project.query(
        "select store_id, sales_amount, input_row from governance.rejected_rows where reason = ?",
        [reason],
    )
    row = '{"category":"Bread","need_state":"Basic","n_rows":1}'
    assert zeroed.rows() == [("RETURNS", Decimal("-1.0000"), row)]
    assert is_listed(reason)


def test_returns_are_reported_with_their_share(bad_values: Outcome) -> None:
    returned, share = bad_values.project.query(
        "select returned_amount, returned_share from governance.data_reconciliation"
        " where input = 'sales' and outcome = 'accepted'"
    ).row(0)
    assert returned == Decimal("-6.2500")
    assert 0 < share < 0.01


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


def test_several_external_rows_of_a_store_are_averaged(bad_values: Outcome) -> None:
    given = small_inputs().demographics.filter(pl.col("store_id") == "S003")
    mean = (float(given["median_income_usd"].item()) + 50000) / 2
    cells = bad_values.project.query(
        "select number from features.int_external_cells"
        " where store_id = 'S003' and column_name = 'median_income_usd'"
    )
    assert cells["number"].to_list() == [mean]
    ways = bad_values.project.query(
        "select distinct aggregation from governance.feature_decisions"
        " where feature like '%median_income_usd%' or feature like 'demographics.area_type%'"
        " order by 1"
    )
    assert ways["aggregation"].to_list() == ["mean", "most frequent"]


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
        " where store_id in ('OUTSIDE', 'RETURNS') order by 1"
    )
    assert stores.rows() == [("OUTSIDE", False, True), ("RETURNS", False, False)]
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
    more = small_inputs(categories=STRANGE_NAMES[3:], need_states=["x", "y", "z", "X"], seed=2)
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


def test_need_states_that_differ_in_case_are_one_and_reported(strange_names: Outcome) -> None:
    features = strange_names.project.query(
        "select distinct feature from features.scope_features where scope = ?", [LONG]
    )
    assert set(features["feature"]) == {"X", "y", "z"}
    reason = "most rows spell the name differently"
    reported = strange_names.project.query(
        "select column_name, json_extract_string(input_row, '$.need_state') as given, count(*) as n"
        " from governance.rejected_rows where reason = ? group by all",
        [reason],
    )
    assert reported.rows() == [("need_state", "x", 3)]
    assert is_listed(reason)


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
        " where input = 'demographics'"
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
