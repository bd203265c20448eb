"""Sales files to sales by need state, against one bare join and group-by over the same files."""

from __future__ import annotations

from functools import partial
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
    "Parquet to `int_sales_by_need_state`: validation, repeated rows, rejected rows, all of it"
    " models of dbt; the peer is the join and group-by alone, with the same columns"
)


def bare(rows: int) -> dict[str, Any]:
    """Join and group-by with the columns of `int_sales_by_need_state`."""
    sales, products = data.sales(rows), data.products()
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


def models(rows: int) -> dict[str, Any]:
    """The project's models on the same files."""
    variables = {
        "inputs": {
            "sales": str(data.sales(rows)),
            "products": str(data.products()),
            "demographics": str(data.demographics()),
        },
        "external_sources": ["demographics"],
    }
    with scratch() as folder:
        return dbt(
            folder,
            "run",
            "--select",
            "+int_sales_by_need_state",
            "+rejected_rows",
            variables=variables,
        )


def results(suite: Suite) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows and curves of this target."""
    rows = LARGE_ROWS if suite == "bench-large" else ROWS
    for size in {rows, *GROWTH[suite]}:
        data.sales(size)
    pairs = paired(
        partial(measure, models, rows=rows),
        partial(measure, bare, rows=rows),
        PAIRS,
    )
    millions = rows // 1_000_000
    table = [
        ratio_row(TARGET, f"{millions} M sales rows", suite, pairs, 1.5, "at most", NOTE),
        row(
            TARGET,
            f"memory at {millions} M sales rows",
            suite,
            [ours.peak_mb / 1000 for ours, _ in pairs],
            6.0 if suite == "bench-large" else 1.0,
            "at most",
            unit="GB",
        ),
    ]
    points = [(float(size), measure(models, rows=size)) for size in GROWTH[suite]]
    name = f"sales to need states, up to {GROWTH[suite][-1] // 1_000_000} M rows"
    return table, [curve(TARGET, name, "rows", suite, points, GROWTH_LIMIT)]
