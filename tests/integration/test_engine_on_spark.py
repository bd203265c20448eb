"""The same on Apache Spark with a JVM: two executors, tables equal to those of a local build.

`make test-spark` installs Spark and runs this; it needs Java 17.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from segmentation.engine.options import EngineOptions
from segmentation.engine.sales import EngineSales
from segmentation.engine.session import Engine
from segmentation.publishing.engine_tables import publish_to_engine
from segmentation.warehouse.fingerprints import differing_tables

from .helpers import OWN_INPUTS, Project
from .spark import Spark
from .test_engine import example  # noqa: F401 (a fixture)

HOME = os.environ.get("STORE_SEGMENTS_SPARK", "")
pytestmark = pytest.mark.skipif(not HOME, reason="Apache Spark: make test-spark")


@pytest.fixture(scope="module")
def spark() -> Iterator[Spark]:
    with Spark(Path(HOME)) as server:
        yield server


def test_the_example_is_the_same_built_here_and_on_spark(
    spark: Spark,
    example: dict[str, Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    here, there = Project(tmp_path / "here"), Project(tmp_path / "there")
    here.build(*OWN_INPUTS, variables=example)
    shared = tmp_path / "shared"
    variables = {**example, "engine": spark.engine(shared, tables="marts")}
    variables["segmentation"] = {**example["segmentation"], "fit_on": "engine"}
    there.build(*OWN_INPUTS, variables=variables)
    assert differing_tables(here.fingerprints(), there.fingerprints()) == []
    options = EngineOptions.from_var(variables["engine"])
    assert options is not None
    engine = Engine(options)
    for _ in range(2):
        assert publish_to_engine(there.published, engine) > 30
    with duckdb.connect(str(there.published), read_only=True) as connection:
        row = connection.execute("select count(*) from segments.store_segments").fetchone()
    assert row == (engine.count("marts.store_segments"),)
    assert not any(shared.iterdir())


def test_a_lost_executor_changes_nothing(spark: Spark, tmp_path: Path) -> None:
    path, shared = tmp_path / "sales.parquet", tmp_path / "shared"
    rows = {"store_id": range(1000), "amount": [Decimal("0.01")] * 1000}
    pl.DataFrame(rows).write_parquet(path)
    options = EngineOptions.from_var(spark.engine(shared, partitions=4))
    assert options is not None
    lost: list[int] = []

    def lose_one() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not list(shared.glob("*/job")):
            time.sleep(0.1)
        time.sleep(3)
        lost.append(spark.executors()[0])
        os.kill(lost[0], signal.SIGKILL)

    sql = (
        "select sum(amount) as amount, max(n) as n from shop.engine.sales,"
        " (select count(*) as n from range(3000000000))"
    )
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        sales = EngineSales(Engine(options), str(path), ("store_id",), n_rows=1000)
        sales.declare(connection)
        killer = threading.Thread(target=lose_one)
        killer.start()
        merge = {"amount": "sum", "n": "max"}
        relation = sales.merged(connection, sql, merge, name="x")
        killer.join()
        found = connection.execute(f"from {relation}").fetchall()
    assert lost
    assert lost[0] not in spark.executors()
    assert found == [(Decimal("10.00"), 3_000_000_000)]
    assert not any(shared.iterdir())
