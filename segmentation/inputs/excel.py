"""Excel workbooks (`.xlsx`): the rows of one sheet as texts.

openpyxl reads workbooks without Excel and without a download at run time. Cells keep their value,
not their appearance: whole numbers lose `.0`, dates become ISO dates.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import BadZipFile, ZipFile

from segmentation.inputs.names import (
    InputError,
    did_you_mean,
    number_of_known_columns,
    required_columns,
)

if TYPE_CHECKING:
    from openpyxl import Workbook

#: The header is one of so many rows; above it are titles.
_TOP: Final = 50
#: Excel keeps no more digits of a number; from here on neighboring numbers are the same.
_LARGEST_EXACT: Final = 2**53
_BREAK: Final = re.compile(r"\s*[\r\n]\s*")
_FORMULA: Final = re.compile(rb"<(\w+:)?f[ >/]")
_Row = Sequence[str | None]


@dataclass(frozen=True)
class Sheet:
    """A table in a sheet of a workbook.

    Attributes
    ----------
    name
        Name of the sheet.
    header, rows
        Names of the columns and the rows below them as texts; empty cells are None.
    above
        Rows above the header.
    beside
        What else the workbook has, for people.
    """

    name: str
    header: tuple[str, ...]
    rows: list[list[str | None]]
    above: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def read_sheet(
    path: Path, input_name: str, columns: Mapping[str, str], sheet: str | None = None
) -> Sheet:
    """Read the sheet of a workbook that has the columns of an input.

    Parameters
    ----------
    path
        The workbook.
    input_name
        `sales`, `products` or the name of an external input.
    columns
        The var `columns` for this input: our name to the name in the file.
    sheet
        Name of the sheet. Where none is given, one sheet has to have the required columns, or only
        one sheet has to have values. Hidden sheets are not looked at if there are others.

    Raises
    ------
    InputError
        If the file is no workbook, is damaged, has no such sheet or several that could be meant,
        or has formulas without their values.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 (only for workbooks)
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and validations that values do not need
            book = load_workbook(path, read_only=True, data_only=True)
            name, others = _chosen(path, book, input_name, columns, sheet)
            rows = [[_text(cell) for cell in row] for row in _cells(book, name)]
            book.close()
            n_known = [_n_known(input_name, columns, row) for row in rows[:_TOP]]
            found = _table(path, name, rows, n_known)
            if any(None in row for row in found.rows) and _has_formulas(path):
                _check_formulas(path, name)
    except (BadZipFile, InvalidFileException, KeyError, OSError, ValueError, EOFError) as error:
        raise InputError(
            [f"{path} is not a complete .xlsx workbook; save it again as .xlsx or as CSV"]
        ) from error
    also = (f"other sheets are not read: {', '.join(others)}",) if others else ()
    return replace(found, beside=(*also, *found.beside))


def _chosen(
    path: Path,
    book: Workbook,
    input_name: str,
    columns: Mapping[str, str],
    sheet: str | None,
) -> tuple[str, list[str]]:
    """Name of the sheet to read, and those of the other sheets that have values."""
    names = [page.title for page in book.worksheets]
    visible = [page.title for page in book.worksheets if page.sheet_state == "visible"] or names
    if sheet is not None and sheet not in names:
        raise InputError(
            [
                f"{path} has no sheet {sheet!r}; {did_you_mean(sheet, names)}"
                f"it has: {', '.join(names)}"
            ]
        )
    if sheet is not None:
        return sheet, []
    known: dict[str, int] = {}
    widths: dict[str, int] = {}
    for name in visible:
        top = [[_text(cell) for cell in row] for row in islice(_cells(book, name), _TOP)]
        if any(map(any, top)):
            known[name] = max(_n_known(input_name, columns, row) for row in top)
            widths[name] = max(sum(map(bool, row)) for row in top)
    filled, n_required = [*known], len(required_columns(input_name))
    complete = [name for name in filled if known[name] == n_required]
    tables = [name for name in filled if widths[name] >= max(n_required, 2)]
    candidates = complete or tables or filled or visible[:1]
    if len(candidates) > 1:
        what = "with the columns" if complete else "and none with all columns"
        raise InputError(
            [
                f"{path} has several sheets {what} of {input_name}: {', '.join(candidates)}; name "
                f"the one to read, such as sheets: {{{input_name}: {candidates[0]}}}, or put all "
                "rows into one sheet"
            ]
        )
    return candidates[0], [name for name in filled if name != candidates[0]]


