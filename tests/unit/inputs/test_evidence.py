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


@pytest.mark.parametrize(
    ("parts", "money"),
    [
        ({"a": sales(*["12.50"] * 500), "b": sales("12,50", "7,25")}, "6269.7500"),
        ({"a": sales("1,234.50"), "b": sales("2.234,50"), "c": sales("7")}, "3476.0000"),
        ({"a": sales("1'000.50"), "b": sales("1 000,50", "3,-")}, "2004.0000"),
    ],
)
def test_files_that_prove_their_own_decimal_mark_are_read_in_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, parts: dict[str, str], money: str
) -> None:
    report = check_parts(connection, tmp_path, parts)
    assert report.all_problems() == []
    assert total(connection, report) == money
    amount = column(report, "sales", "sales_amount")
    assert amount.format.startswith("by file: decimal comma")
    assert "in " + str(tmp_path / "sales-a.csv") in amount.note
    assert "each is read in its own" in amount.note


def test_files_that_prove_their_own_order_or_format_of_dates_are_read_in_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = {
        "a": dated(*["31/01/2025"] * 500),
        "b": dated("01/31/2025", "01/06/2025"),
        "c": dated("2025-01-05"),
    }
    report = check_parts(connection, tmp_path, parts)
    assert report.all_problems() == []
    date = column(report, "sales", "sold_on")
    assert (date.minimum, date.maximum, date.n_not_understood) == ("2025-01-05", "2025-01-31", 0)
    assert date.format == "by file: day-month-year; month-day-year; year-month-day"
    assert f"such as '31/01/2025' in {tmp_path}/sales-a.csv and '01/31/2025' in" in date.note


def test_files_with_another_decimal_mark_are_refused_by_name_if_one_decides_nothing(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = {"a": sales(*["12.50"] * 500), "b": sales("12,50", "7,25"), "c": sales("1.234")}
    (problem,) = check_parts(connection, tmp_path, parts).all_problems()
    assert f"a decimal point, such as '12.50' in {tmp_path}/sales-a.csv" in problem
    assert f"a decimal comma, such as '12,50' in {tmp_path}/sales-b.csv" in problem


def test_files_with_another_order_of_day_and_month_are_refused_if_one_decides_nothing(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = {
        "a": dated(*["31/01/2025"] * 500),
        "b": dated("01/31/2025", "05/06/2025"),
        "c": dated("05/06/2025"),
    }
    (problem,) = check_parts(connection, tmp_path, parts).all_problems()
    assert f"the day first, such as '31/01/2025' in {tmp_path}/sales-a.csv" in problem
    assert f"the month first, such as '01/31/2025' in {tmp_path}/sales-b.csv" in problem


def test_a_file_with_several_formats_of_dates_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = {"a": dated(*["31.01.2025"] * 9, "2025-01-05"), "b": dated("2025-01-05")}
    (problem,) = check_parts(connection, tmp_path, parts).all_problems()
    assert f"several formats, such as '31.01.2025' in {tmp_path}/sales-a.csv and " in problem


@pytest.mark.parametrize(
    ("others", "decimal", "sums"),
    [
        ("12,50", ",", "3,579.00, or to 3.58"),
        ("12.50", ".", "3.58, or to 3,579.00"),
        ("1.234.567", ",", "3,579.00, or to 3.58"),
    ],
)
def test_a_file_whose_amounts_no_value_decides_is_refused_if_the_money_differs(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    others: str,
    decimal: str,
    sums: str,
) -> None:
    n_others = 9 if "." in others[2:] or "," in others else 1
    parts = {"a": sales(*[others] * n_others), "b": sales("1.234", "2.345")}
    report = check_parts(connection, tmp_path, parts)
    is_material = others != "1.234.567"
    assert len(report.all_problems()) == is_material
    note = column(report, "sales", "sales_amount").note
    text = report.all_problems()[0] if is_material else note
    assert f"{tmp_path}/sales-b.csv" in text
    assert f"2 row(s) that add up to {sums} in the other way" in text
    if is_material:
        assert f'Set formats.sales.sales_amount to {{decimal: "{decimal}"}}' in text


@pytest.mark.parametrize(
    ("amounts", "unread"),
    [
        (["12.50"] * 99 + ["1.513"], "1.513"),
        (["12,50"] * 99 + ["1.513"], "1.513"),
        (["12.50"] * 99 + ["1,513"], "1,513"),
        (["12.50"] * 98 + ["7.-", "$ 1,513"], "$ 1,513"),
        (["12.5", "12.25", "0.125", "3", "1.513"], ""),
        (["1.234,5", "12,5", "1.513"], ""),
        (["12,50", "7", "1.513"], ""),
        (["1,234.50", "1,513.00"], ""),
    ],
)
def test_an_amount_with_three_digits_among_amounts_with_cents_is_not_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, amounts: list[str], unread: str
) -> None:
    report = check(connection, tmp_path, {"sales": sales(*amounts)})
    amount = column(report, "sales", "sales_amount")
    assert amount.examples == ((unread,) if unread else ())
    if unread:
        (problem,) = report.all_problems()
        assert "1,513.00 of 2,7" in problem
        assert "all other amounts have two decimals" in problem
        mark = "." if amount.format.startswith("decimal point") else ","
        given = {"sales": {"sales_amount": {"decimal": mark}}}
        report = check(connection, tmp_path, {"sales": sales(*amounts)}, formats=given)
        assert report.all_problems() == []


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
        "such as 31/01/2025 decide: 2 row(s), 21.00 of the sales"
    )


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_workbooks_and_parquet_files_speak_for_themselves_too(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, ending: str
) -> None:
    for name, amount in (("a", "12.50"), ("b", "13,50")):
        rows = f"select 's1' as store_id, 'p1' as product_id, '{amount}' as sales_amount"
        path = tmp_path / f"sales-{name}.{ending}"
        if ending == "xlsx":
            connection.sql(rows).pl().write_excel(path)
        else:
            connection.execute(f"copy ({rows}) to '{path}'")
    report = check_parts(connection, tmp_path, {}, place=f"sales-*.{ending}")
    assert report.all_problems() == []
    assert total(connection, report) == "26.0000"


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


