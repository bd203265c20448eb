"""Excel workbooks (`.xlsx`): the rows of one sheet as texts.

openpyxl reads workbooks without Excel and without a download at run time. Cells keep their value,
not their appearance: whole numbers lose `.0`, dates become ISO dates.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

from segmentation.inputs.names import InputError, did_you_mean


def read_sheet(path: Path, sheet: str | None = None) -> tuple[str, list[list[str | None]]]:
    """Read a sheet of a workbook.

    Parameters
    ----------
    path
        The workbook.
    sheet
        Name of the sheet; the first visible one where none is given.

    Returns
    -------
    tuple
        Name of the sheet, and its rows from the first to the last that has a value. Empty cells
        are None.

    Raises
    ------
    InputError
        If the file is no workbook, is damaged, or has no such sheet.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 (only for workbooks)
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and validations that values do not need
            book = load_workbook(path, read_only=True, data_only=True)
            visible = [page.title for page in book.worksheets if page.sheet_state == "visible"]
            names = [page.title for page in book.worksheets]
            name = sheet or next(iter(visible or names))
            if name not in names:
                raise InputError(
                    [
                        f"{path} has no sheet {name!r}; {did_you_mean(name, names)}"
                        f"it has: {', '.join(names)}"
                    ]
                )
            page = book[name]
            page.reset_dimensions()  # some programs write a wrong size
            rows = [[_text(cell) for cell in row] for row in page.iter_rows(values_only=True)]
            book.close()
    except (BadZipFile, InvalidFileException, KeyError, OSError, ValueError, EOFError) as error:
        raise InputError(
            [f"{path} is not a complete .xlsx workbook; save it again as .xlsx or as CSV"]
        ) from error
    while rows and not any(rows[-1]):
        rows.pop()
    return name, rows


def header_row(rows: Sequence[Sequence[str | None]], known: Sequence[int]) -> int:
    """Index of the header: the row that names the most known columns, else the first full one."""
    if max(known, default=0) > 0:
        return max(range(len(known)), key=lambda index: (known[index], -index))
    widths = [sum(cell is not None for cell in row) for row in rows[: len(known)]]
    return widths.index(max(widths))


def _text(cell: object) -> str | None:
    """A cell as text."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(" ")
    return str(cell) or None
