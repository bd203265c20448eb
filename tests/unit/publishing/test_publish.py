from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from segmentation.publishing import publish as module
from segmentation.publishing.publish import Query, Table, plain_text, publish, published_path

STORES = Table(
    "segments",
    "stores",
    "One row per store.\n\n![Map](assets/map.png)",
    {"store_id": "The 'id'.", "not_there": "Nothing."},
    ["store_id"],
)
STORE = Query(
    "store",
    "One row per store.",
    "select * from {{ ref('stores') }} where store_id = {{ argument('wanted', \"O'1\") }}",
)


def published(path: Path, queries: list[Query]) -> duckdb.DuckDBPyConnection:
    """Publish a table of one store, open the file."""
    with duckdb.connect() as connection:
        connection.execute("create schema segments")
        connection.execute("create view segments.stores as select 'O''1' as store_id, 1 as n")
        publish(connection, [STORES], queries, path)
    return duckdb.connect(str(path), read_only=True)


def test_the_file_says_what_is_in_it(tmp_path: Path) -> None:
    with published(tmp_path / "stores.duckdb", [STORE]) as connection:
        tables = connection.execute("from tables").fetchall()
        comments = connection.execute(
            "select column_name, comment from duckdb_columns()"
            " where table_name = 'stores' and schema_name = 'segments'"
        ).fetchall()
        queries = connection.execute("from queries").fetchall()
        answers = connection.execute("from store('O''1')").fetchall()
    assert tables == [("segments", "stores", "One row per store.", ["store_id"])]
    assert comments == [("store_id", "The 'id'."), ("n", None)]
    assert queries == [("store(wanted)", "One row per store.", "from store('O''1');")]
    assert answers == [("O'1", 1)]


@pytest.mark.parametrize(
    ("template", "kind"),
    [
        ("{{ config(materialized='view') }}\nselect 2 * n as n from {{ ref('copied') }}", "VIEW"),
        ("select 2 * n as n from {{ ref('not_published') }}", "BASE TABLE"),
        ("select 2 * n as n from {{ ref('same') }}", "BASE TABLE"),
        ("select {{ twice() }} as n", "BASE TABLE"),
        ("{% do twice() %} select 2 * n as n from {{ ref('copied') }}", "BASE TABLE"),
    ],
)
def test_a_view_of_published_tables_stays_a_view(tmp_path: Path, template: str, kind: str) -> None:
    path = tmp_path / "stores.duckdb"
    copied = Table("segments", "copied")
    same = Table("segments", "same", "The same.", {"n": "Of it."}, view="from {{ ref('other') }}")
    view = Table("segments", "doubled", "Twice.", {"n": "Twice it."}, view=template)
    with duckdb.connect() as connection:
        connection.execute("create schema segments")
        connection.execute("create table segments.copied as select 21 as n")
        connection.execute("create view segments.same as from segments.copied")
        connection.execute("create view segments.doubled as select 2 * n as n from segments.copied")
        publish(connection, [view, copied, same], [], path)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as elsewhere (read_only)")
        answers = connection.execute("from elsewhere.segments.doubled").fetchall()
        kinds = connection.execute(
            "select table_name, table_type from information_schema.tables"
            " where table_schema = 'segments' order by all"
        ).fetchall()
        comments = connection.execute(
            "select comment from duckdb_columns() where table_name in ('doubled', 'same')"
            " and schema_name = 'segments' order by table_name"
        ).fetchall()
    assert answers == [(42,)]
    assert kinds == [("copied", "BASE TABLE"), ("doubled", kind), ("same", "BASE TABLE")]
    assert comments == [("Twice it.",), ("Of it.",)]


def test_a_table_is_found_without_its_schema_in_the_file_and_attached(tmp_path: Path) -> None:
    path = tmp_path / "stores.duckdb"
    with published(path, []) as connection:
        assert connection.execute("from stores").fetchall() == [("O'1", 1)]
    with duckdb.connect() as connection:
        connection.execute("create schema segments")
        connection.execute("create table segments.stores as select 'other' as store_id")
        connection.execute(f"attach '{path}' as elsewhere (read_only)")
        assert connection.execute("from elsewhere.stores").fetchall() == [("O'1", 1)]


@pytest.mark.parametrize(
    ("rows", "example"),
    [
        ("('T0042', 'Snacks', '2-3'), ('A', 'Bread', '1-1')", "from of('T0042', 'Snacks', '2-3');"),
        ("('T0042', 'Tea', '1-1'), ('A', 'Bread', '1-1')", "from of('T0042', 'Tea', '1-1');"),
        ("('B', 'Tea', '1-1'), ('A', 'Bread', '1-2')", "from of('A', 'Bread', '1-2');"),
    ],
)
def test_examples_of_arguments_are_in_the_data(tmp_path: Path, rows: str, example: str) -> None:
    path = tmp_path / "stores.duckdb"
    asked = Query(
        "of",
        "One row per store.",
        "from {{ ref('store_segments') }} where store_id = {{ argument('store', 'T0042') }}"
        " and category = {{ argument('category_name', 'Snacks') }}"
        " and segment_id = {{ argument('segment', '2-3') }}",
    )
    with duckdb.connect() as connection:
        connection.execute("create schema segments")
        connection.execute(
            "create table segments.store_segments as"
            f" select * from (values {rows}) as t (store_id, category, segment_id)"
        )
        publish(connection, [Table("segments", "store_segments")], [asked], path)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("select example from queries").fetchall() == [(example,)]
        assert len(connection.execute(example).fetchall()) == 1


