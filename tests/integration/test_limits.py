"""A build of ten million sales rows in less memory than the machine has."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import duckdb
import pytest

from .helpers import OWN_INPUTS, QUICK, DbtRun, Project, is_listed

N_ROWS: Final = 10_000_000
#: What `docs/promises.md` says is enough, with every fourth row rejected, and what is not.
LIMIT: Final = "400MB"
TOO_LITTLE: Final = "100MB"
_SALES: Final = """
    select
        format('S{:04d}', line % 400) as store_id,
        format('P{}', hash(line) % 800) as product_id,
        (1 + hash(line, 'amount') % 5000)::decimal(12, 2) as sales_amount,
        line
    from range(?) as lines(line)
"""
_PRODUCTS: Final = """
    select
        format('P{}', product) as product_id,
        format('Category {}', product % 2) as category,
        format('State {}', product % 6) as need_state
    from range(600) as products(product)
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Sales of 400 stores, every row another one and every fourth rejected, and their products."""
    folder = tmp_path_factory.mktemp("inputs")
    with duckdb.connect() as connection:
        connection.execute(f"create table sales as {_SALES}", [N_ROWS])
        connection.execute(f"create table products as {_PRODUCTS}")
        for name in ("sales", "products"):
            connection.execute(f"copy {name} to '{folder / name}.parquet'")
    return {name: f"{folder / name}.parquet" for name in ("sales", "products")}


def build(folder: Path, inputs: dict[str, str], limit: str) -> tuple[Project, DbtRun, bool]:
    """Build in so much memory; give the project, what dbt said and whether it went on on disk."""
    project = Project(folder)
    spilled, ended = threading.Event(), threading.Event()
    watcher = threading.Thread(target=notice, args=(folder / "spilled", spilled, ended))
    watcher.start()
    settings = {
        **QUICK,
        "memory_limit": limit,
        "temp_directory": str(folder / "spilled"),
        "max_rejected_share": 0.3,
    }
    variables = {"inputs": inputs, "external_sources": [], "segmentation": settings}
    run = project.dbt("build", *OWN_INPUTS, variables=variables)
    ended.set()
    watcher.join()
    return project, run, spilled.is_set()


def notice(folder: Path, seen: threading.Event, ended: threading.Event) -> None:
    """Say when the folder holds a file; DuckDB takes it away again at the end."""
    while not (seen.is_set() or ended.wait(0.02)):
        if folder.exists() and any(folder.iterdir()):
            seen.set()


def test_a_build_in_little_memory_goes_on_on_disk_and_loses_no_row(
    inputs: dict[str, str], tmp_path: Path
) -> None:
    project, run, spilled = build(tmp_path, inputs, LIMIT)
    assert run.success, run.shown
    assert spilled
    rows = project.query("select * from governance.data_reconciliation where input = 'sales'")
    assert set(rows["reason"]) == {None, "product_id has no accepted row in products"}
    assert rows["n_rows"].sum() == N_ROWS


def test_a_build_in_too_little_memory_stops_in_words_and_leaves_the_database_whole(
    inputs: dict[str, str], tmp_path: Path
) -> None:
    project, run, spilled = build(tmp_path, inputs, TOO_LITTLE)
    assert not run.success
    assert spilled
    assert "Traceback" not in run.shown
    message = project.value("select message from governance.runs")
    assert "Out of Memory Error" in message
    assert is_listed(message)
    assert not project.published.exists()
