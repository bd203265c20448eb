"""What the start of a run says about an engine: one line each, before anything is built."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from segmentation.run.checks import check_run
from segmentation.run.log import open_run
from tests.integration.helpers import is_listed
from tests.integration.sail import Sail

from .helpers import invocation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sail() -> Iterator[Sail]:
    with Sail() as server:
        yield server


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """A Parquet file with two rows of sales."""
    path = tmp_path / "sales.parquet"
    rows = {"store_id": ["S1", "S2"], "product_id": ["P1", "P1"], "sales_amount": [1.5, 2.5]}
    pl.DataFrame(rows).write_parquet(path)
    return path


def problems(sales: object, engine: object, **settings: object) -> list[str]:
    """Problems of a run with these sales, engine and settings; each one is listed."""
    products = {"products": str(Path(__file__).parents[3] / "seeds" / "raw_products.csv")}
    variables: dict[str, Any] = {
        "inputs": {"sales": str(sales), **products},
        "external_sources": [],
        "segmentation": settings,
        "engine": engine,
    }
    with duckdb.connect() as cursor:
        run = invocation(variables=variables)
        open_run(cursor, run)
        found = check_run(cursor, run).problems
    assert all("\n" not in problem and is_listed(problem) for problem in found), found
    return found


def test_good_sales_on_an_engine_are_no_problem(sail: Sail, sales: Path, tmp_path: Path) -> None:
    assert problems(sales, sail.engine(tmp_path / "shared")) == []


def test_two_files_with_the_same_rows_are_named(sail: Sail, tmp_path: Path) -> None:
    (tmp_path / "sales").mkdir()
    for file, rows in (("a", [0, 1]), ("b", [1, 0]), ("c", [0, 2])):
        pl.DataFrame(
            {
                "store_id": [f"S{row}" for row in rows],
                "product_id": ["P1", "P1"],
                "sales_amount": [1.5 + row for row in rows],
            }
        ).write_parquet(tmp_path / "sales" / f"{file}.parquet")
    found = problems(tmp_path / "sales" / "*.parquet", sail.engine(tmp_path / "shared"))
    (line,) = [problem for problem in found if "have the same rows" in problem]
    assert line.index("/a.parquet and ") < line.index("/b.parquet have the same rows")


def test_an_engine_that_cannot_be_reached_is_named(sales: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        remote = f"sc://127.0.0.1:{taken.getsockname()[1]}"
        found = problems(sales, {"remote": f"{remote}/;token=secret", "shared": str(tmp_path)})
    assert found == [
        f"engine.remote: {remote} cannot be reached (Connection refused); start the Spark Connect"
        " server, or correct the address"
    ]


def test_a_missing_client_names_the_command_that_installs_it(
    sales: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ["pyspark", *(name for name in sys.modules if name.startswith("pyspark."))]:
        monkeypatch.setitem(sys.modules, name, None)
    assert problems(sales, {"remote": "sc://host", "shared": str(tmp_path)}) == [
        "engine.remote: sc://host:15002: the package pyspark-client is not installed; run make"
        " engine, or pip install --require-hashes -r requirements-engine.txt"
    ]


def test_files_without_types_are_refused_with_the_conversion(sail: Sail, tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("store_id,product_id,sales_amount\nS1,P1,1.50\nS2,P1,2.50\n")
    (found,) = problems(path, sail.engine(tmp_path / "shared"))
    command = found.partition('duckdb -c "')[2].partition('"')[0]
    with duckdb.connect() as connection:
        connection.execute(command)
    converted = found.rpartition(" ")[2]
    assert problems(converted, sail.engine(tmp_path / "shared")) == []


@pytest.mark.parametrize("location", ["nothing.parquet", "shop.main.nothing"])
def test_sales_that_the_engine_does_not_find_are_named(
    sail: Sail, tmp_path: Path, location: str
) -> None:
    place = tmp_path / location if "parquet" in location else location
    (found,) = problems(place, sail.engine(tmp_path / "shared"))
    assert found.startswith("inputs.sales: ")
    assert f"cannot read '{place}'" in found


def test_a_column_that_is_missing_is_named(sail: Sail, tmp_path: Path) -> None:
    path = tmp_path / "sales.parquet"
    pl.DataFrame({"store_id": ["S1"], "amount": [1.0]}).write_parquet(path)
    found = problems(path, sail.engine(tmp_path / "shared"))
    assert any("there is no column 'product_id'" in problem for problem in found)


def test_a_shared_folder_that_cannot_be_written_is_named(
    sail: Sail, sales: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (found,) = problems(sales, sail.engine(tmp_path / "file"))
    assert found.startswith(f"engine.shared: {tmp_path / 'file'} cannot be written: ")


def test_workers_with_another_duckdb_are_refused(sales: Path, tmp_path: Path) -> None:
    installed = tmp_path / "older" / "duckdb-1.4.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Name: duckdb\nVersion: 1.4.0\n")
    with Sail(PYTHONPATH=str(installed.parent)) as server:
        (found,) = problems(sales, server.engine(tmp_path / "shared"))
    assert found.startswith(
        f"engine.remote: {server.remote}: a worker has duckdb 1.4.0 instead of Python"
    )


def test_fits_need_an_engine_or_the_package_of_a_cluster_and_the_same_libraries(
    sail: Sail, sales: Path, tmp_path: Path
) -> None:
    assert problems(sales, {}, fit_on="engine") == [
        "segmentation.fit_on: engine needs the var engine, with remote and shared"
    ]
    (missing,) = problems(sales, {}, fit_on="ray")
    assert missing.startswith("segmentation.fit_on: ray needs the package ray, which is not")
    assert problems(sales, sail.engine(tmp_path / "shared"), fit_on="engine") == []
    installed = tmp_path / "older" / "numpy-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Name: numpy\nVersion: 1.0\n")
    with Sail(PYTHONPATH=str(installed.parent)) as older:
        (found,) = problems(sales, older.engine(tmp_path / "shared"), fit_on="engine")
    assert "a worker has numpy 1.0 instead of " in found


def test_without_an_engine_its_client_is_not_imported(sales: Path) -> None:
    before = {name for name in sys.modules if name.startswith("pyspark")}
    assert problems(sales, {}) == []
    assert {name for name in sys.modules if name.startswith("pyspark")} == before
