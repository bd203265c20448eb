"""The same inputs give the same tables and the same models: anywhere, on any day, in any order."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import duckdb
import pytest

from segmentation.warehouse.fingerprints import differing_tables

from .helpers import OWN_INPUTS, REPOSITORY, THREE_CLUSTERS, Built, Project, small_inputs

#: Runs dbt years later; says where the package came from.
_LATER: Final = """
import json, sys
import time_machine
import segmentation
from dbt.cli.main import dbtRunner
with time_machine.travel("2031-05-06 07:08:09+02:00"):
    outcome = dbtRunner().invoke(json.loads(sys.argv[1]))
print(json.dumps({"success": outcome.success, "package": segmentation.__file__}))
"""


def verify(variables: dict[str, object], folder: Path) -> subprocess.CompletedProcess[str]:
    """Call the script behind `make verify`."""
    return subprocess.run(
        [
            sys.executable,
            str(REPOSITORY / "scripts/verify.py"),
            "--vars",
            json.dumps(variables),
            "--keep",
            str(folder),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def verified(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Own CSV inputs, some rows of them bad, verified; and the folder of the builds."""
    folder = tmp_path_factory.mktemp("verified")
    inputs = small_inputs()
    variables = inputs.write(folder / "inputs")
    with (folder / "inputs" / "sales.csv").open("a") as stream:
        stream.write("S001,1-1,2025-01-31,abc,3\nS001,unknown,2025-01-31,7.00,\n,,,,\n")
    settings = {**THREE_CLUSTERS, "picture_formats": ["png", "svg"]}
    process = verify({**variables, "segmentation": settings}, folder / "builds")
    return process, folder / "builds"


def test_shuffled_rows_more_threads_and_a_second_build_give_identical_tables(
    verified: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    process, _ = verified
    assert process.returncode == 0, process.stdout + process.stderr
    *rows, conclusion = process.stdout.splitlines()[1:]
    assert len(rows) >= 40
    assert all(row.endswith("  identical") for row in rows), process.stdout
    assert conclusion == f"{len(rows)} of {len(rows)} tables are identical in 4 builds"
    layers = {row.split(".")[0] for row in rows}
    assert layers == {"features", "lanes", "segments", "governance"}
    assert conclusion in (REPOSITORY / "docs" / "audit.md").read_text(encoding="utf-8")


def test_the_shuffled_inputs_stood_in_another_order(
    verified: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    _, builds = verified
    original = (builds.parent / "inputs" / "sales.csv").read_text().splitlines()[1:]
    shuffled = (builds / "inputs" / "sales.csv").read_text().splitlines()[1:]
    assert shuffled != original
    assert ",,,," in original, "a line that has nothing but separators is no row"
    assert sorted(line.split(",")[0] for line in shuffled) == sorted(
        line.split(",")[0] for line in original if line != ",,,,"
    )


def test_a_single_digit_that_differs_is_found(small_build: Built, tmp_path: Path) -> None:
    changed = Project(tmp_path)
    shutil.copy(small_build.project.database, changed.database)
    shutil.copytree(small_build.project.folder / "target", tmp_path / "target")
    with duckdb.connect(str(changed.database)) as connection:
        connection.execute(
            "update lanes.internal_clusters set distance = distance * (1 + 1e-15)"
            " where rowid = (select min(rowid) from lanes.internal_clusters)"
        )
    found = differing_tables(small_build.project.fingerprints(), changed.fingerprints())
    assert "lanes.internal_clusters" in found
    assert "segments.segment_summary" not in found


def test_verify_says_that_a_build_failed(tmp_path: Path) -> None:
    process = verify({"inputs": {"sales": "nowhere.csv"}}, tmp_path / "builds")
    assert process.returncode == 2
    assert "nowhere.csv" in process.stderr
    assert "this build failed" in process.stderr


def test_another_day_and_another_folder_give_the_same_models_and_tables(
    small_build: Built, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "a copy of the project"
    tracked = subprocess.run(
        ["git", "-C", str(REPOSITORY), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in tracked:
        if not name.startswith("tests/integration") and (REPOSITORY / name).exists():
            (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, elsewhere / name)
    project = Project(tmp_path / "build")
    project.folder.mkdir()
    arguments = [
        argument.replace(str(REPOSITORY), str(elsewhere))
        for argument in project.command("build", small_build.variables)
    ]
    process = subprocess.run(
        [sys.executable, "-c", _LATER, json.dumps([*arguments, *OWN_INPUTS])],
        cwd=tmp_path,
        env={
            **os.environ,
            **project.environment,
            "PYTHONPATH": str(elsewhere),
            "TZ": "Pacific/Auckland",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    shown = process.stdout + process.stderr
    said = json.loads(process.stdout.splitlines()[-1])
    assert said == {
        "success": True,
        "package": str(elsewhere / "segmentation" / "__init__.py"),
    }, shown
    assert project.value("select year(started_at) from governance.runs") == 2031
    later = Built(project, small_build.variables, small_build.run)
    assert later.models() == small_build.models()
    assert differing_tables(small_build.project.fingerprints(), project.fingerprints()) == []
