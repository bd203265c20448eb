"""Inputs as they come: a bad row has a reason, a bad file one clear error, no store is lost.

A build takes seconds, so one build holds many bad things that do not touch each other, and each
test looks at one of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from .helpers import OWN_INPUTS, QUICK, DbtRun, Inputs, Project, small_inputs, write_frame

_LARGEST_AMOUNT: Final = Decimal(10) ** 14


@dataclass(frozen=True)
class Built:
    """A project after a build, what dbt showed, and the sales rows it was given."""

    project: Project
    run: DbtRun
    sales: pl.DataFrame

    def reasons(self, name: str, tag: str, value: str) -> list[str]:
        """Reasons of the rejected rows of an input whose column `tag` has a value."""
        rows = self.project.query(
            "select reason from governance.rejected_rows"
            " where input = ? and is_whole_row and json_extract_string(input_row, ?) = ?",
            [name, f"$.{tag}", value],
        )
        return rows["reason"].to_list()

    def assert_sales_are_accounted_for(self) -> None:
        """Sales in are sales in the features and rejected ones, to the cent."""
        given = sum((_money(amount) for amount in self.sales["sales_amount"]), Decimal(0))
        features = self.project.value("select sum(sales_amount) from features.feat_internal")
        rejected = self.project.value(
            "select coalesce(sum(sales_amount), 0) from governance.rejected_rows"
        )
        assert abs(Decimal(repr(features)) + rejected - given) < Decimal("0.005")
        rows = self.project.value(
            "select sum(n_rows) from governance.data_reconciliation where input = 'sales'"
        )
        assert rows == len(self.sales)

    def assert_no_store_is_lost(self, stores: set[str]) -> None:
        """Exactly the stores with an accepted sale are segmented, once in every category."""
        segments = self.project.query(
            "select category, store_id, segment_id, segment_name from segments.store_segments"
        )
        assert set(segments["store_id"]) == stores
        assert segments.select("category", "store_id").is_unique().all()
        assert segments["segment_id"].null_count() == 0
        assert segments["segment_name"].null_count() == 0


def _money(amount: object) -> Decimal:
    """An amount of the input as money with four decimals; zero where it is none."""
    try:
        number = Decimal(str(amount).strip())
    except InvalidOperation:
        return Decimal(0)
    if not number.is_finite() or abs(number) >= _LARGEST_AMOUNT:
        return Decimal(0)
    return round(number, 4)


def built(project: Project, sales: pl.DataFrame, variables: Mapping[str, Any]) -> Built:
    """Build, which has to succeed without an exception on the terminal."""
    run = project.build(*OWN_INPUTS, variables=variables)
    assert "Traceback" not in run.shown
    return Built(project, run, sales)


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
    "only row of a store": ({"store_id": "BAD", "sales_amount": "-1"}, "sales_amount is negative"),
}
#: Rows that look odd and are good all the same.
ODD_SALES: Final[Mapping[str, Mapping[str, str | None]]] = {
    "blanks around": {"sales_amount": " 7.78 ", "store_id": " S001 "},
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
def bad_values(tmp_path_factory: pytest.TempPathFactory) -> Built:
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
    return built(Project(folder), sales, {**variables, "segmentation": dict(QUICK)})


@pytest.mark.parametrize("case", BAD_SALES)
def test_a_bad_sales_row_is_rejected_with_its_reason(bad_values: Built, case: str) -> None:
    assert bad_values.reasons("sales", "note", case) == [BAD_SALES[case][1]]


@pytest.mark.parametrize("case", ODD_SALES)
def test_an_odd_sales_row_that_can_be_read_is_accepted(bad_values: Built, case: str) -> None:
    assert bad_values.reasons("sales", "note", case) == []


def test_of_exact_copies_one_is_accepted(bad_values: Built) -> None:
    assert bad_values.reasons("sales", "note", "thrice") == ["row repeats another one exactly"] * 2


@pytest.mark.parametrize("case", BAD_PRODUCTS)
def test_a_bad_product_row_is_rejected_with_its_reason(bad_values: Built, case: str) -> None:
    assert bad_values.reasons("products", "product_name", case) == [BAD_PRODUCTS[case][1]]


def test_external_rows_without_a_store_are_rejected(bad_values: Built) -> None:
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
    bad_values: Built, store: str, reason: str
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
    bad_values: Built, store: str, reason: str
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
    bad_values: Built, feature: str, reason: str
) -> None:
    decision = bad_values.project.query(
        "select reason, is_kept from governance.feature_decisions where feature = ?",
        [f"demographics.{feature}"],
    )
    assert decision.rows() == [(reason, False)]


def test_a_store_without_external_data_keeps_its_internal_cluster(bad_values: Built) -> None:
    rows = bad_values.project.query(
        "select category, internal_cluster is not null, external_cluster is null,"
        " has_internal, has_external from segments.store_segments where store_id = 'S007'"
        " order by 1"
    )
    assert rows.rows() == [(c, True, True, True, False) for c in ("Bread", "Cheese")]


def test_a_store_without_an_accepted_sale_is_known_and_has_no_segment(bad_values: Built) -> None:
    stores = bad_values.project.query(
        "select store_id, has_sales, has_external from features.dim_stores"
        " where store_id in ('OUTSIDE', 'BAD') order by 1"
    )
    assert stores.rows() == [("BAD", False, False), ("OUTSIDE", False, True)]
    scored = bad_values.project.query("select store_id from lanes.external_clusters")["store_id"]
    assert "OUTSIDE" in scored.to_list()


def test_bad_values_lose_no_money_and_no_store(bad_values: Built) -> None:
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
def strange_names(tmp_path_factory: pytest.TempPathFactory) -> Built:
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
    return built(Project(folder), sales, {**variables, "segmentation": settings})


@pytest.mark.parametrize("name", STRANGE_NAMES, ids=lambda name: name[:12])
def test_a_category_of_any_name_is_fitted(strange_names: Built, name: str) -> None:
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
    strange_names: Built, name: str
) -> None:
    features = strange_names.project.query(
        "select scope, sum(share > 0) as stores from features.feature_values"
        " where lane = 'internal' and feature = ? group by all order by 1",
        [name],
    )
    assert features.rows() == [(scope, 40) for scope in sorted(STRANGE_NAMES[:3])]


def test_need_states_that_differ_in_case_are_two(strange_names: Built) -> None:
    features = strange_names.project.query(
        "select distinct feature from features.scope_features where scope = ?", [LONG]
    )
    assert set(features["feature"]) == {"x", "X", "y"}


@pytest.mark.parametrize("category", TINY)
def test_a_category_with_too_few_stores_is_one_group_with_the_reason(
    strange_names: Built, category: str
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
    strange_names: Built,
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
    strange_names: Built, column: str
) -> None:
    features = strange_names.project.query(
        "select feature_type from governance.feature_catalog where lane = 'external' and label = ?",
        [column],
    )
    assert features.rows() == [("numeric",)]


def test_external_features_are_made_of_the_columns_of_the_input_only(strange_names: Built) -> None:
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
    strange_names: Built,
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


def test_ids_that_are_whole_numbers_meet_whatever_their_type(strange_names: Built) -> None:
    strange_names.assert_sales_are_accounted_for()
    strange_names.assert_no_store_is_lost({str(number) for number in range(1, 41)})
    without = strange_names.project.value(
        "select count(*) from segments.store_segments where not has_external"
    )
    assert without == 0


# --- files ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def odd_files(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A glob over CSV files with a BOM and semicolons, and external files that say little."""
    folder = tmp_path_factory.mktemp("files")
    inputs = folder / "in 'puts' é"
    good = small_inputs()
    zeros = pl.format("00{}", pl.col("store_id").str.slice(1)).alias("store_id")
    sales = good.sales.with_columns(zeros)
    halves = (sales.filter(pl.col("product_id").str.starts_with(number)) for number in "12")
    for number, half in enumerate(halves):
        text = half.write_csv(separator=";")
        path = inputs / "sales" / f"part-{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    with path.open("a", newline="") as stream:
        stream.write("00001;2-1\r\n")
    write_frame(good.products, inputs / "products.csv")
    write_frame(good.demographics.with_columns(zeros), inputs / "demographics.csv")
    (inputs / "header.csv").write_text("store_id,visits\n")
    (inputs / "ids.csv").write_text("store_id\n00001\n00002\nELSEWHERE\n")
    variables = {
        "inputs": {
            "sales": str(inputs / "sales" / "*.csv"),
            "products": str(inputs / "products.csv"),
            "demographics": str(inputs / "demographics.csv"),
            "foot_traffic": str(inputs / "header.csv"),
            "promotions": str(inputs / "ids.csv"),
        },
        "external_sources": ["demographics", "foot_traffic", "promotions"],
        "segmentation": dict(QUICK),
    }
    short = pl.DataFrame({"store_id": ["00001"], "product_id": ["2-1"]})
    return built(Project(folder), pl.concat([sales, short], how="diagonal"), variables)