def _cells(book: Workbook, name: str) -> Iterable[Sequence[object]]:
    page = book[name]
    page.reset_dimensions()  # some programs write a wrong size
    return page.iter_rows(values_only=True)  # type: ignore[no-any-return]


def _n_known(input_name: str, columns: Mapping[str, str], row: _Row) -> int:
    return number_of_known_columns(input_name, [cell or "" for cell in row], columns)


def _table(path: Path, name: str, rows: list[list[str | None]], n_known: Sequence[int]) -> Sheet:
    """The table that begins with the header; what else is in the sheet is named."""
    while rows and not any(rows[-1]):
        rows.pop()
    if not rows:
        raise InputError([f"{path}: the sheet {name!r} is empty"])
    index = _header_row(rows, n_known[: len(rows)])
    width = max(place for place, cell in enumerate(rows[index], start=1) if cell)
    header = [
        _BREAK.sub(" ", cell or "").strip() or f"column_{place}"
        for place, cell in enumerate(rows[index][:width], start=1)
    ]
    body = [[*row, *[None] * (width - len(row))][:width] for row in rows[index + 1 :]]
    return Sheet(
        name,
        tuple(header),
        [row for row in body if any(row)],
        tuple(" ".join(filter(None, row)) for row in rows[:index] if any(row)),
        _beside(header, body, index, rows),
    )


def _header_row(rows: Sequence[_Row], known: Sequence[int]) -> int:
    """Index of the header: the row that names the most known columns, else the first full one."""
    if max(known, default=0) > 0:
        return max(range(len(known)), key=lambda index: (known[index], -index))
    widths = [sum(cell is not None for cell in row) for row in rows[: len(known)]]
    return widths.index(max(widths))


def _beside(
    header: Sequence[str], body: Sequence[_Row], index: int, rows: Sequence[_Row]
) -> tuple[str, ...]:
    """What looks like another table, below the first one or to the right of it."""
    found = []
    gap = next((place for place, row in enumerate(body) if not any(row)), None)
    if gap is not None:
        found.append(
            f"row {index + gap + 2} of the sheet is empty and others follow, which are read too; "
            "if they are another table, remove it"
        )
    empty = next(
        (
            place
            for place, title in enumerate(header)
            if title == f"column_{place + 1}" and not any(row[place] for row in body)
        ),
        None,
    )
    if empty is not None:
        found.append(
            f"column {empty + 1} of the sheet is empty and others follow, which are read too; if "
            "they are another table, remove it"
        )
    if any(any(row[len(header) :]) for row in rows[index + 1 :]):
        found.append(
            f"there are values to the right of column {len(header)}, the last one with a name; "
            "they are not read"
        )
    return tuple(found)


def _has_formulas(path: Path) -> bool:
    """Whether a sheet of a workbook has a formula; most exports have none."""
    with ZipFile(path) as archive:
        return any(
            _FORMULA.search(archive.read(name))
            for name in archive.namelist()
            if name.startswith("xl/worksheets/")
        )


def _check_formulas(path: Path, name: str) -> None:
    """Find formulas whose value was never computed.

    Raises
    ------
    InputError
        If there is one; its cell would count as empty.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 (only for workbooks)

    books = [load_workbook(path, read_only=True, data_only=only) for only in (True, False)]
    for book in books:
        book[name].reset_dimensions()
    missing = [
        f"{formula.value} in {formula.coordinate}"
        for row, written in zip(*(book[name].iter_rows() for book in books), strict=True)
        for cell, formula in zip(row, written, strict=True)
        # a formula can give a text without characters, whose cell has the type of a text
        if cell.value is None and formula.value is not None and cell.data_type != "str"
    ]
    for book in books:
        book.close()
    if missing:
        raise InputError(
            [
                f"{path}, sheet {name!r}: {len(missing):,} formula(s) without a value, such as "
                f"{missing[0]}; open the workbook in Excel or LibreOffice and save it"
            ]
        )


def _text(cell: object) -> str | None:
    """A cell as text.

    A number with more digits than Excel keeps is written with its exponent, so that it is seen
    where it is an id.
    """
    if cell is None:
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        if abs(cell) >= _LARGEST_EXACT:
            return f"{cell:.15E}"
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(" ")
    return str(cell) or None
