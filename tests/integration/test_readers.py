"""`make report`, `make docs` and `make sql` on a database or a disk that they cannot use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from .available import unavailable
from .helpers import REPOSITORY, Built, is_listed

#: What each command writes, below the folder that it is given.
SCRIPTS = {"report": ["--output", "out/report.html"], "docs": ["--target-path", "out"], "sql": []}


def call(script: str, database: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script on a database, with everything that it writes in a folder."""
    return subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / f"{script}.py", *SCRIPTS[script]],
        env={**os.environ, "STORE_SEGMENTS_DB": str(database)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def missing(_: Path) -> None:
    """Leave the database out."""


def empty(path: Path) -> None:
    """A database without a build."""
    duckdb.connect(str(path)).close()


def no_database(path: Path) -> None:
    """Another kind of file."""
    path.write_text("not a database\n" * 1000)


def truncated(path: Path) -> None:
    """The first half of a database."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema segments")
        connection.execute("create table segments.segment_plots as from range(1_000_000)")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damaged(path: Path) -> None:
    """A database with other bytes where its tables are."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema segments")
        connection.execute("create table segments.segment_plots as from range(1_000_000)")
    content = bytearray(path.read_bytes())
    content[12288:-100] = b"\xff" * (len(content) - 12388)
    path.write_bytes(content)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("state", [missing, empty, no_database, truncated, damaged])
def test_a_database_that_cannot_be_read_is_one_line(
    script: str, state: Callable[[Path], None], tmp_path: Path
) -> None:
    database = tmp_path / "stores.duckdb"
    if script == "sql":  # it opens the published file
        (tmp_path / "published").mkdir()
        state(tmp_path / "published" / database.name)
    else:
        state(database)
    done = call(script, database, tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert is_listed(line) or is_listed(line.partition(": ")[2]), line
    assert not (tmp_path / "out").exists()
    assert database.exists() == (script != "sql" and state is not missing)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A database that another process has open for writing, as a build does."""
    database = tmp_path / "stores.duckdb"
    writer = (
        f"import duckdb; c = duckdb.connect({str(database)!r}); print('open', flush=True); input()"
    )
    command = [sys.executable, "-c", writer]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == "open\n"
        yield database
        held.communicate("\n")


@pytest.mark.parametrize("script", ["report", "docs"])
def test_a_database_in_use_is_one_line(script: str, locked: Path, tmp_path: Path) -> None:
    done = call(script, locked, tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{script}: another process has the database {locked} open (")
    assert is_listed(line)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system with almost no room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        unavailable(f"no small disk: {mounted.stderr.strip()}; mounting one takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("script", ["report", "docs"])
def test_a_full_disk_is_one_line_and_leaves_no_part_of_a_file(
    script: str, small_build: Built, full_disk: Path
) -> None:
    before = full_disk / "out" / "report.html"
    before.parent.mkdir()
    before.write_text("the report before")
    done = call(script, small_build.project.database, full_disk)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line
    assert is_listed(line)
    assert before.read_text() == "the report before"
    if script == "report":
        assert list(before.parent.iterdir()) == [before]
