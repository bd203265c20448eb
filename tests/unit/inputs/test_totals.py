"""Rows that hold totals of other rows are refused, and stores that only look like them are not."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from .helpers import check

HEADER = "store_id;product_id;sales_amount"
STORES = ["101;p1;10.50", "102;p1;20.25", "102;p2;4.25", "103;p2;7.00"]
TOTAL = "p1;42.00"


def sales(*rows: str) -> str:
    """Sales of three stores that add up to 42, and further rows."""
    return "\n".join([HEADER, *STORES, *rows, ""])


@pytest.mark.parametrize(
    "name",
    [
        *("Total", "TOTAL:", "ALL", "Grand total", "Summe", "Gesamt", "Total général"),
        *("*** Total ***", "Sub-Total", "Gesamtergebnis", "合計", "ИТОГО", " sum_ "),
    ],
)
@pytest.mark.parametrize("amount", ["42.00", "41.00"])
def test_a_store_that_is_called_like_a_total_is_refused_with_its_money(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, amount: str
) -> None:
    report = check(connection, tmp_path, {"sales": sales(f"{name};p1;{amount}")})
    (problem,) = report.all_problems()
    assert problem.startswith("inputs.sales: 1 row(s) of sales hold totals of other rows")
    assert f"{amount} of {float(amount) + 42:.2f} of the money" in problem
    formats = {"sales": {"store_id": "category"}}
    files = {"sales": sales(f"{name};p1;{amount}")}
    assert check(connection, tmp_path, files, formats=formats).all_problems() == []


@pytest.mark.parametrize(
    "rows",
    [
        ["9999;p1;42.00"],
        ["9999;p1;30.75", "9999;p2;11.25"],
        ["North;p1;42.00"],
        ["North total;p1;34.75", "Total South;p1;7.25"],
        ["Summe Nord;p1;30.00", "Süd Ergebnis;p1;12.00"],
    ],
)
def test_stores_that_add_up_to_all_the_others_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, rows: list[str]
) -> None:
    (problem,) = check(connection, tmp_path, {"sales": sales(*rows)}).all_problems()
    assert f"{len(rows)} row(s) of sales hold totals of other rows" in problem
    assert "42.00 of 84.00 of the money" in problem
    assert repr(rows[0].partition(";")[0]) in problem


@pytest.mark.parametrize(
    "rows", [["9999;p1;41.50"], ["Total Paris;p1;12.00", "Ergebnisse;p1;5.00"], ["Tall;p1;42.50"]]
)
def test_a_store_with_other_sales_is_no_total(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, rows: list[str]
) -> None:
    assert check(connection, tmp_path, {"sales": sales(*rows)}).all_problems() == []


def test_a_store_that_another_input_knows_is_no_total(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    facts = "store_id;income\n101;1\n102;2\n103;3\n9999;4\n"
    files = {"sales": sales("9999;p1;42.00"), "demographics": facts}
    assert check(connection, tmp_path, files).all_problems() == []
    files["demographics"] = facts.replace("9999", "104")
    assert len(check(connection, tmp_path, files).all_problems()) == 1


def test_two_stores_of_the_same_sales_are_no_totals(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "\n".join([HEADER, "101;p1;10.50", "102;p1;10.50", ""])
    assert check(connection, tmp_path, {"sales": text}).all_problems() == []


def test_a_total_among_facts_about_stores_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    facts = "store_id;income\n101;1\n102;2\n103;3\nTotal;6\n"
    (problem,) = check(connection, tmp_path, {"demographics": facts}).problems["demographics"]
    assert problem.startswith("1 row(s) of demographics hold totals of other rows")