def test_all_files_of_a_glob_are_read_with_byte_order_mark_and_semicolons(odd_files: Built) -> None:
    odd_files.assert_sales_are_accounted_for()


def test_a_line_that_is_cut_off_is_a_rejected_row(odd_files: Built) -> None:
    rejected = odd_files.project.query("select store_id, reason from governance.rejected_rows")
    assert rejected.rows() == [("00001", "sales_amount is missing")]


def test_ids_with_leading_zeros_stay_text(odd_files: Built) -> None:
    odd_files.assert_no_store_is_lost({f"00{number:03d}" for number in range(1, 41)})


def test_external_files_without_rows_or_without_columns_stop_nothing(odd_files: Built) -> None:
    sources = odd_files.project.query(
        "select distinct source from features.scope_features where lane = 'external'"
    )
    assert sources["source"].to_list() == ["demographics"]
    accepted = odd_files.project.query(
        "select input, n_rows from governance.data_reconciliation"
        " where outcome = 'accepted' and input in ('foot_traffic', 'promotions') order by 1"
    )
    assert accepted.rows() == [("foot_traffic", 0), ("promotions", 3)]


def test_a_store_that_only_a_list_of_ids_knows_is_known_without_any_data(odd_files: Built) -> None:
    store = odd_files.project.query(
        "select has_sales, has_external from features.dim_stores where store_id = 'ELSEWHERE'"
    )
    assert store.rows() == [(False, False)]


