"""The whole build in a DuckLake with its catalog in PostgreSQL, while others read it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from segmentation.warehouse.extensions import load_extension
from segmentation.warehouse.fingerprints import relation_fingerprint

from .helpers import OWN_INPUTS, Built, Project
from .postgres import Server, running_server

#: What another minimum size of segments changes, and the models that it does not.
MODELS_AND_SEGMENTS = ("internal_cluster_models", "external_cluster_models", "segment_map+")
#: Seconds between two looks of a reader.
PAUSE = 0.05


@contextlib.contextmanager
def reader() -> Iterator[duckdb.DuckDBPyConnection]:
    """A client of the lake that only reads; libpq's variables say where the catalog is."""
    with duckdb.connect() as connection:
        for extension in ("ducklake", "postgres_scanner"):
            load_extension(connection, extension)
        connection.execute("attach 'ducklake:postgres:' as lake (read_only)")
        yield connection


def one(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """The single value of a query."""
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Where the catalog is."""
    with running_server() as server:
        yield server


def test_a_build_in_a_lake_gives_the_tables_of_any_other_and_can_be_read_meanwhile(
    small_build: Built, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STORE_SEGMENTS_LAKE", "postgres:")
    monkeypatch.setenv("STORE_SEGMENTS_LAKE_FILES", str(tmp_path / "files"))
    monkeypatch.setenv("STORE_SEGMENTS_PUBLISHED", str(tmp_path / "published.duckdb"))
    project = Project(tmp_path / "project")
    arguments = ("--target", "ducklake", *OWN_INPUTS)
    built = Built(
        project, small_build.variables, project.build(*arguments, variables=small_build.variables)
    )
    assert built.fitted_scopes() == {"Bread", "Cheese", "external"}
    with duckdb.connect(str(tmp_path / "published.duckdb"), read_only=True) as connection:
        assert connection.execute("from segment_of('S001')").fetchall()

    with reader() as connection:
        # its views know it by its name
        connection.execute(f"attach '{small_build.project.database}' (read_only)")
        for table in (
            "lanes.internal_clusters",
            "lanes.external_components",
            "segments.store_segments",
            "segments.segment_profiles",
            "governance.feature_pulls",
            "governance.cluster_search",
        ):
            assert relation_fingerprint(connection, f"lake.{table}") == relation_fingerprint(
                connection, f"stores.{table}"
            ), table
        before = one(connection, "select max(snapshot_id) from lake.snapshots()")

    # segments become larger, models stay
    larger = {**small_build.variables}
    larger["segmentation"] = {**larger["segmentation"], "min_segment_size": 20}
    seen: set[tuple[int, int]] = set()
    problems: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            with reader() as connection:
                while not stop.wait(PAUSE):
                    state = connection.execute(
                        "select count(*), min(n) from ("
                        "select count(*) over (partition by category, segment_id) as n"
                        " from lake.segments.store_segments)"
                    ).fetchall()
                    seen.update(state)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        selection = ("--select", *MODELS_AND_SEGMENTS)
        again = Built(project, larger, project.build(*arguments, *selection, variables=larger))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []
    assert again.fitted_scopes() == set()
    assert {rows for rows, _ in seen} == {80}

    smallest = (
        "select min(n) from (select count(*) as n from lake.segments.store_segments"
        " {at} group by category, segment_id)"
    )
    with reader() as connection:
        was = one(connection, smallest.format(at=f"at (version => {before})"))
        now = one(connection, smallest.format(at=""))
        moved = one(
            connection,
            "select count(*) from lake.segments.store_segments as today"
            f" inner join (from lake.segments.store_segments at (version => {before})) as earlier"
            " using (category, store_id) where today.segment_id <> earlier.segment_id",
        )
        n_moved = one(
            connection,
            "select sum(n_moved_stores) from lake.segments.segment_changes"
            " where n_stores_before > 0",
        )
    assert was < 20 <= now
    assert moved == n_moved > 0
