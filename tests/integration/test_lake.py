"""Publishing as Parquet files, to a folder and to an object store, read by several libraries."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from segmentation.publishing.lake import MANIFEST, MANIFESTS, LakeError, publish_to_lake
from segmentation.publishing.published import published_file, published_tables
from segmentation.warehouse.extensions import load_extension
from segmentation.warehouse.fingerprints import relation_fingerprint

from .helpers import Built


def manifest_of(lake: Path) -> dict[str, Any]:
    """The manifest in force."""
    manifest: dict[str, Any] = json.loads((lake / MANIFEST).read_text())
    return manifest


def file_of(manifest: dict[str, Any], name: str) -> str:
    """Path of a table's file in the lake."""
    (path,) = [table["path"] for table in manifest["tables"] if table["name"] == name]
    return str(path)


@pytest.fixture
def changed(small_build: Built, tmp_path: Path) -> Path:
    """The published file of a later run in which one table is another."""
    path = tmp_path / "changed.duckdb"
    shutil.copyfile(small_build.project.published, path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("update segments.store_segments set margin = 0.5")
        connection.execute(
            "insert into governance.runs by name"
            " select * replace ('later' as run_id, started_at + interval 1 hour as started_at)"
            " from governance.runs"
        )
    return path


def test_files_have_the_rows_types_and_hashes_of_the_manifest(
    small_build: Built, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    publish_to_lake(small_build.project.published, str(lake))
    manifest = manifest_of(lake)
    with published_file(small_build.project.published) as connection:
        tables = published_tables(connection)
        assert len(manifest["tables"]) == len(tables) > 30
        for table, entry in zip(tables, manifest["tables"], strict=True):
            file = lake / entry["path"]
            assert hashlib.sha256(file.read_bytes()).hexdigest() == entry["sha256"]
            read = f"read_parquet('{file}')"
            assert relation_fingerprint(connection, read) == table.fingerprint(connection)
            types = [column["type"] for column in entry["columns"]]
            described = connection.execute(f"describe from {read}").fetchall()
            assert [kind for _, kind, *_ in described] == types, table.name
            assert entry["n_rows"] == table.n_rows
            assert entry["description"].startswith("One row per ")
    assert manifest["run_id"] in {path.stem for path in (lake / MANIFESTS).iterdir()}


def test_polars_and_pandas_read_what_duckdb_wrote(small_build: Built, tmp_path: Path) -> None:
    publish_to_lake(small_build.project.published, str(tmp_path))
    manifest = manifest_of(tmp_path)
    for name in ("store_segments", "store_explanations", "segment_changes"):
        file = tmp_path / file_of(manifest, name)
        with duckdb.connect(str(small_build.project.published), read_only=True) as connection:
            expected = connection.execute(f"from segments.{name}").pl()
        assert pl.read_parquet(file).equals(expected)
        assert pd.read_parquet(file).shape == expected.shape
    peers = pl.read_parquet(tmp_path / file_of(manifest, "store_explanations"))["peers"]
    assert peers.list.first().struct.field("store_id").str.starts_with("S").all()


def test_only_changed_tables_are_written_and_earlier_runs_stay(
    small_build: Built, changed: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    first = publish_to_lake(small_build.project.published, str(lake))
    assert publish_to_lake(small_build.project.published, str(lake)).n_written == 0
    second = publish_to_lake(changed, str(lake))
    assert second.n_written == 2  # the table, and the log of runs
    assert second.manifest["run_id"] == "later"
    margins = {
        run_id: pl.read_parquet(
            lake
            / file_of(
                json.loads((lake / MANIFESTS / f"{run_id}.json").read_text()), "store_segments"
            )
        )["margin"].n_unique()
        for run_id in (first.manifest["run_id"], "later")
    }
    assert margins["later"] == 1 < margins[first.manifest["run_id"]]


def test_a_lake_that_cannot_be_written_keeps_its_manifest(
    small_build: Built, changed: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    publish_to_lake(small_build.project.published, str(lake))
    before = (lake / MANIFEST).read_bytes()
    shutil.rmtree(lake / "segments" / "store_segments")
    (lake / "segments" / "store_segments").write_text("in the way")
    with pytest.raises(LakeError, match=r"cannot be written: .*; its manifest is as it was"):
        publish_to_lake(changed, str(lake))
    assert (lake / MANIFEST).read_bytes() == before


def test_a_location_without_meaning_is_said_so(small_build: Built) -> None:
    with pytest.raises(LakeError, match="gopher://host/lake cannot be written"):
        publish_to_lake(small_build.project.published, "gopher://host/lake")


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an S3 server on this machine that has a bucket named `lake`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            running = next(line for line in server.stderr if "Running on" in line)
            yield running.split("http://")[1].strip()
        finally:
            server.terminate()


def test_an_object_store_is_a_lake_too(small_build: Built, object_store: str) -> None:
    urllib.request.urlopen(urllib.request.Request(f"http://{object_store}/lake", method="PUT"))
    url = f"s3://lake/stores?endpoint_override={object_store}&scheme=http&region=us-east-1"
    publication = publish_to_lake(small_build.project.published, url)
    assert publish_to_lake(small_build.project.published, url).n_written == 0
    with duckdb.connect() as connection:
        load_extension(connection, "httpfs")
        connection.execute(
            "create secret (type s3, key_id 'canary', secret 'canary', region 'us-east-1',"
            f" endpoint '{object_store}', use_ssl false, url_style 'path')"
        )
        path = f"s3://lake/stores/{file_of(publication.manifest, 'store_segments')}"
        assert connection.execute("select count(*) from read_parquet(?)", [path]).fetchone() == (
            80,
        )
        listed = connection.execute(
            "select run_id::varchar, len(tables) from read_json(?)",
            [f"s3://lake/stores/{MANIFEST}"],
        ).fetchone()
        assert listed == (publication.manifest["run_id"], len(publication.manifest["tables"]))
