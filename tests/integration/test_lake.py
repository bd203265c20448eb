"""Publishing as Parquet files, to a folder and to an object store, read by several libraries."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from segmentation.publishing.lake import (
    CONTENTS,
    LATEST,
    LakeError,
    publish_to_lake,
    runs_to_keep,
)
from segmentation.publishing.published import published_file, published_tables
from segmentation.warehouse.extensions import load_extension
from segmentation.warehouse.fingerprints import relation_fingerprint

from .helpers import REPOSITORY, Built

STORE_SEGMENTS = "segments/store_segments.parquet"


def latest_folder(lake: Path) -> Path:
    """The folder that the pointer names."""
    return lake / str(json.loads((lake / LATEST).read_text())["folder"])


def contents_of(folder: Path) -> dict[str, Any]:
    """The description of the tables of a run."""
    contents: dict[str, Any] = json.loads((folder / CONTENTS).read_text())
    return contents


def hashes(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def later(published: Path, folder: Path, n_hours: int) -> Path:
    """Copy of a published file as a later run would write it, in which one table is different."""
    path = folder / f"later-{n_hours}.duckdb"
    shutil.copyfile(published, path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("update segments.store_segments set margin = ?", [n_hours / 100])
        connection.execute(
            "insert into governance.runs by name"
            " select * replace (? as run_id, started_at + ? * interval 1 hour as started_at)"
            " from governance.runs order by started_at desc limit 1",
            [f"later-{n_hours}", n_hours],
        )
    return path


def test_files_have_the_rows_and_types_that_the_contents_say(
    small_build: Built, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    publication = publish_to_lake(small_build.project.published, str(lake))
    folder = latest_folder(lake)
    assert folder == lake / publication.folder
    contents = contents_of(folder)
    with published_file(small_build.project.published) as connection:
        tables = published_tables(connection)
        assert publication.n_tables == len(contents["tables"]) == len(tables) > 30
        for table, entry in zip(tables, contents["tables"], strict=True):
            file = folder / entry["path"]
            assert hashlib.sha256(file.read_bytes()).hexdigest() == entry["sha256"]
            read = f"read_parquet('{file}')"
            assert relation_fingerprint(connection, read) == table.fingerprint(connection)
            types = [column["type"] for column in entry["columns"]]
            described = connection.execute(f"describe from {read}").fetchall()
            assert [kind for _, kind, *_ in described] == types, table.name
            assert entry["n_rows"] == table.n_rows
            assert entry["description"].startswith("One row per ")


def test_polars_and_pandas_read_what_duckdb_wrote(small_build: Built, tmp_path: Path) -> None:
    publish_to_lake(small_build.project.published, str(tmp_path))
    folder = latest_folder(tmp_path) / "segments"
    for name in ("store_segments", "store_explanations", "segment_changes"):
        file = folder / f"{name}.parquet"
        with duckdb.connect(str(small_build.project.published), read_only=True) as connection:
            expected = connection.execute(f"from segments.{name}").pl()
        assert pl.read_parquet(file).equals(expected)
        assert pd.read_parquet(file).shape == expected.shape
    peers = pl.read_parquet(folder / "store_explanations.parquet")["peers"]
    assert peers.list.first().struct.field("store_id").str.starts_with("S").all()


def test_every_run_is_complete_and_the_oldest_runs_are_deleted(
    small_build: Built, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    published = small_build.project.published
    files = [published, *(later(published, tmp_path, hours) for hours in (1, 2, 3))]
    folders = [lake / publish_to_lake(path, str(lake), n_runs=2).folder for path in files]
    assert [folder.exists() for folder in folders] == [False, False, True, True]
    assert latest_folder(lake) == folders[-1]
    assert contents_of(folders[-1])["run_id"] == "later-3"
    for folder, margin in zip(folders[-2:], (0.02, 0.03), strict=True):
        assert pl.read_parquet(folder / STORE_SEGMENTS)["margin"].unique().to_list() == [margin]
        assert len(hashes(folder)) == len(contents_of(folder)["tables"]) + 1


def test_an_earlier_run_can_be_published_again_and_stays(
    small_build: Built, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    published = small_build.project.published
    for hours in (1, 2):
        publish_to_lake(later(published, tmp_path, hours), str(lake), n_runs=2)
    earlier = publish_to_lake(published, str(lake), n_runs=2)
    assert latest_folder(lake) == lake / earlier.folder
    assert (lake / earlier.folder / STORE_SEGMENTS).is_file()


def test_a_deleted_or_damaged_file_is_back_after_the_next_publication(
    small_build: Built, tmp_path: Path
) -> None:
    publish_to_lake(small_build.project.published, str(tmp_path))
    before = hashes(tmp_path)
    (latest_folder(tmp_path) / STORE_SEGMENTS).unlink()
    (latest_folder(tmp_path) / "governance" / "runs.parquet").write_bytes(b"damaged")
    publish_to_lake(small_build.project.published, str(tmp_path))
    assert hashes(tmp_path) == before


def test_only_folders_of_runs_are_deleted(small_build: Built, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    own = lake / "runs" / "0-notes" / "note.txt"
    own.parent.mkdir(parents=True)
    own.write_text("kept")
    published = small_build.project.published
    for path in (published, later(published, tmp_path, 1)):
        publish_to_lake(path, str(lake), n_runs=1)
    assert sorted(path.name for path in (lake / "runs").iterdir()) == [
        "0-notes",
        latest_folder(lake).name,
    ]


def test_a_lake_that_cannot_be_written_keeps_its_pointer(
    small_build: Built, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    published = small_build.project.published
    publish_to_lake(published, str(lake))
    before = hashes(lake)
    following = later(published, tmp_path, 1)
    elsewhere = publish_to_lake(following, str(tmp_path / "elsewhere")).folder
    (lake / elsewhere).mkdir()
    (lake / elsewhere / "segments").write_text("in the way")
    with pytest.raises(LakeError, match=r"cannot be written: .*; readers still get the run "):
        publish_to_lake(following, str(lake))
    assert before.items() <= hashes(lake).items()


@pytest.mark.parametrize("location", ["gopher://host/lake", "s3://me:canary@"])
def test_a_location_that_is_not_supported_is_refused_without_its_secrets(
    small_build: Built, location: str
) -> None:
    with pytest.raises(LakeError, match="cannot be written") as raised:
        publish_to_lake(small_build.project.published, location)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("given", ["0", "-1", "2.5", "all", " 3"])
def test_a_number_of_runs_that_is_not_one_is_refused(small_build: Built, given: str) -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "publish.py", "lake"],
        env={
            **os.environ,
            **small_build.project.environment,
            "STORE_SEGMENTS_PARQUET_RUNS": given,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"lake: STORE_SEGMENTS_PARQUET_RUNS: {given!r} is not allowed;"
        " set it to the number of runs to keep, at least 1\n"
    )


def test_the_number_of_runs_has_a_default() -> None:
    assert runs_to_keep("") == 5
    assert runs_to_keep("1") == 1


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Address of an S3 server on this machine."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", "0"]
    # a file, because the server would wait for a reader of a full pipe
    log = tmp_path / "object_store.log"
    with log.open("w") as stream, subprocess.Popen(command, stderr=stream) as server:
        try:
            deadline = time.monotonic() + 60
            while not (running := re.search(r"Running on http://(\S+)", log.read_text())):
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield running[1]
        finally:
            server.terminate()


def test_an_object_store_is_a_lake_too(
    small_build: Built, object_store: str, tmp_path: Path
) -> None:
    urllib.request.urlopen(urllib.request.Request(f"http://{object_store}/lake", method="PUT"))
    url = f"s3://lake/stores?endpoint_override={object_store}&scheme=http&region=us-east-1"
    published = small_build.project.published
    first = publish_to_lake(published, url, n_runs=1)
    assert publish_to_lake(published, url, n_runs=1) == first
    second = publish_to_lake(later(published, tmp_path, 1), url, n_runs=1)
    with duckdb.connect() as connection:
        load_extension(connection, "httpfs")
        connection.execute(
            "create secret (type s3, key_id 'canary', secret 'canary', region 'us-east-1',"
            f" endpoint '{object_store}', use_ssl false, url_style 'path')"
        )
        latest = connection.execute(f"select folder from 's3://lake/stores/{LATEST}'").fetchall()
        assert latest == [(second.folder,)]
        path = f"s3://lake/stores/{second.folder}/{STORE_SEGMENTS}"
        rows = connection.execute("select count(*) from read_parquet(?)", [path]).fetchall()
        assert rows == [(80,)]
        left = connection.execute("select file from glob('s3://lake/stores/runs/**')").fetchall()
        assert {first.folder in file for (file,) in left} == {False}
        assert len(left) == second.n_tables + 1
