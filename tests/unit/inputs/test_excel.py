"""Workbooks: which sheet is read, and what is beside the table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import openpyxl
import pytest
import xlsxwriter
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from segmentation.inputs.check import check_data
from segmentation.inputs.excel import Sheet, read_sheet
from segmentation.inputs.names import InputError
from segmentation.inputs.options import InputOptions

from .helpers import PRODUCTS, TODAY, column, listed, total

HEADER = ("Store ID", "product_id", "sales_amount")
ROW = (101, "p1", 12.5)
Sheets = Mapping[str, Sequence[Sequence[object]]]


def read(folder: Path, sheets: Sheets, sheet: str | None = None) -> Sheet:
    """Read a workbook as sales, from its rows by sheet."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    book.save(folder / "book.xlsx")
    return read_sheet(folder / "book.xlsx", "sales", {}, sheet)


def test_the_only_sheet_with_the_columns_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    about = [["Sales of 2025", "from the till"], ["Store", "stores of the chain"]]
    found = read(tmp_path, {"About": about, "Sales": [["Report"], HEADER, ROW]})
    assert (found.name, found.header) == ("Sales", HEADER)
    assert found.rows == [["101", "p1", "12.5"]]
    assert found.above == ("Report",)
    assert found.beside == ("other sheets are not read: About",)


@pytest.mark.parametrize(
    ("header", "what"), [(HEADER, "with the columns of sales"), (("a", "b", "c"), "and none with")]
)
def test_several_sheets_that_can_be_meant_are_refused_with_their_names(
    tmp_path: Path, header: Sequence[str], what: str
) -> None:
    sheets = {name: [header, ROW] for name in ("January", "February")}
    with pytest.raises(InputError, match=f"several sheets {what}.*: January, February; name the"):
        read(tmp_path, sheets)
    assert read(tmp_path, sheets, "February").name == "February"
    with pytest.raises(InputError, match="did you mean January"):
        read(tmp_path, sheets, "Januar")


def test_what_looks_like_another_table_is_pointed_out(tmp_path: Path) -> None:
    rows = [
        (*HEADER, None, "Region", "Total"),
        (*ROW, None, "North", 5, 7),
        (),
        ("North", "all", 12.5),
    ]
    found = read(tmp_path, {"Sales": rows})
    assert [text.partition(" of the sheet")[0] for text in found.beside] == [
        "row 3",
        "column 4",
        "there are values to the right of column 6, the last one with a name; they are not read",
    ]


def test_formulas_without_values_are_refused_and_empty_cells_are_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 formula\(s\) without a value, such as =A2\*2 in C2"):
        read(tmp_path, {"Sales": [HEADER, (1, "p1", "=A2*2"), ROW]})
    assert read(tmp_path, {"Sales": [HEADER, (1, None, 2.5), ROW]}).rows[0] == ["1", None, "2.5"]


def test_a_row_of_formulas_without_values_is_refused_and_not_left_out(tmp_path: Path) -> None:
    rows = [HEADER, (1, "p1", 2.5), ("=A2", "=B2", "=C2")]
    with pytest.raises(InputError, match=r"3 formula\(s\) without a value"):
        read(tmp_path, {"Sales": rows})


@pytest.mark.parametrize(("values", "is_refused"), [((0, 0), True), ((5, 0), False)])
def test_formulas_that_a_program_left_to_excel_are_refused(
    tmp_path: Path, values: tuple[float, float], *, is_refused: bool
) -> None:
    book = xlsxwriter.Workbook(tmp_path / "book.xlsx")
    page = book.add_worksheet("Sales")
    page.write_row("A1", HEADER)
    for place, value in enumerate(values, start=2):
        page.write_row(f"A{place}", (1, "p1"))
        page.write_formula(f"C{place}", "=2+3", value=value)
    page.write_row("A4", (1, "p1", 7.5))
    book.close()
    if is_refused:
        with pytest.raises(
            InputError, match=r"2 formula\(s\) without a value, such as =2\+3 in C2"
        ):
            read_sheet(tmp_path / "book.xlsx", "sales", {})
    else:
        found = read_sheet(tmp_path / "book.xlsx", "sales", {})
        assert [row[2] for row in found.rows] == ["5", "0", "7.5"]


