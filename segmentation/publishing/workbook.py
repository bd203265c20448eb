"""The published file as an Excel workbook, and as CSV files that hold what a sheet cannot."""

from __future__ import annotations

import datetime
import decimal
import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from segmentation.publishing.published import (
    Column,
    PublishedTable,
    PublishingError,
    currency_of,
    published_file,
    published_tables,
)
from segmentation.settings import money_pattern
from segmentation.warehouse.database import sql_literal, sql_name
from segmentation.warehouse.extensions import MissingPackageError

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

#: Excel's own limits.
MAX_ROWS: Final = 1_048_576
MAX_CHARACTERS: Final = 32_767
#: Widths in characters: enough for an id, not so much that a sentence fills the screen.
_NARROWEST: Final = 8
_WIDEST: Final = 60
_CHARACTERS_IN_NAME: Final = 31
_BATCH: Final = 10_000
_CONTENTS: Final = "Contents"
#: What a planner opens, in this order; other tables of the schema follow.
_BUSINESS_SCHEMA: Final = "segments"
_FIRST: Final = ("segment_summary", "store_segments", "segment_profiles", "segment_traits")
#: Words in the name of a column whose values are parts of 1.
_PARTS: Final = frozenset(
    {"share", "retention", "precision", "coverage", "fidelity", "probability"}
)
#: What the description of an amount says. Exact amounts are DECIMAL, estimates are not.
_MONEY: Final = "in the currency of the input"
_INTEGERS: Final = frozenset({"INTEGER", "BIGINT", "HUGEINT"})
#: A spreadsheet takes a text that begins like this for a formula
#: (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA: Final = r"^[=+\-@\t\r]"


class ExportError(PublishingError):
    """The files cannot be written; the message says why."""


def export(path: Path, folder: Path) -> list[Path]:
    """Write every table of the published file as a sheet of one workbook, and as a CSV file.

    The sheets about segments come first, then `Contents`, which lists all tables, then those of
    governance. Headings are in words and stay in sight; a comment has the name of the column and
    its description. Texts stay texts, so an id keeps its leading zeros and no value becomes a
    formula or a link. Lists are text, structs JSON. In the CSV files an apostrophe precedes a text
    that a spreadsheet would take for a formula. A table with more rows than a sheet takes goes on
    in the CSV file.

    Parameters
    ----------
    path
        The published file; its name is that of the workbook.
    folder
        Where the files go.

    Returns
    -------
    list of Path
        The workbook and the folder of the CSV files.

    Raises
    ------
    PublishedFileError
        If there is no published file.
    MissingPackageError
        If the library that writes workbooks is not installed.
    ExportError
        If the files cannot be written.
    """
    if importlib.util.find_spec("xlsxwriter") is None:
        raise MissingPackageError.of("the package xlsxwriter")
    workbook_file, csv_folder = folder / f"{path.stem}.xlsx", folder / "csv"
    try:
        csv_folder.mkdir(parents=True, exist_ok=True)
        with published_file(path) as connection:
            tables = published_tables(connection)
            for table in tables:
                file = csv_folder / f"{table.schema}.{table.name}.csv"
                connection.execute(
                    f"copy (select {_flat(table, is_csv=True)} from {table.sql})"  # noqa: S608
                    f" to {sql_literal(str(file))} (format csv, header)"
                )
            unfinished = workbook_file.with_name(f".{workbook_file.name}.unfinished")
            _write_workbook(connection, tables, unfinished)
        unfinished.replace(workbook_file)
    except (OSError, ValueError, duckdb.Error) as error:
        cause = " ".join(str(error).split())
        raise ExportError(f"{folder} cannot be written: {cause}") from error
    return [workbook_file, csv_folder]


def _write_workbook(
    connection: duckdb.DuckDBPyConnection, tables: list[PublishedTable], file: Path
) -> None:
    """Write a sheet per table, row by row, so that memory does not grow with the rows."""
    from xlsxwriter import Workbook  # noqa: PLC0415 (of an extra)

    business = [table for table in tables if table.schema == _BUSINESS_SCHEMA]
    business.sort(key=lambda table: (_place(table), table.name))
    others = [table for table in tables if table.schema != _BUSINESS_SCHEMA]
    with Workbook(str(file), {"constant_memory": True}) as book:
        # the same tables give the same file
        book.set_properties({"created": datetime.datetime(2000, 1, 1)})
        formats = _Formats(book, currency_of(connection))
        for table in business:
            _write_sheet(connection, table, book.add_worksheet(_sheet_name(table)), formats)
        _write_contents(book.add_worksheet(_CONTENTS), [*business, *others], formats)
        for table in others:
            _write_sheet(connection, table, book.add_worksheet(_sheet_name(table)), formats)


def _place(table: PublishedTable) -> int:
    """Place among the sheets about segments."""
    return _FIRST.index(table.name) if table.name in _FIRST else len(_FIRST)


class _Formats:
    """Formats of the workbook."""

    def __init__(self, book: Workbook, currency: str | None) -> None:
        before, _, after = (
            f'"{text}"' if text else ""
            for text in money_pattern(currency).replace('"', "").partition("{}")
        )
        large, small = (f"{before}{digits}{after}" for digits in ("#,##0", "0.00"))
        self.money: Format = book.add_format({"num_format": f"[>=1000]{large};{small}"})
        self.header: Format = book.add_format({"bold": True, "bottom": 1, "text_wrap": True})
        self.count: Format = book.add_format({"num_format": "#,##0"})
        self.part: Format = book.add_format({"num_format": "0.0%"})
        self.number: Format = book.add_format({"num_format": "[>=1000]#,##0;0.00"})
        self.text: Format = book.add_format({"num_format": "@"})
        self.date: Format = book.add_format({"num_format": "yyyy-mm-dd"})
        self.time: Format = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})

    def of_numbers(self, column: Column) -> Format:
        """Format of the numbers of a column."""
        if column.type == "DOUBLE" and _PARTS & set(column.name.split("_")):
            return self.part
        if column.type.startswith("DECIMAL") or _MONEY in column.description:
            return self.money
        return self.count if column.type in _INTEGERS else self.number


