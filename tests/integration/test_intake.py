"""Own files as a build reads them: the same money in every dialect, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pytest
from openpyxl import Workbook

from .helpers import OWN_INPUTS, QUICK, Project, is_listed, small_inputs


def german(sales: pl.DataFrame) -> bytes:
    """Decimal commas, points between thousands, days before months, Windows-1252."""
    amount = pl.col("sales_amount").str.replace(".", ",", literal=True)
    lines = sales.select(
        pl.col("store_id").alias("Store ID"),
        "product_id",
        pl.lit("31.01.2025").alias("sold_on"),
        amount,
        pl.lit("Käse").alias("note"),
    )
    return lines.write_csv(separator=";").encode("cp1252")


def with_float_ids(sales: pl.DataFrame) -> bytes:
    """Ids that a program kept as floating point."""
    number = pl.format("{}.0", pl.col("store_id").str.slice(1).cast(pl.Int64))
    return sales.with_columns(number.alias("store_id")).write_csv().encode()


def with_titles(sales: pl.DataFrame) -> bytes:
    """Two lines above the header."""
    return b"Sales of January\n\n" + sales.write_csv().encode()


def with_separator_line(sales: pl.DataFrame) -> bytes:
    """The line that tells Excel the separator."""
    return b"sep=|\r\n" + sales.write_csv(separator="|").replace("\n", "\r\n").encode()


def with_mixed_line_ends(sales: pl.DataFrame) -> bytes:
    """Windows line ends in the first half of the file, plain ones in the second."""
    head, tail = sales.head(200).write_csv(), sales.tail(-200).write_csv(include_header=False)
    return head.replace("\n", "\r\n").encode() + tail.encode()


DIALECTS: Final[tuple[Callable[[pl.DataFrame], bytes], ...]] = (
    german,
    with_float_ids,
    with_titles,
    with_separator_line,
    with_mixed_line_ends,
)


def accepted(folder: Path, sales: Path) -> Project:
    """Build what says which sales count."""
    variables = small_inputs().write(folder / "inputs")
    variables["inputs"] = {"sales": str(sales), "products": variables["inputs"]["products"]}
    variables["external_sources"] = []
    project = Project(folder / "build")
    selected = ("--select", "+int_input_gate", "+input_profile")
    project.build(*selected, *OWN_INPUTS, variables=variables)
    return project


def assert_all_money_counts(project: Project) -> None:
    """All sales of the small inputs are accepted, to the cent."""
    amounts = [Decimal(text) for text in small_inputs().sales["sales_amount"]]
    found = project.query(
        "select sum(n_rows)::bigint, sum(sales_amount) from features.int_sales_outcomes"
        " where rejection_reason is null"
    )
    assert found.rows() == [(len(amounts), sum(amounts))]


@pytest.mark.parametrize("write", DIALECTS)
def test_every_dialect_has_the_same_money(
    write: Callable[[pl.DataFrame], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(write(small_inputs().sales))
    project = accepted(tmp_path, path)
    assert_all_money_counts(project)
    stores = project.query("select distinct store_id from features.int_sales_outcomes")["store_id"]
    assert len(stores) == 40
    assert not any("." in store for store in stores)
    days = project.query("select distinct sold_on from staging.stg_internal__sales")["sold_on"]
    assert [str(day) for day in days] == ["2025-01-31"]


def test_ids_that_excel_is_to_leave_as_they_are_keep_their_zeros(tmp_path: Path) -> None:
    number = pl.col("store_id").str.slice(1)
    sales = small_inputs().sales.with_columns(pl.format('="00{}"', number).alias("store_id"))
    sales.write_csv(tmp_path / "sales.csv")
    project = accepted(tmp_path, tmp_path / "sales.csv")
    assert_all_money_counts(project)
    stores = project.query("select distinct store_id from features.int_sales_outcomes")["store_id"]
    assert set(stores) == {f"00{store[1:]}" for store in small_inputs().sales["store_id"]}


def test_files_of_two_countries_have_the_same_money(tmp_path: Path) -> None:
    sales = small_inputs().sales
    half = len(sales) // 2
    (tmp_path / "sales-de.csv").write_bytes(german(sales.head(half)))
    us = sales.tail(-half).with_columns(pl.lit("1/31/2025").alias("sold_on"))
    us.write_csv(tmp_path / "sales-us.csv")
    project = accepted(tmp_path, tmp_path / "sales-*.csv")
    assert_all_money_counts(project)
    days = project.query("select distinct sold_on from staging.stg_internal__sales")["sold_on"]
    assert [str(day) for day in days] == ["2025-01-31"]


def test_a_rejected_row_is_shown_as_it_stands_in_the_file(tmp_path: Path) -> None:
    lines = ["Sales of January;;", "Store ID;product_id;sales_amount"]
    lines += [f"S{n % 40:03d};1-1;1.234,{n:02d} €" for n in range(60)]
    lines[10:10] = ["S001;9-9;2.345,67 €", "S002;1-1;", "S003;1-1;1.2.3"]
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(lines))
    variables = small_inputs().write(tmp_path / "inputs")
    variables["inputs"] = {"sales": str(path), "products": variables["inputs"]["products"]}
    variables["external_sources"] = []
    project = Project(tmp_path / "build")
    project.build("--select", "+input_profile", *OWN_INPUTS, variables=variables)
    rows = project.query(
        "select json_extract_string(input_row, ['$.store_id', '$.product_id', '$.sales_amount'])"
        " from features.int_rejected_rows order by 1"
    )
    assert rows.to_series().to_list() == [
        ["S001", "9-9", "2.345,67 €"],
        ["S002", "1-1", None],
        ["S003", "1-1", "1.2.3"],
    ]
    profile = project.query(
        "select column_name, column_in_file, read_as, n_not_understood, examples_not_understood,"
        " n_rows_lost, sales_amount_lost::double as money_lost, lost_by_reason, ids_matched"
        " from governance.input_profile where input = 'sales' order by column_name"
    ).rows_by_key("column_name", named=True, unique=True)
    assert profile["store_id"]["column_in_file"] == "Store ID"
    amount = profile["sales_amount"]
    assert (amount["read_as"], amount["n_not_understood"]) == ("number", 1)
    assert (amount["examples_not_understood"], amount["n_rows_lost"]) == ("1.2.3", 2)
    assert json.loads(amount["lost_by_reason"]) == {
        "sales_amount is missing": {"rows": 1, "money": None},
        "sales_amount is not a number": {"rows": 1, "money": None},
    }
    product = profile["product_id"]
    assert (product["n_rows_lost"], product["money_lost"]) == (1, 2345.67)
    assert json.loads(product["lost_by_reason"]) == {
        "product_id has no accepted row in products": {"rows": 1, "money": 2345.67}
    }
    assert json.loads(product["ids_matched"]) == {"products": 1}


def test_a_workbook_is_read_and_profiled(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sales = small_inputs().sales
    sheet.append(sales.columns)
    for row in sales.with_columns(pl.col("sales_amount").cast(pl.Float64)).iter_rows():
        sheet.append(row)
    book.save(tmp_path / "sales.xlsx")
    project = accepted(tmp_path, tmp_path / "sales.xlsx")
    assert_all_money_counts(project)
    profile = project.query(
        "select column_name, read_as, n_rows, n_not_understood from governance.input_profile"
        " where input = 'sales' and column_name = 'sales_amount'"
    )
    assert profile.rows() == [("sales_amount", "number", len(sales), 0)]
    texts = project.query("select table_name from duckdb_tables() where schema_name = 'intake'")
    assert texts["table_name"].to_list() == ["products"]


def test_thousands_without_quotes_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    variables = small_inputs().write(tmp_path / "inputs")
    path = Path(variables["inputs"]["sales"])
    header, *lines = path.read_text().splitlines()
    cut = [line.replace("2025-01-31,", "2025-01-31,1,") for line in lines]
    path.write_text("\n".join([header, *cut, ""]))
    project = Project(tmp_path / "build")
    run = project.dbt("build", *OWN_INPUTS, variables=variables)
    assert not run.success
    assert run.statuses == {}
    (line,) = run.lines_with("line has more values than the header")
    assert line.strip().startswith("inputs.sales: 100 % of ")
    assert is_listed(line.strip().removeprefix("inputs.sales: "))
    assert not project.published.exists()


def test_a_text_that_differs_in_every_store_is_dropped_with_that_reason(tmp_path: Path) -> None:
    inputs = small_inputs()
    named = inputs.demographics.with_columns(pl.format("Store {}", "store_id").alias("store_name"))
    variables = {
        **replace(inputs, demographics=named).write(tmp_path / "inputs"),
        "segmentation": dict(QUICK),
    }
    project = Project(tmp_path / "build")
    project.build("--select", "+feature_decisions", *OWN_INPUTS, variables=variables)
    decision = project.query(
        "select reason, missing_share, is_kept from governance.feature_decisions"
        " where feature = 'demographics.store_name'"
    )
    assert decision.rows() == [("different in every store", 0.0, False)]


def test_facts_about_stores_alone_make_segments_of_the_external_lane(tmp_path: Path) -> None:
    variables = small_inputs().write(tmp_path / "inputs")
    del variables["inputs"]["sales"], variables["inputs"]["products"]
    variables["segmentation"] = {**QUICK, "strict": True}
    project = Project(tmp_path / "build")
    run = project.build(variables=variables)
    assert "warn" not in run.statuses.values()
    segments = project.query(
        "select category, segment_id, segment_name, n_stores, sales_amount, description"
        " from segments.segment_summary order by segment_id"
    )
    assert segments["category"].unique().to_list() == ["All stores"]
    assert segments["segment_id"].to_list() == ["x-1", "x-2", "x-3"]
    assert sorted(segments["n_stores"]) == [13, 13, 14]
    assert segments["sales_amount"].is_null().all()
    assert not any("sales" in text or "mix" in text for text in segments["description"])
    inputs = project.query("select distinct input from governance.data_reconciliation")
    assert inputs.rows() == [("demographics",)]
    assert any(line.split()[:2] == ["demographics", "40"] for line in run.shown.splitlines())
    assert "  sales" not in run.shown
    with duckdb.connect(str(project.published), read_only=True) as published:
        (count,) = published.sql("select count(*) from segments.store_segments").fetchone() or (0,)
    assert count == 40


def test_facts_about_stores_that_share_no_store_are_refused(tmp_path: Path) -> None:
    facts = small_inputs().demographics
    facts.write_csv(tmp_path / "demographics.csv")
    facts.with_columns(pl.format("X{}", "store_id").alias("store_id")).write_csv(
        tmp_path / "foot_traffic.csv"
    )
    names = ["demographics", "foot_traffic"]
    variables = {
        "inputs": {name: str(tmp_path / f"{name}.csv") for name in names},
        "external_sources": names,
    }
    run = Project(tmp_path / "build").dbt("build", *OWN_INPUTS, variables=variables)
    assert not run.success
    assert run.statuses == {}
    (line,) = run.lines_with("nothing can be joined")
    assert is_listed(line.strip().partition(": ")[2])
