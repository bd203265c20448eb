"""Whole inputs, good and bad: what is accepted, what is refused, and what the message says."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import duckdb
import polars as pl
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from segmentation.inputs.check import check_data
from segmentation.inputs.names import InputError, in_yaml
from segmentation.inputs.options import InputOptions, misspelled_vars
from tests.integration.helpers import is_listed

from .helpers import PRODUCTS, TODAY, check, check_parts, column, dated, listed, sales, total


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        (["1234.50", "7"], "1241.5000"),
        (["1.234,50", "7"], "1241.5000"),
        (["1,234.50", "7"], "1241.5000"),
        (["12,34,567.50"], "1234567.5000"),
        (["1'234.50", "1\u2019000.00"], "2234.5000"),
        (["1 234,50", "1\u202f000,00", "1\u00a0000,00"], "3234.5000"),
        (["€ 12,50", "3,25 EUR", "€4"], "19.7500"),
        (["(12.50)", "20.00", "1.50-", "\u22121.25"], "4.7500"),
        (["1234567", "1.5E+03"], "1236067.0000"),
        (["1.234.567", "12"], "1234579.0000"),
        (["13,-", "2,--", "7,50", "12,25-"], "10.2500"),
        (["CHF 13.-", "1'250.\u2014", "7.50-", "-3.-", "(2.-)"], "1250.5000"),
        (["1.234,- kr.", "2,- kr", "12,50- kr.", "3,25 kr.-"], "1220.2500"),
        (["$ (1,310.88)", "$ 5,000.00", "$ -", "-", "(0.12)"], "3689.0000"),
        (["- €", "5,00 €", "\u2013 €", "(1,00) €"], "4.0000"),
        (["12.50CR", "100.00 DR", "3.00 cr"], "84.5000"),
        (["Rs. 1,200.50", "Rs.5.00", "Rs 3", "-Rs. 2.00"], "1206.5000"),
        (["100,749円", "1,200円", "3円"], "101952.0000"),
        (["¥100,749", "¥1,200"], "101949.0000"),
        (["₩1.200.000", "₩3.500"], "1203500.0000"),
        (["A$12.50", "A$ 1.00"], "13.5000"),
        (["C$ 12.50", "1.00 CAD", "$1"], "14.5000"),
        (["12,50 kr.", "kr.3,00", "kr. -1,00"], "14.5000"),
        *(
            (["50.00", f"{minus}12.50", f"12.50{minus}", f"12.50 EUR{minus}"], "12.5000")
            for minus in "-\u00ad\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"
        ),
    ],
)
def test_amounts_are_read_in_the_format_that_they_prove(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, amounts: list[str], expected: str
) -> None:
    report = check(connection, tmp_path, {"sales": sales(*amounts)})
    assert report.all_problems() == []
    assert total(connection, report) == expected


@pytest.mark.parametrize("dash", ["-", "--", "\u2013", "\u2014", "\u2212"])
def test_a_dash_alone_is_a_missing_amount_where_no_other_value_is_of_accounting(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, dash: str
) -> None:
    report = check(connection, tmp_path, {"sales": sales(*["5.00"] * 99, dash)})
    assert [loss.reason for loss in report.losses["sales"].by_reason] == ["sales_amount is missing"]
    assert total(connection, report) == "495.0000"


@pytest.mark.parametrize("amounts", [["1,234", "567"], ["1.234"], ["123,456", "999,999"]])
def test_amounts_that_no_value_decides_ask_for_the_decimal_mark(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, amounts: list[str]
) -> None:
    (problem,) = check(connection, tmp_path, {"sales": sales(*amounts)}).all_problems()
    assert "no value decides" in problem
    assert "set formats.sales.sales_amount to" in problem
    mark = next(c for c in amounts[0] if not c.isdigit())
    other = {",": ".", ".": ","}[mark]
    given = {"sales": {"sales_amount": {"decimal": other}}}
    report = check(connection, tmp_path, {"sales": sales(*amounts)}, formats=given)
    assert report.all_problems() == []
    digits = sum(int(amount.replace(mark, "")) for amount in amounts)
    assert total(connection, report) == f"{digits}.0000"


def test_another_column_of_the_file_decides_the_decimal_mark_of_facts(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "store_id;area;price\ns1;1.234;2,5\n"
    report = check(connection, tmp_path, {"demographics": text})
    assert report.all_problems() == []
    assert column(report, "demographics", "area").maximum == "1234.0"
    many = "".join(f"s{n};1.{n};3\n" for n in range(200, 230))
    report = check(connection, tmp_path, {"demographics": text + many})
    assert "no value decides" in report.all_problems()[0]


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["2025-01-31", "2025-02-01"], dt.date(2025, 1, 31)),
        (["31.01.2025", "01.02.2025"], dt.date(2025, 1, 31)),
        (["1/31/2025", "2/1/2025"], dt.date(2025, 1, 31)),
        (["31-01-2025", "01-02-2025"], dt.date(2025, 1, 31)),
        (["20250131", "20250201"], dt.date(2025, 1, 31)),
        (["2025-01-31T23:30:00-05:00", "2025-02-01T00:00:00Z"], dt.date(2025, 1, 31)),
        (["31.01.2025 14:05", "01.02.2025 09:00"], dt.date(2025, 1, 31)),
        (["1/31/2025 2:05:00 PM", "2/1/2025 9:00:00 AM"], dt.date(2025, 1, 31)),
        (["45688", "45689"], dt.date(2025, 1, 31)),
        (["31 Jan 2025", "1 Feb 2025"], dt.date(2025, 1, 31)),
        (["31-JAN-2025", "01-FEB-2025"], dt.date(2025, 1, 31)),
        (["02.01.2025", "01.02.2025"], dt.date(2025, 1, 2)),
        (["2. 1. 2025", "1. 2. 2025 09:00"], dt.date(2025, 1, 2)),
    ],
)
def test_dates_are_read_in_the_format_that_they_prove(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, dates: list[str], expected: dt.date
) -> None:
    report = check(connection, tmp_path, {"sales": dated(*dates)})
    assert report.all_problems() == []
    column = next(c for c in report.columns["sales"] if c.column == "sold_on")
    assert (column.minimum, column.maximum) == (str(expected), "2025-02-01")


def test_dates_that_no_value_decides_ask_for_the_format(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = dated("01/02/2025", "05/06/2025")
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "set formats.sales.sold_on to '%d/%m/%Y' or '%m/%d/%Y'" in problem
    formats = {"sales": {"sold_on": "%d/%m/%Y"}}
    report = check(connection, tmp_path, {"sales": text}, formats=formats)
    column = next(c for c in report.columns["sales"] if c.column == "sold_on")
    assert (column.minimum, report.all_problems()) == ("2025-02-01", [])


def test_points_decide_for_their_own_dates_only(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = dated(*["05.06.2025"] * 50, "02/03/2025")
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "dates such as '02/03/2025'" in problem
    assert "no value decides" in problem


@pytest.mark.parametrize(
    "amount", ["--5.50", "-$-5.50", "-(5.50)", "-5.50-", "-5.50 CR", "5.50-CR", "13. -", "- %"]
)
def test_amounts_with_two_signs_are_not_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, amount: str
) -> None:
    report = check(connection, tmp_path, {"sales": sales("$12.50", "(1.25)", amount)})
    assert column(report, "sales", "sales_amount").examples == (amount,)


def test_dates_with_points_and_the_month_first_ask_for_the_format(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = dated("01.31.2025", "02.01.2025")
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "sold_on is not a date, such as `01.31.2025`" in problem
    formats = {"sales": {"sold_on": "%m.%d.%Y"}}
    report = check(connection, tmp_path, {"sales": text}, formats=formats)
    assert report.all_problems() == []


@pytest.mark.parametrize(("name", "other"), [("lat", "lng"), ("Latitude", "geo_longitude")])
@pytest.mark.parametrize("mark", [".", ","])
def test_coordinates_are_degrees_and_decide_nothing_else(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, other: str, mark: str
) -> None:
    text = f"store_id;{name};{other}\ns1;52.123;-113.456\ns2;-51.100;12.789\n"
    report = check(connection, tmp_path, {"demographics": text.replace(".", mark)})
    assert report.problems["demographics"] == []
    assert column(report, "demographics", name).maximum == "52.123"
    assert column(report, "demographics", other).minimum == "-113.456"
    rent = text.replace(other, "rent").replace(".", mark)
    (problem,) = check(connection, tmp_path, {"demographics": rent}).problems["demographics"]
    assert problem.startswith("demographics.rent has numbers such as '")


def test_lines_with_nothing_but_separators_are_blank(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = 'store_id,product_id,sales_amount\ns1,p1,1.5\n,,\ns2,p1,2\n , ,\n"",,\n,,\n'
    report = check(connection, tmp_path, {"sales": text})
    assert report.all_problems() == []
    assert (report.plans["sales"].n_rows, total(connection, report)) == (2, "3.5000")


@pytest.mark.parametrize("codec", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32_is_called_what_it_is(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, codec: str
) -> None:
    report = check(connection, tmp_path, {"sales": sales("1.5").encode(codec)})
    (problem,) = report.all_problems()
    assert "is UTF-32 text, which is not read; export it as UTF-8" in problem


@pytest.mark.parametrize(
    ("value", "kind"),
    [("[1.5]", "lists (decimal(2,1)[])"), ("{'a': 1.5}", "nested values (struct(a decimal(2,1)))")],
)
def test_nested_columns_of_parquet_files_are_refused_by_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: str, kind: str
) -> None:
    path = tmp_path / "rows.parquet"
    rows = f"select 's1' as store_id, [1] as tags, 'p1' as product_id, {value} as sales_amount"
    connection.execute(f"copy ({rows}) to '{path}'")
    inputs = {"sales": str(path)}
    report = listed(check_data(connection, inputs, InputOptions(), TODAY, judges_joins=False))
    assert report.all_problems() == [
        f"inputs.sales: sales.sales_amount has {kind}; export one value per row"
    ]
    inputs = {"demographics": str(path)}
    report = listed(check_data(connection, inputs, InputOptions(), TODAY))
    assert len(report.problems["demographics"]) == 2
    formats = {"demographics": {"tags": "ignore", "sales_amount": "ignore"}}
    report = check_data(connection, inputs, InputOptions({"formats": formats}), TODAY)
    assert report.all_problems() == []


@pytest.mark.parametrize(
    ("amounts", "advice"),
    [
        (["12,50"] * 9 + ["3x"] * 4, "correct the values in the export"),
        (
            ["12.50"] * 9 + ["7,25"],
            "these have decimal comma, and the others decimal point; export all numbers in one "
            "format",
        ),
        (["12.50"] * 9 + ["١٢"], "export all numbers with the digits 0 to 9"),
        (["12.50"] * 9 + ["\uff11\uff12"], "export all numbers with the digits 0 to 9"),
    ],
)
def test_the_remedy_fits_the_amounts_that_are_not_understood(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, amounts: list[str], advice: str
) -> None:
    (problem,) = check(connection, tmp_path, {"sales": sales(*amounts)}).all_problems()
    assert problem.endswith(f"; {advice}")


@pytest.mark.parametrize(
    "date", ["31/12/25", "0001-01-01", "infinity", "2199-01-01", "1969-12-31", "2025-02-30"]
)
def test_what_is_no_date_is_refused_with_its_share_of_the_money(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, date: str
) -> None:
    (problem,) = check(connection, tmp_path, {"sales": dated("2025-01-31", date)}).all_problems()
    assert "50 % of the sales, 10.50 of 21.00 (1 of 2 rows): sold_on is not a date" in problem
    assert f"`{date}`" in problem
    assert "formats.sales.sold_on" in problem


def test_a_few_bad_dates_cost_the_dates_and_not_the_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    report = check(connection, tmp_path, {"sales": dated(*["2025-01-31"] * 99, "soon")})
    assert report.all_problems() == []
    assert report.losses["sales"].n_accepted == 100


@pytest.mark.parametrize("place", [0, 1, 2_999])
@pytest.mark.parametrize("bad", ["s1,p1,1,234.50", "s1,p1"])
def test_a_line_of_another_length_is_rejected_wherever_it_is(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, place: int, bad: str
) -> None:
    lines = ["s1,p1,2.50"] * 3_000
    lines[place] = bad
    text = "\n".join(["store_id,product_id,sales_amount", *lines, ""])
    report = check(connection, tmp_path, {"sales": text})
    assert report.plans["sales"].n_rows == 2_999
    assert report.plans["sales"].lines.select("line", "text").rows() == [(place + 2, bad)]


@pytest.mark.slow
def test_mixed_line_ends_lose_no_line(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = [f"s{i},p1,2.50\n" for i in range(50_000)]
    lines[49_000] = "s1,p1,2.50\r\n"
    text = "store_id,product_id,sales_amount\n" + "".join(lines)
    report = check(connection, tmp_path, {"sales": text})
    assert report.all_problems() == []
    assert total(connection, report) == "125000.0000"


def test_a_quote_that_does_not_end_costs_its_line_only(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = [f"s{i},p1,2.50,x" for i in range(1000)]
    lines[500] = 's500,p1,2.50,"5 inch'
    text = "\n".join(["store_id,product_id,sales_amount,note", *lines, ""])
    report = check(connection, tmp_path, {"sales": text})
    assert report.all_problems() == []
    assert report.plans["sales"].lines.select("line", "reason").rows() == [
        (502, "line has a quote that does not end")
    ]
    assert report.plans["sales"].n_rows == 999


def test_two_quotes_that_enclose_whole_lines_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = [f"s{i},p1,x,2.50" for i in range(100)]
    lines[50] = 's50,p1,"5 inch,2.50'
    lines[52] = 's52,p1,",2.50'
    text = "\n".join(["store_id,product_id,note,sales_amount", *lines, ""])
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "1 value(s) that hold whole lines" in problem


def test_a_line_break_inside_a_quoted_value_is_part_of_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = 'store_id,product_id,note,sales_amount\ns1,p1,"Main St, 5\nTown",2.50\ns2,p1,x,1\n'
    report = check(connection, tmp_path, {"sales": text})
    assert report.all_problems() == []
    assert report.plans["sales"].n_rows == 2


def test_a_single_accent_of_windows_makes_the_whole_file_windows_1252(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    products = b"product_id,category,need_state\np1,Caf\xe9 \x80,Fresh\n"
    report = check(connection, tmp_path, {"products": products, "sales": sales("1.5")})
    assert report.all_problems() == []
    assert report.plans["products"].files[0].read_as.startswith("Windows-1252")
    rows = connection.execute(f"select category from {report.plans['products'].relation}")
    assert rows.fetchall() == [("Café €",)]


def test_a_damaged_line_among_accents_of_utf_8_is_rejected(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    good = "".join(f"p{n},Café,Fresh {n}\n" for n in range(40))
    products = b"product_id,category,need_state\n" + good.encode() + b"p99,Caf\xe9,Fresh\n"
    report = check(connection, tmp_path, {"products": products, "sales": sales("1.5")})
    assert report.plans["products"].files[0].read_as.startswith("UTF-8")
    assert report.plans["products"].n_rows == 40
    assert report.plans["products"].lines.select("line", "reason").rows() == [
        (42, "line is not UTF-8 text")
    ]


def test_ids_that_only_some_rows_write_with_zeros_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = [f"{store};p1;10.5" for n in range(1, 11) for store in (f"{n:03d}", n)]
    text = "\n".join(["store_id;product_id;sales_amount", *lines])
    report = check(connection, tmp_path, {"sales": text})
    (problem,) = report.all_problems()
    assert problem == (
        "inputs.sales: 20 of the 20 ids in sales.store_id differ from another one only in leading "
        "zeros, such as '001' and '1'; set segmentation.ignore_in_ids: [leading_zeros] if these "
        "are the same, or formats.sales.store_id: category if they are not"
    )
    same = check(
        connection, tmp_path, {"sales": text}, settings={"ignore_in_ids": ["leading_zeros"]}
    )
    assert same.all_problems() == []
    assert same.columns["sales"][0].n_distinct == 10
    others = check(
        connection, tmp_path, {"sales": text}, formats={"sales": {"store_id": "category"}}
    )
    assert others.all_problems() == []
    assert others.columns["sales"][0].n_distinct == 20


def test_dates_of_both_orders_are_refused_with_an_example_of_each(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = dated("31/01/2025", "30/01/2025", "03/04/2025", "01/31/2025")
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "with the day first, such as '31/01/2025'" in problem
    assert "with the month first, such as '01/31/2025'" in problem


def test_a_single_date_of_the_other_order_costs_that_date_only(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = dated(*["31/01/2025"] * 200, "01/31/2025")
    report = check(connection, tmp_path, {"sales": text})
    assert report.all_problems() == []
    (date,) = (c for c in report.columns["sales"] if c.column == "sold_on")
    assert (date.format, date.n_not_understood) == ("day-month-year", 1)


@pytest.mark.parametrize("amounts", [["-5.00", "-7.50"], ["0.00"]])
def test_sales_that_do_not_add_up_to_anything_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, amounts: list[str]
) -> None:
    (problem,) = check(connection, tmp_path, {"sales": sales(*amounts)}).all_problems()
    assert "the accepted sales add up to" in problem
    assert "change the sign" in problem


def test_two_columns_of_the_same_name_are_refused_if_one_is_needed(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "store_id,product_id,sales_amount,sales_amount,note,note\ns1,p1,1.5,2.5,a,b\n"
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "several columns of the file are called 'sales_amount'; rename all but one" in problem


def test_a_row_of_totals_is_refused_with_that_hint(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = sales(*["10.00"] * 100) + "Total;;1000.00\n"
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert problem.startswith(
        "inputs.sales: 50 % of the sales, 1,000.00 of 2,000.00 (1 of 101 rows)"
    )
    assert problem.endswith("have as much money as all others, so they hold totals: remove them")


@pytest.mark.parametrize("n_levels", [1, 2])
def test_rows_of_subtotals_are_to_be_removed(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, n_levels: int
) -> None:
    lines = [f"s{n};p{p};{n + p}.50" for n in range(9) for p in (1, 2)]
    subtotals = [f"s{n};;{2 * n + 4}.00" for n in range(9)] * n_levels
    text = "\n".join(["store_id;product_id;sales_amount", *lines, *subtotals, ""])
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    many = "" if n_levels == 1 else f"{n_levels} times "
    assert problem.endswith(
        f"; these rows have {many}as much money as all others, so they hold totals: remove them"
    )
    assert "complete the column" not in problem


def test_rows_without_a_product_may_be_totals_or_not(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = sales(*["10.00"] * 100) + "s1;;10.00\n" * 30
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert problem.endswith(
        "; complete the column 'product_id', or name another one in columns.sales; if the rows "
        "hold totals, remove them"
    )


HEADER = "store_id,product_id,sales_amount,units"
LINES = [f"s{n % 3},p{n % 2 + 1},{n}.50,{n % 4}" for n in range(1, 31)]


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_row_numbers_that_the_header_does_not_name_are_called_so(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, quote: str, delimiter: str
) -> None:
    rows = [HEADER, *(f"{n},{line}" for n, line in enumerate(LINES, start=1))]
    cells = [[f"{quote}{cell}{quote}" for cell in row.split(",")] for row in rows]
    text = "\n".join([*map(delimiter.join, cells), ""])
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "line begins with a row number, which the header does not name" in problem
    assert "without row numbers (in R, row.names = FALSE)" in problem


@pytest.mark.parametrize("n_wrapped", ["all", "header", "data"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_lines_in_quotes_as_a_whole_are_called_so(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, n_wrapped: str, delimiter: str
) -> None:
    header, *rows = [line.replace(",", delimiter) for line in [HEADER, *LINES]]
    if n_wrapped != "data":
        header = f'"{header}"'
    if n_wrapped != "header":
        rows = [f'"{row}"' for row in rows]
    text = "\n".join([header, *rows, ""])
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "in quotes as a whole" in problem
    assert "without quotes around whole lines" in problem


def test_a_table_with_a_column_per_month_names_the_missing_column(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "store_id,product_id,2025-01,2025-02\ns1,p1,1.5,2.5\n"
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert (
        "there is no column 'sales_amount'; the file has: store_id, product_id, 2025-01" in problem
    )


def test_a_truncated_file_is_refused(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    content = gzip.compress(sales(*(f"{i}.50" for i in range(5000))).encode())
    (tmp_path / "cut.csv.gz").write_bytes(content[: len(content) * 2 // 3])
    report = check_data(connection, {"sales": str(tmp_path / "cut.csv.gz")}, InputOptions(), TODAY)
    assert "is cut off or damaged" in report.problems["sales"][0]


def test_files_of_a_glob_match_by_name_and_are_checked_one_by_one(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("store_id,product_id,sales_amount\ns1,p1,1.5\n")
    (tmp_path / "b.csv").write_text("Sales Amount;STORE_ID;product id;extra\n2,5;s1;p1;x\n")
    report = check_data(connection, {"sales": str(tmp_path / "*.csv")}, InputOptions(), TODAY)
    assert report.plans["sales"].n_rows == 2
    (tmp_path / "c.csv").write_text("s1,p1,1.5\ns2,p1,2.5\n")
    report = check_data(connection, {"sales": str(tmp_path / "*.csv")}, InputOptions(), TODAY)
    assert "c.csv has no header: line 1 is 's1,p1,1.5'" in report.problems["sales"][0]


def test_the_same_content_twice_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(sales("1.5"))
    report = check_data(connection, {"sales": str(tmp_path / "*.csv")}, InputOptions(), TODAY)
    assert "a.csv and " in report.problems["sales"][0]
    assert "have the same content" in report.problems["sales"][0]


def test_several_files_with_a_header_alone_are_no_copies(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    header = "store_id,product_id,sales_amount\n"
    report = check_parts(
        connection, tmp_path, {"1": header + "s1,p1,1.5\n", "2": header, "3": header}
    )
    assert report.all_problems() == []
    assert report.plans["sales"].n_rows == 1


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
@example("Sales [EUR]")
@example("Sales, net")
@example("Sales: net")
@example("Sales #")
@example("&sales amount")
@example("yes")
def test_a_name_in_a_message_can_be_pasted_into_vars(name: str) -> None:
    pasted = f"{{sales: {{sales_amount: {in_yaml(name)}}}}}"
    assert yaml.safe_load(pasted) == {"sales": {"sales_amount": name}}


@pytest.mark.parametrize(
    ("first", "second", "proposed"),
    [
        ("2025-01", "2025-02", "%Y-%m"),
        ("01/2025", "02/2025", "%m/%Y"),
        ("Jan 2025", "Feb 2025", "%b %Y"),
        ("31012025", "28022025", "%d%m%Y"),
    ],
)
def test_dates_that_are_not_read_get_a_format_that_fits(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, first: str, second: str, proposed: str
) -> None:
    text = dated(first, second)
    settings = {"sales_window": {"start": "2025-01-01"}}
    (problem,) = check(connection, tmp_path, {"sales": text}, settings).all_problems()
    assert f"set formats.sales.sold_on to {proposed!r}" in problem
    formats = {"sales": {"sold_on": proposed}}
    report = check(connection, tmp_path, {"sales": text}, settings, formats=formats)
    assert report.all_problems() == []
    assert column(report, "sales", "sold_on").format == proposed


def test_a_missing_column_proposes_likely_ones(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "Store,Dept,Date,Weekly_Sales,IsHoliday\n1,p1,2012-01-31,1.5,no\n"
    problems = check(connection, tmp_path, {"sales": text}).problems["sales"]
    assert len(problems) == 3
    assert "set columns: {sales: {sales_amount: Weekly_Sales}}" in problems[2]
    names = {"store_id": "Store", "product_id": "Dept", "sales_amount": "Weekly_Sales"}
    report = check(connection, tmp_path, {"sales": text}, columns={"sales": names})
    assert report.all_problems() == []


def test_ids_from_a_spreadsheet_equal_those_from_text(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    pl.DataFrame(
        {"store_id": [101.0, 102.0], "product_id": [1, 1], "sales_amount": [1.5, 2.5]}
    ).write_parquet(tmp_path / "sales.parquet")
    (tmp_path / "products.csv").write_text("product_id,category,need_state\n1.0,Food,Fresh\n")
    (tmp_path / "demographics.csv").write_text("store_id,income\n101,10\n\u200b102\u00a0,20\n")
    places = {
        "sales": "sales.parquet",
        "products": "products.csv",
        "demographics": "demographics.csv",
    }
    inputs = {name: str(tmp_path / place) for name, place in places.items()}
    report = check_data(connection, inputs, InputOptions(), TODAY)
    assert report.all_problems() == []
    assert [match.n_both for match in report.matches] == [2, 1]


@pytest.mark.parametrize(
    ("ids", "setting"),
    [
        (["001", "002"], "leading_zeros"),
        (["A", "B"], "case"),
        (["00A", "00B"], "leading_zeros, case"),
    ],
)
def test_ids_that_would_match_otherwise_are_refused_with_the_setting(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, ids: list[str], setting: str
) -> None:
    plain = [text.lstrip("0").lower() for text in ids]
    text = "\n".join(["store_id,product_id,sales_amount", *(f"{i},p1,1.5" for i in plain), ""])
    facts = "\n".join(["store_id,income", *(f"{i},{n}" for n, i in enumerate(ids)), ""])
    files = {"sales": text, "demographics": facts}
    (problem,) = check(connection, tmp_path, files).all_problems()
    assert f"set segmentation.ignore_in_ids: [{setting}]" in problem
    given = {"ignore_in_ids": setting.split(", ")}
    assert check(connection, tmp_path, files, settings=given).all_problems() == []


def test_ids_that_never_match_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    files = {"sales": sales("1.5"), "demographics": "store_id,income\nother,1\n"}
    (problem,) = check(connection, tmp_path, files).all_problems()
    assert "share 0 of 1 store_ids" in problem


def test_external_columns_are_what_their_values_are(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = [
        f"s{i};{i},5;{'none' if i % 2 else 'Aldi'};Manager of {i};{i % 3};{i % 2}"
        for i in range(20)
    ]
    text = "\n".join(["store_id;distance;competitor;manager;region_code;parking", *rows, ""])
    shop = "\n".join(["store_id,product_id,sales_amount", *(f"s{i},p1,1.5" for i in range(20))])
    report = check(connection, tmp_path, {"sales": shop, "demographics": text})
    found = {column.column: column for column in report.columns["demographics"]}
    assert {name: column.read_as for name, column in found.items()} == {
        "store_id": "id",
        "distance": "number",
        "competitor": "category",
        "manager": "identifier",
        "region_code": "number",
        "parking": "number",
    }
    assert found["competitor"].n_distinct == 2
    assert "set formats.demographics.region_code: category" in found["region_code"].note
    assert found["parking"].note == ""
    given = {"demographics": {"region_code": "category", "distance": "ignore"}}
    report = check(connection, tmp_path, {"sales": shop, "demographics": text}, formats=given)
    kinds = {column.column: column.read_as for column in report.columns["demographics"]}
    assert (kinds["region_code"], kinds["distance"]) == ("category", "ignored")


def test_returns_are_netted_unless_they_are_to_be_rejected(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    amounts = ["100.00"] * 30 + ["-1.50"]
    report = check(connection, tmp_path, {"sales": sales(*amounts)})
    assert (report.losses["sales"].n_accepted, report.losses["sales"].returns) == (31, 1.5)
    report = check(connection, tmp_path, {"sales": sales(*amounts)}, {"returns": "reject"})
    assert [loss.reason for loss in report.losses["sales"].by_reason] == [
        "sales_amount is negative"
    ]


def test_one_file_with_facts_of_stores_is_enough_for_the_external_lane(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "facts.csv").write_text("store_id,income\ns1,10\ns2,20\n")
    inputs = {"demographics": str(tmp_path / "facts.csv")}
    assert check_data(connection, inputs, InputOptions(), TODAY).is_good


def test_unknown_names_get_a_suggestion(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    report = check_data(
        connection, {"sale": str(tmp_path)}, InputOptions(), TODAY, known=["demographics"]
    )
    assert "did you mean sales?" in report.all_problems()[0]
    with pytest.raises(InputError, match="is not a date format"):
        InputOptions({"formats": {"sales": {"sold_on": "%d/%m/%y"}}})
    formats = {"sales": {"sold_onn": "%d/%m/%Y"}}
    report = check(connection, tmp_path, {"sales": dated("2025-01-31")}, formats=formats)
    assert "did you mean sold_on?" in report.all_problems()[0]


def test_settings_of_names_that_nothing_has_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    columns = {"sales": {"stroe_id": "store_id"}}
    report = check(connection, tmp_path, {"sales": sales("1.5")}, columns=columns)
    (problem,) = report.all_problems()
    assert "columns.sales.stroe_id: unknown column; did you mean store_id?" in problem
    options = InputOptions({"sheets": {"slaes": "Sheet1"}, "encodings": {"prices": "cp850"}})
    first, second = options.unknown_inputs(["demographics"])
    assert first.startswith("sheets.slaes: unknown input; did you mean sales? known ones: sales, ")
    assert second.startswith("encodings.prices: unknown input; known ones: sales, ")
    (problem,) = misspelled_vars(["max_clusters", "segmentation"])
    assert problem == "max_clusters: it is a setting; write segmentation: {max_clusters: ...}"
    assert is_listed(problem)
    assert misspelled_vars(["colums", "region", "formats"]) == [
        "colums: unknown var; did you mean columns? This project has: inputs, external_sources, "
        "known_external_sources, segmentation, engine, columns, formats, sheets, encodings"
    ]


@pytest.mark.parametrize(
    ("name", "setting", "expected"),
    [
        ("sales_amount", "ignore", "possible are: number, decimal, thousands, currency"),
        ("sales_amount", "%d/%m/%Y", "possible are: number, decimal, thousands, currency"),
        ("sold_on", {"decimal": ","}, "possible are: date, ignore"),
        ("store_id", "number", "possible are: category"),
        ("store_id", "ignore", "possible are: category"),
    ],
)
def test_formats_that_a_column_cannot_have_are_refused(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    name: str,
    setting: object,
    expected: str,
) -> None:
    formats = {"sales": {name: setting}}
    report = check(connection, tmp_path, {"sales": dated("2025-01-31")}, formats=formats)
    (problem,) = report.problems["sales"]
    assert problem.startswith(f"formats.sales.{name}: ")
    assert problem.endswith(expected)


def test_a_setting_that_makes_numbers_of_texts_is_refused_with_the_share(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "store_id;kind\ns1;urban\ns2;rural\ns3;7\n"
    formats = {"demographics": {"kind": "number"}}
    report = check(connection, tmp_path, {"demographics": text}, formats=formats)
    assert report.problems["demographics"] == [
        "formats.demographics.kind says that demographics.kind has numbers, and 67 % of the values "
        "are none, such as 'rural'; remove the setting, or set it to category"
    ]


@pytest.mark.parametrize("amounts", [["€ 5,00", "$ 7,00"], ["5.00 EUR", "7.00 USD", "1.00"]])
def test_amounts_in_several_currencies_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, amounts: list[str]
) -> None:
    text = sales(*amounts)
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "has several currencies, such as " in problem
    assert all(repr(amount) in problem for amount in amounts[:2])
    formats = {"sales": {"sales_amount": {"currency": "mixed"}}}
    assert check(connection, tmp_path, {"sales": text}, formats=formats).all_problems() == []


def test_a_sign_and_a_code_of_the_same_currency_are_one(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = sales("$ 5.00", "7.00 CAD", "CAD 1.00")
    assert check(connection, tmp_path, {"sales": text}).all_problems() == []


@pytest.mark.parametrize("codes", [("EUR", "USD"), ("€", "$"), ("eur", "zł")])
def test_a_column_of_currencies_is_refused_whatever_its_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, codes: tuple[str, str]
) -> None:
    lines = [f"s1;p1;5.5;{code}" for code in (*codes, "")]
    text = "\n".join(["store_id;product_id;sales_amount;WAERS", *lines, ""])
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "sales.WAERS names several currencies, such as '" in problem
    one = text.replace(f";{codes[1]}\n", f";{codes[0]}\n")
    assert check(connection, tmp_path, {"sales": one}).all_problems() == []
    mixed = text.replace(f";{codes[1]}\n", ";cash\n")
    assert check(connection, tmp_path, {"sales": mixed}).all_problems() == []


@pytest.mark.parametrize("nothing", ["0000-00-00", "0000-00-00 00:00:00"])
def test_a_date_of_zeros_is_a_missing_date(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, nothing: str
) -> None:
    report = check(connection, tmp_path, {"sales": dated("2025-01-31", nothing)})
    assert report.all_problems() == []
    date = column(report, "sales", "sold_on")
    assert (date.n_missing, date.n_not_understood) == (1, 0)


@pytest.mark.parametrize("date", ["31.01.25", "1/31/25"])
def test_years_of_two_digits_have_to_be_exported_with_four(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, date: str
) -> None:
    (problem,) = check(connection, tmp_path, {"sales": dated(date, date)}).all_problems()
    assert "; export the dates with years of four digits, or set formats.sales.sold_on" in problem
    assert "%d" not in problem


def test_amounts_of_which_none_is_understood_have_no_share_of_the_money(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    report = check(connection, tmp_path, {"sales": sales("many", "few")})
    verdict = next(text for text in report.verdicts() if text.startswith("sales"))
    assert verdict.endswith(f"; no amount in {tmp_path}/sales.csv is understood")


@pytest.mark.parametrize("quoted", [True, False])
def test_texts_that_excel_is_to_leave_as_they_are_are_read_as_their_content(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, quoted: bool
) -> None:
    def protected(text: str) -> str:
        return f'"=""{text}"""' if quoted else f'="{text}"'

    row = ";".join(map(protected, ("00123", "p1", "1.45", "2025-01-31")))
    text = f"store_id;product_id;sales_amount;sold_on\n{row}\n00123;p1;2.5;2025-02-01\n"
    report = check(connection, tmp_path, {"sales": text})
    assert report.all_problems() == []
    assert total(connection, report) == "3.9500"
    assert column(report, "sales", "store_id").n_distinct == 1
    assert column(report, "sales", "sold_on").minimum == "2025-01-31"