def test_sheets_that_are_not_read_are_shown_by_the_check(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    notes: list[list[object]] = [["Notes"], ["from the till", 5, None, "x"]]
    sheets: Sheets = {"Sales": [HEADER, ROW], "Notes": notes, "Old": [("a",), (1,)]}
    read(tmp_path, sheets)
    book = openpyxl.load_workbook(tmp_path / "book.xlsx")
    book["Old"].sheet_state = "hidden"
    book.save(tmp_path / "book.xlsx")
    (tmp_path / "products.csv").write_text(PRODUCTS)
    inputs = {"sales": str(tmp_path / "book.xlsx"), "products": str(tmp_path / "products.csv")}
    report = check_data(connection, inputs, InputOptions(), TODAY)
    assert report.all_problems() == []
    assert report.remarks["sales"] == [
        f"{tmp_path}/book.xlsx: other sheets are not read: Notes, Old (hidden)"
    ]


def test_a_sheet_that_goes_on_without_a_header_is_refused(tmp_path: Path) -> None:
    sheets: Sheets = {"Sales": [HEADER, ROW], "Sales (2)": [ROW, ROW]}
    with pytest.raises(InputError, match=r"the sheet 'Sales \(2\)' has rows like those of 'Sales'"):
        read(tmp_path, sheets)
    assert read(tmp_path, sheets, "Sales").rows == [["101", "p1", "12.5"]]


@pytest.mark.parametrize(
    ("number_format", "text"),
    [
        ("General", "12.5"),
        ("#,##0.00", "12.5"),
        ("0.0000%", "1250.0%"),
        ('"$"#,##0.00', "$ 12.5"),
        ("[$\u20ac-407] #,##0.00", "\u20ac 12.5"),
        ('_-* #,##0.00\\ "\u20ac"_-;-* #,##0.00\\ "\u20ac"_-', "\u20ac 12.5"),
        ("[$CHF] 0.00;[Red]-0.00", "CHF 12.5"),
        ('0.0 "kg"', "12.5"),
        ('0.0 "%"', "12.5"),
        ("[Red]0.00", "12.5"),
    ],
)
def test_currencies_and_percent_signs_of_cells_are_read_as_in_texts(
    tmp_path: Path, number_format: str, text: str
) -> None:
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    book.active.append((12.5, "p1", 12.5))
    for name in ("A2", "C2"):
        book.active[name].number_format = number_format
    book.save(tmp_path / "book.xlsx")
    assert read_sheet(tmp_path / "book.xlsx", "sales", {}).rows == [["12.5", "p1", text]]


@pytest.mark.parametrize(
    ("formats", "problem"),
    [
        (["$#,##0.00", "[$\u20ac-407]0.00"], "has several currencies, such as"),
        (["0.00", "0%"], "has percentages such as '1250.0%', which are no amounts"),
        (["$#,##0.00", "0.00"], ""),
    ],
)
def test_amounts_of_cells_are_judged_as_in_texts(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, formats: list[str], problem: str
) -> None:
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for place, number_format in enumerate(formats, start=2):
        book.active.append((place, "p1", 12.5))
        book.active[f"C{place}"].number_format = number_format
    book.save(tmp_path / "book.xlsx")
    inputs = {"sales": str(tmp_path / "book.xlsx")}
    report = check_data(connection, inputs, InputOptions(), TODAY, judges_joins=False)
    found = "\n".join(report.all_problems())
    assert problem in found if problem else not found


@pytest.mark.parametrize(
    ("number_format", "expected"), [("yyyy-mm-dd", "2025-01-31"), ("General", "")]
)
def test_a_workbook_that_counts_from_1904_is_read_right_or_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, number_format: str, expected: str
) -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append((*HEADER, "sold_on"))
    book.active.append((*ROW, 45688 - 1462))
    book.active["D2"].number_format = number_format
    book.save(tmp_path / "book.xlsx")
    inputs = {"sales": str(tmp_path / "book.xlsx")}
    report = check_data(connection, inputs, InputOptions(), TODAY, judges_joins=False)
    if expected:
        assert report.all_problems() == []
        assert column(report, "sales", "sold_on").minimum == expected
    else:
        (text,) = listed(report).all_problems()
        assert "the workbook counts days from 1904, and 1 dates in 'sold_on'" in text