@pytest.mark.parametrize(
    "text",
    [
        "store_id,product_id,sales_amount,units\n"
        "s1,p1,1.006,2\ns1,p1,988,1\ns1,p1,2.375,0.5\ns1,p1,12,1\n",
        "store_id;product_id;sales_amount;units\ns1;p1;1,006;2\ns1;p1;988;1\ns1;p1;12;0,5\n",
        "store_id;product_id;sales_amount;units\n" + "s1;p1;1,006;0.25\n" * 50,
    ],
)
def test_units_do_not_decide_the_decimal_mark_of_the_money(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, text: str
) -> None:
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "sales.sales_amount has numbers such as '1" in problem
    assert "can be the decimal or the thousands mark, and no value decides" in problem


def test_the_money_decides_the_decimal_mark_of_the_units(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "store_id;product_id;sales_amount;units\ns1;p1;12,50;1.006\ns1;p1;7,25;3\n"
    report = check(connection, tmp_path, {"sales": text})
    assert report.all_problems() == []
    assert column(report, "sales", "units").maximum == "1006.0000"


@pytest.mark.parametrize(
    "amounts",
    [
        ["12.5", "99.95", "250.25", "1.513", "2.000", "1.250"],
        ["12,5", "99,95", "250,25", "1,513", "2,000", "1,250"],
        ["12.5", "12.25", "12.125", "3", "1.513"],
        ["12.5", "7"] * 30 + ["1.513"],
        ["12.5", "7"] * 30 + ["1.513"] * 50 + ["0.513"],
        ["€ 12.5", "€ 7", "€ 1.513", "€ 2.000"],
    ],
)
def test_an_amount_with_three_digits_is_not_read_if_others_have_fewer_decimals(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, amounts: list[str]
) -> None:
    text = sales(*amounts)
    report = check(connection, tmp_path, {"sales": text})
    (problem,) = report.all_problems()
    assert "sales_amount is not a number, such as `" in problem
    assert "hardly any other amount has three decimals, and many have fewer, so" in problem
    mark = "," if "12,5" in amounts else "."
    formats = {"sales": {"sales_amount": {"decimal": mark}}}
    assert check(connection, tmp_path, {"sales": text}, formats=formats).all_problems() == []


@pytest.mark.parametrize(
    "amounts",
    [
        ["12.5", "99.95", "0.513", "1.513", "2.125"],
        ["12.5", "99.95", "1513.250", "1.513", "2.125"],
        ["12.5", "99.95", "12.1257", "1.513"],
    ],
)
def test_an_amount_that_can_only_have_three_decimals_proves_them(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, amounts: list[str]
) -> None:
    report = check(connection, tmp_path, {"sales": sales(*amounts)})
    assert report.all_problems() == []
    assert float(total(connection, report)) == pytest.approx(sum(map(float, amounts)), abs=1e-3)
