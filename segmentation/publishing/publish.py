"""A finished build as a file of its own, that readers open while the next build runs."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import duckdb
import jinja2

from segmentation.warehouse.database import is_file, sql_literal, sql_name

_PICTURE: Final = re.compile(r"!\[[^\]]*\]\([^)]*\)")
#: Name under which the unfinished file is attached.
_ALIAS: Final = "store_segments_unfinished"
#: Format of the file, which decides what may open it: DuckDB 2.0 writes a newer one by default
#: (https://duckdb.org/docs/stable/internals/storage).
STORAGE_VERSION: Final = "v1.0.0"
#: Oldest version of DuckDB that a test opens the file with; 1.0 cannot load the table macros.
OLDEST_CLIENT: Final = "1.1.3"
#: Folders in which builds write their unfinished files, beside the published one.
_FOLDERS: Final = ".store_segments_unfinished-"
#: Seconds in which a new folder is certainly locked.
_RECENT: Final = 60
#: Everyone who can read the folder can read the file; nobody can write to it.
_MODE: Final = 0o444
#: Tables of the file about itself, in `main`.
_OF_THE_FILE: Final = frozenset({"tables", "queries"})
#: Where examples of arguments of queries come from, if the table is published.
_EXAMPLES: Final = "store_segments"
_EXAMPLE_COLUMNS: Final = {
    "store": "store_id",
    "category_name": "category",
    "segment": "segment_id",
}


@dataclass(frozen=True)
class Table:
    """A table to publish: where it is, and what dbt says of it.

    `columns` are descriptions by name, `key` the columns that identify a row, where there are any.
    `view` is the dbt model of a view; empty for a table. Where dbt enforces a contract, `types` are
    the types of all columns, `required` those that are never null, and `labels` further properties.
    """

    schema: str
    name: str
    description: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    key: Sequence[str] = ()
    view: str = ""
    types: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        """Schema and name, quoted."""
        return f"{sql_name(self.schema)}.{sql_name(self.name)}"

    def as_view(self, tables: Mapping[str, str]) -> str | None:
        """SQL that creates the view, None for a table and for a view of anything but `tables`."""
        body = self.view and _rendered(self.view, tables, config=lambda **_: "")
        return f"create view {self.sql} as (\n{body}\n)" if body else None


@dataclass(frozen=True)
class Macro:
    """A query as a macro: `sql` creates it, `arguments` are its parameters with an example each."""

    name: str
    arguments: Mapping[str, str]
    sql: str

    @property
    def signature(self) -> str:
        """Name and parameters."""
        return f"{self.name}({', '.join(self.arguments)})"

    def call(self, values: Mapping[str, str]) -> str:
        """Query that calls it with the given arguments."""
        return (
            f"from {self.name}({', '.join(sql_literal(values[name]) for name in self.arguments)});"
        )


@dataclass(frozen=True)
class Query:
    """A dbt analysis: it asks for tables with `ref(...)` and for values with `argument(...)`."""

    name: str
    description: str
    template: str

    def macro(self, tables: Mapping[str, str]) -> Macro | None:
        """The query as a table macro, each `argument(name, example)` a parameter of it.

        None if it asks for anything but `tables` (name to SQL) and arguments: what is not published
        can only be asked for by dbt.
        """
        examples: dict[str, str] = {}

        def argument(name: str, example: str) -> str:
            examples.setdefault(name, example)
            return name

        body = _rendered(self.template, tables, argument=argument)
        if body is None:
            return None
        parameters = f"{self.name}({', '.join(examples)})"
        sql = f"create macro main.{parameters} as table (\n{body}\n)"
        return Macro(self.name, examples, sql)


def _rendered(
    template: str, tables: Mapping[str, str], **functions: Callable[..., str]
) -> str | None:
    """SQL of a dbt model or analysis, None if it asks for anything but `tables` and `functions`."""
    sql = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701 (no HTML)
    try:
        return sql.from_string(template).render(ref=lambda *names: tables[names[-1]], **functions)
    except (KeyError, TypeError, jinja2.TemplateError):
        return None


def plain_text(description: str) -> str:
    """A description without pictures and line breaks."""
    return " ".join(_PICTURE.sub("", description).split())


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
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    queries: Sequence[Query],
    path: Path,
    beside: Mapping[Path, str] = MappingProxyType({}),
) -> None:
    """Copy tables and views into a new file and put it in the place of the old one.

    A view of nothing but published tables stays one, and a table is found without its schema too,
    as a view in `main`. The file says of itself what is in it: tables and columns have their
    descriptions as comments, `main.tables` lists the tables with their keys, `main.queries` the
    queries, and each query is a macro. It is written in a folder of this build
    and renamed when it is complete and on disk, so that a reader has the old one or the new one:
    a client that has the old one open keeps it (POSIX `rename`).
    If anything fails before the renames, the old files stay as they are.

    Parameters
    ----------
    connection
        Connection to the database, without an open transaction.
    tables
        What is copied; other views become tables.
    queries
        What becomes a macro.
    path
        The published file.
    beside
        Texts by path, in the same folder; they are replaced right after the published file.

    Raises
    ------
    OSError, duckdb.Error
        If a file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    with _own_folder(path.parent) as folder:
        unfinished = folder / path.name
        _write(connection, tables, queries, unfinished)
        unfinished.chmod(_MODE)
        _to_disk(unfinished)
        for place, text in beside.items():
            new = folder / place.name
            new.write_text(text, encoding="utf-8")
            _to_disk(new)
        unfinished.replace(path)
        for place in beside:
            (folder / place.name).replace(place)
        _to_disk(path.parent)


