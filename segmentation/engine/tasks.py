"""What runs in a task of the engine: one query over one partition of the sales, in DuckDB.

This module travels with each job, so that a worker never has another version of it. It imports
only what a worker has: DuckDB and pyarrow.
"""

from __future__ import annotations

import itertools
import platform
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: What a task reports: the file with its result, rows read and written, or why it refused to run.
REPORT = "file string, n_read bigint, n_written bigint, problem string"
#: In the folder of a job: the file by which a worker sees that it reads the same folder.
MARKER = "job"
#: Name of the rows in a task; the views read them by way of `Order.rows`.
ROWS = "_rows"


@dataclass(frozen=True)
class Order:
    """One query, and everything that it needs beside the rows of a partition.

    Attributes
    ----------
    sql
        Query over `rows`.
    rows
        Database, schema and name under which the views know the rows.
    types
        DuckDB type of each column of the rows.
    folder
        URL of the folder of the job.
    tables
        Files with the small tables that the query reads, by database, schema and name.
    views
        Schema, name and query of each view, in the order in which they can be created.
    versions
        Versions of libraries that must be the same everywhere.
    settings
        Settings of DuckDB.
    """

    sql: str
    rows: tuple[str, str, str]
    types: Mapping[str, str]
    folder: str
    tables: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    views: Sequence[tuple[str, str, str]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


def versions() -> dict[str, str]:
    """Versions that decide about results: the same query gives the same bytes."""
    import duckdb
    import pyarrow

    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "duckdb": duckdb.__version__,
        "pyarrow": pyarrow.__version__,
    }


def computed(batches: Iterator[Any], order: Order) -> Iterator[Any]:
    """Run the query on a partition, write its result to the shared folder, and report the file.

    The file has a name that no other attempt uses. Only reported files are read, and the engine
    reports each partition once, however often it was tried.
    """
    import duckdb
    import pyarrow as pa
    from pyarrow import fs

    def report(problem: str | None = None, **facts: Any) -> Any:
        row = {"file": None, "n_read": 0, "n_written": 0, "problem": problem, **facts}
        types = [pa.string(), pa.int64(), pa.int64(), pa.string()]
        return pa.RecordBatch.from_pydict(
            {name: pa.array([row[name]], type_) for name, type_ in zip(row, types, strict=True)}
        )

    found = versions()
    if wrong := [f"{name} {found[name]}" for name in found if found[name] != order.versions[name]]:
        expected = ", ".join(f"{name} {version}" for name, version in order.versions.items())
        yield report(f"a worker has {', '.join(wrong)} instead of {expected}")
        return
    filesystem, folder = fs.FileSystem.from_uri(order.folder)
    try:
        filesystem.open_input_file(f"{folder}/{MARKER}").close()
    except FileNotFoundError:
        yield report(f"a worker ({platform.node()}) cannot see the shared folder")
        return
    first = next(batches, None)
    if first is None:
        return
    n_read = 0

    def counted() -> Iterator[Any]:
        nonlocal n_read
        for batch in itertools.chain([first], batches):
            n_read += batch.num_rows
            yield batch

    rows = pa.RecordBatchReader.from_batches(first.schema, counted())
    tables = {
        name: pa.ipc.open_file(filesystem.open_input_file(f"{folder}/{file}")).read_all()
        for name, file in order.tables.items()
    }
    file = f"{uuid.uuid4().hex}.arrow"
    n_written = 0
    try:
        with opened(rows, tables, order) as connection:
            if scans(connection, order.sql) > 1:  # a stream can be read once
                connection.register(ROWS, rows.read_all())
            result = connection.sql(order.sql).fetch_record_batch()
            with (
                filesystem.open_output_stream(f"{folder}/{file}") as stream,
                pa.ipc.new_file(
                    stream, result.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
                ) as writer,
            ):
                for batch in result:
                    writer.write_batch(batch)
                    n_written += batch.num_rows
    except duckdb.Error as error:
        yield report(" ".join(str(error).split()))
        return
    yield report(file=file, n_read=n_read, n_written=n_written)


def scans(connection: Any, sql: str) -> int:
    """How often the plan of a query reads the rows."""
    ((_, plan),) = connection.execute(f"explain (format json) {sql}").fetchall()
    return len(re.findall(r'"name": *"ARROW_SCAN"', plan))


def opened(rows: Any, tables: Mapping[tuple[str, str, str], Any], order: Order) -> Any:
    """A database in memory that has the rows and tables under the names of the build's database.

    A column that was not sent fails the query if it is read.

    Parameters
    ----------
    rows
        Arrow table or stream with some or all of the columns of `order.types`.
    tables
        Small tables by database, schema and name.
    order
        The job.
    """
    import duckdb

    connection = duckdb.connect(
        config={"threads": 1, "temp_directory": tempfile.gettempdir(), **order.settings}
    )

    def name(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    def qualified(*parts: str) -> str:
        return ".".join(map(name, parts))

    database = order.rows[0]
    try:
        connection.execute(f"attach if not exists ':memory:' as {name(database)}")
        places = [order.rows, *tables, *((database, *view[:2]) for view in order.views)]
        for schema in sorted({parts[1] for parts in places if parts[0] == database}):
            connection.execute(f"create schema if not exists {name(database)}.{name(schema)}")
        for parts, table in tables.items():
            connection.register("_table", table)
            kind = "table" if parts[0] == database else "temp table"
            connection.execute(f"create {kind} {qualified(*parts)} as from _table")
            connection.unregister("_table")
        connection.register(ROWS, rows)
        columns = ", ".join(
            f"{name(column)}::{type_} as {name(column)}"
            if column in rows.schema.names
            else f"error('a column was not sent')::{type_} as {name(column)}"
            for column, type_ in order.types.items()
        )
        connection.execute(f"create view {qualified(*order.rows)} as select {columns} from {ROWS}")
        for schema, view, sql in order.views:
            connection.execute(f"create view {qualified(database, schema, view)} as {sql}")
    except BaseException:
        connection.close()
        raise
    return connection
