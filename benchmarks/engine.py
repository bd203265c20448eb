"""What sums of sales cost in the tasks of an engine: against plain DuckDB and against Spark SQL.

``python -m benchmarks.engine [--rows ROWS] [--partitions N]`` builds ``int_sales_outcomes`` from
Parquet here and on Sail, a Spark Connect server without Java, and compares CPU seconds of all
processes: those of the build and those of the server. The peer in Spark SQL joins and groups the
same rows on the same server, without rejected rows and their reasons.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks import data
from benchmarks.dbt_runs import dbt, scratch
from segmentation.engine.options import EngineOptions
from segmentation.engine.sales import EngineSales
from segmentation.engine.session import Engine
from segmentation.warehouse.fingerprints import relation_fingerprint
from tests.integration.sail import Sail

MODEL: Final = "int_sales_outcomes"
MERGE: Final = {
    "n_rows": "sum",
    "sales_amount": "sum",
    "returned_amount": "sum",
    "units": "sum",
    "rejected_value": "min",
    "first_sold_on": "min",
    "last_sold_on": "max",
}
PEER: Final = """
    select
        store_id, product_group, count(*) as n_rows,
        sum(cast(sales_amount as decimal(18, 4))) as sales_amount,
        sum(cast(units as decimal(18, 4))) as units, min(sold_on) as first, max(sold_on) as last
    from parquet.`{sales}` as sales left join products on sales.product_id = products.given_id
    group by store_id, product_group
"""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mb(pid: int) -> float:
    """Largest resident memory of a process since `forget_peak`, 10^6 bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def forget_peak(pid: int) -> None:
    """Begin to measure the peak again."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def shown(label: str, pids: list[int]) -> Iterator[dict[str, float]]:
    """Show wall and CPU seconds of the block in all processes, and the peak of the last one."""
    found: dict[str, float] = {}
    for pid in pids:
        forget_peak(pid)
    wall, cpu = time.perf_counter(), sum(map(cpu_seconds, pids))
    yield found
    wall, cpu = time.perf_counter() - wall, sum(map(cpu_seconds, pids)) - cpu
    found.update(seconds=wall, cpu=cpu, peak=peak_mb(pids[-1]))
    print(f"  {label:<42} {wall:7.1f} s {cpu:7.1f} CPU s {found['peak']:7.0f} MB", flush=True)  # noqa: T201


def compare(rows: int, partitions: int | str) -> None:
    """Measure all three; the tables must be equal."""
    sales, products = data.sales(rows), data.products()
    inputs = {"sales": str(sales), "products": str(products)}
    variables: dict[str, Any] = {"inputs": inputs, "external_sources": []}
    print(f"{rows:,} rows of Parquet, partitions: {partitions}")  # noqa: T201
    with scratch() as here, scratch() as there, scratch() as shared:
        chosen = ("run", "--select", f"+{MODEL}")
        dbt(here, *chosen, variables=variables)
        sql = next((here / "target" / "compiled").rglob(f"{MODEL}.sql")).read_text()
        own = os.getpid()
        with duckdb.connect(str(here / "bench.duckdb")) as connection:
            with shown("DuckDB, all cores", [own]) as local:
                connection.execute(f"create or replace table features.{MODEL} as {sql}")
            expected = relation_fingerprint(connection, f"features.{MODEL}")
        with Sail() as sail:
            given = sail.engine(shared, partitions=partitions)
            dbt(there, *chosen, variables={**variables, "engine": given})
        with Sail() as sail, duckdb.connect(str(there / "bench.duckdb")) as connection:
            server = sail.pid
            options = EngineOptions.from_var(sail.engine(shared, partitions=partitions))
            assert options is not None  # noqa: S101 (given above)
            engine = Engine(options)
            engine.check()  # the server imports what a task needs
            remembered = EngineSales.remembered(connection, engine)
            with shown("tasks of the engine, and merging", [own, server]) as ours:
                relation = remembered.merged(connection, sql, MERGE, name="bench")
            found = relation_fingerprint(connection, relation)
            groups = connection.execute(
                "select given_id, product_group from staging.stg_internal__sales_products"
            ).to_arrow_table()
            engine.session.createDataFrame(groups).createOrReplaceTempView("products")
            with shown("Spark SQL on the same server", [own, server]) as peer:
                engine.session.sql(PEER.format(sales=sales)).write.mode("overwrite").parquet(
                    str(shared / "peer")
                )
        print(  # noqa: T201
            f"  equal: {found == expected}; CPU of ours / DuckDB: {ours['cpu'] / local['cpu']:.2f},"
            f" of ours / Spark SQL: {ours['cpu'] / peer['cpu']:.2f}"
        )


def main() -> None:
    """Measure as often as asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--partitions", type=_partitions, default="auto")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    for _ in range(given.times):
        compare(given.rows, given.partitions)


def _partitions(text: str) -> int | str:
    return text if text == "auto" else int(text)


if __name__ == "__main__":
    main()
