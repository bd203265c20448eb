"""A Spark Connect engine as seen from the build: reached, checked, and given jobs."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self, TypeVar

import pyarrow as pa
from pyarrow import dataset, fs

from segmentation.engine import tasks
from segmentation.engine.calls import call_file, read_verified, write_pickle
from segmentation.engine.options import EngineError, EngineOptions, is_table
from segmentation.engine.tasks import CALLS_REPORT, CODE, LIBRARIES, MARKER, REPORT, Calls, Order
from segmentation.warehouse.code import package_archive
from segmentation.warehouse.secrets import without_secrets

_Result = TypeVar("_Result")

#: Seconds that a server may take to answer.
_PATIENCE: Final = 10
#: Tasks of the check before a build, so that it is likely to meet every worker.
_N_PROBES: Final = 16
#: What a table with versions keeps beside its files.
_LOGS: Final = {"delta": "_delta_log/*.json", "iceberg": "metadata/*.metadata.json"}
_MOST_LINES: Final = 3
#: A server that freezes during a job is given up; Spark allows one ping in five minutes.
_KEEP_ALIVE: Final = {
    "grpc.keepalive_time_ms": 310_000,
    "grpc.keepalive_timeout_ms": 30_000,
    "grpc.http2.max_pings_without_data": 0,
}
_INFERENCE: Final = "spark.sql.sources.partitionColumnTypeInference.enabled"
_PROBE: Final = ("probe", "engine", "rows")
_LOCK: Final = Lock()
_SESSIONS: Final[dict[str, Any]] = {}


@dataclass(frozen=True)
class Engine:
    """A Spark Connect server and the folder that it shares with this machine."""

    options: EngineOptions

    @classmethod
    def from_var(cls, given: object) -> Self | None:
        """The engine of the var `engine`; None where no engine is set.

        Raises
        ------
        EngineError
            As `EngineOptions.from_var`.
        """
        options = EngineOptions.from_var(given)
        return cls(options) if options else None

    def check(self, libraries: Sequence[str] = ()) -> None:
        """Look at everything that a build needs of the engine.

        Parameters
        ----------
        libraries
            Libraries that workers need in the same version beside those of every task.

        Raises
        ------
        EngineError
            If the client is not installed, the server cannot be reached, workers have other
            versions, or workers and this machine do not see the same files in `shared`.
        """
        order = Order("select count(*) as n from probe.engine.rows", _PROBE, {"id": "BIGINT"}, "")
        probes = self.session.range(0, _N_PROBES, 1, _N_PROBES)
        with self.results(probes, order, libraries=libraries) as (found, _):
            n_rows = sum(found.to_table()["n"].to_pylist())
        if n_rows != _N_PROBES:
            raise EngineError(f"{self._address}: the engine counts {n_rows} of {_N_PROBES} rows")

    @cached_property
    def session(self) -> Any:
        """The session of Spark Connect; one per server and process.

        Raises
        ------
        EngineError
            If the client is not installed or the server cannot be reached.
        """
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its messages are in the errors, too
        try:
            from pyspark.cloudpickle import register_pickle_by_value  # noqa: PLC0415
            from pyspark.sql.connect.client import DefaultChannelBuilder  # noqa: PLC0415
            from pyspark.sql.connect.client.retries import DefaultPolicy  # noqa: PLC0415
            from pyspark.sql.connect.session import SparkSession  # noqa: PLC0415
        except ImportError as error:
            raise EngineError(
                f"{self._address}: the package pyspark-client is not installed; run make engine,"
                " or pip install --require-hashes -r requirements-engine.txt"
            ) from error
        remote = self.options.remote
        self._reach()
        with _LOCK:
            if remote not in _SESSIONS:
                register_pickle_by_value(tasks)
                with self.explained("cannot be used"):
                    channel = DefaultChannelBuilder(remote, list(_KEEP_ALIVE.items()))
                    session = SparkSession.builder.channelBuilder(channel).create()
                    # half a minute and not ten: a server that is gone rarely comes back
                    # 007 is an id, also as the name of a folder
                    session.conf.set(_INFERENCE, "false")
                policy = DefaultPolicy(max_retries=7, max_backoff=10_000)
                session.client.set_retry_policies([policy])
                _SESSIONS[remote] = session
            return _SESSIONS[remote]

    def _reach(self) -> None:
        """Refuse a server that does not answer, before a client tries for minutes."""
        host, port = self.options.host_and_port
        try:
            socket.create_connection((host, port), _PATIENCE).close()
        except OSError as error:
            raise EngineError(
                f"{self._address} cannot be reached ({error.strerror or error}); start the Spark"
                " Connect server, or correct the address"
            ) from error

    def frame(self, location: str) -> Any:
        """The rows at a location, or of a table of the catalog, as a lazy frame of Spark."""
        with self.explained(f"cannot read {location!r}"):
            if is_table(location):
                return self.session.table(_quoted(location))
            reader = self.session.read
            if self.options.format == "parquet":
                return reader.option("mergeSchema", "true").parquet(location)
            return reader.format(self.options.format).load(location)

    def refuse_other_format(self, location: str) -> None:
        """Refuse Delta and Iceberg tables read as Parquet: rows that were deleted would count.

        Raises
        ------
        EngineError
            If the location is a table of another format than `engine.format`.
        """
        if is_table(location) or self.options.format != "parquet":
            return
        folder = re.split(r"[*?{\[]", location)[0]
        folder = folder.rpartition("/")[0] if folder != location else folder.rstrip("/")
        for kind, log in _LOGS.items():
            if self._has_text(f"{folder}/{log}"):
                raise EngineError(f"{location!r} is a table of {kind}; set engine.format: {kind}")

    def _has_text(self, location: str) -> bool:
        """Whether the engine finds text files at a location."""
        from pyspark.errors import PySparkException  # noqa: PLC0415

        try:
            return bool(self.session.read.text(location).limit(1).toArrow().num_rows)
        except PySparkException:  # there are none
            return False

    def frames_of_files(self, location: str) -> dict[str, Any]:
        """The rows of each Parquet file at a location; empty for tables and other formats.

        The files of a table, also of Delta and Iceberg, are the business of the engine.
        """
        if is_table(location) or self.options.format != "parquet":
            return {}
        with self.explained(f"cannot read {location!r}"):
            files = sorted(self.frame(location).inputFiles())
            return {file: self.session.read.parquet(file) for file in files}

    def schema(self, location: str) -> pa.Schema:
        """Columns and types at a location."""
        with self.explained(f"cannot read {location!r}"):
            found: pa.Schema = self.frame(location).limit(0).toArrow().schema
        if not found.names:
            raise EngineError(f"cannot read {location!r}: the engine finds no columns there")
        return found

    def count(self, location: str) -> int:
        """Number of rows at a location, or of a table of the catalog."""
        with self.explained(f"cannot read {location!r}"):
            return int(self.frame(location).count())

    def create_schema(self, name: str) -> None:
        """Create a schema of the catalog unless it is there."""
        with self.explained(f"cannot create the schema {name}"):
            if not self.session.catalog.databaseExists(name):
                self.session.sql(f"create schema if not exists {_quoted(name)}")

    def replace_table(self, target: str, file: Path) -> None:
        """Give a table, of the catalog or at a location, the rows of a local Parquet file.

        Raises
        ------
        EngineError
            If the file cannot be sent by way of `shared`, or the engine fails.
        """
        with self._job() as (filesystem, folder, url):
            with (
                self._writable(),
                file.open("rb") as source,
                filesystem.open_output_stream(f"{folder}/{file.name}") as sent,
            ):
                sent.upload(source)
            with self.explained(f"cannot write {target!r}"):
                rows = self.session.read.parquet(f"{url}/{file.name}")
                writer = rows.write.format(self.options.format).mode("overwrite")
                writer = writer.option("overwriteSchema", "true")  # of Delta: columns may change
                if is_table(target):
                    writer.saveAsTable(_quoted(target))
                else:
                    writer.save(target)

    @contextmanager
    def results(
        self,
        frame: Any,
        order: Order,
        tables: Mapping[tuple[str, str, str], pa.Table] | None = None,
        libraries: Sequence[str] = (),
    ) -> Iterator[tuple[dataset.Dataset, int]]:
        """Results of a query on each partition, and the number of rows that were read.

        The files are in a folder of this job, which is deleted at the end of the block.

        Parameters
        ----------
        frame
            Rows, as they are to be partitioned.
        order
            The query; folder, files and versions are filled in here.
        tables
            Small tables that the query reads.
        libraries
            As in `check`.

        Raises
        ------
        EngineError
            If a task refuses, the engine fails, or a result is not complete.
        """
        with self._job() as (filesystem, folder, url):
            names = {name: f"table_{place}.arrow" for place, name in enumerate(tables or {})}
            with self._writable():
                for name, table in (tables or {}).items():
                    _write(filesystem, f"{folder}/{names[name]}", table)
            versions = tasks.versions([*LIBRARIES, *libraries])
            complete = replace(order, folder=url, tables=names, versions=versions)
            reports = self._reports(frame, complete)
            paths = [f"{folder}/{report['file']}" for report in reports]
            try:
                found = dataset.dataset(paths, filesystem=filesystem, format="ipc")
                n_found = found.count_rows()
            except (OSError, pa.ArrowException) as error:
                raise EngineError(self._not_shared(str(error))) from error
            n_written = sum(report["n_written"] for report in reports)
            if n_found != n_written:
                raise EngineError(self._not_shared(f"{n_found:,} of {n_written:,} rows arrived"))
            yield found, sum(report["n_read"] for report in reports)

    def each(
        self,
        function: Callable[..., _Result],
        given: Sequence[Sequence[Any]],
        libraries: Sequence[str] = (),
    ) -> Iterator[_Result]:
        """Results of calls in order; the calls are made in tasks, by the code that runs here.

        Arguments and results are exchanged in `shared`.

        Parameters
        ----------
        function
            Called once with each of `given`; importable from a module of the package.
        given
            Lists of arguments that can be pickled.
        libraries
            As in `check`.

        Raises
        ------
        EngineError
            If a task refuses, a call raises an error, the engine fails, or a result is missing.
        """
        if not given:
            return
        with self._job() as (filesystem, folder, url):
            with self._writable():
                hashes = [
                    write_pickle(filesystem, f"{folder}/{call_file(place)}", (function, arguments))
                    for place, arguments in enumerate(given)
                ]
                code = package_archive()
                with filesystem.open_output_stream(f"{folder}/{CODE}") as stream:
                    stream.write(code)
            sizes = [
                info.size
                for info in filesystem.get_file_info(
                    [f"{folder}/{call_file(place)}" for place in range(len(given))]
                )
            ]
            groups = _dealt(sizes, self._n_tasks(len(given)))
            calls = Calls(
                folder=url,
                code=hashlib.sha256(code).hexdigest(),
                hashes=hashes,
                groups=groups,
                versions=tasks.versions([*LIBRARIES, *libraries]),
            )
            called = tasks.called

            def task(batches: Iterator[Any]) -> Iterator[Any]:
                yield from called(batches, calls)

            frame = self.session.range(0, len(groups), 1, len(groups))
            reports = self._reported(frame, task, CALLS_REPORT)
            found = {report["call"]: report for report in reports}
            if len(found) < len(given):
                raise EngineError(self._not_shared(f"{len(found)} of {len(given)} results arrived"))
            for place in range(len(given)):
                path = f"{folder}/{found[place]['file']}"
                try:
                    yield read_verified(filesystem, path, found[place]["sha256"])
                except (OSError, ValueError) as error:
                    raise EngineError(self._not_shared(_line(error))) from error

    def _n_tasks(self, n_calls: int) -> int:
        """Number of tasks for some calls: two for each core.

        Spark cuts a range into as many partitions as it has cores. An engine that leaves it in one
        is a single machine, as Sail is by default; the worker says how many cores that has.
        """
        if self.options.partitions != "auto":
            return min(n_calls, self.options.partitions)

        def cores(batches: Iterator[Any]) -> Iterator[Any]:
            for _ in batches:
                pass
            yield pa.RecordBatch.from_pydict({"n_cores": [len(os.sched_getaffinity(0))]})

        with self.explained():
            frame = self.session.range(n_calls).mapInArrow(cores, "n_cores bigint")
            found = frame.toArrow()["n_cores"].to_pylist()
        return min(n_calls, 2 * (len(found) if len(found) > 1 else max(found)))

    @contextmanager
    def _job(self) -> Iterator[tuple[fs.FileSystem, str, str]]:
        """A new folder in `shared`, by path and by URL; it is deleted at the end of the block."""
        filesystem, root = self._filesystem()
        folder = f"{root}/store_segments-{uuid.uuid4().hex}"
        url = f"{self.options.shared_url.rstrip('/')}/{folder.rpartition('/')[2]}"
        try:
            if isinstance(filesystem, fs.LocalFileSystem) and not Path(root).parent.is_dir():
                raise EngineError(self._not_shared(f"there is no folder {Path(root).parent}"))
            with self._writable():
                filesystem.create_dir(folder, recursive=True)
                with filesystem.open_output_stream(f"{folder}/{MARKER}") as stream:
                    stream.write(b"store_segments\n")
            yield filesystem, folder, url
        finally:
            if filesystem.get_file_info(folder).type == fs.FileType.Directory:
                filesystem.delete_dir(folder)

    def _reports(self, frame: Any, order: Order) -> list[dict[str, Any]]:
        """Run a query in tasks; what they report, without those that had no rows."""
        computed = tasks.computed  # the function travels, and not the name of its module

        def task(batches: Iterator[Any]) -> Iterator[Any]:
            yield from computed(batches, order)

        return self._reported(frame, task, REPORT)

    def _reported(self, frame: Any, task: Callable[..., Any], schema: str) -> list[dict[str, Any]]:
        """Run a function in tasks; its reports."""
        import grpc  # noqa: PLC0415 (only with an engine)
        from pyspark.errors import PySparkException, RetriesExceeded  # noqa: PLC0415

        # one more stage: some engines try a task again only if another one reads its result
        job = frame.mapInArrow(task, schema).repartition(1)
        try:
            reports = job.toArrow().to_pylist()
        except (PySparkException, grpc.RpcError) as error:
            self._reach()
            with self.explained():
                if isinstance(error, RetriesExceeded):
                    raise
                # Sail gives up where the result of the task that failed was being read
                reports = job.toArrow().to_pylist()
        for report in reports:
            if report["problem"]:
                raise EngineError(self._refusal(report["problem"]))
        return list(reports)

    def _filesystem(self) -> tuple[fs.FileSystem, str]:
        try:
            filesystem, root = fs.FileSystem.from_uri(self.options.shared_url)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise EngineError(f"engine.shared: {self._shared}: {_line(error)}") from error
        return filesystem, str(root).rstrip("/")

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise EngineError(
                f"engine.shared: {self._shared} cannot be written: {_line(error)}; name a folder or"
                " a URL that this machine and all workers can write"
            ) from error

    @contextmanager
    def explained(self, what: str = "the job failed") -> Iterator[None]:
        """Errors of the engine on one line."""
        import grpc  # noqa: PLC0415 (only with an engine)
        from pyspark.errors import PySparkException, RetriesExceeded  # noqa: PLC0415

        try:
            yield
        except RetriesExceeded as error:
            cause = _line(error.__cause__ or error)
            raise EngineError(
                f"{self._address}: {what}: {cause}; is it a Spark Connect server, and does the"
                " address ask for TLS (a token does) where there is none?"
            ) from error
        except (PySparkException, grpc.RpcError) as error:
            raise EngineError(f"{self._address}: {what}: {_line(error)}") from error

    def _refusal(self, problem: str) -> str:
        if "cannot see the shared folder" in problem:
            return self._not_shared(problem)
        if problem.startswith("a worker has"):
            return (
                f"{self._address}: {problem}; install requirements-engine.txt on the workers, so"
                " that they compute the same"
            )
        return problem

    def _not_shared(self, cause: str) -> str:
        return (
            f"engine.shared: {self._shared}: {cause}; name a folder or a URL that this machine and"
            " all workers read and write"
        )

    @property
    def _address(self) -> str:
        return f"engine.remote: {self.options.shown}"

    @property
    def _shared(self) -> str:
        return str(without_secrets(self.options.shared))


def _quoted(name: str) -> str:
    """A name of the catalog in SQL of Spark; parts may have a dash."""
    return ".".join(f"`{part}`" for part in name.split("."))


def _dealt(sizes: Sequence[int], n_groups: int) -> list[list[int]]:
    """Places of some sizes in groups of about the same sum: the largest first, to the smallest."""
    groups: list[list[int]] = [[] for _ in range(n_groups)]
    sums = [0] * n_groups
    for place in sorted(range(len(sizes)), key=lambda place: (-sizes[place], place)):
        smallest = sums.index(min(sums))
        groups[smallest].append(place)
        sums[smallest] += sizes[place]
    return groups


def _write(filesystem: fs.FileSystem, path: str, table: pa.Table) -> None:
    with (
        filesystem.open_output_stream(path) as stream,
        pa.ipc.new_file(stream, table.schema) as writer,
    ):
        writer.write_table(table)


def _line(error: BaseException) -> str:
    """The line of a message that names the cause: the last one of a traceback, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
    details = getattr(error, "details", None)
    if callable(details) and details():
        lines = [" ".join(str(details()).split())]
    traced = any(line.startswith("Traceback") for line in lines)
    if lines[0].endswith(":") and not traced:
        lines[0] = " ".join(lines[:_MOST_LINES])
    return str(without_secrets(lines[-1] if traced else lines[0]))
