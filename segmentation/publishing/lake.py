"""The published file as Parquet files, in a folder or an object store.

Every run has a folder of its own, and the pointer file `latest.json` names the folder to read::

    latest.json
    runs/20261128T183000Z-<run id>/tables.json
    runs/20261128T183000Z-<run id>/segments/store_segments.parquet
    ...
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from pyarrow import fs

from segmentation.publishing.published import (
    PublishedTable,
    PublishingError,
    Run,
    last_run,
    published_file,
    published_tables,
)
from segmentation.warehouse.database import sql_literal
from segmentation.warehouse.secrets import without_secrets

#: The pointer: which folder to read.
LATEST: Final = "latest.json"
#: In the folder of a run: its tables, with their files, keys, columns and descriptions.
CONTENTS: Final = "tables.json"
#: Runs that stay, the latest included, unless `STORE_SEGMENTS_PARQUET_RUNS` says otherwise.
DEFAULT_RUNS: Final = 5
_RUNS: Final = "runs"
#: Folders that a publication made. Nothing else is ever deleted.
_RUN_FOLDER: Final = re.compile(r"\d{8}T\d{6}Z-.+")


class LakeError(PublishingError):
    """The lake cannot be written; the message says why and what state it is in."""


@dataclass(frozen=True)
class Publication:
    """A finished publication: its folder below the location, and the number of its tables."""

    folder: str
    n_tables: int


def runs_to_keep(given: str) -> int:
    """Number of runs that stay in the lake, from the environment variable; `DEFAULT_RUNS` if empty.

    Raises
    ------
    LakeError
        If it is not a whole number of at least 1.
    """
    if not given:
        return DEFAULT_RUNS
    if not re.fullmatch(r"0*[1-9]\d*", given, re.ASCII):
        raise LakeError(
            f"STORE_SEGMENTS_PARQUET_RUNS: {given!r} is not allowed;"
            " set it to the number of runs to keep, at least 1"
        )
    return int(given)


def publish_to_lake(path: Path, location: str, n_runs: int = DEFAULT_RUNS) -> Publication:
    """Write every table of the published file as a Parquet file and point `latest.json` to them.

    All files go into the folder of the run that made the published file. The pointer is written
    last, so that a reader who starts from it gets the tables of one run. Publishing the same run
    again writes all of its files again, which also replaces files that were deleted or damaged.
    Then the oldest runs are deleted.

    Parameters
    ----------
    path
        The published file.
    location
        Folder, or URL of an object store that Arrow supports (`s3://`, `gs://`, `abfss://`).
        Credentials come from the environment.
    n_runs
        Number of runs that stay, this one included.

    Raises
    ------
    PublishedFileError
        If there is no published file.
    LakeError
        If the location cannot be written; the pointer then names the same run as before. Also if
        older runs cannot be deleted after the pointer was written.
    """
    try:
        lake = _Lake.at(location)
        with published_file(path) as connection, tempfile.TemporaryDirectory() as folder:
            run = last_run(connection)
            run_folder = f"{_RUNS}/{run.started_at:%Y%m%dT%H%M%SZ}-{run.run_id}"
            tables = published_tables(connection)
            entries = []
            for table in tables:
                file = Path(folder) / "table.parquet"
                _write_parquet(connection, table, file)
                name = f"{table.schema}/{table.name}.parquet"
                lake.upload(file, f"{run_folder}/{name}")
                entries.append(_entry(table, name, file))
        lake.write({**_facts(run), "tables": entries}, f"{run_folder}/{CONTENTS}")
        lake.write({**_facts(run), "folder": run_folder}, LATEST)
    except (OSError, ValueError, pa.ArrowException, duckdb.Error) as error:
        shown, cause = _shown(location, error)
        raise LakeError(
            f"{shown} cannot be written: {cause}; readers still get the run published before"
        ) from error
    try:
        lake.prune(run_folder, n_runs)
    except (OSError, ValueError, pa.ArrowException) as error:
        shown, cause = _shown(location, error)
        raise LakeError(
            f"{shown} has the new run, but older runs cannot be deleted: {cause}"
        ) from error
    return Publication(run_folder, len(tables))


def _shown(location: str, error: Exception) -> tuple[str, str]:
    """Location and cause of an error as a message shows them."""
    cause = " ".join(str(error).split())
    return str(without_secrets(location)), str(without_secrets(cause))


def _facts(run: Run) -> dict[str, Any]:
    """Which run it is, for JSON."""
    return {"run_id": run.run_id, "run_started_at": f"{run.started_at.isoformat()}Z"}


def _entry(table: PublishedTable, path: str, file: Path) -> dict[str, Any]:
    """A table as `tables.json` describes it."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "schema": table.schema,
        "name": table.name,
        "description": table.description,
        "path": path,
        "sha256": digest,
        "n_rows": table.n_rows,
        "key": list(table.key),
        "columns": [dict(vars(column)) for column in table.columns],
    }


def _write_parquet(
    connection: duckdb.DuckDBPyConnection, table: PublishedTable, file: Path
) -> None:
    """Write a table with its descriptions among the metadata."""
    descriptions = {column.name: column.description for column in table.columns}
    metadata = (
        f"{{description: {sql_literal(table.description)},"
        f" columns: {sql_literal(json.dumps(descriptions, ensure_ascii=False))}}}"
    )
    connection.execute(
        f"copy (from {table.sql}) to {sql_literal(str(file))}"
        f" (format parquet, compression zstd, kv_metadata {metadata})"
    )


@dataclass(frozen=True)
class _Lake:
    """A folder of an Arrow file system."""

    filesystem: fs.FileSystem
    folder: str

    @classmethod
    def at(cls, location: str) -> _Lake:
        """Lake in a folder or at a URL; a missing folder is created when a file is written."""
        url = location if "://" in location else Path(location).resolve().as_uri()
        return cls(*fs.FileSystem.from_uri(url))

    def upload(self, file: Path, path: str) -> None:
        """Copy a local file."""
        with file.open("rb") as source, self._written(path) as target:
            target.upload(source)

    def write(self, content: dict[str, Any], path: str) -> None:
        """Write a JSON file."""
        with self._written(path) as target:
            target.write(json.dumps(content, indent=1, ensure_ascii=False).encode())

    def prune(self, run_folder: str, n_runs: int) -> None:
        """Delete the oldest runs until `n_runs` are left; never the one just published."""
        selector = fs.FileSelector(f"{self.folder}/{_RUNS}", allow_not_found=True)
        names = sorted(
            info.base_name
            for info in self.filesystem.get_file_info(selector)
            if info.type == fs.FileType.Directory
            and _RUN_FOLDER.fullmatch(info.base_name)
            and f"{_RUNS}/{info.base_name}" != run_folder
        )
        for name in names[: max(len(names) - n_runs + 1, 0)]:
            self.filesystem.delete_dir(f"{self.folder}/{_RUNS}/{name}")

    @contextmanager
    def _written(self, path: str) -> Iterator[pa.NativeFile]:
        """Stream into a file that appears under its name once it is complete.

        Object stores do so by themselves; a local file is written beside its place and renamed.
        """
        complete = f"{self.folder}/{path}"
        if not isinstance(self.filesystem, fs.LocalFileSystem):
            with self.filesystem.open_output_stream(complete) as stream:
                yield stream
            return
        unfinished = f"{complete}.unfinished"
        self.filesystem.create_dir(complete.rpartition("/")[0], recursive=True)
        with self.filesystem.open_output_stream(unfinished) as stream:
            yield stream
        self.filesystem.move(unfinished, complete)