def test_a_file_that_is_called_like_a_schema_has_no_views(tmp_path: Path) -> None:
    path = tmp_path / "segments.duckdb"
    tables = [Table("segments", "a"), Table("segments", "b", view="from {{ ref('a') }}")]
    with duckdb.connect() as connection:
        connection.execute("create schema segments; create table segments.a as select 1 as n")
        connection.execute("create view segments.b as from segments.a")
        publish(connection, tables, [], path)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("from segments.segments.b").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "template",
    ["from {{ ref('not_published') }}", "select {{ var('x') }}", "from {{ source('a', 'b') }}"],
)
def test_an_analysis_of_what_is_not_published_stays_an_analysis(
    tmp_path: Path, template: str
) -> None:
    with published(tmp_path / "stores.duckdb", [Query("other", "", template)]) as connection:
        assert connection.execute("from queries").fetchall() == []


def test_an_analysis_that_duckdb_refuses_is_listed_with_the_reason(tmp_path: Path) -> None:
    broken = Query("broken", "", "select no_such_column from {{ ref('stores') }}")
    with published(tmp_path / "stores.duckdb", [broken, STORE]) as connection:
        ((_, reason, example), (_, _, other)) = connection.execute("from queries").fetchall()
    assert reason.startswith("cannot be asked: Binder Error: ")
    assert (example, other) == ("", "from store('O''1');")


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_the_connection(
    tmp_path: Path,
) -> None:
    path = tmp_path / "stores.duckdb"
    published(path, []).close()
    before = path.read_bytes()
    with duckdb.connect() as connection:
        with pytest.raises(duckdb.Error):
            publish(connection, [STORES], [], path)
        databases = connection.execute("select database_name from duckdb_databases()").fetchall()
    assert ("store_segments_unfinished",) not in databases
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_publication_that_fails_leaves_the_file_and_the_texts_beside_it(tmp_path: Path) -> None:
    path, contract = tmp_path / "stores.duckdb", tmp_path / "stores.yaml"
    published(path, []).close()
    contract.write_text("old")
    with duckdb.connect() as connection, pytest.raises(duckdb.Error):
        publish(connection, [STORES], [], path, {contract: "new"})
    assert contract.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [path, contract]


def test_a_publication_replaces_the_texts_beside_the_file(tmp_path: Path) -> None:
    path, contract = tmp_path / "stores.duckdb", tmp_path / "stores.yaml"
    contract.write_text("old")
    with duckdb.connect() as connection:
        connection.execute("create schema segments; create table segments.stores as select 1 as n")
        publish(connection, [STORES], [], path, {contract: "new"})
    assert contract.read_text() == "new"
    assert sorted(tmp_path.iterdir()) == [path, contract]


def test_two_builds_can_publish_the_same_file_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stores.duckdb"
    describe = module._describe
    others: list[str] = []

    def another_build_first(connection: duckdb.DuckDBPyConnection, *given: object) -> None:
        if not others:
            others.append("started")
            published(path, []).close()
        describe(connection, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_describe", another_build_first)
    with published(path, []) as connection:
        assert connection.execute("from stores").fetchall() == [("O'1", 1)]
        assert connection.execute("select count(*) from tables").fetchall() == [(1,)]
    assert others == ["started"]
    assert list(tmp_path.iterdir()) == [path]


_UNFINISHED = """
import pathlib, sys
from segmentation.publishing.publish import _own_folder
with _own_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "stores.duckdb").write_text("half")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_leftovers_of_killed_builds_go_and_files_of_living_ones_stay(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _UNFINISHED, str(tmp_path)]
    builds = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    killed, living = builds
    folders = [Path(build.stdout.readline().strip()) for build in builds if build.stdout]
    try:
        killed.kill()
        killed.wait()
        published(tmp_path / "a.duckdb", []).close()
        assert all(folder.is_dir() for folder in folders)
        for folder in folders:
            os.utime(folder, (0, 0))
        published(tmp_path / "a.duckdb", []).close()
        assert [folder.is_dir() for folder in folders] == [False, True]
        assert (folders[1] / "stores.duckdb").read_text() == "half"
    finally:
        living.communicate()
        killed.communicate()
    assert [path.name for path in tmp_path.iterdir()] == ["a.duckdb"]


def test_descriptions_lose_pictures_and_line_breaks() -> None:
    assert plain_text("One row\n  per store.\n\n![A map](a/b.png)\nMore.") == (
        "One row per store. More."
    )


@pytest.mark.parametrize(
    ("database", "given", "expected"),
    [
        ("/a/b.duckdb", "", "/a/published/b.duckdb"),
        ("/a/b.duckdb", "/c.duckdb", "/c.duckdb"),
        (":memory:", "", None),
        ("ducklake:/a/b", "", None),
    ],
)
def test_the_published_file_is_beside_the_database(
    database: str, given: str, expected: str | None
) -> None:
    assert published_path(database, given) == (Path(expected) if expected else None)
