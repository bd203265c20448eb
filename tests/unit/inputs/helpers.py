"""Small inputs written from texts, and what the check makes of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb

from segmentation.inputs.check import IntakeReport, check_data
from segmentation.inputs.columns import ColumnFormat
from segmentation.inputs.options import InputOptions
from segmentation.settings import Settings
from tests.integration.helpers import is_listed

TODAY: Final = dt.date(2026, 6, 30)
PRODUCTS: Final = "product_id,category,need_state\np1,Food,Fresh\np2,Food,Wine\n"


def check(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    files: Mapping[str, str | bytes],
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> IntakeReport:
    """Check inputs written from texts; sales come with `PRODUCTS`."""
    inputs = {}
    more = {"products": PRODUCTS} if "sales" in files else {}
    for name, content in {**more, **files}.items():
        path = folder / f"{name}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        inputs[name] = str(path)
    return listed(check_data(connection, inputs, InputOptions(options, Settings(settings)), TODAY))


def listed(report: IntakeReport) -> IntakeReport:
    """A report of which `docs/errors.md` has every message."""
    messages = [text for texts in report.problems.values() for text in texts]
    unlisted = [text for text in messages if not is_listed(text)]
    assert not unlisted, unlisted
    return report


def check_parts(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    parts: Mapping[str, str],
    place: str = "sales-*.csv",
) -> IntakeReport:
    """Check sales that are in several files, of which those of `parts` are written."""
    for name, text in parts.items():
        (folder / f"sales-{name}.csv").write_text(text)
    inputs = {"sales": str(folder / place)}
    return listed(check_data(connection, inputs, InputOptions(), TODAY, judges_joins=False))


def sales(*amounts: str, delimiter: str = ";") -> str:
    """Sales of one store, a line per amount."""
    lines = [delimiter.join(("s1", "p1", amount)) for amount in amounts]
    return "\n".join([delimiter.join(("store_id", "product_id", "sales_amount")), *lines, ""])


def dated(*dates: str) -> str:
    """Sales of 10 each, a line per date."""
    return "\n".join(
        ["store_id;product_id;sales_amount;sold_on", *(f"s1;p1;10.5;{date}" for date in dates), ""]
    )


def column(report: IntakeReport, input_name: str, name: str) -> ColumnFormat:
    """How a column was read."""
    return next(found for found in report.columns[input_name] if found.column == name)


def total(connection: duckdb.DuckDBPyConnection, report: IntakeReport) -> str:
    """The sum of the amounts as staging would read them."""
    sql = column(report, "sales", "sales_amount").sql
    relation = report.plans["sales"].relation
    return str(connection.execute(f"select sum({sql}) from {relation}").fetchall()[0][0])