def _write_contents(sheet: Worksheet, tables: list[PublishedTable], formats: _Formats) -> None:
    """What the sheets are."""
    for number, (title, width) in enumerate({"Sheet": 32, "Rows": 12, "In it": 100}.items()):
        sheet.set_column(number, number, width)
        sheet.write_string(0, number, title, formats.header)
    sheet.freeze_panes(1, 0)
    for number, table in enumerate(tables, start=1):
        link = f"internal:'{_sheet_name(table)}'!A1"
        sheet.write_url(number, 0, link, string=_sheet_name(table))
        sheet.write_number(number, 1, table.n_rows, formats.count)
        missing = table.n_rows - (MAX_ROWS - 1)
        note = f"The last {missing:,} rows are in the CSV file only. " if missing > 0 else ""
        sheet.write_string(number, 2, note + table.description, formats.text)


def _write_sheet(
    connection: duckdb.DuckDBPyConnection,
    table: PublishedTable,
    sheet: Worksheet,
    formats: _Formats,
) -> None:
    """One table: header with comments, then its rows."""
    for number, (column, width) in enumerate(
        zip(table.columns, _widths(connection, table), strict=True)
    ):
        sheet.set_column(number, number, width)
        sheet.write_string(0, number, _heading(column.name), formats.header)
        comment = f"{column.name}: {column.description}".removesuffix(": ")
        sheet.write_comment(0, number, comment, {"x_scale": 2, "y_scale": 1.5})
    sheet.freeze_panes(1, 0)
    n_rows = min(table.n_rows, MAX_ROWS - 1)
    sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{MAX_ROWS}"})
    sheet.autofilter(0, 0, n_rows, len(table.columns) - 1)
    numbers = [formats.of_numbers(column) for column in table.columns]
    for row_number, row in enumerate(_rows(connection, table, n_rows), start=1):
        for number, value in enumerate(row):
            _write_cell(sheet, (row_number, number), value, formats, numbers[number])


def _sheet_name(table: PublishedTable) -> str:
    """Name of a table in words, as far as Excel takes it."""
    return _heading(table.name)[:_CHARACTERS_IN_NAME]


def _heading(name: str) -> str:
    """Name of a table or column in words: `n_thin_stores` is `Number of thin stores`."""
    words = name.removeprefix("is_").split("_")
    if words[0] == "n":
        words[0] = "number of"
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def _write_cell(
    sheet: Worksheet, place: tuple[int, int], value: Any, formats: _Formats, numbers: Format
) -> None:
    """One value by its type, numbers in the given format; nothing where there is none."""
    row, column = place
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, (int, float, decimal.Decimal)) and math.isfinite(value):
        sheet.write_number(row, column, float(value), numbers)
    elif isinstance(value, datetime.datetime):
        sheet.write_datetime(row, column, value.replace(tzinfo=None), formats.time)
    elif isinstance(value, datetime.date):
        sheet.write_datetime(row, column, value, formats.date)
    else:
        sheet.write_string(row, column, str(value)[:MAX_CHARACTERS], formats.text)


def _rows(
    connection: duckdb.DuckDBPyConnection, table: PublishedTable, n_rows: int
) -> Iterator[tuple[Any, ...]]:
    """The first rows of a table, nested values as text."""
    result = connection.execute(f"select {_flat(table)} from {table.sql} limit {n_rows}")  # noqa: S608
    while rows := result.fetchmany(_BATCH):
        yield from rows


def _flat(table: PublishedTable, *, is_csv: bool = False) -> str:
    """Select list in which nested columns are text."""
    return ", ".join(_flat_column(column, is_csv=is_csv) for column in table.columns)


def _flat_column(column: Column, *, is_csv: bool) -> str:
    """A list of plain values as `a, b, c`, other nested values as JSON."""
    name = value = sql_name(column.name)
    if column.is_nested:
        is_plain_list = column.type.endswith("[]") and not column.type.startswith("STRUCT")
        value = f"array_to_string({name}, ', ')" if is_plain_list else f"to_json({name})::varchar"
    elif not (is_csv and column.type == "VARCHAR"):
        return name
    if is_csv:
        formula = sql_literal(_FORMULA)
        value = f"if(regexp_matches({value}, {formula}), chr(39) || {value}, {value})"
    return f"{value} as {name}"


def _widths(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> list[float]:
    """Width of each column: what nine of ten values need as they are shown, within reason.

    A heading may take two lines.
    """
    lengths = ", ".join(f"quantile_disc({_length(column)}, 0.9)" for column in table.columns)
    row = connection.execute(f"select {lengths} from {table.sql}").fetchone() or ()  # noqa: S608
    return [
        min(max(length or 0, _words_width(_heading(column.name)), _NARROWEST) + 2, _WIDEST)
        for length, column in zip(row, table.columns, strict=True)
    ]


def _length(column: Column) -> str:
    """SQL of the characters that a value takes."""
    name = sql_name(column.name)
    if column.type == "DOUBLE" or column.type.startswith("DECIMAL"):
        return f"length(format('{{:,.2f}}', {name}::double))"
    return f"length({name}::varchar)"


def _words_width(heading: str) -> int:
    """Characters per line of a heading on two lines."""
    return max(math.ceil(len(heading) / 2), *map(len, heading.split()))
