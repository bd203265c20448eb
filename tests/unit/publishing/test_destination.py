"""Where a build may publish to."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from segmentation.publishing.contract import contract_path, data_contract
from segmentation.publishing.destination import destination_problem
from segmentation.publishing.publish import Table, publish
from tests.integration.helpers import is_listed, no_file

_TABLE = Table("segments", "stores", types={"n": "integer"})
_IS_DATABASE = "is not allowed; it is the database of the build, which publishing would overwrite"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database that a build can publish."""
    path = tmp_path / "stores.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema segments; create table segments.stores as select 1 as n")
    return path


@pytest.fixture
def published(tmp_path: Path, database: Path) -> Path:
    """A published build with its contract."""
    path = tmp_path / "published" / "stores.duckdb"
    contract = {contract_path(path): data_contract([_TABLE], path)}
    with duckdb.connect(str(database)) as connection:
        publish(connection, [_TABLE], [], path, contract)
    return path


def test_new_files_empty_files_and_published_builds_are_accepted(
    tmp_path: Path, database: Path, published: Path
) -> None:
    (tmp_path / "empty.duckdb").touch()
    for path in (published, tmp_path / "empty.duckdb", tmp_path / "new" / "Läden #1.duckdb"):
        assert destination_problem(path, str(database)) is None
    assert destination_problem(published, ":memory:") is None


@pytest.mark.parametrize("link", ["same", "relative", "symbolic", "hard", "folder", "to database"])
@pytest.mark.parametrize("is_there", [True, False])
def test_the_database_of_the_build_is_refused_by_any_path(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch, link: str, is_there: bool
) -> None:
    given, built = tmp_path / "link.duckdb", database
    if link == "same":
        given = database
    elif link == "relative":
        monkeypatch.chdir(tmp_path)
        given = Path("stores.duckdb")
    elif link == "symbolic":
        given.symlink_to(database)
    elif link == "hard":
        if not is_there:
            return
        given.hardlink_to(database)
    elif link == "folder":
        (tmp_path / "there").symlink_to(tmp_path)
        given = tmp_path / "there" / "stores.duckdb"
    else:
        given, built = database, given
        built.symlink_to(database)
    if not is_there:
        database.unlink()
    problem = destination_problem(given, str(built))
    assert problem is not None
    assert problem.endswith(_IS_DATABASE)
    assert is_listed(problem)


def test_a_database_in_the_place_of_the_contract_is_refused(tmp_path: Path) -> None:
    problem = destination_problem(tmp_path / "a.duckdb", str(tmp_path / "a.odcs.yaml"))
    assert problem is not None
    assert problem.endswith(_IS_DATABASE)


@pytest.mark.parametrize("kind", ["database", "tables", "csv", "cut off"])
def test_a_file_that_is_not_ours_is_refused_and_says_what_to_do(
    tmp_path: Path, database: Path, kind: str
) -> None:
    path = tmp_path / "own.duckdb"
    if kind == "database":
        path.write_bytes(database.read_bytes())
    elif kind == "tables":
        with duckdb.connect(str(path)) as connection:
            connection.execute("create table tables as select 1 as legs")
    elif kind == "csv":
        path.write_text("store,sales\n1,2\n")
    else:
        path.write_bytes(database.read_bytes()[:5000])
    problem = destination_problem(path, str(database))
    assert problem is not None
    assert problem.startswith(f"{path} is no published build of this project, and publishing would")
    assert "\n" not in problem
    assert is_listed(problem)


@pytest.mark.parametrize("n_bytes", [5, 5000, 100_000])
def test_a_damaged_published_build_is_replaced_if_its_contract_is_there(
    database: Path, published: Path, n_bytes: int
) -> None:
    content = published.read_bytes()[:n_bytes]
    published.unlink()
    published.write_bytes(content)
    assert destination_problem(published, str(database)) is None
    contract_path(published).unlink()
    problem = destination_problem(published, str(database))
    assert problem is not None
    assert "or delete this one" in problem


def test_another_database_is_refused_even_with_the_contract_of_a_published_build(
    database: Path, published: Path
) -> None:
    published.unlink()
    published.write_bytes(database.read_bytes())
    assert destination_problem(published, "other.duckdb") is not None


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "contract"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "published.duckdb"
    if kind == "contract":
        shown = no_file("folder", contract_path(path))
    else:
        path = shown = no_file(kind, path)
    problem = destination_problem(path, "stores.duckdb")
    assert problem == (
        f"{shown} is a folder, a pipe or a device, and no file;"
        " STORE_SEGMENTS_PUBLISHED names a file"
    )
    assert is_listed(problem)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("a?1/b.duckdb", "DuckDB takes what follows ? for no part of the path"),
        ("a?b.duckdb", "DuckDB takes what follows ? for no part of the path"),
        ("s3://bucket/b.duckdb", "it is no path of a file on this machine"),
        ("md:stores", "it is no path of a file on this machine"),
        (".", "it is a folder"),
        ("a" * 250 + ".duckdb", "File name too long"),
        ("\udcff.duckdb", "the name is not UTF-8"),
    ],
)
def test_a_path_that_cannot_work_is_refused(given: str, why: str) -> None:
    problem = destination_problem(Path(given), "stores.duckdb")
    assert problem is not None
    assert problem.startswith("STORE_SEGMENTS_PUBLISHED: ")
    assert problem.endswith(f" is not allowed; {why}")
    assert is_listed(problem)