def test_a_build_whose_sales_are_all_rejected_ends_in_words_and_empty_tables(
    tmp_path: Path,
) -> None:
    # the database file is named like one of the schemas in it, which must not matter
    good = small_inputs()
    other = good.products.with_columns(pl.format("X{}", "product_id").alias("product_id"))
    variables = replace(good, products=other).write(tmp_path / "inputs")
    project = Project(tmp_path / "project", database_name="segments.duckdb")
    run = project.build(*OWN_INPUTS, variables={**variables, "external_sources": []})
    assert "Traceback" not in run.shown
    assert len(run.lines_with("No sales row was accepted; governance.rejected_rows says why")) == 1
    assert not [line for line in run.shown.splitlines() if line.split()[1:] == ["None"]]
    rejected = project.query("select distinct reason from governance.rejected_rows")
    assert rejected["reason"].to_list() == ["product_id has no accepted row in products"]
    assert project.value("select count(*) from segments.segments.store_segments") == 0


# --- errors -----------------------------------------------------------------------------------


def refused(folder: Path, variables: Mapping[str, Any]) -> DbtRun:
    """Build, which has to stop before the first model, in words."""
    run = Project(folder / "project").dbt("build", *OWN_INPUTS, variables=variables)
    assert not run.success
    assert run.statuses == {}
    assert "Traceback" not in run.shown
    return run


def the_line(run: DbtRun, start: str) -> str:
    """The one line on the terminal that begins like that."""
    (line,) = [line.strip() for line in run.shown.splitlines() if line.strip().startswith(start)]
    return line


