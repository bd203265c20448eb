"""What the engine path costs: sums of sales and fits, on Sail and on Apache Spark.

``python -m benchmarks.engine [--rows ROWS ...] [--scopes N] [--stores N] [--partitions N]`` builds
what reads the rows of sales, from Parquet here, on Sail (a Spark Connect server without Java) and,
where ``STORE_SEGMENTS_SPARK`` names its folder, on Apache Spark with two executors. It compares CPU
seconds of all processes, those of the build and those of the server: for the check and all models,
and for the largest of them alone, ``int_sales_outcomes``. The peer in Spark SQL joins and groups the
same rows on the same server, without rejected rows and their reasons. Fits of many scopes run in
processes here and in tasks there.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
from joblib.externals.loky import get_reusable_executor

from benchmarks import data
from benchmarks.dbt_runs import dbt, scratch
from benchmarks.many_scopes import STORES, features_of
from segmentation.engine.options import EngineOptions
from segmentation.engine.sales import EngineSales
from segmentation.engine.session import Engine
from segmentation.fitting.registry import LIBRARIES, fit_lane
from segmentation.settings import Settings
from segmentation.warehouse.fingerprints import relation_fingerprint
from tests.integration.sail import Sail
from tests.integration.spark import Spark

MODEL: Final = "int_sales_outcomes"
#: Models that need everything that comes from the rows.
READ: Final = ("+int_rejected_rows", "+int_repeated_sales", "+int_sales_by_period")
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


Server = Sail | Spark


def processes(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
        except OSError:  # it has ended
            continue
        children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of a process and its descendants so far, ended ones included."""
    ticks = 0
    for pid in processes(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def peaks_mb(root: int) -> list[float]:
    """Largest resident memory of each process since `forget_peaks`, 10^6 bytes."""
    found = []
    for pid in processes(root):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        found += [int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")]
    return found


def forget_peaks(root: int) -> None:
    """Begin to measure the peaks again."""
    for pid in processes(root):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def shown(label: str, server: int | None = None) -> Iterator[dict[str, float]]:
    """Show wall and CPU seconds of the block in this process, its children and a server.

    The memory is that of this process, and of the largest process of the server.
    """
    own = os.getpid()
    is_child = server is None or server in processes(own)
    forget_peaks(own)

    def cpu() -> float:
        return cpu_seconds(own) + (0 if is_child or server is None else cpu_seconds(server))

    found: dict[str, float] = {}
    started, spent = time.perf_counter(), cpu()
    yield found
    found.update(seconds=time.perf_counter() - started, cpu=cpu() - spent)
    there = max(peaks_mb(server)) if server else 0.0
    print(  # noqa: T201
        f"  {label:<44} {found['seconds']:7.1f} s {found['cpu']:7.1f} CPU s"
        f" {peaks_mb(own)[0]:6.0f} MB here {there:6.0f} MB there",
        flush=True,
    )


def servers() -> dict[str, Callable[[], Server]]:
    """How to start each server that this machine has."""
    found: dict[str, Callable[[], Server]] = {"Sail": Sail}
    if home := os.environ.get("STORE_SEGMENTS_SPARK"):
        found["Spark"] = lambda: Spark(Path(home))
    return found


def engine_of(server: Server, shared: Path, partitions: int | str) -> Engine:
    """The server as a build sees it, after it has imported what a task needs."""
    options = EngineOptions.from_var(server.engine(shared, partitions=partitions))
    assert options is not None  # noqa: S101 (given above)
    engine = Engine(options)
    engine.check(LIBRARIES)
    return engine


def compare_sums(rows: int, partitions: int | str) -> None:
    """Measure sums on all servers; the tables must be equal."""
    sales, products = data.sales(rows), data.products()
    inputs = {"sales": str(sales), "products": str(products)}
    variables: dict[str, Any] = {"inputs": inputs, "external_sources": []}
    print(f"{rows:,} rows of Parquet, partitions: {partitions}", flush=True)  # noqa: T201
    with scratch() as here, scratch() as shared:
        chosen = ("run", "--select", *READ)
        with shown("here: the check and all models"):
            dbt(here, *chosen, variables=variables)
        sql = next((here / "target" / "compiled").rglob(f"{MODEL}.sql")).read_text()
        with duckdb.connect(str(here / "bench.duckdb")) as connection:
            with shown(f"here: {MODEL}") as local:
                connection.execute(f"create or replace table features.{MODEL} as {sql}")
            expected = relation_fingerprint(connection, f"features.{MODEL}")
        for name, start in servers().items():
            with scratch() as there, start() as server:
                given = server.engine(shared, partitions=partitions)
                with shown(f"{name}: the check and all models", server.pid):
                    dbt(there, *chosen, variables={**variables, "engine": given})
                engine = engine_of(server, shared, partitions)
                with duckdb.connect(str(there / "bench.duckdb")) as connection:
                    remembered = EngineSales.remembered(connection, engine)
                    with shown(f"{name}: {MODEL}", server.pid) as ours:
                        relation = remembered.merged(connection, sql, MERGE, name="bench")
                    found = relation_fingerprint(connection, relation)
                    groups = connection.execute(
                        "select given_id, product_group from staging.stg_internal__sales_products"
                    ).to_arrow_table()
                engine.session.createDataFrame(groups).createOrReplaceTempView("products")
                with shown(f"{name}: group-by in Spark SQL", server.pid) as peer:
                    engine.session.sql(PEER.format(sales=sales)).write.mode("overwrite").parquet(
                        str(shared / "peer")
                    )
            print(  # noqa: T201
                f"  {name}: equal {found == expected}; CPU of ours / DuckDB"
                f" {ours['cpu'] / local['cpu']:.2f}, of ours / Spark SQL"
                f" {ours['cpu'] / peer['cpu']:.2f}",
                flush=True,
            )


def compare_fits(scopes: int, stores: int, partitions: int | str) -> None:
    """Measure fits of many scopes on all servers; the models must be equal."""
    features, names = features_of(scopes, stores)
    by_scope = {str(scope): part for (scope,), part in sorted(features.group_by("scope"))}
    print(f"fits of {scopes} scopes, {stores:,} stores each", flush=True)  # noqa: T201

    def fit(fit_on: str, engine: Engine | None = None) -> pl.DataFrame:
        settings = Settings({"fit_on": fit_on})
        return fit_lane("internal", by_scope, names, settings, None, lambda _: None, engine)

    with shown("processes of this machine") as local:
        expected = fit("processes")
        get_reusable_executor().shutdown(wait=True)
    for name, start in servers().items():
        with scratch() as shared, start() as server:
            engine = engine_of(server, shared, partitions)
            few = dict(list(by_scope.items())[:1])
            fit_lane(
                "internal", few, names, Settings({"fit_on": "engine"}), None, lambda _: None, engine
            )
            with shown(f"{name}: tasks", server.pid) as ours:
                found = fit("engine", engine)
        print(  # noqa: T201
            f"  {name}: equal {found.equals(expected)}; time {ours['seconds'] / local['seconds']:.2f},"
            f" CPU {ours['cpu'] / local['cpu']:.2f} of processes here",
            flush=True,
        )


def main() -> None:
    """Measure what is asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000_000, 100_000_000])
    parser.add_argument("--scopes", type=int, default=200)
    parser.add_argument("--stores", type=int, default=STORES)
    parser.add_argument("--partitions", type=_partitions, default="auto")
    given = parser.parse_args()
    for rows in given.rows:
        compare_sums(rows, given.partitions)
    if given.scopes:
        compare_fits(given.scopes, given.stores, given.partitions)


def _partitions(text: str) -> int | str:
    return text if text == "auto" else int(text)


if __name__ == "__main__":
    main()
