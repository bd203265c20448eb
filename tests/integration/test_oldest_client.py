"""The published file in the oldest version of DuckDB that `docs/queries.md` promises."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from segmentation.publishing.publish import OLDEST_CLIENT, STORAGE_VERSION

from .helpers import REPOSITORY, Built

#: The client and its hashes.
LOCKED = REPOSITORY / "tests" / "data" / "oldest_client.txt"
#: Reads every table and asks every query, in a process of its own.
READER = """
import json, sys
import duckdb
counts, answers = {}, {}
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    tables = connection.execute("select schema_name, table_name from main.tables").fetchall()
    for schema, name in tables:
        rows = connection.execute(f'select * from "{schema}"."{name}"').fetchall()
        counts[f"{schema}.{name}"] = len(rows)
    for (example,) in connection.execute("select example from main.queries").fetchall():
        answers[example] = len(connection.execute(example).fetchall())
print(json.dumps([duckdb.__version__, counts, answers]))
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the oldest client.

    It comes from a package index. A machine without one cannot have it, in CI or elsewhere, so this
    is the one test that may be left out there.
    """
    folder = tmp_path_factory.mktemp("client")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--target", str(folder), "-r", str(LOCKED)]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"no package index has DuckDB {OLDEST_CLIENT}: {installed.stderr.strip()}")
    return folder


def read(published: Path, **environment: str) -> list[object]:
    """What the reader finds."""
    done = subprocess.run(
        [sys.executable, "-c", READER, str(published)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def test_the_oldest_client_reads_every_table_and_asks_every_query(
    small_build: Built, client: Path
) -> None:
    published = small_build.project.published
    version, tables, answers = read(published, PYTHONPATH=str(client))
    assert version == OLDEST_CLIENT
    assert [tables, answers] == read(published)[1:]
    assert isinstance(tables, dict)
    assert len(tables) > 30


def test_the_page_and_the_lock_name_the_client() -> None:
    page = (REPOSITORY / "docs" / "queries.md").read_text()
    assert f"DuckDB {OLDEST_CLIENT} or newer" in page
    assert re.findall(r"^duckdb==(\S+)", LOCKED.read_text(), re.MULTILINE) == [OLDEST_CLIENT]


def test_the_file_has_the_storage_version_that_was_chosen(small_build: Built) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{small_build.project.published}' as published (read_only)")
        tags = connection.execute(
            "select tags['storage_version'] from duckdb_databases()"
            " where database_name = 'published'"
        ).fetchone()
    assert tags == (f"{STORAGE_VERSION}+",)