def test_files_that_cannot_be_used_are_named_with_what_is_missing(tmp_path: Path) -> None:
    variables = small_inputs().write(tmp_path / "inputs")
    products = tmp_path / "inputs" / "products.csv"
    products.write_text(products.read_text().replace("need_state", "needs", 1))
    inputs = {
        "sales": str(tmp_path / "absent.csv"),
        "products": str(products),
        "demographics": str(tmp_path / "inputs"),
    }
    run = refused(tmp_path, {**variables, "inputs": inputs})
    assert "cannot read" in the_line(run, "inputs.sales: ")
    assert "absent.csv" in the_line(run, "inputs.sales: ")
    assert "has no column 'need_state'" in the_line(run, "inputs.products: ")
    assert "it has: product_id, product_name, category, needs" in the_line(run, "inputs.products: ")
    assert "is not allowed; it is a .parquet, .csv" in the_line(run, "inputs.demographics: ")


def test_files_without_rows_format_or_readable_text_are_named(tmp_path: Path) -> None:
    variables = small_inputs().write(tmp_path / "inputs")
    (tmp_path / "empty.csv").write_text("store_id,product_id,sales_amount\n")
    (tmp_path / "products.xlsx").write_bytes(b"PK")
    (tmp_path / "latin.csv").write_bytes("store_id,name\nS001,Orléans\n".encode("latin-1"))
    inputs = {
        "sales": str(tmp_path / "empty.csv"),
        "products": str(tmp_path / "products.xlsx"),
        "demographics": str(tmp_path / "latin.csv"),
    }
    run = refused(tmp_path, {**variables, "inputs": inputs})
    assert "has no rows; there is nothing to segment" in the_line(run, "inputs.sales: ")
    assert "is not allowed; it is a .parquet, .csv" in the_line(run, "inputs.products: ")
    assert "unicode" in the_line(run, "inputs.demographics: ").lower()


def test_inputs_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    locations = small_inputs().write(tmp_path / "inputs")["inputs"]
    run = refused(
        tmp_path,
        {
            "inputs": {
                "sales": [locations["sales"]],
                "demographics": locations["demographics"],
                "seles": locations["sales"],
            },
            "external_sources": ["demographics", "competition", "weather"],
        },
    )
    assert "it is a location as text" in the_line(run, "inputs.sales: ")
    assert "own data and the example seeds do not mix" in the_line(run, "inputs.products: ")
    assert "own data and the example seeds do not mix" in the_line(run, "inputs.competition: ")
    assert "unknown input; known ones: sales, products" in the_line(run, "inputs.seles: ")
    assert "has no staging model stg_external__weather; known ones: demographics" in the_line(
        run, "external_sources: 'weather'"
    )


def test_settings_that_cannot_be_used_are_named_with_path_value_and_what_is_allowed(
    tmp_path: Path,
) -> None:
    run = refused(
        tmp_path,
        {
            "segmentation": {
                "max_cluster": 3,
                "min_clusters": "many",
                "outlier_fraction": 0.9,
                "internal": {"transform": "log"},
                "scopes": {"Bread": {"retrain": "never"}},
                "sales_window": {"start": "2025-02-01", "end": "2024-01-01"},
            }
        },
    )
    assert "did you mean max_clusters?" in the_line(run, "segmentation.max_cluster: ")
    assert "'many' is not allowed" in the_line(run, "segmentation.min_clusters: ")
    assert "0.9 is not allowed" in the_line(run, "segmentation.outlier_fraction: ")
    assert "less than or equal to 0.5" in the_line(run, "segmentation.outlier_fraction: ")
    assert "'log' is not allowed" in the_line(run, "segmentation.internal.transform: ")
    assert "'clr' or 'share'" in the_line(run, "segmentation.internal.transform: ")
    assert "unknown setting" in the_line(run, "segmentation.scopes.Bread.retrain: ")
    assert "is after end 2024-01-01" in the_line(run, "segmentation.sales_window: ")


def test_settings_that_exclude_each_other_are_named_with_both_values(tmp_path: Path) -> None:
    run = refused(
        tmp_path, {"segmentation": {"scopes": {"Snacks": {"min_clusters": 8, "max_clusters": 3}}}}
    )
    (line,) = run.lines_with("must not exceed")
    assert "Snacks" in line
    assert "min_clusters (8) must not exceed max_clusters (3)" in line
