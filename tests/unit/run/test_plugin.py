from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from segmentation.run.plugin import Plugin, segmentation_setting


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


def problems(connection: duckdb.DuckDBPyConnection, given: dict[str, Any]) -> list[str]:
    """Problems of the vars, asked for in SQL."""
    arguments = (json.dumps(given), "{}", '["demographics"]')
    found: list[str] = ask(connection, "segmentation_problems", *arguments)["problems"]
    return found


def test_sql_can_ask_for_the_problems_of_the_vars(connection: duckdb.DuckDBPyConnection) -> None:
    given = {"segmentation": {"sead": 1}, "inputs": {"sale": "x"}, "external_sources": ["weather"]}
    lines = problems(connection, given)
    starts = [line.split(":")[0] for line in lines]
    assert starts == [
        "inputs.sale",
        "external_sources",
        "inputs.sales",
        "inputs.products",
        "inputs.weather",
        "segmentation.sead",
    ]


def test_good_vars_have_no_problems(connection: duckdb.DuckDBPyConnection) -> None:
    given = {"segmentation": {"seed": 1}, "inputs": {}, "external_sources": ["demographics"]}
    assert problems(connection, given) == []


@pytest.mark.parametrize(
    "given", [{}, {"segmentation": None, "inputs": None, "external_sources": None}]
)
def test_vars_that_are_not_given_are_no_problem(
    connection: duckdb.DuckDBPyConnection, given: dict[str, Any]
) -> None:
    assert problems(connection, given) == []


def test_each_problem_of_the_settings_is_a_line_of_its_own(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert len(problems(connection, {"segmentation": {"seed": -1, "transform": "log"}})) == 2


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
