"""The database file before dbt opens it: free and readable, or an error that says why not."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from segmentation.warehouse.files import other_than_file
from segmentation.warehouse.secrets import without_secrets

#: Names that DuckDB gives to no file.
_RESERVED: Final = frozenset({"main", "system", "temp"})
#: Seconds between two looks at a file that another process has open.
_PAUSE: Final = 0.5


class DatabaseError(RuntimeError):
    """The database cannot be opened; the message says why and what to do."""


def sql_name(name: str) -> str:
    """A name of a database, schema, table or column, quoted."""
    return '"' + name.replace('"', '""') + '"'


def sql_literal(text: str) -> str:
    """A text as SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def execute(
    cursor: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Run SQL that names tables as `schema.table`, in a database of any name.

    A database file may be called like one of its schemas, such as `segments.duckdb`; DuckDB then
    refuses `segments.segment_summary` as ambiguous. In that case the name of the database is put
    in front.

    Parameters
    ----------
    cursor
        Cursor on the database.
    sql
        Statements whose table names are not quoted.
    parameters
        Values of the placeholders.
    """
    (database,) = cursor.execute("select current_database()").fetchone() or ("",)
    if re.fullmatch(r"\w+", database):
        own_schema = rf"(?<![\w.\"']){re.escape(database)}\.(?=[a-z_]+)"
        sql = re.sub(own_schema, f"{sql_name(database)}.{sql_name(database)}.", sql)
    return cursor.execute(sql, parameters)


def is_file(database: str) -> bool:
    """Whether a database of the profile is a file here, and not memory or a service."""
    has_drive = database[1:2] == ":"
    return has_drive or ":" not in database.split("/", maxsplit=1)[0]


def check_kind(path: Path) -> None:
    """Refuse a database that is there and is no file.

    Raises
    ------
    DatabaseError
        If it is a folder, a pipe or a device.
    """
    if problem := other_than_file(path):
        raise DatabaseError(f"{problem}; STORE_SEGMENTS_DB names a file")


def check_name(path: str) -> None:
    """Refuse a file name from which dbt-duckdb cannot make the name of the database.

    Raises
    ------
    DatabaseError
        If dbt could not quote the name, or if DuckDB would give the database another one.
    """
    stem = Path(path).stem
    reason = ""
    if set(path) & set("#?"):
        reason = "dbt takes what follows # or ? for no part of the path"
    elif not stem.isprintable() or set(stem) & set("'\";"):
        reason = "the name of the file has a quote, a semicolon or an invisible character in it"
    elif stem.lower() in _RESERVED:
        reason = f"{stem} is a name of DuckDB's own"
    if reason:
        raise DatabaseError(
            f"STORE_SEGMENTS_DB: {without_secrets(path)!r} is not allowed; {reason}"
        )


def wait_seconds(given: str) -> float:
    """Seconds to wait for a database in use; none where nothing is given.

    Raises
    ------
    DatabaseError
        If it is not a number of seconds.
    """
    try:
        seconds = float(given or 0)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise DatabaseError(
            f"STORE_SEGMENTS_WAIT: {given!r} is not allowed; it is a number of seconds"
        )
    return seconds


def wait_until_free(path: str, seconds: float) -> None:
    """Return when the file can be opened for writing.

    DuckDB lets one process write to a file, and none read it meanwhile
    (https://duckdb.org/docs/stable/connect/concurrency).

    Parameters
    ----------
    path
        DuckDB file; one that is not there yet is made.
    seconds
        How long to wait for another process that has it open.

    Raises
    ------
    DatabaseError
        If another process still has it, if it is no file, or if it cannot be opened at all.
    """
    check_kind(Path(path))
    until = time.monotonic() + seconds
    while True:
        try:
            duckdb.connect(path).close()
        except duckdb.Error as error:
            cause = " ".join(str(error).split())
            if "Conflicting lock" not in cause:
                raise DatabaseError(
                    f"cannot open the database {path}: {cause}; "
                    "STORE_SEGMENTS_DB names another file"
                ) from error
            if time.monotonic() >= until:
                raise DatabaseError(_in_use(path, cause)) from error
            time.sleep(_PAUSE)
        else:
            return


def attach(connection: duckdb.DuckDBPyConnection, sql: str, path: str) -> None:
    """Attach a database of the profile.

    Parameters
    ----------
    connection
        Connection that attaches it.
    sql
        The statement.
    path
        What the profile has as its path.

    Raises
    ------
    DatabaseError
        If it cannot be attached. Neither the message nor a traceback has a password in it.
    """
    cause = None
    try:
        connection.execute(sql)
    except duckdb.Error as error:
        cause = " ".join(without_secrets(str(error)).split())
    if cause:
        raise DatabaseError(
            f"cannot attach the database {without_secrets(path)}: {cause}; "
            "start its server, or correct its address in the environment or in profiles.yml"
        )


@contextmanager
def opened_to_read(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connection that reads a built database, closed at the end of the block.

    Parameters
    ----------
    path
        DuckDB file; it is not changed.

    Raises
    ------
    DatabaseError
        If there is no such file, if another process has it open, if it is damaged or no DuckDB
        file, or if it lacks a table that the block reads.
    """
    check_kind(path)
    if not path.is_file():
        raise DatabaseError(
            f"there is no database {without_secrets(str(path))}; run make build first"
        )
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            yield connection
    except duckdb.CatalogException as error:
        raise DatabaseError(
            f"{path} has no complete build yet ({str(error).splitlines()[0]}); run make build first"
        ) from error
    except duckdb.Error as error:
        cause = " ".join(str(error).split())
        if "Conflicting lock" in cause:
            raise DatabaseError(
                f"another process has the database {path} open{_holder(cause)}; "
                "wait for the build to end and try again"
            ) from error
        raise DatabaseError(
            f"cannot read the database {path}: {cause}; "
            "restore it from a backup, or build another one (STORE_SEGMENTS_DB names it)"
        ) from error


def _holder(cause: str) -> str:
    """Program and process that have a file open, as DuckDB names them; empty if it does not."""
    holder = re.search(r"held in (\S+) \(PID (\d+)\)", cause)
    return f" ({holder[1]}, process {holder[2]})" if holder else ""


def _in_use(path: str, cause: str) -> str:
    """Who has the file, and what to do about it."""
    return (
        f"another process has the database {path} open{_holder(cause)}: "
        "a build, or a client that reads it. "
        "Let it end and build again, or set STORE_SEGMENTS_WAIT to the seconds to wait for it; "
        "readers open the published file instead"
    )