def test_a_column_that_names_several_currencies_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "store_id;product_id;sales_amount;Currency\ns1;p1;5.5;EUR\ns1;p1;5.5;USD\n"
    (problem,) = check(connection, tmp_path, {"sales": text}).all_problems()
    assert "sales.Currency names several currencies, such as 'EUR' and 'USD'" in problem
    formats = {"sales": {"Currency": "ignore"}}
    assert check(connection, tmp_path, {"sales": text}, formats=formats).all_problems() == []


def test_ids_that_lost_their_digits_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "store_id;product_id;sales_amount\ns1;4.00638E+12;5.5\ns2;p1;5.5\n"
    products = f"{PRODUCTS}4.00638E+12,Food,Fresh\n"
    files = {"sales": text, "products": products}
    for problem in check(connection, tmp_path, files).all_problems():
        assert "without all their digits, such as '4.00638E+12'" in problem
    formats = {name: {"product_id": "category"} for name in files}
    assert check(connection, tmp_path, files, formats=formats).all_problems() == []


def test_ids_that_are_too_large_for_a_column_of_floats_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for name, large in (("good", 2.0**53 - 1), ("bad", 2.0**53)):
        frame = pl.DataFrame({"store_id": [1.0, large], "income": [1, 2]})
        frame.write_parquet(tmp_path / f"{name}.parquet")
        inputs = {"demographics": str(tmp_path / f"{name}.parquet")}
        problems = check_data(connection, inputs, InputOptions(), TODAY).all_problems()
        assert any("1 of 2 ids" in text for text in problems) == (name == "bad")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04 and more", "is an Excel workbook or a zip archive and no text with columns"),
        (b" <!DOCTYPE html><html>", "is a web page and no text with columns"),
        (b'\xef\xbb\xbf[{"store_id": "s1"}]', "is a JSON document and no text with columns"),
        (b"store_id^product_id^sales_amount\ns1^p1^5\n", "has no comma, semicolon, tab or"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, content: bytes, what: str
) -> None:
    (problem,) = check(connection, tmp_path, {"sales": content}).all_problems()
    assert what in problem


