"""Workbooks: which sheet is read, and what is beside the table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import openpyxl
import pytest

from segmentation.inputs.check import check_data
from segmentation.inputs.excel import Sheet, read_sheet
from segmentation.inputs.names import InputError
from segmentation.inputs.options import InputOptions

from .helpers import TODAY, column

HEADER = ("Store ID", "product_id", "sales_amount")
ROW = (101, "p1", 12.5)


def read(
    folder: Path, sheets: Mapping[str, Sequence[Sequence[object]]], sheet: str | None = None
) -> Sheet:
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
