"""Publishing to the tables of an engine: as Delta tables, and in its catalog."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

from segmentation.engine.options import EngineOptions
from segmentation.engine.session import Engine
from segmentation.publishing.engine_tables import EngineTablesError, publish_to_engine
from segmentation.publishing.published import published_file, published_tables
from segmentation.warehouse.fingerprints import relation_fingerprint

from .helpers import REPOSITORY, Built, is_listed
from .sail import Sail


@pytest.fixture(scope="module")
def sail() -> Iterator[Sail]:
    with Sail() as server:
        yield server


def engine_of(sail: Sail, folder: Path, **more: Any) -> Engine:
    options = EngineOptions.from_var(sail.engine(folder / "shared", **more))
    assert options is not None
    return Engine(options)


def test_delta_tables_have_the_rows_of_the_published_file(
    sail: Sail, small_build: Built, tmp_path: Path
) -> None:
    published, place = small_build.project.published, tmp_path / "marts"
    engine = engine_of(sail, tmp_path, format="delta", tables=str(place))
    for version in (0, 1):  # each publication is a new version of each table
        n_tables = publish_to_engine(published, engine)
        assert n_tables == len([*place.iterdir()]) > 30
        assert DeltaTable(place / "runs").version() == version
    assert not any((tmp_path / "shared").iterdir())
    with published_file(published) as connection:
        for table in published_tables(connection):
            there = DeltaTable(place / table.name).to_pyarrow_dataset()
            columns = ", ".join(f'"{c.name}"::{c.type} as "{c.name}"' for c in table.columns)
            connection.register("_there", there)
            connection.execute(
                f"create or replace temp table there as select {columns} from _there"
            )
            assert relation_fingerprint(connection, "there") == table.fingerprint(connection)


def test_tables_of_the_catalog_are_replaced(sail: Sail, small_build: Built, tmp_path: Path) -> None:
    engine = engine_of(sail, tmp_path, tables="shop_marts")
    for _ in range(2):
        publish_to_engine(small_build.project.published, engine)
    with duckdb.connect(str(small_build.project.published), read_only=True) as connection:
        expected = connection.execute(
            "select store_id, category, segment_id from segments.store_segments order by all"
        ).fetchall()
    found = engine.session.sql(
        "select store_id, category, segment_id from shop_marts.store_segments"
    )
    rows = [tuple(row.values()) for row in found.toArrow().to_pylist()]
    assert sorted(rows) == expected


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "engine.tables is not given; name a schema"),
        ({"tables": "/marts"}, "engine.tables: /marts: a folder of Parquet files is not replaced"),
    ],
)
def test_a_place_that_readers_would_see_half_written_is_refused(
    sail: Sail, small_build: Built, tmp_path: Path, more: dict[str, str], message: str
) -> None:
    with pytest.raises(EngineTablesError) as raised:
        publish_to_engine(small_build.project.published, engine_of(sail, tmp_path, **more))
    assert str(raised.value).startswith(message)
    assert is_listed(str(raised.value))


def test_a_failing_engine_leaves_the_runs_as_they_were(
    sail: Sail, small_build: Built, tmp_path: Path
) -> None:
    place = tmp_path / "marts"
    engine = engine_of(sail, tmp_path, format="delta", tables=str(place))
    publish_to_engine(small_build.project.published, engine)
    (place / "segment_rules" / "_delta_log" / "00000000000000000000.json").write_text("damaged")
    with pytest.raises(EngineTablesError) as raised:
        publish_to_engine(small_build.project.published, engine)
    assert "tables are new, the others and runs are as they were: " in str(raised.value)
    assert is_listed(str(raised.value))
    assert DeltaTable(place / "runs").version() == 0
    assert not any((tmp_path / "shared").iterdir())


def test_the_command_takes_the_engine_from_the_vars(
    sail: Sail, small_build: Built, tmp_path: Path
) -> None:
    given = sail.engine(tmp_path / "shared", format="delta", tables=str(tmp_path / "marts"))

    command = [sys.executable, str(REPOSITORY / "scripts" / "publish.py"), "engine"]

    def publish(variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--published", str(small_build.project.published)],
            env={**os.environ, "STORE_SEGMENTS_VARS": variables},
            capture_output=True,
            text=True,
            check=False,
        )

    done = publish(f"engine: {given}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'marts'}: ")
    refused = publish("{}")
    assert refused.returncode == 2
    assert refused.stderr == (
        "engine: the var engine is not given; run make publish-engine VARS=my.yml\n"
    )
    assert publish("[").stderr.startswith("engine: the vars are not valid YAML: ")