def test_line_breaks_in_a_header_are_blanks(tmp_path: Path) -> None:
    found = read(tmp_path, {"Sales": [("Store\nID", "product_id", "Sales \n amount"), ROW]})
    assert found.header == ("Store ID", "product_id", "Sales amount")


def test_numbers_that_are_longer_than_excel_keeps_show_it(tmp_path: Path) -> None:
    rows = [HEADER, (1e16, "p1", 1.5), (2.0**53 - 1, "p1", 1.5)]
    ids = [row[0] for row in read(tmp_path, {"Sales": rows}).rows]
    assert ids == ["1.000000000000000E+16", "9007199254740991"]


def test_a_workbook_is_read_like_a_text_file(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = [(*HEADER, "sold_on"), (*ROW, dt.date(2025, 1, 31)), (102, "p2", 3, None)]
    read(tmp_path, {"Sales": rows})
    inputs = {"sales": str(tmp_path / "book.xlsx")}
    report = check_data(connection, inputs, InputOptions(), TODAY, judges_joins=False)
    assert report.all_problems() == []
    assert column(report, "sales", "store_id").maximum == "102"
    assert column(report, "sales", "sold_on").minimum == "2025-01-31"
    assert report.losses["sales"].money == 15.5


def check_amounts(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    amounts: Sequence[object],
    formats: Mapping[str, object] | None = None,
) -> tuple[list[str], float]:
    """Problems and the sum of the amounts of a workbook."""
    book = openpyxl.Workbook()
    for row in [HEADER, *((101, "p1", amount) for amount in amounts)]:
        book.active.append(row)
    book.save(folder / "sales.xlsx")
    options = InputOptions({"formats": {"sales": {"sales_amount": formats}}} if formats else {})
    inputs = {"sales": str(folder / "sales.xlsx")}
    report = listed(check_data(connection, inputs, options, TODAY, judges_joins=False))
    return report.all_problems(), float(total(connection, report))


@pytest.mark.parametrize("text", ["1.513", "1,513", "€ 1.513"])
def test_numbers_in_cells_do_not_decide_how_texts_are_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, text: str
) -> None:
    (problem,), _ = check_amounts(connection, tmp_path, [12.5, 99.95, 1.125, 7, text])
    assert f"has numbers such as '{text}'" in problem
    assert "no value decides" in problem


@pytest.mark.parametrize(
    ("amounts", "formats", "money"),
    [
        ([12.5, 99.95, 1.125, "1.513"], {"decimal": ","}, 1626.575),
        ([12.5, 99.95, 1.125, "1.513"], {"decimal": "."}, 115.088),
        ([12.5, 1.125, "1.234,50"], None, 1248.125),
        ([12.5, 1.125, -3, "7,25"], None, 17.875),
        ([12.5, 1.125, 1000], {"decimal": ","}, 1013.625),
        ([12.5, 1.125, "7"], None, 20.625),
        ([1.125, 2.375, 12], None, 15.5),
    ],
)
def test_a_decimal_mark_is_that_of_the_texts_and_not_of_numbers_in_cells(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    amounts: Sequence[object],
    formats: Mapping[str, object] | None,
    money: float,
) -> None:
    problems, found = check_amounts(connection, tmp_path, amounts, formats)
    assert problems == []
    assert found == pytest.approx(money)


def test_currencies_of_cells_and_of_texts_are_compared(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    with xlsxwriter.Workbook(tmp_path / "sales.xlsx") as book:
        page = book.add_worksheet()
        page.write_row(0, 0, HEADER)
        page.write_row(1, 0, ["s1", "p1"])
        page.write_number(1, 2, 12.5, book.add_format({"num_format": "[$$-409] #,##0.00"}))
        page.write_row(2, 0, ["s1", "p1", "€ 12,50"])
    inputs = {"sales": str(tmp_path / "sales.xlsx")}
    report = check_data(connection, inputs, InputOptions(), TODAY, judges_joins=False)
    (problem,) = listed(report).all_problems()
    assert "has several currencies" in problem
