from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

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
    assert "ok  last run                           none yet" in done.stdout
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


@pytest.mark.parametrize("name", ["it's.duckdb", "main.duckdb"])
def test_a_database_name_that_a_build_refuses_is_a_problem(tmp_path: Path, name: str) -> None:
    done = doctor(STORE_SEGMENTS_DB=str(tmp_path / name))
    assert done.returncode == 1
    assert "!!  database  " in done.stdout
    assert " is not allowed; " in done.stdout


def test_a_wait_that_a_build_refuses_is_a_problem() -> None:
    done = doctor(STORE_SEGMENTS_WAIT="soon")
    assert done.returncode == 1
    assert "STORE_SEGMENTS_WAIT: 'soon' is not allowed" in done.stdout


def test_a_database_of_a_newer_version_is_a_problem(tmp_path: Path) -> None:
    database = tmp_path / "stores.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "create schema governance; create table governance.runs as select 'success' as status,"
            " timestamp '2026-01-01' as started_at, 1000 as layout,"
            " [{'name': 'store-segments', 'value': '9.0'}] as versions"
        )
    done = doctor(STORE_SEGMENTS_DB=str(database))
    assert done.returncode == 1
    assert "a newer version of this project (9.0) built this database: use that" in done.stdout


@pytest.mark.parametrize("options", [(), ("-S", "-E")])
def test_a_password_in_the_name_of_the_database_is_not_shown(options: tuple[str, ...]) -> None:
    done = doctor(*options, STORE_SEGMENTS_DB="md:sales?motherduck_token=Zq7Kx")
    assert "motherduck_token=***" in done.stdout
    assert "Zq7Kx" not in done.stdout + done.stderr


@pytest.mark.parametrize("variable", ["STORE_SEGMENTS_DB", "STORE_SEGMENTS_PUBLISHED"])
def test_a_pipe_in_the_place_of_a_file_is_a_problem(tmp_path: Path, variable: str) -> None:
    pipe = tmp_path / "stores.duckdb"
    os.mkfifo(pipe)
    environment = {"STORE_SEGMENTS_DB": str(tmp_path / "other.duckdb"), variable: str(pipe)}
    done = doctor(**environment)
    assert done.returncode == 1
    assert f"{pipe} is a folder, a pipe or a device, and no file; {variable} names a file" in (
        done.stdout
    )


@pytest.mark.parametrize("name", ["stores.duckdb", "own.csv", "a?b.duckdb"])
def test_a_published_file_that_a_build_refuses_is_a_problem(tmp_path: Path, name: str) -> None:
    database = tmp_path / "stores.duckdb"
    duckdb.connect(str(database)).close()
    (tmp_path / "own.csv").write_text("store,sales\n")
    done = doctor(STORE_SEGMENTS_DB=str(database), STORE_SEGMENTS_PUBLISHED=str(tmp_path / name))
    assert done.returncode == 1
    assert "!!  published folder  " in done.stdout