def _write(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    queries: Sequence[Query],
    unfinished: Path,
) -> None:
    """Write the new file (`publish`), whose name is that of the published one."""
    (database,) = connection.execute("select current_database()").fetchone() or ("",)
    names = {table.name: table.sql for table in tables}
    schemas = sorted({table.schema for table in tables})
    copied = {table.name: table.sql for table in tables if not table.view}
    views = {table.name: view for table in tables if (view := table.as_view(copied))}
    shortcuts = {name: sql for name, sql in names.items() if name not in _OF_THE_FILE}
    # `a.b` in a view could be the table b of the schema a or of the file
    if unfinished.stem in schemas:
        views, shortcuts = {}, {}
    connection.execute(
        f"attach {sql_literal(str(unfinished))} as {_ALIAS}"
        f" (storage_version {sql_literal(STORAGE_VERSION)})"
    )
    try:
        with _one_transaction(connection):
            for schema in schemas:
                connection.execute(f"create schema {_ALIAS}.{sql_name(schema)}")
            for table in tables:
                if table.name in views:
                    continue
                source = f"{sql_name(database)}.{table.sql}"
                connection.execute(f"create table {_ALIAS}.{table.sql} as from {source}")
    finally:
        connection.execute(f"detach {_ALIAS}")
    # alone and under another name: a database may be called like one of its schemas
    with duckdb.connect() as alone:
        alone.execute(f"attach {sql_literal(str(unfinished))} as {_ALIAS}")
        alone.execute(f"use {_ALIAS}")
        with _one_transaction(alone):
            for view in views.values():
                alone.execute(view)
            _describe(alone, tables, views)
            for name, sql in shortcuts.items():
                alone.execute(f"create view main.{sql_name(name)} as from {sql}")
        _add_queries(alone, names, queries)


@contextmanager
def _one_transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Keep all statements or none, and wait for the disk once."""
    connection.begin()
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # the first error is the one to tell
            connection.rollback()
        raise
    connection.commit()


def _describe(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], views: Container[str]
) -> None:
    """Write down what the tables are, as comments for clients and as a table for programs."""
    connection.execute(
        "create table main.tables"
        " (schema_name varchar, table_name varchar, description varchar, key_columns varchar[])"
    )
    for table in tables:
        description = plain_text(table.description)
        connection.execute(
            "insert into main.tables values (?, ?, ?, ?)",
            [table.schema, table.name, description, list(table.key)],
        )
        kind = "view" if table.name in views else "table"
        comments = [f"comment on {kind} {table.sql} is {sql_literal(description)}"]
        for name, *_ in connection.execute(f"describe {table.sql}").fetchall():
            if text := plain_text(table.columns.get(name, "")):
                column = f"{table.sql}.{sql_name(name)}"
                comments.append(f"comment on column {column} is {sql_literal(text)}")
        connection.execute(";".join(comments))


def _add_queries(
    connection: duckdb.DuckDBPyConnection, names: Mapping[str, str], queries: Sequence[Query]
) -> None:
    """Make a macro of every query, and a table that lists them with an example of their use.

    A query that DuckDB refuses is listed with the reason: no slip in an analysis holds up a build.
    """
    connection.execute(
        "create table main.queries (query varchar, description varchar, example varchar)"
    )
    for query in queries:
        macro = query.macro(names)
        if macro is None:
            continue
        description = plain_text(query.description)
        try:
            connection.execute(macro.sql)
            example = macro.call(_examples(connection, macro.arguments, names))
        except duckdb.Error as error:
            description, example = f"cannot be asked: {plain_text(str(error))}", ""
        connection.execute(
            "insert into main.queries values (?, ?, ?)", [macro.signature, description, example]
        )


def _examples(
    connection: duckdb.DuckDBPyConnection, given: Mapping[str, str], names: Mapping[str, str]
) -> Mapping[str, str]:
    """Arguments that exist in the published data, the given ones where they do."""
    columns = {name: _EXAMPLE_COLUMNS[name] for name in given if name in _EXAMPLE_COLUMNS}
    if not columns or _EXAMPLES not in names:
        return given
    matches = " + ".join(f"({column} = ?)::integer" for column in columns.values())
    row = connection.execute(
        f"select {', '.join(columns.values())} from {names[_EXAMPLES]}"  # noqa: S608
        f" order by {matches} desc, category, segment_id, store_id limit 1",
        [given[name] for name in columns],
    ).fetchone()
    return {**given, **dict(zip(columns, row or (), strict=False))}


@contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    """A new folder for the files of this build alone, locked while the build writes to it."""
    folder = Path(tempfile.mkdtemp(prefix=_FOLDERS, dir=parent))
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks have no locks
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _remove_leftovers(parent: Path) -> None:
    """Delete the folders of builds that were killed: those that no process has locked.

    A recent one may not be locked yet. Without locks (some network disks), all of them stay.
    """
    for folder in parent.glob(f"{_FOLDERS}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < _RECENT:
                continue
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
