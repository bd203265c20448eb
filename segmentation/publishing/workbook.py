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
    published_file,
    published_tables,
)
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
_CONTENTS: Final = "contents"


class ExportError(PublishingError):
    """The files cannot be written; the message says why."""


def export(path: Path, folder: Path) -> list[Path]:
    """Write every table of the published file as a sheet of one workbook, and as a CSV file.

    Texts stay texts, so an id keeps its leading zeros and no value becomes a formula or a link.
    Headers carry the descriptions as comments and stay in sight. Nested values are JSON. The sheet
    `contents` lists the tables; a table with more rows than a sheet takes goes on in the CSV file.

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
                    f"copy (select {_flat(table)} from {table.sql})"  # noqa: S608
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

    with Workbook(str(file), {"constant_memory": True}) as book:
        # the same tables give the same file
        book.set_properties({"created": datetime.datetime(2000, 1, 1)})
        formats = _Formats(book)
        _write_contents(book.add_worksheet(_CONTENTS), tables, formats)
        for table in tables:
            _write_sheet(connection, table, book.add_worksheet(_sheet_name(table)), formats)


class _Formats:
    """Formats of the workbook."""

    def __init__(self, book: Workbook) -> None:
        self.header: Format = book.add_format({"bold": True, "bottom": 1})
        self.text: Format = book.add_format({"num_format": "@"})
        self.date: Format = book.add_format({"num_format": "yyyy-mm-dd"})
        self.time: Format = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})


def _write_contents(sheet: Worksheet, tables: list[PublishedTable], formats: _Formats) -> None:
    """The first sheet: what the others are."""
    for number, (title, width) in enumerate({"table": 26, "rows": 12, "in it": 100}.items()):
        sheet.set_column(number, number, width)
        sheet.write_string(0, number, title, formats.header)
    sheet.freeze_panes(1, 0)
    for number, table in enumerate(tables, start=1):
        link = f"internal:'{_sheet_name(table)}'!A1"
        sheet.write_url(number, 0, link, string=table.name)
        sheet.write_number(number, 1, table.n_rows)
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
        sheet.write_string(0, number, column.name, formats.header)
        if column.description:
            sheet.write_comment(0, number, column.description, {"x_scale": 2, "y_scale": 1.5})
    sheet.freeze_panes(1, 0)
    n_rows = min(table.n_rows, MAX_ROWS - 1)
    sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{MAX_ROWS}"})
    sheet.autofilter(0, 0, n_rows, len(table.columns) - 1)
    for row_number, row in enumerate(_rows(connection, table, n_rows), start=1):
        for number, value in enumerate(row):
            _write_cell(sheet, row_number, number, value, formats)


def _sheet_name(table: PublishedTable) -> str:
    """Name of a table as far as Excel takes it."""
    return table.name[:_CHARACTERS_IN_NAME]


def _write_cell(sheet: Worksheet, row: int, column: int, value: Any, formats: _Formats) -> None:
    """One value by its type; nothing where there is none."""
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, (int, float, decimal.Decimal)) and math.isfinite(value):
        sheet.write_number(row, column, float(value))
    elif isinstance(value, datetime.datetime):
        sheet.write_datetime(row, column, value.replace(tzinfo=None), formats.time)
    elif isinstance(value, datetime.date):
        sheet.write_datetime(row, column, value, formats.date)
    else:
        sheet.write_string(row, column, str(value)[:MAX_CHARACTERS], formats.text)


def _rows(
    connection: duckdb.DuckDBPyConnection, table: PublishedTable, n_rows: int
) -> Iterator[tuple[Any, ...]]:
    """The first rows of a table, nested values as JSON."""
    result = connection.execute(f"select {_flat(table)} from {table.sql} limit {n_rows}")  # noqa: S608
    while rows := result.fetchmany(_BATCH):
        yield from rows


def _flat(table: PublishedTable) -> str:
    """Select list in which nested columns are JSON text."""
    return ", ".join(map(_flat_column, table.columns))


def _flat_column(column: Column) -> str:
    name = sql_name(column.name)
    return f"to_json({name})::varchar as {name}" if column.is_nested else name


def _widths(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> list[float]:
    """Width of each column: what nine of ten values need, within reason."""
    lengths = ", ".join(
        f"quantile_disc(length({sql_name(column.name)}::varchar), 0.9)" for column in table.columns
    )
    row = connection.execute(f"select {lengths} from {table.sql}").fetchone() or ()  # noqa: S608
    return [
        min(max(length or 0, len(column.name), _NARROWEST) + 2, _WIDEST)
        for length, column in zip(row, table.columns, strict=True)
    ]
