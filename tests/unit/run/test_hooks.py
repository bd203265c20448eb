"""What the hooks do around the nodes of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from segmentation.publishing.publish import Table
from segmentation.run.hooks import end_run, start_run
from segmentation.run.invocation import NodeResult
from segmentation.run.log import LAYOUT
from segmentation.run.publication import Publication
from tests.integration.helpers import is_listed

from .helpers import invocation

_PUBLICATION = Publication([Table("governance", "made")], [], ["model.made"])
_MADE = NodeResult("model.made", "made", "model", "success", 0.1)


@pytest.fixture
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in which a run has started and made one table."""
    with duckdb.connect() as connection:
        assert start_run(connection, invocation()).problem is None
        connection.execute("create table governance.made as select 1 as n")
        connection.execute("create schema features")
        connection.execute(
            "create table features.dim_stores as"
            " select 'S1' as store_id, true as has_sales, false as has_external"
        )
        yield connection


def status(cursor: duckdb.DuckDBPyConnection) -> tuple[str, str | None]:
    """Status and message of the last run."""
    ((found, message),) = cursor.execute("select status, message from governance.runs").fetchall()
    return found, message


def test_a_complete_build_is_published_with_its_own_success_in_the_log(
    cursor: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "published.duckdb"
    log = Table("governance", "runs")
    publication = Publication([*_PUBLICATION.tables, log], [], _PUBLICATION.node_ids)
    outcome = end_run(cursor, invocation(published=str(path)), [_MADE], publication)
    assert outcome.problem is None
    assert f"  Published: {path}" in outcome.lines
    assert any("make report" in line for line in outcome.lines)
    with duckdb.connect(str(path), read_only=True) as published:
        assert published.execute("select status from governance.runs").fetchall() == [("success",)]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    cursor: duckdb.DuckDBPyConnection,
) -> None:
    cursor.execute("update governance.runs set layout = ?", [LAYOUT + 1])
    cursor.execute("alter table governance.runs add column of_tomorrow integer")
    before = cursor.execute("from governance.runs").fetchall()
    problem = start_run(cursor, invocation(run_id="older")).problem
    assert problem is not None
    assert "a newer version of this project (0." in problem
    assert "\n" not in problem
    assert cursor.execute("from governance.runs").fetchall() == before


@pytest.mark.parametrize(
    ("results", "command"),
    [
        ([_MADE, NodeResult("test.t", "t", "test", "fail", 0.1, "Got 1 result")], "build"),
        ([], "build"),
        ([_MADE], "test"),
    ],
)
def test_anything_else_is_logged_and_not_published(
    cursor: duckdb.DuckDBPyConnection, tmp_path: Path, results: list[NodeResult], command: str
) -> None:
    path = tmp_path / "published.duckdb"
    run = invocation(published=str(path), command=command)
    outcome = end_run(cursor, run, results, _PUBLICATION)
    assert outcome.problem is None
    assert not path.exists()
    expected = ("failed", "Got 1 result") if len(results) > 1 else ("success", None)
    assert status(cursor) == expected


@pytest.mark.parametrize("command", ["build", "run", "retry"])
def test_a_part_of_a_build_says_that_it_is_not_published(
    cursor: duckdb.DuckDBPyConnection, tmp_path: Path, command: str
) -> None:
    run = invocation(published=str(tmp_path / "published.duckdb"), command=command)
    both = Publication(_PUBLICATION.tables, [], ["model.made", "model.other"])
    (line,) = end_run(cursor, run, [_MADE], both).lines
    assert line.startswith("  Not published: this run made a part of the tables")


def test_a_build_that_cannot_be_published_fails_and_says_where(
    cursor: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "published.duckdb"
    outcome = end_run(cursor, invocation(published=str(path)), [_MADE], _PUBLICATION)
    assert outcome.problem is not None
    assert outcome.problem.startswith("the build is complete and was not published")
    assert str(path) in outcome.problem
    assert cursor.execute("select status, message from governance.runs").fetchall() == [
        ("failed", outcome.problem)
    ]


def test_a_file_that_appeared_during_the_run_is_not_replaced(
    cursor: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "own.csv"
    path.write_text("store,sales\n")
    outcome = end_run(cursor, invocation(published=str(path)), [_MADE], _PUBLICATION)
    assert outcome.problem is not None
    assert "the build is complete and was not published: " in outcome.problem
    assert is_listed(outcome.problem)
    assert path.read_text() == "store,sales\n"
    assert status(cursor) == ("failed", outcome.problem)


def test_an_input_that_changed_during_the_run_fails_it_and_nothing_is_published(
    tmp_path: Path,
) -> None:
    path, sales = tmp_path / "published.duckdb", tmp_path / "demographics.csv"
    sales.write_text("store_id\n1\n")
    variables = {"inputs": {"demographics": str(sales)}, "external_sources": ["demographics"]}
    run = invocation(variables=variables, published=str(path))
    with duckdb.connect() as connection:
        start_run(connection, run)
        sales.write_text("store_id\n1\n2\n")
        connection.execute("create table governance.made as select 1 as n")
        outcome = end_run(connection, run, [_MADE], _PUBLICATION)
        assert status(connection) == ("failed", outcome.problem)
    assert outcome.problem is not None
    assert "inputs.demographics changed during the build" in outcome.problem
    assert not path.exists()


def test_a_limit_on_memory_is_in_force_once_the_run_has_started() -> None:
    variables = {"segmentation": {"memory_limit": "1GiB"}}
    with duckdb.connect() as connection:
        start_run(connection, invocation(variables=variables))
        limit = connection.execute("select current_setting('memory_limit')").fetchone()
    assert limit == ("1.0 GiB",)


def test_an_external_input_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    for name, header in (
        ("sales", "store_id,product_id,sales_amount\n1,1,1"),
        ("products", "product_id,category,need_state\n1,a,b"),
    ):
        (tmp_path / f"{name}.csv").write_text(f"{header}\n")
    inputs = {name: str(tmp_path / f"{name}.csv") for name in ("sales", "products")}
    inputs["demographics"] = str(tmp_path / "gone.csv")
    variables = {"inputs": inputs, "external_sources": ["demographics"]}
    with duckdb.connect() as connection:
        outcome = start_run(connection, invocation(variables=variables))
        unread = connection.execute("select input from governance.unread_inputs").fetchall()
    assert outcome.problem is None
    (line,) = outcome.lines
    assert line.startswith("WARNING inputs.demographics: ")
    assert "there is no such file" in line
    assert line.endswith("; the build goes on without it")
    assert unread == [("demographics",)]


def test_what_is_worth_a_look_in_the_inputs_is_kept_for_the_summary(tmp_path: Path) -> None:
    for name, lines in (
        ("sales", "store_id,product_id,sales_amount,units\n1,1,8.5,1\n1,1,4.5,-1"),
        ("products", "product_id,category,need_state\n1,a,b"),
    ):
        (tmp_path / f"{name}.csv").write_text(f"{lines}\n")
    inputs = {name: str(tmp_path / f"{name}.csv") for name in ("sales", "products")}
    variables = {"inputs": inputs, "external_sources": []}
    with duckdb.connect() as connection:
        outcome = start_run(connection, invocation(variables=variables))
        rows = connection.execute("select input, remark from governance.input_remarks").fetchall()
    assert outcome.problem is None
    ((name, remark),) = rows
    assert name == "sales"
    assert remark.startswith("1 row(s) have negative units and a positive amount, 4.50 of 13.00")
