"""The run log, and what models read of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from segmentation.run.invocation import NodeResult
from segmentation.run.log import (
    add_nodes,
    changed_inputs,
    close_run,
    input_relation,
    note_inputs,
    open_run,
)

from .helpers import invocation


@pytest.fixture
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    """A new database."""
    with duckdb.connect() as connection:
        yield connection


def with_sales(path: Path | str) -> dict[str, object]:
    """Vars that name one input."""
    return {"inputs": {"sales": str(path)}, "external_sources": [], "segmentation": {}}


def test_a_run_that_is_still_open_has_been_interrupted(cursor: duckdb.DuckDBPyConnection) -> None:
    open_run(cursor, invocation(run_id="killed"))
    open_run(cursor, invocation(run_id="next"))
    close_run(cursor, invocation(run_id="next"), None)
    statuses = "select run_id, status, finished_at is null from governance.runs order by run_id"
    assert cursor.execute(statuses).fetchall() == [
        ("killed", "interrupted", True),
        ("next", "success", False),
    ]


def test_secrets_in_vars_and_messages_are_masked(cursor: duckdb.DuckDBPyConnection) -> None:
    run = invocation(variables=with_sales("https://me:canary@host/a.parquet"))
    open_run(cursor, run)
    close_run(cursor, run, "cannot read https://me:canary@host/a.parquet")
    logged = cursor.execute("select vars, message from governance.runs").fetchall()
    assert "host/a.parquet" in str(logged)
    assert "canary" not in str(logged)


def test_rows_of_tables_are_counted_and_failures_of_tests(
    cursor: duckdb.DuckDBPyConnection,
) -> None:
    open_run(cursor, invocation())
    cursor.execute("create table made as from range(3)")
    results = [
        NodeResult("model.a", "a", "model", "success", 0.1, table='"memory"."main"."made"'),
        NodeResult("model.b", "b", "model", "error", 0.1, "no", table='"memory"."main"."gone"'),
        NodeResult("model.c", "c", "model", "success", 0.1),
        NodeResult("test.d", "d", "test", "warn", 0.1, n_failures=2, table='"memory"."main"."x"'),
    ]
    add_nodes(cursor, invocation(), results)
    close_run(cursor, invocation(), "no", results)
    nodes = "select node_name, n_rows, n_failures from governance.run_nodes order by all"
    assert cursor.execute(nodes).fetchall() == [
        ("a", 3, None),
        ("b", None, None),
        ("c", None, None),
        ("d", None, 2),
    ]
    counts = "select status, n_nodes, n_failed, n_warned from governance.runs"
    assert cursor.execute(counts).fetchall() == [("failed", 4, 1, 1)]


def test_a_database_of_an_earlier_version_gets_the_columns_of_today(
    cursor: duckdb.DuckDBPyConnection,
) -> None:
    open_run(cursor, invocation(run_id="today"))
    today = cursor.table("governance.runs").columns
    cursor.execute("alter table governance.runs drop column input_stamps")
    cursor.execute("alter table governance.runs add column reader_options varchar")
    cursor.execute("alter table governance.runs add column made_from varchar")
    cursor.execute("alter table governance.runs add column keeps_tables boolean")
    open_run(cursor, invocation(run_id="tomorrow"))
    assert sorted(cursor.table("governance.runs").columns) == sorted(today)


def test_an_input_file_that_changes_during_the_run_is_named(
    cursor: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("store_id\n1\n")
    run = invocation(variables=with_sales(path))
    open_run(cursor, run)
    assert changed_inputs(cursor, run) is None
    path.write_text("store_id\n1\n2\n")
    message = changed_inputs(cursor, run)
    assert message is not None
    assert message.startswith("inputs.sales changed during the build")


def test_models_read_inputs_as_the_start_of_the_run_found_them(
    cursor: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("store_id\n1\n")
    run = invocation(variables=with_sales(path))
    open_run(cursor, run)
    note_inputs(cursor, run, {}, {"sales": "select 7 as store_id"}, {})
    assert input_relation(cursor, run, "sales") == "(select 7 as store_id)"
    note_inputs(cursor, run, {"sales": "forbidden"}, {}, {})
    rows = cursor.execute(f"select store_id from {input_relation(cursor, run, 'sales')}").fetchall()
    assert rows == []


def test_an_input_can_be_compiled_before_anything_was_built(
    cursor: duckdb.DuckDBPyConnection,
) -> None:
    run = invocation(variables=with_sales(Path("/data/sales.parquet")))
    assert input_relation(cursor, run, "sales") == "'/data/sales.parquet'"


def test_the_versions_are_pairs_of_name_and_value(cursor: duckdb.DuckDBPyConnection) -> None:
    open_run(cursor, invocation())
    (versions, given) = cursor.execute("select versions, vars from governance.runs").fetchone() or (
        [],
        "",
    )
    assert {"name": "duckdb", "value": duckdb.__version__} in versions
    assert json.loads(given)["external_sources"] == []
