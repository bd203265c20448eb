"""Excel workbooks (`.xlsx`): the rows of one sheet as texts.

openpyxl reads workbooks without Excel and without a download at run time. Cells keep their value,
not their appearance: whole numbers lose `.0`, dates become ISO dates. Only currencies and percent
signs are taken from the format of a number, so that they are read as in a text file.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile, ZipFile

from segmentation.inputs.names import (
    InputError,
    did_you_mean,
    normalized,
    number_of_known_columns,
    required_columns,
)
from segmentation.inputs.number_formats import is_currency

if TYPE_CHECKING:
    from openpyxl import Workbook

#: The header is one of so many rows; above it are titles.
_TOP: Final = 50
#: Excel keeps no more digits of a number; from here on neighboring numbers are the same.
_LARGEST_EXACT: Final = 2**53
_BREAK: Final = re.compile(r"\s*[\r\n]\s*")
_FORMULA: Final = re.compile(rb"<(\w+:)?f[ >/]")
#: What programs write that leave the computing of formulas to Excel.
_NOT_COMPUTED: Final = re.compile(rb"fullCalcOnLoad=\"(1|true)\"")
_NUMBER: Final = re.compile(r"[-+]?\d+([.,]\d+)?(E[+-]?\d+)?")
#: In a number format: a currency in brackets or quotes, after a backslash, or as it is.
_CURRENCY: Final = re.compile(r"\[\$([^\]-]+)|\"([^\"]*)\"|\\(.)|([$€£¥])")
_IN_QUOTES: Final = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_Row = Sequence[str | None]


class NumberText(str):
    """The text of a cell that holds a number, so that its mark is a decimal point."""

    __slots__ = ()


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
    counts_from_1904
        Whether day 0 is in 1904 and not in 1899.
    """

    name: str
    header: tuple[str, ...]
    rows: list[list[str | None]]
    above: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    counts_from_1904: bool = False


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
    from openpyxl.utils.datetime import CALENDAR_MAC_1904  # noqa: PLC0415
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and validations that values do not need
            book = load_workbook(path, read_only=True, data_only=True)
            name, others = _chosen(path, book, input_name, columns, sheet)
            rows = _rows(book, name, columns)
            counts_from_1904 = book.epoch == CALENDAR_MAC_1904
            book.close()
            if _has_formulas(path):
                _check_formulas(path, name)
            n_known = [_n_known(input_name, columns, row) for row in rows[:_TOP]]
            found = _table(path, name, rows, n_known)
    except (BadZipFile, InvalidFileException, KeyError, OSError, ValueError, EOFError) as error:
        raise InputError(
            [f"{path} is not a complete .xlsx workbook; save it again as .xlsx or as CSV"]
        ) from error
    also = (f"other sheets are not read: {', '.join(others)}",) if others else ()
    return replace(found, beside=(*also, *found.beside), counts_from_1904=counts_from_1904)


def _chosen(
    path: Path,
    book: Workbook,
    input_name: str,
    columns: Mapping[str, str],
    sheet: str | None,
) -> tuple[str, list[str]]:
    """Name of the sheet to read, and those of the other sheets that have values.

    Raises
    ------
    InputError
        If there is no such sheet, several could be meant, or another one goes on without a header.
    """
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
    has_numbers: dict[str, bool] = {}
    for name in names:
        top = [[_text(cell.value) for cell in row] for row in islice(_cells(book, name), _TOP)]
        filled_rows = [row for row in top if any(row)]
        if filled_rows:
            known[name] = max(_n_known(input_name, columns, row) for row in filled_rows)
            widths[name] = max(sum(map(bool, row)) for row in filled_rows)
            has_numbers[name] = any(_NUMBER.fullmatch(cell or "") for cell in filled_rows[0])
    filled = [name for name in known if name in visible]
    n_required = len(required_columns(input_name))
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
    chosen = candidates[0]
    others = [name for name in known if name != chosen]
    for name in others:
        if has_numbers[name] and widths[name] == widths[chosen] and not known[name]:
            raise InputError(
                [
                    f"{path}: the sheet {name!r} has rows like those of {chosen!r} and no header; "
                    f"put all rows into one sheet, or set sheets: {{{input_name}: {chosen}}} to "
                    "read that one only"
                ]
            )
    return chosen, [name if name in visible else f"{name} (hidden)" for name in others]


def _cells(book: Workbook, name: str) -> Iterator[Sequence[Any]]:
    page = book[name]
    page.reset_dimensions()  # some programs write a wrong size
    return iter(page.iter_rows())


def _rows(book: Workbook, name: str, columns: Mapping[str, str]) -> list[list[str | None]]:
    """All rows of a sheet as texts; ids without what their format shows."""
    cells = _cells(book, name)
    top = list(islice(cells, _TOP))
    ids = {normalized(columns.get(column, column)) for column in ("store_id", "product_id")}
    texts = [[_text(cell.value) for cell in row] for row in top]
    places = {
        place for row in texts for place, text in enumerate(row) if text and normalized(text) in ids
    }
    return [
        [_text(cell.value) if place in places else _shown(cell) for place, cell in enumerate(row)]
        for row in chain(top, cells)
    ]


def _shown(cell: Any) -> str | None:
    """A cell as text, a number with the currency or the percent sign of its format."""
    text = _text(cell.value)
    if not isinstance(cell.value, int | float) or isinstance(cell.value, bool):
        return text
    before, is_percent = _signs(cell.number_format)
    if is_percent and text:
        return NumberText(f"{Decimal(text) * 100:f}%")
    return NumberText(f"{before} {text}" if before else text)


@cache
def _signs(number_format: str) -> tuple[str, bool]:
    """The currency that a number format shows, and whether it shows percentages."""
    positive = number_format.partition(";")[0]
    texts = [
        next(filter(None, found)).strip() for found in _CURRENCY.findall(positive) if any(found)
    ]
    sign = next((text for text in texts if is_currency(text)), "")
    return sign, "%" in _IN_QUOTES.sub("", positive)


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

    Some programs write no value, and some write 0 for each formula and ask Excel to compute them.

    Raises
    ------
    InputError
        If there is one; its cell would count as empty or as 0.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 (only for workbooks)

    books = [load_workbook(path, read_only=True, data_only=only) for only in (True, False)]
    for book in books:
        book[name].reset_dimensions()
    pairs = [
        (cell, formula)
        for row, written in zip(*(book[name].iter_rows() for book in books), strict=True)
        for cell, formula in zip(row, written, strict=True)
        if formula.data_type == "f" or (cell.value is None and formula.value is not None)
    ]
    # a formula can give a text without characters, whose cell has the type of a text
    missing = [pair for pair in pairs if pair[0].value is None and pair[0].data_type != "str"]
    with ZipFile(path) as archive:
        is_left_to_excel = _NOT_COMPUTED.search(archive.read("xl/workbook.xml"))
    if is_left_to_excel and pairs and all(cell.value == 0 for cell, _ in pairs):
        missing = pairs
    listed = [f"{formula.value} in {formula.coordinate}" for _, formula in missing]
    for book in books:
        book.close()
    if missing:
        raise InputError(
            [
                f"{path}, sheet {name!r}: {len(missing):,} formula(s) without a value, such as "
                f"{listed[0]}; open the workbook in Excel or LibreOffice and save it"
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
