"""What the published file says of itself, for everything that carries it elsewhere."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from segmentation.settings import CURRENCY_OF_RUN
from segmentation.warehouse.database import sql_literal, sql_name
from segmentation.warehouse.files import other_than_file
from segmentation.warehouse.fingerprints import Fingerprint, relation_fingerprint

#: Name under which the published file is attached.
SOURCE: Final = "published"


class PublishingError(RuntimeError):
    """A destination cannot be written, or not completely; the message says why and what to do."""


class PublishedFileError(PublishingError):
    """There is no published file that can be read; the message says why and what to do."""


class NotPublishedError(PublishedFileError):
    """The file is a database that no build has published."""


@dataclass(frozen=True)
class Run:
    """A run of the build; it started at a time in UTC."""

    run_id: str
    started_at: datetime.datetime


@dataclass(frozen=True)
class Column:
    """A column, its type in DuckDB and its description."""

    name: str
    type: str
    description: str

    @property
    def is_nested(self) -> bool:
        """Whether its values are lists, structs or maps."""
        return self.type.endswith("]") or self.type.startswith(("STRUCT", "MAP"))


@dataclass(frozen=True)
class PublishedTable:
    """A table of the published file, attached as `SOURCE`.

    `key` are the columns that identify a row; empty where an expression does, or nothing.
    """

    schema: str
    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    n_rows: int

    @property
    def sql(self) -> str:
        """Database, schema and name, quoted."""
        return f"{SOURCE}.{sql_name(self.schema)}.{sql_name(self.name)}"

    def fingerprint(self, connection: duckdb.DuckDBPyConnection) -> Fingerprint:
        """Number and hash of its rows; their order does not matter."""
        return relation_fingerprint(connection, self.sql)


@contextlib.contextmanager
def published_file(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory that has the published file attached, to read.

    If the block fails, the published file is read as a whole: where that fails too, it is the file
    that is damaged, and not what the block writes to.

    Parameters
    ----------
    path
        The published file.

    Raises
    ------
    PublishedFileError
        If it is not there, is none, or is damaged.
    """
    if problem := other_than_file(path):
        raise PublishedFileError(f"{problem}; STORE_SEGMENTS_PUBLISHED names a file")
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        try:
            connection.execute(f"attach {sql_literal(str(path))} as {SOURCE} (read_only)")
            connection.execute(
                "select schema_name, table_name, description, key_columns"
                f" from {SOURCE}.main.tables limit 0"
            )
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise NotPublishedError(
                f"{path} is a database, and no published build of this project; make build"
                " publishes one, STORE_SEGMENTS_PUBLISHED names another file"
            ) from error
        except duckdb.Error as error:
            if os.path.exists(path):  # noqa: PTH110 (never raises)
                raise _unreadable(path, error) from error
            raise PublishedFileError(
                f"there is no published build at {path}; make build publishes one, "
                "STORE_SEGMENTS_PUBLISHED names another file"
            ) from error
        try:
            yield connection
        except PublishedFileError:
            raise
        except (duckdb.Error, PublishingError) as error:
            if damage := _damage(path):
                raise _unreadable(path, damage) from error
            raise


def _unreadable(path: Path, error: duckdb.Error) -> PublishedFileError:
    """What to say of a file that DuckDB cannot read."""
    cause = " ".join(str(error).split())
    return PublishedFileError(
        f"the published file {path} cannot be read: {cause}; if it is damaged, delete it and run"
        " make build, which publishes it again; STORE_SEGMENTS_PUBLISHED names another file"
    )


def _damage(path: Path) -> duckdb.Error | None:
    """What DuckDB says if it cannot read all tables of the published file."""
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables() where not internal"
            ).fetchall()
            for schema, name in tables:
                table = f"{sql_name(schema)}.{sql_name(name)}"
                connection.execute(f"select bit_xor(hash(t)) from {table} as t").fetchall()
    except duckdb.Error as error:
        return error
    return None


def published_tables(connection: duckdb.DuckDBPyConnection) -> list[PublishedTable]:
    """All tables with their columns, by schema and name."""
    columns: dict[tuple[str, str], list[Column]] = {}
    for schema, table, *column in connection.execute(
        "select schema_name, table_name, column_name, data_type, coalesce(comment, '')"
        " from duckdb_columns() where database_name = ? order by table_oid, column_index",
        [SOURCE],
    ).fetchall():
        columns.setdefault((schema, table), []).append(Column(*column))
    tables = connection.execute(
        f"select schema_name, table_name, description, key_columns from {SOURCE}.main.tables"
        " order by schema_name, table_name"
    ).fetchall()
    found = []
    for schema, name, description, key in tables:
        relation = f"{SOURCE}.{sql_name(schema)}.{sql_name(name)}"
        row = connection.execute(f"select count(*) from {relation}").fetchone()
        assert row is not None  # noqa: S101 (an aggregate has one row)
        content = tuple(columns[schema, name])
        found.append(PublishedTable(schema, name, description, tuple(key), content, row[0]))
    return found


def currency_of(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Currency of the amounts, if the run that made the published file was given one."""
    row = connection.execute(
        f"select {CURRENCY_OF_RUN} from {SOURCE}.governance.runs"
        " order by started_at desc, run_id desc limit 1"
    ).fetchone()
    return row[0] if row else None


def last_run(connection: duckdb.DuckDBPyConnection) -> Run:
    """The run that made the published file."""
    row = connection.execute(
        f"select run_id, started_at from {SOURCE}.governance.runs"
        " order by started_at desc, run_id desc limit 1"
    ).fetchone()
    if row is None:
        raise PublishedFileError(
            "the published file does not say which run made it: governance.runs has no rows;"
            " make build publishes it again"
        )
    return Run(*row)
