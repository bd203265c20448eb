from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb

SCRIPT = Path(__file__).parents[3] / "scripts" / "doctor.py"


def doctor(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the script prints with options of Python and other variables."""
    return subprocess.run(
        [sys.executable, *options, str(SCRIPT)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_machine_that_can_build_is_reported_as_such(tmp_path: Path) -> None:
    done = doctor(STORE_SEGMENTS_DB=str(tmp_path / "stores.duckdb"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "A build can run; " in done.stdout
    assert f"{tmp_path / 'published'}\n" in done.stdout
    assert "none yet: run make build" in done.stdout
    assert duckdb.__version__ in done.stdout
    assert "!!" not in done.stdout


def test_a_python_without_the_packages_is_told_how_to_get_them() -> None:
    done = doctor("-S", "-E")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "none yet: run make build, which installs the packages into .venv" in done.stdout
    assert "numpy" not in done.stdout
    assert "1 problem(s) that stop a build; " in done.stdout


def test_a_damaged_database_is_a_problem(tmp_path: Path) -> None:
    database = tmp_path / "stores.duckdb"
    database.write_text("not a database\n" * 1000)
    done = doctor(STORE_SEGMENTS_DB=str(database))
    assert done.returncode == 1
    assert f"cannot read the database {database}: " in done.stdout


def test_a_folder_that_cannot_be_created_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = doctor(STORE_SEGMENTS_PICTURES=str(tmp_path / "file" / "pictures"))
    assert done.returncode == 1
    assert "!!  pictures" in done.stdout