def test_any_separator_can_be_named_in_the_first_line(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "sep=^\nstore_id^product_id^sales_amount\ns1^p1^1,5\n"
    assert check(connection, tmp_path, {"sales": text}).all_problems() == []


def test_lost_money_in_scientific_notation_is_counted_in_full(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    report = check(connection, tmp_path, {"sales": sales(*["12.50"] * 10, "1,5E+03")})
    assert report.losses["sales"].money == 1625


def test_errors_of_a_spreadsheet_are_no_values(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = [f"s{n};p1;{n}.5" for n in range(98)]
    text = "\n".join(["store_id;product_id;sales_amount", *lines, "#REF!;p1;1.5", "s1;p1;#NAME?"])
    products = f"{PRODUCTS}p3,#VALUE!,Fresh\n"
    report = check(connection, tmp_path, {"sales": text, "products": products})
    reasons = {loss.reason for name in report.losses for loss in report.losses[name].by_reason}
    assert reasons == {"store_id is missing", "sales_amount is missing", "category is missing"}


def test_a_header_that_is_repeated_is_no_store(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "Store ID,income\ns1,10\nStore ID,income\ns2,20\n"
    (problem,) = check(connection, tmp_path, {"demographics": text}).all_problems()
    assert "1 row(s) repeat the header in the column demographics.store_id" in problem


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (["12 km", "7.5 km", "12 km"], "numbers with the unit 'km' are texts here"),
        (["40", "-999", "50"], "1 row(s) are -999 and no other value is negative; if it stands"),
        (["40.5", "-999", "-2"], ""),
        (["A1", "B2", "A1"], ""),
    ],
)
def test_facts_that_may_mean_something_else_are_pointed_out(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, values: list[str], note: str
) -> None:
    text = "\n".join(["store_id;fact", *(f"s{n};{value}" for n, value in enumerate(values)), ""])
    report = check(connection, tmp_path, {"demographics": text})
    assert report.all_problems() == []
    found = report.columns["demographics"][1].note
    assert found.startswith(note) if note else not found


def test_line_breaks_in_a_header_are_read_and_lines_keep_their_numbers(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for line_end in ("\n", "\r\n"):
        text = 'Report;;\n"Store\nID";product_id;"Sales\namount"\ns1;p1;1.5\ns1;p1\n'
        text = text.replace("\n", line_end)
        report = check(connection, tmp_path, {"sales": text}, {"max_rejected_share": 0.9})
        assert report.all_problems() == []
        assert dict(report.plans["sales"].sources)["sales_amount"] == "Sales amount"
        assert report.plans["sales"].lines.select("line", "text").rows() == [(6, "s1;p1")]


def test_the_vars_that_were_found_read_the_same_again(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "Store ID;product_id;Umsatz\ns1;p1;1.234,50\n"
    names = {"sales": {"sales_amount": "Umsatz"}}
    report = check(connection, tmp_path, {"sales": text}, columns=names)
    found = report.vars_file({"sales": "sales.csv"})
    assert "sales_amount: Umsatz" in found
    assert "decimal: ','" in found
    assert report.profile().filter(input="sales")["column_in_file"].to_list() == [
        "Store ID",
        "product_id",
        "Umsatz",
    ]


def test_names_of_columns_lose_control_characters(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "store_id,Floor\x07space,\x1b[31mred\ns1,100,7\ns2,120,9\n"
    report = check(connection, tmp_path, {"demographics": text})
    assert report.problems["demographics"] == []
    names = report.profile().filter(input="demographics")["column_name"].to_list()
    assert names == ["store_id", "Floor space", "[31mred"]


@pytest.mark.parametrize("large", ["283.104,00", "1.234.567"])
def test_amounts_that_are_not_understood_count_with_the_money_that_they_seem_to_have(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, large: str
) -> None:
    text = sales(*["1545.28"] * 97, *[large] * 3)
    report = check(connection, tmp_path, {"sales": text})
    (problem,) = report.problems["sales"]
    assert "of the sales" in problem
    assert f"sales_amount is not a number, such as `{large}`" in problem
    assert (report.losses["sales"].money or 0) > 900_000


def test_percentages_are_no_amounts(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    report = check(connection, tmp_path, {"sales": sales("407.42", "12.50%")})
    (problem,) = report.problems["sales"]
    assert "has percentages such as '12.50%'" in problem


def test_a_parquet_file_that_is_damaged_inside_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "facts.parquet"
    frame = pl.DataFrame({"store_id": [f"S{n}" for n in range(500)], "rent": range(500)})
    frame.write_parquet(path, compression="uncompressed")
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(900) + content[1000:])
    report = check_data(connection, {"demographics": str(path)}, InputOptions(), TODAY)
    assert "demographics" in report.unread
    assert report.problems["demographics"][0].startswith(f"cannot read '{path}': ")


def test_an_amount_that_is_too_large_is_an_error_and_no_lost_money(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    report = check(connection, tmp_path, {"sales": sales(*["10.50"] * 99, "100000000000000")})
    assert report.problems["sales"] == []
    assert report.losses["sales"].money == 99 * 10.5
