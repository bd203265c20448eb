"""A Spark Connect engine as seen from the build: reached, checked, and given jobs."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import Any, Final

import pyarrow as pa
from pyarrow import dataset, fs

from segmentation.engine import tasks
from segmentation.engine.options import EngineError, EngineOptions, is_table
from segmentation.engine.tasks import MARKER, REPORT, Order
from segmentation.warehouse.secrets import without_secrets

#: Seconds that a server may take to answer.
_PATIENCE: Final = 10
#: Tasks of the check before a build, so that it is likely to meet every worker.
_N_PROBES: Final = 16
_PROBE: Final = ("probe", "engine", "rows")
_LOCK: Final = Lock()
_SESSIONS: Final[dict[str, Any]] = {}


@dataclass(frozen=True)
class Engine:
    """A Spark Connect server and the folder that it shares with this machine."""

    options: EngineOptions

    def check(self) -> None:
        """Look at everything that a build needs of the engine.

        Raises
        ------
        EngineError
            If the client is not installed, the server cannot be reached, workers have other
            versions, or workers and this machine do not see the same files in `shared`.
        """
        order = Order("select count(*) as n from probe.engine.rows", _PROBE, {"id": "BIGINT"}, "")
        probes = self.session.range(0, _N_PROBES, 1, _N_PROBES)
        with self.results(probes, order) as (found, _):
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
        try:
            from pyspark.cloudpickle import register_pickle_by_value  # noqa: PLC0415
            from pyspark.sql import SparkSession  # noqa: PLC0415
            from pyspark.sql.connect.client.retries import DefaultPolicy  # noqa: PLC0415
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
                    session = SparkSession.builder.remote(remote).create()
                # half a minute and not ten: a server that is gone rarely comes back
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
                return self.session.table(location)
            reader = self.session.read
            if self.options.format == "parquet":
                return reader.option("mergeSchema", "true").parquet(location)
            return reader.format(self.options.format).load(location)

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

    @contextmanager
    def results(
        self,
        frame: Any,
        order: Order,
        tables: Mapping[tuple[str, str, str], pa.Table] | None = None,
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

        Raises
        ------
        EngineError
            If a task refuses, the engine fails, or a result is not complete.
        """
        filesystem, root = self._filesystem()
        folder = f"{root}/store_segments-{uuid.uuid4().hex}"
        url = f"{self.options.shared_url.rstrip('/')}/{folder.rpartition('/')[2]}"
        try:
            with self._writable():
                filesystem.create_dir(folder, recursive=True)
                names = {name: f"table_{place}.arrow" for place, name in enumerate(tables or {})}
                for name, table in (tables or {}).items():
                    _write(filesystem, f"{folder}/{names[name]}", table)
                with filesystem.open_output_stream(f"{folder}/{MARKER}") as stream:
                    stream.write(b"store_segments\n")
            complete = replace(order, folder=url, tables=names, versions=tasks.versions())
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
        finally:
            if filesystem.get_file_info(folder).type == fs.FileType.Directory:
                filesystem.delete_dir(folder)

    def _reports(self, frame: Any, order: Order) -> list[dict[str, Any]]:
        """Run the tasks; what they report, without those that had no rows."""
        computed = tasks.computed  # the function travels, and not the name of its module

        def task(batches: Iterator[Any]) -> Iterator[Any]:
            yield from computed(batches, order)

        with self.explained():
            # one more stage: some engines try a task again only if another one reads its result
            reports = frame.mapInArrow(task, REPORT).repartition(1).toArrow().to_pylist()
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
        from pyspark.errors import PySparkException  # noqa: PLC0415

        try:
            yield
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
    return str(without_secrets(lines[-1] if traced else lines[0]))
