"""What runs in a task of the engine: one query over a partition of the sales, or some fits.

This module travels with each job, so that a worker never has another version of it. It imports
only what a worker has: DuckDB and pyarrow. Fits need more of a worker; they run in a process of
their own, with the code of the package that the build has.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

#: What a task reports: the file with its result, rows read and written, or why it refused to run.
REPORT = "file string, n_read bigint, n_written bigint, problem string"
#: What a task with calls reports: the file with the result of each, and the hash of the file.
CALLS_REPORT = "call bigint, file string, sha256 string, problem string"
#: Libraries that every task needs in the version of the build: the same query, the same bytes.
LIBRARIES = ("duckdb", "pyarrow")
#: Numbers of threads of numerical libraries, as joblib sets them for its processes.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
#: In the folder of a job: the code of the package.
CODE = "code.zip"
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


@dataclass(frozen=True)
class Calls:
    """Calls of functions of the package, each with its arguments in a file.

    The files are pickles, so a task reads those alone whose hash came with the job: who can write
    to the shared folder cannot run anything.

    Attributes
    ----------
    folder
        URL of the folder of the job.
    code
        Hash of the file with the code.
    hashes
        Hash of the file of each call, in order.
    groups
        Numbers of the calls of each task.
    versions
        Versions of libraries that must be the same everywhere.
    """

    folder: str
    code: str
    hashes: Sequence[str]
    groups: Sequence[Sequence[int]]
    versions: Mapping[str, str]


def versions(libraries: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Versions of Python and of some libraries; `none` for one that is not installed."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in libraries:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def refusal(filesystem: Any, folder: str, expected: Mapping[str, str]) -> str | None:
    """Why this worker cannot do a job; None if it can."""
    found = versions([name for name in expected if name != "Python"])
    if wrong := [f"{name} {found[name]}" for name in found if found[name] != expected[name]]:
        shown = ", ".join(f"{name} {version}" for name, version in expected.items())
        return f"a worker has {', '.join(wrong)} instead of {shown}"
    try:
        filesystem.open_input_file(f"{folder}/{MARKER}").close()
    except FileNotFoundError:
        return f"a worker ({platform.node()}) cannot see the shared folder"
    return None


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

    filesystem, folder = fs.FileSystem.from_uri(order.folder)
    if problem := refusal(filesystem, folder, order.versions):
        yield report(problem)
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

    connection = duckdb.connect(config={"threads": 1, "temp_directory": tempfile.gettempdir()})

    def name(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    def qualified(*parts: str) -> str:
        return ".".join(map(name, parts))

    database = order.rows[0]
    # DuckDB takes a stream for one row; it would keep all rows and join the small tables to them
    settings = {"disabled_optimizers": "build_side_probe_side", **order.settings}
    try:
        for setting, value in settings.items():
            connection.execute(f"set {setting} = '{value}'")
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


def called(batches: Iterator[Any], calls: Calls) -> Iterator[Any]:
    """Make the calls of the groups that a partition names, and report the file of each result.

    They run in one process of their own: it has the code of the build whatever the worker has
    imported, it does not wait for other tasks of the worker, and its memory is given back.

    Raises
    ------
    RuntimeError
        If the process was killed; the engine tries the task again.
    """
    import pyarrow as pa
    from pyarrow import fs

    def report(rows: Sequence[Mapping[str, Any]]) -> Any:
        columns = {"call": pa.int64(), "file": pa.string(), "sha256": pa.string()}
        columns["problem"] = pa.string()
        return pa.RecordBatch.from_pydict(
            {
                name: pa.array([row.get(name) for row in rows], type_)
                for name, type_ in columns.items()
            }
        )

    groups = [group for batch in batches for group in batch.column(0).to_pylist()]
    numbers = [number for group in groups for number in calls.groups[group]]
    if not numbers:
        return
    filesystem, folder = fs.FileSystem.from_uri(calls.folder)
    if problem := refusal(filesystem, folder, calls.versions):
        yield report([{"problem": problem}])
        return
    given = {
        "folder": calls.folder,
        "calls": [[number, calls.hashes[number]] for number in numbers],
    }
    ended = subprocess.run(
        [sys.executable, "-m", "segmentation.engine.calls"],
        input=json.dumps(given),
        env={
            **os.environ,
            **dict.fromkeys(THREADS, "1"),  # there are tasks for all cores
            "PYTHONPATH": unpacked(filesystem, folder, calls.code),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode < 0:
        raise RuntimeError(
            f"a process with fits ended with signal {-ended.returncode}; the worker may have too"
            " little memory"
        )
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        yield report([{"problem": f"a process with fits failed: {last}"}])
        return
    yield report(json.loads(ended.stdout))


def unpacked(filesystem: Any, folder: str, sha256: str) -> str:
    """The code of a job as a folder of this worker, made once for all jobs with this code.

    The folder is kept, since numba keeps what it compiles beside the code.
    """
    home = Path(tempfile.gettempdir(), f"store_segments-{os.getuid()}")
    home.mkdir(mode=0o700, exist_ok=True)
    found = home.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise RuntimeError(f"{home} is there and open to others; delete it")
    place = home / sha256[:16]
    if place.exists():
        return str(place)
    content = filesystem.open_input_file(f"{folder}/{CODE}").read()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RuntimeError(f"{CODE} in the shared folder is not the one that the build wrote")
    new = tempfile.mkdtemp(dir=home)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(new)
    try:
        Path(new).rename(place)
    except OSError:  # another task was faster
        shutil.rmtree(new)
    return str(place)
