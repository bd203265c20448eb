"""A finished build as a file of its own, that readers open while the next build runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

from segmentation.database import is_file

#: Name under which the unfinished file is attached.
_ALIAS: Final = "store_segments_unfinished"
#: Whoever may read the folder may read the file; nobody may write to it.
_MODE: Final = 0o444


def published_path(database: str, given: str) -> Path | None:
    """Where the finished build of a database goes: what is given, else `published` beside it.

    None for a database that is not a file, unless a path is given.
    """
    if given:
        return Path(given)
    if not is_file(database):
        return None
    return Path(database).parent / "published" / Path(database).name


def publish(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[tuple[str, str]], path: Path
) -> None:
    """Copy tables and views into a new file and put it in the place of the old one.

    The file is written under another name and renamed when it is complete and on disk, so that a
    reader has the old one or the new one: whoever has the old one open keeps it (POSIX `rename`).
    If anything fails the old file stays as it is.

    Parameters
    ----------
    connection
        Connection to the database, without an open transaction.
    tables
        Schema and name of what is copied; views become tables.
    path
        The published file.

    Raises
    ------
    OSError, duckdb.Error
        If the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    _remove(unfinished)
    quoted = str(unfinished).replace("'", "''")
    (database,) = connection.execute("select current_database()").fetchone() or ("",)
    try:
        connection.execute(f"attach '{quoted}' as {_ALIAS}")
        try:
            for schema in sorted({schema for schema, _ in tables}):
                connection.execute(f'create schema {_ALIAS}."{schema}"')
            for schema, name in tables:
                target = f'{_ALIAS}."{schema}"."{name}"'
                connection.execute(
                    f'create table {target} as from "{database}"."{schema}"."{name}"'
                )
        finally:
            connection.execute(f"detach {_ALIAS}")
        unfinished.chmod(_MODE)
        _to_disk(unfinished)
        unfinished.replace(path)
        _to_disk(path.parent)
    finally:
        _remove(unfinished)


def _remove(unfinished: Path) -> None:
    """Delete what an attempt has left, with DuckDB's log beside it."""
    for path in (unfinished, Path(f"{unfinished}.wal")):
        path.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
