"""Columns of the sales whose values say that a row is no sale."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from .helpers import check, check_parts, total


def sales(column: str, *rows: tuple[str, str]) -> str:
    """Sales with a further column; a row is an amount and its value."""
    lines = [f"s{n % 3};p1;{amount};{value}" for n, (amount, value) in enumerate(rows)]
    return "\n".join([f"store_id;product_id;sales_amount;{column}", *lines, ""])


@pytest.mark.parametrize(
    ("column", "sold", "not_sold"),
    [
        ("type", "SALE", "RETURN"),
        ("Transaction Type", "Sale", "Sales_Return"),
        ("trans_type", "S", "R"),
        ("status", "Completed", "CANCELLED"),
        ("whatever", "", " void "),
        ("Belegart", "Verkauf", "Storno"),
        ("Belegart", "Verkauf", "Rückgabe"),
        ("nature", "vente", "Remboursement"),
        ("typ", "Försäljning", "Retur"),
        ("documento", "Scontrino", "Nota di credito"),
        ("void_indicator", "", "x"),
        ("qty_sign", "1", "-1"),
        ("voided", "N", "Y"),
        ("Is Cancelled", "false", "TRUE"),
        ("return_flag", "0", "1"),
        ("refund", "", "x"),
        ("sign", "+", "-"),
        ("Vorzeichen", "1", "-1"),
    ],
)
def test_rows_that_are_no_sales_and_have_positive_amounts_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, column: str, sold: str, not_sold: str
) -> None:
    text = sales(column, ("10.50", sold), ("20.00", sold), ("4.50", not_sold), ("0.00", not_sold))
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert problem.startswith(
        f"inputs.sales: 1 row(s) of sales have {not_sold.strip()!r} in {column!r} and a positive "
        "amount, 4.50 of 35.00 of the money (13 %)"
    )
    formats = {"sales": {column: "ignore"}}
    report = check(connection, tmp_path, {"sales": text}, formats=formats)
    assert report.all_problems() == []
    assert report.remarks["sales"] == []
    signed = text.replace("4.50", "-4.50")
    report = check(connection, tmp_path, {"sales": signed})
    assert report.all_problems() == []
    assert not any("positive amount" in text for text in report.remarks["sales"])


@pytest.mark.parametrize(
    "rows",
    [
        (("40.00", "Sale"), ("4.50", "Return"), ("-3.00", "Return")),
        (("40.00", "Sale"), ("4.50", "Return"), ("-4.50", "Correction")),
    ],
)
def test_where_other_rows_are_negative_it_is_a_remark(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, rows: tuple[tuple[str, str], ...]
) -> None:
    report = check(connection, tmp_path, {"sales": sales("kind", *rows)})
    assert report.all_problems() == []
    assert (
        "1 row(s) have 'Return' in 'kind' and a positive amount, 4.50 of 44.50 of the money "
        "(10 %); they count as sales. If they are none, remove them or export their amounts with "
        "a minus"
    ) in report.remarks["sales"]


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("size", "S", "R"),
        ("void", "Y", "maybe"),
        ("returnable", "Y", "N"),
        ("return_policy", "Y", "N"),
        ("days_to_return", "1", "0"),
        ("trans_type", "R", "B"),
        ("member", "Y", "N"),
        ("note", "-", "+"),
        ("note", "return customer", "void fill"),
        ("payment", "credit", "debit"),
    ],
)
def test_other_columns_say_nothing_about_sales(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, column: str, first: str, second: str
) -> None:
    text = sales(column, ("10.50", first), ("4.50", second))
    report = check(connection, tmp_path, {"sales": text})
    assert report.all_problems() == []
    assert report.remarks["sales"] == []


def test_columns_with_types_are_understood(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    values = "('s1', 'p1', 10.5, false), ('s2', 'p1', 4.5, true)"
    names = "store_id, product_id, sales_amount, is_void"
    path = tmp_path / "sales-1.parquet"
    connection.execute(f"copy (from (values {values}) as rows ({names})) to '{path}'")
    report = check_parts(connection, tmp_path, {}, "sales-*.parquet")
    (problem,) = report.all_problems()
    assert "1 row(s) of sales have 'true' in 'is_void'" in problem
    assert float(total(connection, report)) == 15


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("type", ("R", "V", "R", "R")),  # regular and vegetarian
        ("customer_type", ("New", "Return", "New", "Return")),
        ("loyalty card status", ("Active", "Cancelled", "Active", "Void")),
        ("brand", ("Storno", "Other", "Other", "Storno")),
    ],
)
def test_columns_that_tell_of_something_else_are_no_statuses(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, column: str, values: tuple[str, ...]
) -> None:
    text = sales(column, *zip(("10.50", "21.00", "33.00", "47.00"), values, strict=True))
    report = check(connection, tmp_path, {"sales": text})
    assert report.all_problems() == []
    assert not any("positive amount" in text for text in report.remarks["sales"])


def test_all_values_that_are_counted_are_named(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = [("10.50", "Sale"), ("2.00", "Void"), ("3.00", "Return"), ("4.00", "Cancelled")]
    text = sales("status", *rows, ("5.00", "Refund"), ("40.00", "Sale"))
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "4 row(s) of sales have 'Cancelled' or 'Refund' or 'Return' or 1 more in" in problem
