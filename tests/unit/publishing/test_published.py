"""Messages about a published file that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import duckdb
import pytest

from segmentation.publishing.lake import publish_to_lake
from segmentation.publishing.publish import Table, publish
from segmentation.publishing.published import (
    SOURCE,
    PublishedFileError,
    PublishingError,
    published_file,
    published_tables,
)
from segmentation.publishing.workbook import ExportError, export
from tests.integration.helpers import is_listed, no_file

_BLOCK = 262_144


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published file of several blocks."""
    path = tmp_path / "stores.duckdb"
    tables = [Table("segments", "stores"), Table("governance", "runs")]
    with duckdb.connect() as connection:
        connection.execute(
            "create schema segments; create schema governance;"
            " create table segments.stores as select hash(i) as n from range(200_000) r(i);"
            " create table governance.runs as select 'run' as run_id, null::text as currency,"
            " timestamp '2026-01-01' as started_at"
        )
        publish(connection, tables, [], path)
    path.chmod(0o644)
    return path


def read(path: Path) -> None:
    """Read all rows."""
    with published_file(path) as connection:
        for table in published_tables(connection):
            connection.execute(f"select bit_xor(hash(t)) from {table.sql} as t").fetchall()


def publish_to_postgres(path: Path) -> None:
    """Fail as `publishing.postgres` does, whatever the error is."""
    with published_file(path) as connection:
        try:
            connection.execute(f"select sum(n) from {SOURCE}.segments.stores").fetchall()
        except duckdb.Error as error:
            raise PublishingError("nothing was published to Postgres") from error


#: What carries the published file elsewhere.
TARGETS: Final[dict[str, Callable[[Path, Path], object]]] = {
    "export": export,
    "lake": lambda path, folder: publish_to_lake(path, str(folder), 1),
}


def damage(path: Path) -> None:
    """Overwrite blocks of the large table; the file can still be opened."""
    content = bytearray(path.read_bytes())
    start = 3 * 4096 + _BLOCK
    content[start + 1000 : start + 2000] = b"\xff" * 1000
    path.write_bytes(content)
    with published_file(path):
        pass


@pytest.mark.parametrize("target", TARGETS)
def test_a_damaged_block_is_a_fault_of_the_published_file_and_not_of_the_target(
    tmp_path: Path, published: Path, target: str
) -> None:
    damage(published)
    with pytest.raises(PublishedFileError) as raised:
        TARGETS[target](published, tmp_path / "target")
    said = str(raised.value)
    assert said.startswith(f"the published file {published} cannot be read: IO Error: Corrupt")
    assert "run make build, which publishes it again" in said
    assert is_listed(said)


def test_a_target_that_turns_the_error_into_its_own_is_not_blamed_either(published: Path) -> None:
    damage(published)
    with pytest.raises(PublishedFileError, match="Corrupt"):
        publish_to_postgres(published)


def test_a_target_that_cannot_be_written_is_still_said_to_be(
    tmp_path: Path, published: Path
) -> None:
    (tmp_path / "target" / "csv" / "segments.stores.csv").mkdir(parents=True)
    with pytest.raises(ExportError, match="target cannot be written: "):
        export(published, tmp_path / "target")


@pytest.mark.parametrize("share", [0, 0.01, 0.5])
def test_a_truncated_file_is_there_and_damaged(published: Path, share: float) -> None:
    content = published.read_bytes()
    published.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PublishedFileError) as raised:
        read(published)
    said = str(raised.value)
    assert said.startswith(f"the published file {published} cannot be read: ")
    assert is_listed(said)


def test_another_database_is_no_published_build(tmp_path: Path) -> None:
    path = tmp_path / "own.duckdb"
    duckdb.connect(str(path)).close()
    with pytest.raises(PublishedFileError) as raised, published_file(path):
        pass
    assert str(raised.value).startswith(f"{path} is a database, and no published build of this")
    assert is_listed(str(raised.value))


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = no_file(kind, tmp_path / "published.duckdb")
    with pytest.raises(PublishedFileError) as raised, published_file(path):
        pass
    assert str(raised.value).startswith(f"{path} is a folder, a pipe or a device, and no file;")
    assert is_listed(str(raised.value))
