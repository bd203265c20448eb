"""What the checks of own files cost: against a plain reader, and against the sums of a build.

``python -m benchmarks.intake [--csv ROWS] [--parquet ROWS] [--pattern ROWS]`` writes sales of 2,000
stores and 50 products, and measures both sides in the same process. CPU seconds are shown beside
wall seconds, since other processes of the machine do not count in them. The rows of `--pattern` are
in twelve CSV files with two columns that nothing reads; each search for money that is wrong is
measured by itself.

The peer of CSV is `read_csv` with the types given, and a sum per store and product: it refuses no
damaged line, guesses no format and counts nothing that is missing. The peer of Parquet is the same
sum; what it is compared with is the profile alone, since Parquet files are read where they are.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.harness import Stopwatch
from segmentation.inputs.check import IntakeReport, check_data
from segmentation.inputs.options import InputOptions
from segmentation.inputs.scales import scale_doubts
from segmentation.inputs.select import select_of
from segmentation.inputs.statuses import status_doubts
from segmentation.inputs.totals import product_totals_problem, totals_problem
from segmentation.inputs.twice import contained_problems, copies_problems

TODAY: Final = dt.date(2026, 1, 1)
TYPES: Final = (
    "{'store_id': 'varchar', 'product_id': 'varchar', 'sold_on': 'date', "
    "'sales_amount': 'decimal(18, 4)', 'units': 'decimal(18, 4)'}"
)
SUMS: Final = "select store_id, product_id, count(*), sum(sales_amount) from {rows} group by all"


def write_sales(
    n_rows: int, path: Path, options: str, more: str = "", condition: str = "true"
) -> None:
    """Write sales that are the same whenever they are written."""
    duckdb.sql(
        f"""
        copy (
            select
                'S' || (hash(n) % 2000)::varchar as store_id,
                'P' || (hash(n + 1) % 50)::varchar as product_id,
                (date '2025-01-01' + (hash(n + 2) % 365)::integer) as sold_on,
                ((1 + hash(n + 3) % 100000) / 100)::decimal(12, 2) as sales_amount,
                (1 + hash(n + 4) % 9)::integer as units
                {more}
            from range({n_rows}) as numbers (n)
            where {condition}
        ) to '{path}' ({options})
        """
    )


def measured(label: str, work: Callable[[], object]) -> float:
    """Show wall and CPU seconds; return the latter."""
    watch = Stopwatch.start()
    work()
    found = watch.read()
    print(f"  {label:<38} {found['seconds']:7.1f} s {found['cpu_seconds']:7.1f} CPU s")  # noqa: T201
    return found["cpu_seconds"]


def csv(n_rows: int, folder: Path) -> None:
    """Compare all checks, the conversion and the sums with a reader that knows the types."""
    path = folder / "sales.csv"
    write_sales(n_rows, path, "header")
    connection = duckdb.connect(str(folder / "build.duckdb"))
    reports: list[IntakeReport] = []

    def check() -> None:
        inputs = {"sales": str(path)}
        options = InputOptions({})
        reports.append(check_data(connection, inputs, options, TODAY, judges_joins=False))

    def convert() -> None:
        rows = select_of(reports[0].plans["sales"], reports[0].columns["sales"])
        connection.execute(f"create table sales_rows as {rows}")

    print(f"{n_rows:,} rows of CSV")  # noqa: T201
    ours = measured("read and check", check)
    ours += measured("convert", convert)
    ours += measured("sums", lambda: connection.execute(SUMS.format(rows="sales_rows")).fetchall())
    typed = f"read_csv('{path}', header = true, columns = {TYPES})"
    peer = measured(
        "peer: typed read_csv and sums",
        lambda: duckdb.connect().execute(SUMS.format(rows=typed)).fetchall(),
    )
    print(f"  ours / peer: {ours / peer:.1f}")  # noqa: T201


def pattern(n_rows: int, folder: Path) -> None:
    """Measure each search for money that counts twice, or is none, over twelve files."""
    for month in range(1, 13):
        path = folder / f"part-{month:02d}.csv"
        more = ", 'R' || n as receipt, 'SALE' as kind"
        write_sales(n_rows, path, "header", more, f"month(sold_on) = {month}")
    connection = duckdb.connect(str(folder / "pattern.duckdb"))
    options = InputOptions({})
    reports: list[IntakeReport] = []

    def check() -> None:
        inputs = {"sales": str(folder / "part-*.csv")}
        reports.append(check_data(connection, inputs, options, TODAY, judges_joins=False))

    print(f"{n_rows:,} rows in twelve files of CSV")  # noqa: T201
    measured("read and check", check)
    plan, columns = reports[0].plans["sales"], reports[0].columns["sales"]
    losses = reports[0].losses["sales"]
    searches: dict[str, Callable[[], object]] = {
        "copies": lambda: copies_problems(connection, plan, columns),
        "contained files": lambda: contained_problems(connection, plan, columns),
        "stores that are totals": lambda: totals_problem(connection, plan, columns, []),
        "products that are totals": lambda: product_totals_problem(connection, plan, columns, None),
        "statuses": lambda: status_doubts(connection, plan, columns, losses),
        "scales": lambda: scale_doubts(connection, plan, columns, losses, options),
    }
    for label, search in searches.items():
        measured(f"  {label}", search)


def parquet(n_rows: int, folder: Path) -> None:
    """Compare the profile with the sums of the same rows."""
    path = folder / "sales.parquet"
    write_sales(n_rows, path, "format parquet")
    connection = duckdb.connect()
    print(f"{n_rows:,} rows of Parquet")  # noqa: T201
    inputs = {"sales": str(path)}
    profile = measured(
        "profile",
        lambda: check_data(connection, inputs, InputOptions({}), TODAY, judges_joins=False),
    )
    sums = measured(
        "ids, outcomes and sums, as in a build",
        lambda: connection.execute(
            "select store_id, product_id, sold_on is null, count(*), sum(sales_amount), sum(units),"
            f" min(sold_on), max(sold_on) from '{path}' group by all"
        ).fetchall(),
    )
    print(f"  profile / sums: {profile / sums:.0%}")  # noqa: T201


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--csv", type=int, default=10_000_000, metavar="ROWS")
    parser.add_argument("--parquet", type=int, default=100_000_000, metavar="ROWS")
    parser.add_argument("--pattern", type=int, default=10_000_000, metavar="ROWS")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        csv(given.csv, Path(folder))
        pattern(given.pattern, Path(folder))
        parquet(given.parquet, Path(folder))


if __name__ == "__main__":
    main()
