"""The published file as tables of a PostgreSQL database, through DuckDB's Postgres extension."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from segmentation.publishing.published import (
    Column,
    PublishedTable,
    PublishingError,
    last_run,
    published_file,
    published_tables,
)
from segmentation.warehouse.database import sql_literal, sql_name
from segmentation.warehouse.extensions import load_extension
from segmentation.warehouse.fingerprints import Fingerprint

#: Name under which the Postgres database is attached.
_TARGET: Final = "target"
#: Table of the schema that says what was published and with which content.
LOG: Final = "published_tables"
#: Types of DuckDB that are called otherwise in Postgres; nested ones become JSONB.
_TYPES: Final[Mapping[str, str]] = {
    "VARCHAR": "text",
    "JSON": "jsonb",
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "numeric(39, 0)",
    "UTINYINT": "smallint",
    "USMALLINT": "integer",
    "UINTEGER": "bigint",
    "UBIGINT": "numeric(20, 0)",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "BLOB": "bytea",
    "UUID": "uuid",
}
#: Postgres has no zero byte in texts; this is Unicode's sign for a character that is not there.
_NO_CHARACTER: Final = "\N{REPLACEMENT CHARACTER}"


class PostgresError(PublishingError):
    """Nothing was published; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """What became of a table: `created`, `replaced`, `unchanged` or `dropped`, and its rows."""

    table: str
    action: str
    n_rows: int


@dataclass(frozen=True)
class _Logged:
    """What the log says of a table that an earlier run has published."""

    structure: str
    content: str


def publish_to_postgres(path: Path, schema: str, readers: str = "") -> list[Outcome]:
    """Write all tables of the published file into a schema, in one transaction.

    A table whose rows have not changed is left alone. The rows of any other table are deleted and
    inserted again in one transaction, so readers see the old rows until the end and views on it
    keep working; only a table with other columns is dropped and created again. Nested columns
    become JSONB, keys primary keys, descriptions comments.

    Parameters
    ----------
    path
        The published file. Where the Postgres database is stands in libpq's environment
        variables (`PGHOST`, `PGPORT`, `PGDATABASE`, `PGUSER`, `PGPASSWORD`, `PGSERVICE`, ...).
    schema
        Schema of the database; it is made where it is not there yet.
    readers
        Role that may read the tables; nobody else than the owner if it is empty.

    Returns
    -------
    list of Outcome
        One per table, by name.

    Raises
    ------
    PublishedFileError
        If there is no published file.
    MissingPackageError
        If the Postgres extension is not installed.
    PostgresError
        If the database cannot be reached or refuses something; it is then as it was.
    """
    with published_file(path) as connection:
        load_extension(connection, "postgres_scanner")
        try:
            connection.execute(f"attach '' as {_TARGET} (type postgres)")
            connection.execute(f"set pg_null_byte_replacement = '{_NO_CHARACTER}'")
            connection.execute("begin")
            outcomes = _Publication(connection, schema).run(readers)
            connection.execute("commit")
        except duckdb.Error as error:
            raise PostgresError(
                f"nothing was published to Postgres, schema {schema} is as it was: {_cause(error)}"
            ) from error
    return outcomes


