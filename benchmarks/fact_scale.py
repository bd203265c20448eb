"""Sales files to sales by need state, against one bare join and group-by over the same files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks import data
from benchmarks.dbt_runs import dbt, scratch
from benchmarks.harness import PAIRS, Stopwatch, Suite, curve, measure, paired, ratio_row, row

TARGET: Final = "Fact scale"
ROWS, LARGE_ROWS = 10_000_000, 100_000_000
GROWTH: Final = {
    "bench": (3_000_000, 10_000_000, 30_000_000),
    "bench-large": (10_000_000, 30_000_000, LARGE_ROWS),
}
GROWTH_LIMIT: Final = 1.05
NOTE: Final = (
    "Parquet to `int_sales_by_need_state`: validation, the gate, rejected rows, all of it"
    " models of dbt; the peer is the join and group-by alone, with the same columns"
)


#: Data tests that ask for nothing but the selected models.
TESTS_OF_MODELS: Final = (
    "--indirect-selection",
    "cautious",
    "--exclude-resource-type",
    "unit_test",
)
TESTS_NOTE: Final = (
    "the models with their data tests, as `dbt build` runs them; the peer reads the same files"
)
BUILD_PAIRS: Final = 1


def bare(rows: int, as_text: bool = False) -> dict[str, Any]:
    """Join and group-by with the columns of `int_sales_by_need_state`."""
    sales, products = _sales(rows, as_text), data.products()
    with scratch() as folder, duckdb.connect(str(folder / "bare.duckdb")) as connection:
        watch = Stopwatch.start()
        connection.execute(
            f"""
            create table result as
            select
                store_id,
                category,
                need_state,
                sum(sales_amount) as sales_amount,
                sum(units) as units,
                count(*) as n_rows,
                min(sold_on) as first_sold_on,
                max(sold_on) as last_sold_on
            from '{sales}'
            inner join '{products}' using (product_id)
            group by all
            """
        )
        return {**watch.read()}


def models(rows: int, command: str = "run", as_text: bool = False) -> dict[str, Any]:
    """The project's models on the same files, with their data tests where dbt is told to build."""
    variables = {
        "inputs": {
            "sales": str(_sales(rows, as_text)),
            "products": str(data.products()),
            "demographics": str(data.demographics()),
        },
        "external_sources": ["demographics"],
    }
    with scratch() as folder:
        return dbt(
            folder,
            command,
            "--select",
            "+int_sales_by_need_state",
            "+rejected_rows",
            *(TESTS_OF_MODELS if command == "build" else ()),
            variables=variables,
        )


def _sales(rows: int, as_text: bool) -> Path:
    return data.sales_text(rows) if as_text else data.sales(rows)


def results(suite: Suite) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows and curves of this target."""
    is_large = suite == "bench-large"
    rows = LARGE_ROWS if is_large else ROWS
    for size in {rows, *GROWTH[suite]}:
        data.sales(size)
    millions = f"{rows // 1_000_000} M sales rows"
    pairs = paired(partial(measure, models, rows=rows), partial(measure, bare, rows=rows), PAIRS)
    with_tests = paired(
        partial(measure, models, rows=rows, command="build"),
        partial(measure, bare, rows=rows),
        BUILD_PAIRS,
    )
    table = [
        ratio_row(TARGET, millions, suite, pairs, 1.5 if is_large else None, "at most", NOTE),
        row(
            TARGET,
            f"memory at {millions}",
            suite,
            [ours.peak_mb / 1000 for ours, _ in pairs],
            6.0 if is_large else 1.0,
            "at most",
            unit="GB",
        ),
        ratio_row(
            TARGET, f"{millions}, and their tests", suite, with_tests, None, "at most", TESTS_NOTE
        ),
    ]
    if suite == "bench":
        data.sales_text(rows)
        text = paired(
            partial(measure, models, rows=rows, command="build", as_text=True),
            partial(measure, bare, rows=rows, as_text=True),
            BUILD_PAIRS,
        )
        name = f"{millions} in CSV, and their tests"
        table.append(ratio_row(TARGET, name, suite, text, None, "at most", TESTS_NOTE))
    points = [(float(size), measure(models, rows=size)) for size in GROWTH[suite]]
    name = f"sales to need states, up to {GROWTH[suite][-1] // 1_000_000} M rows"
    return table, [curve(TARGET, name, "rows", suite, points, GROWTH_LIMIT)]
