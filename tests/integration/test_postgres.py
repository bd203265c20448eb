"""Publishing to a real PostgreSQL, read back with psql and psycopg."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest

from segmentation.publishing.postgres import LOG, PostgresError, postgres_type, publish_to_postgres
from segmentation.publishing.published import Column, published_file, published_tables

from .helpers import Built
from .postgres import Server, running_server

READERS = "retail_readers"
N_READERS = 10
#: Rows, rows of the second build, and whether two tables are of the same build.
STATE = """
select count(*), count(*) filter (where explained.segment_id = 'new'),
    bool_and(stores.segment_id = explained.segment_id)
from busy.store_segments as stores
inner join busy.store_explanations as explained using (category, store_id)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with a role that may read."""
    with running_server() as server:
        server.psql(f"create role {READERS} login")
        yield server


@pytest.fixture(autouse=True)
def connection_variables(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let libpq find the server, as a person does."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def change(small_build: Built, tmp_path: Path) -> Callable[[str], Path]:
    """Make a copy of the published file in which a statement has changed something."""

    def changed(statement: str) -> Path:
        path = tmp_path / "changed.duckdb"
        shutil.copyfile(small_build.project.published, path)
        with duckdb.connect(str(path)) as connection:
            connection.execute(statement)
        return path

    return changed


def actions(path: Path, schema: str, readers: str = "") -> dict[str, str]:
    """What a publication did to each table."""
    return {one.table: one.action for one in publish_to_postgres(path, schema, readers)}


def test_tables_arrive_with_rows_types_keys_and_comments(
    small_build: Built, server: Server
) -> None:
    path = small_build.project.published
    assert set(actions(path, "whole").values()) == {"created"}
    with published_file(path) as connection:
        tables = published_tables(connection)
        store_segments = connection.execute(
            "from published.segments.store_segments order by category, store_id"
        ).fetchall()
    for table in tables:
        columns = server.rows(
            """
            select attribute.attname, format_type(attribute.atttypid, attribute.atttypmod),
                coalesce(col_description(attribute.attrelid, attribute.attnum), '')
            from pg_attribute as attribute
            where attribute.attrelid = to_regclass(%s) and attribute.attnum > 0
            order by attribute.attnum
            """,
            [f"whole.{table.name}"],
        )
        assert [tuple(column) for column in columns] == [
            (column.name, _as_postgres_says(column), column.description) for column in table.columns
        ], table.name
        n_rows = server.psql(f"select count(*) from whole.{table.name}")
        assert int(n_rows) == table.n_rows, table.name
        key = server.psql(
            "select pg_get_constraintdef(oid) from pg_constraint"
            f" where conrelid = 'whole.{table.name}'::regclass and contype = 'p'"
        )
        assert key == (f"PRIMARY KEY ({', '.join(table.key)})" if table.key else "")
        comment = server.psql(f"select obj_description('whole.{table.name}'::regclass)")
        assert comment == table.description
    assert len(tables) > 30
    assert store_segments == server.rows(
        'select * from whole.store_segments order by category collate "C", store_id collate "C"'
    )


def _as_postgres_says(column: Column) -> str:
    """Type of a column as `format_type` spells it."""
    said = {
        "timestamp": "timestamp without time zone",
        "time": "time without time zone",
    }
    return said.get(postgres_type(column), postgres_type(column).replace(", ", ","))


def test_nested_columns_are_jsonb_that_sql_can_look_into(
    small_build: Built, server: Server
) -> None:
    actions(small_build.project.published, "nested")
    path = small_build.project.published
    with duckdb.connect(str(path), read_only=True) as connection:
        expected = connection.execute(
            "select store_id, peers[1].store_id, len(peers) from segments.store_explanations"
            " where category = 'Bread' order by store_id"
        ).fetchall()
    assert expected == server.rows(
        "select store_id, peers -> 0 ->> 'store_id', jsonb_array_length(peers)"
        " from nested.store_explanations where category = 'Bread' order by store_id"
    )


def test_only_what_changed_is_replaced(
    small_build: Built, server: Server, change: Callable[[str], Path]
) -> None:
    path = small_build.project.published
    actions(path, "incremental")
    server.psql("create view incremental.mine as select count(*) from incremental.store_segments")
    assert set(actions(path, "incremental").values()) == {"unchanged"}
    written = server.rows(f"select table_name, published_at from incremental.{LOG}")
    changed = change("update segments.store_segments set margin = 0.5 where store_id = 'S001'")
    again = actions(changed, "incremental")
    assert [table for table, action in again.items() if action != "unchanged"] == ["store_segments"]
    assert (
        server.psql(
            "select distinct margin from incremental.store_segments where store_id = 'S001'"
        )
        == "0.5"
    )
    now = dict(server.rows(f"select table_name, published_at from incremental.{LOG}"))
    assert [table for table, at in written if now[table] != at] == ["store_segments"]
    assert server.psql("select * from incremental.mine") == "80"


def test_a_table_with_other_columns_is_made_anew_and_one_that_is_gone_is_dropped(
    small_build: Built, server: Server, change: Callable[[str], Path]
) -> None:
    actions(small_build.project.published, "structure")
    changed = change(
        "alter table segments.segment_names add column n_words integer;"
        "drop table segments.segment_moves;"
        "delete from main.tables where table_name = 'segment_moves'"
    )
    again = actions(changed, "structure")
    assert {table: action for table, action in again.items() if action != "unchanged"} == {
        "segment_names": "replaced",
        "segment_moves": "dropped",
    }
    assert server.psql("select to_regclass('structure.segment_moves') is null") == "t"
    assert server.psql("select count(n_words) from structure.segment_names") == "0"


def test_readers_may_read_and_not_write(small_build: Built, server: Server) -> None:
    path = small_build.project.published
    actions(path, "closed")
    actions(path, "open", READERS)
    with server.connect(READERS) as connection:
        assert connection.execute("select count(*) from open.store_segments").fetchone() == (80,)
        for forbidden in ("select 1 from closed.store_segments", "delete from open.store_segments"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


def test_rights_on_the_schema_are_enough_and_the_tables_of_others_are_not_touched(
    small_build: Built, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.psql("create role publisher login")
    server.psql("create schema own authorization publisher")
    monkeypatch.setenv("PGUSER", "publisher")
    assert set(actions(small_build.project.published, "own").values()) == {"created"}
    assert set(actions(small_build.project.published, "own").values()) == {"unchanged"}
    with pytest.raises(PostgresError, match="permission denied for database"):
        publish_to_postgres(small_build.project.published, "another")
    server.psql("create schema used authorization publisher")
    server.psql("create table used.store_segments as select 1 as mine")
    with pytest.raises(PostgresError, match='relation "store_segments" already exists'):
        publish_to_postgres(small_build.project.published, "used")
    assert server.psql("select mine from used.store_segments") == "1"


def test_a_failed_publication_leaves_the_old_tables(
    small_build: Built, server: Server, change: Callable[[str], Path]
) -> None:
    actions(small_build.project.published, "kept")
    before = server.rows("select * from kept.store_segments order by category, store_id")
    # store_segments is written, then the key of a later table is broken
    broken = change(
        "update segments.store_segments set margin = 0.25;"
        "update segments.store_segments_history set dbt_scd_id = 'same'"
    )
    with pytest.raises(PostgresError, match="schema kept is as it was: duplicate key"):
        publish_to_postgres(broken, "kept")
    with pytest.raises(PostgresError, match='role "nobody_at_all" does not exist'):
        publish_to_postgres(small_build.project.published, "kept", "nobody_at_all")
    assert before == server.rows("select * from kept.store_segments order by category, store_id")


def test_a_server_that_is_not_there_is_said_so(
    small_build: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    with pytest.raises(PostgresError, match="Connection refused"):
        publish_to_postgres(small_build.project.published, "anywhere")


def test_a_zero_byte_becomes_a_replacement_character(
    server: Server, change: Callable[[str], Path]
) -> None:
    odd = change(
        "update segments.segment_summary set description = 'a' || chr(0) || 'b',"
        " most_typical_stores = ['S' || chr(0)]"
    )
    actions(odd, "odd")
    assert (
        server.psql(
            "select distinct description, most_typical_stores ->> 0 from odd.segment_summary"
        )
        == "a\ufffdb|S\ufffd"
    )


def test_ten_readers_see_the_old_rows_or_the_new_ones(
    small_build: Built, server: Server, change: Callable[[str], Path]
) -> None:
    first = small_build.project.published
    second = change(
        "update segments.store_segments set segment_id = 'new', margin = 0.5;"
        "update segments.store_explanations set segment_id = 'new'"
    )
    actions(first, "busy", READERS)
    have_read, stop = threading.Barrier(N_READERS + 1), threading.Event()
    seen: list[set[tuple[int, int, bool]]] = [set() for _ in range(N_READERS)]
    problems: list[BaseException] = []

    def read(mine: set[tuple[int, int, bool]]) -> None:
        try:
            with server.connect(READERS) as connection:
                mine.update(connection.execute(STATE).fetchall())
                have_read.wait()
                while not stop.is_set():
                    mine.update(connection.execute(STATE).fetchall())
                mine.update(connection.execute(STATE).fetchall())
        except BaseException as error:
            problems.append(error)
            have_read.abort()

    threads = [threading.Thread(target=read, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    have_read.wait()
    for _ in range(3):
        actions(second, "busy", READERS)
        actions(first, "busy", READERS)
    actions(second, "busy", READERS)
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert seen == [{(80, 0, True), (80, 80, True)}] * N_READERS


def test_the_password_is_never_said(small_build: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "canary-password")
    monkeypatch.setenv("PGDATABASE", "no_such_database")
    with pytest.raises(PostgresError) as raised:
        publish_to_postgres(small_build.project.published, "anywhere")
    assert "no_such_database" in str(raised.value)
    assert "canary-password" not in str(raised.value)