@dataclass(frozen=True)
class _Publication:
    """One transaction on the Postgres database, through `connection`."""

    connection: duckdb.DuckDBPyConnection
    schema: str

    def run(self, readers: str) -> list[Outcome]:
        """Bring the schema to what the published file has."""
        # creating a schema needs rights on the database, even if the schema exists
        if not self._rows("select 1 from pg_catalog.pg_namespace where nspname = {schema_text}"):
            self._ask("create schema {schema}")
        self._ask(
            "create table if not exists {schema}."
            + LOG
            + " (table_name text primary key, n_rows bigint not null,"
            " structure_sha256 text not null, content_sha256 text not null, run_id text not null,"
            " published_at timestamp with time zone not null default now());"
            f" comment on table {{schema}}.{LOG} is 'One row per table that is published here: how"
            " many rows it has, what they hash to, and the run that wrote them.';"
            f" lock table {{schema}}.{LOG} in share row exclusive mode"
        )
        run_id = last_run(self.connection).run_id
        logged = self._logged()
        tables = published_tables(self.connection)
        outcomes = [self._publish(table, logged.get(table.name), run_id) for table in tables]
        gone = sorted(set(logged) - {table.name for table in tables})
        outcomes.extend(self._drop(name) for name in gone)
        if readers:
            self._ask(
                f"grant usage on schema {{schema}} to {sql_name(readers)};"
                f" grant select on all tables in schema {{schema}} to {sql_name(readers)}"
            )
        return outcomes

    def _publish(self, table: PublishedTable, logged: _Logged | None, run_id: str) -> Outcome:
        """Create, replace or leave one table."""
        definition = _definition(table)
        structure = hashlib.sha256(definition.encode()).hexdigest()
        content = table.fingerprint(self.connection)
        if logged == _Logged(structure, content.sha256):
            return Outcome(table.name, "unchanged", table.n_rows)
        if logged is not None and logged.structure == structure:
            self._ask(f"delete from {{schema}}.{sql_name(table.name)}")
        else:
            # a table that no run has published is not ours to drop: its existence is an error
            if logged is not None:
                self._ask(f"drop table {{schema}}.{sql_name(table.name)}")
            self._ask(definition)
            self.connection.execute("call pg_clear_cache()")  # DuckDB remembers the old columns
        columns = ", ".join(map(_expression, table.columns))
        self.connection.execute(
            f"insert into {_TARGET}.{sql_name(self.schema)}.{sql_name(table.name)}"
            f" select {columns} from {table.sql}"
        )
        self._log(table.name, content, structure, run_id)
        return Outcome(table.name, "created" if logged is None else "replaced", table.n_rows)

    def _drop(self, name: str) -> Outcome:
        """Remove a table that an earlier run has published and this one does not have."""
        self._ask(
            f"drop table {{schema}}.{sql_name(name)};"
            f" delete from {{schema}}.{LOG} where table_name = {sql_literal(name)}"
        )
        return Outcome(name, "dropped", 0)

    def _log(self, name: str, content: Fingerprint, structure: str, run_id: str) -> None:
        """Write down what a table has now."""
        values = ", ".join(
            [
                sql_literal(name),
                str(content.n_rows),
                *map(sql_literal, (structure, content.sha256, run_id)),
            ]
        )
        self._ask(
            f"delete from {{schema}}.{LOG} where table_name = {sql_literal(name)};"
            f" insert into {{schema}}.{LOG} values ({values})"
        )

    def _logged(self) -> dict[str, _Logged]:
        """What earlier runs have published and is still there, by table."""
        return {name: _Logged(*hashes) for name, *hashes in self._rows(_LOGGED)}

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query of Postgres, with the name of the schema for `{schema}`."""
        text = sql_literal(self._in_schema(query))
        return self.connection.execute(f"from postgres_query('{_TARGET}', {text})").fetchall()

    def _ask(self, statements: str) -> None:
        """Let Postgres execute statements, with the name of the schema for `{schema}`."""
        text = sql_literal(self._in_schema(statements))
        self.connection.execute(f"call postgres_execute('{_TARGET}', {text})")

    def _in_schema(self, statements: str) -> str:
        return statements.replace("{schema}", sql_name(self.schema)).replace(
            "{schema_text}", sql_literal(self.schema)
        )


_LOGGED: Final = f"""
select table_name, structure_sha256, content_sha256
from {{schema}}.{LOG}
where exists (
    select 1
    from pg_catalog.pg_tables
    where schemaname = {{schema_text}} and tablename = table_name
)
"""


def postgres_type(column: Column) -> str:
    """Type of a column in Postgres.

    Raises
    ------
    PostgresError
        If there is none for it.
    """
    if column.is_nested:
        return "jsonb"
    if decimal := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", column.type):
        return f"numeric({decimal[1]}, {decimal[2]})"
    if column.type not in _TYPES:
        raise PostgresError(
            f"column {column.name} is {column.type}, which has no type in Postgres; cast it in "
            "its model"
        )
    return _TYPES[column.type]


def _definition(table: PublishedTable) -> str:
    """Statements that make a table with its key and comments, in schema `{schema}`."""
    name = f"{{schema}}.{sql_name(table.name)}"
    columns = [f"{sql_name(column.name)} {postgres_type(column)}" for column in table.columns]
    if table.key:
        columns.append(f"primary key ({', '.join(map(sql_name, table.key))})")
    comments = [f"comment on table {name} is {sql_literal(table.description)}"]
    comments.extend(
        f"comment on column {name}.{sql_name(column.name)} is {sql_literal(column.description)}"
        for column in table.columns
        if column.description
    )
    return "; ".join([f"create table {name} ({', '.join(columns)})", *comments])


def _expression(column: Column) -> str:
    """What is written into a column: nested values as JSON, without zero characters."""
    name = sql_name(column.name)
    if column.is_nested:
        return f"replace(to_json({name})::varchar, '\\u0000', '{_NO_CHARACTER}')::json"
    return name


def _cause(error: duckdb.Error) -> str:
    """What Postgres said, without the statements that it was told."""
    message = str(error)
    _, found, reason = message.rpartition("ERROR:")
    return " ".join((reason if found else message).split())
