"""Where a build puts its pictures, run as a person without rights would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pytest

from .helpers import OWN_INPUTS, QUICK, REPOSITORY, small_inputs

NOBODY: Final = 65534
#: Gives up the right to write anywhere; a user without it needs no prefix.
AS_NOBODY: Final = (
    (
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--inh-caps=+dac_read_search",  # the interpreter may be in a folder of root's
        "--ambient-caps=+dac_read_search",
    )
    if os.geteuid() == 0
    else ()
)
PARTS: Final = (
    "dbt_project.yml",
    "profiles.yml",
    "selectors.yml",
    "analyses",
    "macros",
    "models",
    "seeds",
    "snapshots",
    "tests/dbt",
)


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """A copy of the dbt project in a folder that belongs to a user without rights."""
    folder = Path(tempfile.mkdtemp(prefix="store segments "))
    for part in PARTS:
        source, target = REPOSITORY / part, folder / part
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    variables = {
        **small_inputs().write(folder / "data"),
        "external_sources": [],
        "segmentation": {**QUICK, "picture_formats": ["png"]},
    }
    (folder / "vars.json").write_text(json.dumps(variables))
    if os.geteuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def build(checkout: Path, **environment: str) -> str:
    """Run `dbt build` from another directory, as a user who may write only to the checkout."""
    kept = {name: value for name, value in os.environ.items() if "STORE_SEGMENTS" not in name}
    run = subprocess.run(
        [
            *AS_NOBODY,
            str(Path(sys.executable).with_name("dbt")),
            "build",
            *OWN_INPUTS,
            "--project-dir",
            str(checkout),
            "--profiles-dir",
            str(checkout),
            "--vars",
            (checkout / "vars.json").read_text(),
        ],
        cwd=checkout / "data",
        env={**kept, "HOME": str(checkout), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def pictures(database: Path) -> list[Path]:
    """Files of the pictures that a build has drawn."""
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute(
            "select status, reason, path from segments.segment_plots"
            " where status != 'nothing to draw'"
        ).fetchall()
    assert {status for status, *_ in rows} == {"drawn"}, rows
    return [Path(path) for *_, path in rows]


def test_every_picture_is_below_the_project_and_each_database_has_a_folder_of_its_own(
    checkout: Path,
) -> None:
    build(checkout)
    default = pictures(checkout / "store_segments.duckdb")
    other = checkout / "data" / "store_segments.duckdb"
    build(checkout, STORE_SEGMENTS_DB=str(other))
    folders = [{path.parent for path in found} for found in (default, pictures(other))]
    assert folders[0] == {checkout.resolve() / "assets" / "pictures" / "store_segments"}
    assert folders[0].isdisjoint(folders[1])
    for path in [*default, *pictures(other)]:
        assert path.is_file()
        assert path.is_relative_to(checkout.resolve())
