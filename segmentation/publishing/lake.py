"""The published file as Parquet files with a manifest, in a folder or an object store."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from pyarrow import fs

from segmentation.publishing.published import (
    PublishedTable,
    last_run,
    published_file,
    published_tables,
)
from segmentation.warehouse.database import sql_literal
from segmentation.warehouse.secrets import without_secrets

#: The file that says which files are in force.
MANIFEST: Final = "manifest.json"
#: Folder with the manifest of every run.
MANIFESTS: Final = "manifests"
_DIGITS_IN_NAME: Final = 16


class LakeError(RuntimeError):
    """The lake cannot be written; the message says why."""


@dataclass(frozen=True)
class Publication:
    """What a publication came to: the manifest and how many of its files were written for it."""

    manifest: dict[str, Any]
    n_written: int


def publish_to_lake(path: Path, location: str) -> Publication:
    """Write all tables of the published file as Parquet, and a manifest of them.

    A file is called by a hash of its rows and never written again, and the manifest comes last:
    whoever starts from it reads the tables of one run, whatever happens meanwhile. A table that has
    not changed keeps its file. The manifests of all runs stay, so that an earlier run can be read.

    Parameters
    ----------
    path
        The published file.
    location
        Folder, or URL of an object store that Arrow knows (`s3://`, `gs://`, `abfss://`); it finds
        credentials in the environment.

    Raises
    ------
    PublishedFileError
        If there is no published file.
    LakeError
        If the location cannot be written; its manifest is then as it was.
    """
    try:
        lake = _Lake.at(location)
        with published_file(path) as connection, tempfile.TemporaryDirectory() as folder:
            earlier = {(old["schema"], old["name"]): old for old in lake.manifest()["tables"]}
            entries = []
            for table in published_tables(connection):
                entry = _entry(table, table.fingerprint(connection).sha256)
                old = earlier.get((table.schema, table.name), {})
                if all(old.get(name) == value for name, value in entry.items()):
                    entries.append(old)
                    continue
                file = Path(folder) / "table.parquet"
                _write_parquet(connection, table, file)
                lake.upload(file, entry["path"])
                entries.append({**entry, **_facts(file)})
            manifest = {"run_id": last_run(connection), "tables": entries}
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        lake.write(text.encode(), f"{MANIFESTS}/{manifest['run_id']}.json")
        lake.write(text.encode(), MANIFEST)
    except (OSError, ValueError, pa.ArrowException, duckdb.Error) as error:
        shown, cause = (without_secrets(text) for text in (location, " ".join(str(error).split())))
        raise LakeError(f"{shown} cannot be written: {cause}; its manifest is as it was") from error
    n_written = sum(entry not in earlier.values() for entry in entries)
    return Publication(manifest, n_written)


def _entry(table: PublishedTable, content: str) -> dict[str, Any]:
    """What the manifest says of a table before its file is written."""
    columns = [dict(vars(column)) for column in table.columns]
    structure = json.dumps([columns, table.description], ensure_ascii=False)
    name = hashlib.sha256(f"{content}{structure}".encode()).hexdigest()[:_DIGITS_IN_NAME]
    return {
        "schema": table.schema,
        "name": table.name,
        "description": table.description,
        "path": f"{table.schema}/{table.name}/{name}.parquet",
        "n_rows": table.n_rows,
        "key": list(table.key),
        "columns": columns,
        "rows_sha256": content,
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


def _facts(file: Path) -> dict[str, Any]:
    """Size and hash of a file."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"n_bytes": file.stat().st_size, "sha256": digest}


@dataclass(frozen=True)
class _Lake:
    """A folder of a file system of Arrow."""

    filesystem: fs.FileSystem
    folder: str

    @classmethod
    def at(cls, location: str) -> _Lake:
        """Folder or URL; a folder is made where it is not there yet."""
        url = location if "://" in location else Path(location).resolve().as_uri()
        return cls(*fs.FileSystem.from_uri(url))

    def manifest(self) -> Mapping[str, Any]:
        """The manifest in force, or one without tables."""
        path = f"{self.folder}/{MANIFEST}"
        if self.filesystem.get_file_info(path).type == fs.FileType.NotFound:
            return {"tables": []}
        with self.filesystem.open_input_stream(path) as stream:
            manifest: dict[str, Any] = json.loads(stream.read())
        return manifest

    def upload(self, file: Path, path: str) -> None:
        """Copy a local file."""
        with file.open("rb") as source, self._written(path) as target:
            target.upload(source)

    def write(self, content: bytes, path: str) -> None:
        """Write a small file."""
        with self._written(path) as target:
            target.write(content)

    @contextmanager
    def _written(self, path: str) -> Iterator[pa.NativeFile]:
        """A file that is there when it is complete; in a folder that takes a move."""
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
