"""What it takes to decide between two readings: one file, many files, contradictions."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from segmentation.inputs.evidence import Votes, rule

from .helpers import check, check_parts, column, dated, sales, total


@pytest.mark.parametrize(
    ("votes", "winner", "is_open", "has_conflict"),
    [
        ([Votes("", 5, 0, 100)], 0, False, False),
        ([Votes("", 0, 5, 100)], 1, False, False),
        ([Votes("", 4, 0, 100)], None, True, False),
        ([Votes("", 0, 0, 1)], None, True, False),
        ([Votes("", 0, 0, 0)], None, False, False),
        ([Votes("", 99, 1, 1)], 0, False, False),
        ([Votes("", 98, 2, 1)], None, False, True),
        ([Votes("", 98, 2, 0)], 0, False, False),
        ([Votes("a", 1000, 0, 0), Votes("b", 0, 1, 0)], None, False, True),
        ([Votes("a", 1000, 0, 0), Votes("b", 0, 0, 9)], 0, False, False),
    ],
)
def test_a_reading_needs_enough_rows_that_decide_and_few_that_contradict(
    votes: list[Votes], winner: int | None, is_open: bool, has_conflict: bool
) -> None:
    ruling = rule(votes)
    assert ruling.winner == winner
    assert ruling.is_open == is_open
    assert (ruling.conflict is not None) == has_conflict


def test_files_with_another_decimal_mark_are_refused_by_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = {"a": sales(*["12.50"] * 500), "b": sales("12,50", "7,25")}
    (problem,) = check_parts(connection, tmp_path, parts).all_problems()
    assert f"a decimal point, such as '12.50' in {tmp_path}/sales-a.csv" in problem
    assert f"a decimal comma, such as '12,50' in {tmp_path}/sales-b.csv" in problem


def test_files_with_another_order_of_day_and_month_are_refused_by_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = {"a": dated(*["31/01/2025"] * 500), "b": dated("01/31/2025", "05/06/2025")}
    (problem,) = check_parts(connection, tmp_path, parts).all_problems()
    assert f"the day first, such as '31/01/2025' in {tmp_path}/sales-a.csv" in problem
    assert f"the month first, such as '01/31/2025' in {tmp_path}/sales-b.csv" in problem


def test_files_with_other_formats_of_dates_are_refused_by_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = {"a": dated(*["31.01.2025"] * 9), "b": dated("2025-01-05")}
    (problem,) = check_parts(connection, tmp_path, parts).all_problems()
    assert f"several formats, such as '31.01.2025' in {tmp_path}/sales-a.csv and " in problem
    assert f"'2025-01-05' in {tmp_path}/sales-b.csv; export all dates in one" in problem


def test_a_format_that_is_set_and_fits_nothing_is_named(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    formats = {"sales": {"sold_on": "%d/%m/%Y"}}
    report = check(connection, tmp_path, {"sales": dated("2025-01-31")}, formats=formats)
    (problem,) = report.all_problems()
    assert problem.endswith("; formats.sales.sold_on says %d/%m/%Y; correct it, or remove it")


def test_a_file_that_decides_nothing_is_read_like_the_others_which_is_noted(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = {"a": dated(*["31/01/2025"] * 9), "b": dated("05/06/2025", "07/06/2025")}
    report = check_parts(connection, tmp_path, parts)
    assert report.all_problems() == []
    date = column(report, "sales", "sold_on")
    assert (date.format, date.maximum) == ("day-month-year", "2025-06-07")
    assert date.note == (
        f"no value decides in {tmp_path}/sales-b.csv; read like the other files, where values "
        "such as 31/01/2025 decide"
    )


def test_workbooks_and_parquet_files_speak_for_themselves_too(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for name, amount in (("a", "12.50"), ("b", "12,50")):
        rows = f"select 's1' as store_id, 'p1' as product_id, '{amount}' as sales_amount"
        connection.execute(f"copy ({rows}) to '{tmp_path}/sales-{name}.parquet'")
        connection.sql(rows).pl().write_excel(tmp_path / f"sales-{name}.xlsx")
    for ending in ("parquet", "xlsx"):
        report = check_parts(connection, tmp_path, {}, place=f"sales-*.{ending}")
        (problem,) = report.all_problems()
        assert f"'12,50' in {tmp_path}/sales-b.{ending}" in problem


def test_one_amount_does_not_decide_for_many(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = sales(*["1.234"] * 30, "1,5")
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "numbers such as '1.234'" in problem
    assert "and only 1 of 31 rows decides, such as '1,5'" in problem
    report = check(connection, tmp_path, {"sales": sales("1.234", "1,5")})
    assert total(connection, report) == "1235.5000"


def test_one_date_does_not_decide_for_many(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = dated(*["01/02/2025"] * 30, "02/15/2025")
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "dates such as '01/02/2025'" in problem
    assert "and only 1 of 31 rows decides, such as '02/15/2025'" in problem


def test_amounts_of_both_marks_are_refused_if_others_can_be_either(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = sales(*["12.50"] * 50, *["12,50"] * 2, "1.234")
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "a decimal point, such as '12.50', and with a decimal comma, such as '12,50'" in problem
    assert "'1.234' can be either" in problem


def test_a_few_amounts_of_the_other_mark_are_lost_money_and_no_other_amounts(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    report = check(connection, tmp_path, {"sales": sales(*["12.50"] * 99, "12,50")})
    assert report.all_problems() == []
    (loss,) = report.losses["sales"].by_reason
    assert (loss.n_rows, loss.money, loss.examples) == (1, 12.5, ("12,50",))


def test_the_file_of_a_row_is_no_column_of_the_input(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "store_id;product_id;sales_amount;_file\ns1;p1;1.5;x\n"
    report = check_parts(connection, tmp_path, {"a": text, "b": text.replace("1.5", "2.5")})
    assert report.all_problems() == []
    names = [found.column for found in report.columns["sales"]]
    assert names == ["store_id", "product_id", "sales_amount", "_file"]
    assert report.plans["sales"].file_column == "_file_"


@pytest.mark.parametrize("name", ["value", "money", "n_rows", "file", "text", "typed"])
def test_a_column_of_any_name_is_weighed_like_another(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    text = f"store_id;{name}\ns1;1.234,50\ns2;7,25\n"
    report = check(connection, tmp_path, {"demographics": text})
    assert report.problems["demographics"] == []
    assert column(report, "demographics", name).maximum == "1234.5"
