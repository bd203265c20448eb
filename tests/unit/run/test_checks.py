"""What stops a run before its first model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from segmentation.inputs.options import INPUT_VARS, OTHER_VARS
from segmentation.run.checks import check_run, kept_model_problems, pinned_model_problems
from segmentation.run.log import open_run
from segmentation.settings import Settings
from tests.integration.helpers import REPOSITORY, is_listed

from .helpers import invocation

#: Two fitted models of Snacks, the older one with another weight of zeros, and a failed fit.
_MODELS = """
create schema lanes;
create table lanes.internal_cluster_models as
from (
    values
    ('Snacks', 'old', 'fitted', 1, [{'name': 'zero_replacement', 'value': '0.1'}]),
    ('Snacks', 'new', 'fitted', 2, [{'name': 'zero_replacement', 'value': '0.05'}]),
    ('Snacks', 'bad', 'failed', 3, [{'name': 'zero_replacement', 'value': '0.2'}])
) as models (scope, model_id, status, in_force_order, settings);
"""


@pytest.fixture
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    """A new database with the run log."""
    with duckdb.connect() as connection:
        open_run(connection, invocation())
        yield connection


def problems(cursor: duckdb.DuckDBPyConnection, **changed: Any) -> list[str]:
    """Problems of an invocation."""
    return check_run(cursor, invocation(**changed)).problems


def variables(**changed: Any) -> dict[str, Any]:
    """Vars of an invocation, without any input unless given."""
    return {"inputs": {}, "external_sources": [], "segmentation": {}, **changed}


def test_a_part_that_reads_what_no_build_has_made_cannot_start(
    cursor: duckdb.DuckDBPyConnection,
) -> None:
    cursor.execute("create schema lanes")
    cursor.execute("create table lanes.known as select 1 as n")
    run = invocation(variables=variables())
    missing = [["lanes", "unknown"], ["lanes", "known"], ["segments", "unknown"]]
    (problem,) = check_run(cursor, run, missing).problems
    assert problem.startswith("this part of the project reads lanes.unknown and 1 more, which")
    assert is_listed(problem)
    assert check_run(cursor, run, [["lanes", "known"]]).problems == []


@pytest.mark.parametrize("command", ["build", "run", "retry", "test"])
def test_a_file_that_is_not_ours_is_not_published_to(
    cursor: duckdb.DuckDBPyConnection, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "own.duckdb"
    path.write_text("store,sales\n")
    found = problems(cursor, published=str(path), command=command)
    refused = [text for text in found if "is no published build of this project" in text]
    assert len(refused) == (command != "test")
    assert all(map(is_listed, refused))


def test_names_that_have_no_effect_cannot_start(cursor: duckdb.DuckDBPyConnection) -> None:
    given = variables(columns={"slaes": {"store_id": "Store"}})
    found = problems(cursor, variables=given, given_vars=["colums", "region"])
    assert [text.split(";")[0] for text in found] == [
        "colums: unknown var",
        "columns.slaes: unknown input",
    ]
    assert all(map(is_listed, found))


def test_the_project_file_has_every_var_that_is_known() -> None:
    project = yaml.safe_load((REPOSITORY / "dbt_project.yml").read_text(encoding="utf-8"))
    assert set(project["vars"]) == {*INPUT_VARS, *OTHER_VARS}


def test_all_problems_of_the_vars_are_reported_at_once(cursor: duckdb.DuckDBPyConnection) -> None:
    given = variables(
        segmentation={"sead": 1, "transform": "log"},
        inputs={"sale": "x"},
        external_sources=["weather"],
    )
    starts = [line.split(":")[0] for line in problems(cursor, variables=given)]
    assert starts == [
        "inputs.sale",
        "external_sources",
        "inputs.weather",
        "inputs.sale",
        "segmentation.transform",
        "segmentation.sead",
    ]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"segmentation": None, "inputs": None, "external_sources": None},
        {"segmentation": {"seed": 1}, "inputs": {}, "external_sources": ["demographics"]},
    ],
)
def test_good_vars_and_vars_that_are_not_given_have_no_problems(
    cursor: duckdb.DuckDBPyConnection, given: dict[str, Any]
) -> None:
    assert problems(cursor, variables=given) == []


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (["a.csv"], "inputs.sales: ['a.csv'] is not allowed; it is a location as text"),
        ("sales.xlsx/", "inputs.sales: 'sales.xlsx/' is not allowed; it is a path that ends in"),
        ("shop.sales", "inputs.sales: there is no table 'shop.sales'; give database.schema.table"),
    ],
)
def test_a_location_that_cannot_be_read_is_named(
    cursor: duckdb.DuckDBPyConnection, location: object, message: str
) -> None:
    found = problems(cursor, variables=variables(inputs={"sales": location}))
    assert any(line.startswith(message) for line in found), found


def test_tables_are_found_in_any_attached_database(cursor: duckdb.DuckDBPyConnection) -> None:
    cursor.execute("attach ':memory:' as Shop; create table shop.main.sales (store_id varchar)")
    for location in ("sales", "main.Sales", "SHOP.main.sales"):
        found = problems(cursor, variables=variables(inputs={"sales": location}))
        assert not any("there is no table" in line for line in found), location


def test_a_missing_external_table_is_left_out_and_stops_nothing(
    cursor: duckdb.DuckDBPyConnection,
) -> None:
    cursor.execute(
        "create table sales as select 1 as store_id, 2 as product_id, 3 as sales_amount;"
        "create table products as select 2 as product_id, 'a' as category, 'b' as need_state"
    )
    inputs = {"sales": "sales", "products": "products", "demographics": "gone"}
    given = variables(inputs=inputs, external_sources=["demographics"])
    check = check_run(cursor, invocation(variables=given))
    assert check.problems == []
    assert check.unread == {
        "demographics": "there is no table 'gone'; give database.schema.table of an attached"
        " database"
    }


def test_an_empty_build_is_refused_where_history_would_end(
    cursor: duckdb.DuckDBPyConnection,
) -> None:
    assert problems(cursor, is_empty=True) == []
    cursor.execute(
        "create schema segments; create table segments.store_segments_history as select 1"
    )
    (line,) = problems(cursor, is_empty=True)
    assert "STORE_SEGMENTS_DB" in line


@pytest.mark.parametrize(
    ("started_at", "is_refused"),
    [("2026-03-01 07:59:59.000000", True), ("2026-03-01 08:00:01.000000", False)],
)
def test_a_run_dated_before_an_earlier_one_is_refused(
    cursor: duckdb.DuckDBPyConnection, started_at: str, is_refused: bool
) -> None:
    found = problems(cursor, run_id="later", started_at=started_at)
    assert [is_listed(line) for line in found] == [True] * is_refused
    assert [line.startswith("the clock of this machine says 2026-03-01") for line in found] == (
        [True] * is_refused
    )


def test_dbt_run_needs_the_example_seeds_unless_inputs_are_given(
    cursor: duckdb.DuckDBPyConnection,
) -> None:
    (line,) = problems(cursor, command="run")
    assert "dbt seed" in line
    cursor.execute("create schema raw; create table raw.raw_sales (a int)")
    assert problems(cursor, command="run") == []


def test_a_pin_must_name_a_usable_model_of_its_scope(cursor: duckdb.DuckDBPyConnection) -> None:
    cursor.execute(_MODELS)
    for model_id in ("bad", "unknown"):
        settings = Settings({"pinned_models": {"Snacks": model_id}})
        (line,) = pinned_model_problems(cursor, settings)
        assert line.endswith("it has: old, new")
    settings = Settings({"pinned_models": {"external": "old"}})
    (line,) = pinned_model_problems(cursor, settings)
    assert line.endswith("it has: none")
    assert not list(pinned_model_problems(cursor, Settings({"pinned_models": {"Snacks": "old"}})))


@pytest.mark.parametrize(
    ("given", "model"),
    [
        ({}, None),
        ({"zero_replacement": 0.3}, None),
        ({"zero_replacement": 0.3, "retrain": "never"}, "new"),
        ({"retrain": "never"}, None),
        ({"pinned_models": {"Snacks": "old"}}, "old"),
        ({"pinned_models": {"Snacks": "old"}, "retrain": "never"}, "old"),
        ({"pinned_models": {"Snacks": "old"}, "zero_replacement": 0.1}, None),
        ({"retrain": "never", "scopes": {"Snacks": {"zero_replacement": 0.3}}}, "new"),
    ],
)
def test_a_kept_model_needs_the_feature_settings_that_it_was_fitted_with(
    cursor: duckdb.DuckDBPyConnection, given: dict[str, Any], model: str | None
) -> None:
    cursor.execute(_MODELS)
    found = list(kept_model_problems(cursor, Settings(given)))
    assert [f"kept model {model} of Snacks" in line for line in found] == [True] * bool(model)
