from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.credentials import Attachment

from segmentation.run.invocation import Outcome
from segmentation.run.plugin import Plugin, segmentation_setting
from segmentation.warehouse.database import DatabaseError

from .helpers import invocation


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection that the plugin has set up, as dbt-duckdb does."""
    with duckdb.connect() as connection:
        Plugin("segmentation", {}, None).configure_connection(connection)
        yield connection


def ask(connection: duckdb.DuckDBPyConnection, function: str, *arguments: str) -> Any:
    """Call one function in SQL and read its JSON."""
    marks = ", ".join("?" for _ in arguments)
    row = connection.execute(f"select {function}({marks})", arguments).fetchone()
    assert row is not None
    return json.loads(row[0])


def test_sql_can_start_a_run_and_show_what_stops_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    stopped = invocation(variables={"segmentation": {"sead": 1}})
    outcome = ask(connection, "segmentation_start_run", json.dumps(asdict(stopped)), "[]")
    assert outcome["problem"].startswith("the build cannot start:\n  segmentation.sead: unknown")
    logged = connection.execute("select status, message from governance.runs").fetchall()
    assert logged == [("failed", outcome["problem"])]


def test_sql_can_start_and_end_a_run_without_problems(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    run = json.dumps(asdict(invocation()))
    assert ask(connection, "segmentation_start_run", run, "[]") == {"lines": [], "problem": None}
    graph = json.dumps({key: [] for key in ("nodes", "sources", "grains", "analyses")})
    assert ask(connection, "segmentation_end_run", run, "[]", graph)["problem"] is None
    assert connection.execute("select status from governance.runs").fetchall() == [("success",)]


def test_sql_can_ask_how_an_input_is_read(connection: duckdb.DuckDBPyConnection) -> None:
    run = invocation(variables={"inputs": {"sales": "a.parquet"}}, project_dir="/shop")
    (sql,) = connection.execute(
        "select segmentation_input(?, 'sales')", [json.dumps(asdict(run))]
    ).fetchone() or ("",)
    assert sql == "'/shop/a.parquet'"


@pytest.mark.parametrize(
    ("lane", "scope", "name", "expected"),
    [
        ("internal", "Snacks", "min_training_sales", 50.0),
        ("internal", "Dairy", "min_training_sales", 10.0),
        ("external", "external", "min_training_sales", 10.0),
        ("internal", "Dairy", "normalize_method", "none"),
        ("external", "external", "normalize_method", "robust"),
        ("internal", "Dairy", "ignore_features", ["a*"]),
        ("", "", "retrain", "never"),
        ("internal", "", "retrain", "never"),
        ("", "", "sales_window", {"start": "2024-01-01", "end": None}),
        ("", "", "pinned_models", {}),
    ],
)
def test_sql_can_ask_for_a_setting_of_a_scope_or_of_the_project(
    connection: duckdb.DuckDBPyConnection, lane: str, scope: str, name: str, expected: object
) -> None:
    given = {
        "min_training_sales": 10,
        "ignore_features": ["a*"],
        "retrain": "never",
        "sales_window": {"start": "2024-01-01"},
        "scopes": {"Snacks": {"min_training_sales": 50}},
    }
    assert ask(connection, "segmentation_setting", json.dumps(given), lane, scope, name) == expected


def test_a_var_that_is_null_has_the_default_settings() -> None:
    assert json.loads(segmentation_setting("null", "internal", "Snacks", "seed")) == 42


def test_a_setting_that_does_not_exist_is_an_error_in_sql(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="no_such_setting"):
        ask(connection, "segmentation_setting", "{}", "internal", "Snacks", "no_such_setting")


def test_the_functions_reach_the_cursors_of_the_connection(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    plugin = Plugin("segmentation", {}, None)
    cursor = connection.cursor()
    plugin.configure_cursor(cursor)
    assert ask(cursor, "segmentation_setting", "{}", "", "", "retrain") == "auto"


def test_the_configuration_of_the_profile_stays_and_no_extension_is_fetched() -> None:
    config = {"threads": 2}
    Plugin("segmentation", {}, None).update_connection_config(None, config)
    assert config == {"threads": 2, "autoinstall_known_extensions": False}


def test_a_database_that_cannot_be_attached_is_one_line_without_its_password() -> None:
    lake = "ducklake:postgres:host=127.0.0.1 port=1 dbname=x user=u password=Zq7Kx"
    credentials = SimpleNamespace(attach=[Attachment(path=lake, alias="lake")])
    plugin = Plugin("segmentation", {}, credentials)
    with duckdb.connect() as connection, pytest.raises(DatabaseError) as raised:
        plugin.configure_connection(connection)
    (line,) = "".join(traceback.format_exception_only(raised.value)).splitlines()
    assert "cannot attach the database ducklake:postgres:host=127.0.0.1 port=1" in line
    assert "; start its server, or correct its address" in line
    assert "Zq7Kx" not in "".join(traceback.format_exception(raised.value))


def test_what_the_profile_attaches_is_there_and_can_be_attached_again(tmp_path: Path) -> None:
    attached = Attachment(path=str(tmp_path / "it's.duckdb"), alias="shop")
    with duckdb.connect() as connection:
        plugin = Plugin("segmentation", {}, SimpleNamespace(attach=[attached]))
        plugin.configure_connection(connection)
        connection.execute(attached.to_sql())
        connection.execute("create table shop.main.t as select 1 as x")


def test_libraries_that_a_model_imports_use_one_thread_in_each_of_dbts() -> None:
    asked = """
import json, threading
from segmentation.run.plugin import Plugin
Plugin("segmentation", {}, None)

def model():
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_info
    print(json.dumps([library["num_threads"] for library in threadpool_info()]))

thread = threading.Thread(target=model)
thread.start()
thread.join()
"""
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    shown = subprocess.run(
        [sys.executable, "-c", asked], env=free, capture_output=True, text=True, check=True
    ).stdout
    numbers = json.loads(shown)
    assert len(numbers) > 1
    assert set(numbers) == {1}


@pytest.mark.parametrize(
    "error",
    [
        duckdb.TransactionException("Failed to commit:\nNo space left on device"),
        duckdb.IOException("Could not write file: No space left on device"),
        OSError(28, "No space left on device"),
    ],
)
def test_a_database_that_cannot_be_written_is_reported_without_a_traceback(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    for hook in ("start_run", "end_run"):
        monkeypatch.setattr(f"segmentation.run.plugin.{hook}", fails)
    run = json.dumps(asdict(invocation()))
    graph = json.dumps({"nodes": [], "sources": [], "grains": [], "analyses": []})
    for outcome in (
        ask(connection, "segmentation_start_run", run, "[]"),
        ask(connection, "segmentation_end_run", run, "[]", graph),
    ):
        assert outcome["problem"].startswith("this run cannot be logged: ")
        assert outcome["problem"].endswith("No space left on device")
        assert "\n" not in outcome["problem"]


def test_nothing_that_a_run_shows_can_steer_a_terminal() -> None:
    shown = json.loads(Outcome(["a\x1b[2J\tb\nc\x9b"], "S\x07").to_json())
    assert shown == {"lines": ["a␛[2J\tb\nc\ufffd"], "problem": "S␇"}
