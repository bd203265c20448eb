"""The data contract beside the published file, checked by `datacontract-cli`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from segmentation.publishing.contract import contract_path

from .conftest import SeedsBuild
from .helpers import Project

#: What the command `datacontract` calls.
CLI = "from datacontract.cli import main; main()"


@pytest.fixture(scope="module")
def built(seeds_build: SeedsBuild) -> Project:
    """The example seeds, built."""
    return seeds_build.project


def checked(published: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What `datacontract-cli` says of a published file and the contract beside it."""
    return subprocess.run(
        [sys.executable, "-c", CLI, "test", *options, contract_path(published).name],
        cwd=published.parent,
        env={**os.environ, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )


def copied(built: Project, folder: Path) -> Path:
    """The published file and its contract in another folder, where they can be changed."""
    for path in (built.published, contract_path(built.published)):
        shutil.copyfile(path, folder / path.name)  # and not that nobody may write to it
    return folder / built.published.name


def test_every_published_table_keeps_its_contract(built: Project, tmp_path: Path) -> None:
    done = checked(copied(built, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Data contract is valid" in done.stdout


def test_the_contract_has_every_mart_with_all_its_columns(built: Project) -> None:
    contract = yaml.safe_load(contract_path(built.published).read_text(encoding="utf-8"))
    manifest = json.loads((built.folder / "target" / "manifest.json").read_text(encoding="utf-8"))
    marts: dict[str, dict[str, Any]] = {
        node["alias"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["contract"]["enforced"]
    }
    found = {table["name"]: table["properties"] for table in contract["schema"]}
    assert found.keys() == marts.keys()
    with duckdb.connect(str(built.published), read_only=True) as connection:
        for name, properties in found.items():
            described = connection.execute(f"describe from main.{name}").fetchall()
            types = {column["name"]: column["physicalType"] for column in properties}
            assert types == {column: type_ for column, type_, *_ in described}, name


def test_what_breaks_the_contract_is_reported(built: Project, tmp_path: Path) -> None:
    published = copied(built, tmp_path)
    with duckdb.connect(str(published)) as connection:
        for damage in (
            "insert into {table} from {table} where store_id = 'T0007'",
            "update {table} set segment_name = null where store_id = 'T0042'",
            "alter table {table} alter margin type varchar",
            "alter table {table} drop second_segment_id",
            "create or replace view main.store_segments as from {table}",
        ):
            connection.execute(damage.format(table="segments.store_segments"))
    done = checked(published, "--schema-name", "store_segments")
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stdout.partition("Data contract is invalid")[2].split())
    assert "primary key (category, store_id) has no duplicate values" in said
    assert "field segment_name has no missing values" in said
    assert "field margin has type number" in said
    assert "field 'second_segment_id' is present" in said
