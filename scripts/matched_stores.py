"""Give test stores their controls, and measure what a test in these stores did."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

from segmentation.evaluation.matching import MatchedStores, matched_stores
from segmentation.evaluation.periods import panels
from segmentation.run.project import target_folder
from segmentation.warehouse.control_characters import visible
from segmentation.warehouse.database import DatabaseError, opened_to_read
from segmentation.warehouse.files import FileError, write_file
from segmentation.warehouse.interrupts import end_on_interrupt

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = Path(os.environ.get("STORE_SEGMENTS_DB") or PROJECT / "store_segments.duckdb")
#: Of the placebo tests: the same test gives the same figures.
SEED: Final = 42
_ALL: Final = "all categories"


class MatchingError(ValueError):
    """The test cannot be looked at; the message says what to change."""


def read_ids(path: Path) -> list[str]:
    """Ids of the test stores, one per line; a header `store_id` is skipped.

    Raises
    ------
    MatchingError
        If the file cannot be read or names no store.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise MatchingError(f"{path} cannot be read: {error}") from error
    ids = [line for line in lines if line and line.lower() != "store_id"]
    if not ids:
        raise MatchingError(f"{path} has no store ids; give one per line")
    return sorted(set(ids))


def measure(
    database: Path,
    tests: list[str],
    starts_on: dt.date,
    *,
    category: str | None,
    within_segments: bool,
    chosen_by_past: bool,
) -> MatchedStores:
    """Read the sales of a built database and compare the test stores with their controls.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    MatchingError
        If the build has no sales by period, or a test store or the category is not in them; if
        controls are to come from segments and no category is given.
    """
    if within_segments and category is None:
        raise MatchingError("segments belong to a category; name one with --category")
    with opened_to_read(database) as connection:
        try:
            sales = connection.table("features.int_sales_by_period")
        except duckdb.Error as error:
            raise MatchingError(
                f"{database} has no sales by period; run dbt build with this version first"
            ) from error
        known = [row[0] for row in sales.select("category").distinct().order("all").fetchall()]
        if category is not None and category not in known:
            raise MatchingError(
                f"{category!r} is not a category with dated sales; there are: {', '.join(known)}"
            )
        name = category or _ALL
        if category is None:
            sales = sales.select(
                f"store_id, '{_ALL}' as category, category || ': ' || need_state as need_state,"
                " period_start, sales_amount"
            )
        # the length of the last period is taken from the others
        ((_, whole),) = panels(sales, [name], "day")
        segments = None
        if within_segments:
            rows = connection.execute(
                "select store_id, segment_id from segments.store_segments where category = ?",
                [category],
            )
            segments = dict(rows.fetchall())
    try:
        return matched_stores(
            whole, tests, starts_on, segments=segments, chosen_by_past=chosen_by_past, seed=SEED
        )
    except ValueError as error:
        raise MatchingError(str(error)) from error


def main(given: Sequence[str] | None = None) -> int:
    """Read the arguments, write three files, print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", type=Path, help="file with the ids of the test stores, one a line")
    parser.add_argument("starts_on", type=dt.date.fromisoformat, help="first day, as YYYY-MM-DD")
    parser.add_argument("--category", help="measure one category instead of all sales")
    parser.add_argument(
        "--within-segments", action="store_true", help="controls of the same segment (one category)"
    )
    parser.add_argument(
        "--chosen-by-past",
        action="store_true",
        help="the test stores were chosen for their past sales",
    )
    parser.add_argument("--database", type=Path, default=DATABASE, help="default: %(default)s")
    parser.add_argument(
        "--output",
        type=Path,
        default=target_folder(PROJECT) / "matched_stores",
        help="folder of the CSV files; default: %(default)s",
    )
    arguments = parser.parse_args(given)
    try:
        found = measure(
            arguments.database,
            read_ids(arguments.tests),
            arguments.starts_on,
            category=arguments.category,
            within_segments=arguments.within_segments,
            chosen_by_past=arguments.chosen_by_past,
        )
        for name in ("matches", "balance", "effect"):
            text = getattr(found, name).write_csv()
            write_file(arguments.output / f"{name}.csv", text.encode())
    except (DatabaseError, FileError, MatchingError) as error:
        sys.stderr.write(visible(f"matched stores: {error}\n"))
        return 2
    sys.stdout.write(visible(f"{found.effect['explanation'].item()}\n{arguments.output}\n"))
    return 0


if __name__ == "__main__":
    end_on_interrupt("matched stores: interrupted")
    sys.exit(main())
