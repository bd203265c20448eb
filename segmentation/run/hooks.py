"""The hooks of dbt: what happens before the first node of a run and after the last one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from segmentation.engine.options import EngineError
from segmentation.engine.sales import EngineSales, drop_results
from segmentation.inputs.reading import drop_unused
from segmentation.publishing.contract import contract_path, data_contract
from segmentation.publishing.destination import destination_problem
from segmentation.publishing.publish import publish, published_path
from segmentation.run.checks import check_run
from segmentation.run.invocation import Invocation, NodeResult, Outcome
from segmentation.run.log import (
    add_nodes,
    changed_inputs,
    close_run,
    newer_code,
    note_inputs,
    open_run,
)
from segmentation.run.publication import COMMANDS, Publication
from segmentation.run.summary import next_steps, segments_were_built, summary, warnings
from segmentation.run.webhook import ADDRESS, delivery, failure_message, success_message
from segmentation.settings import Settings
from segmentation.warehouse.database import sql_literal
from segmentation.warehouse.secrets import without_secrets


def start_run(
    cursor: duckdb.DuckDBPyConnection,
    invocation: Invocation,
    expected: Sequence[Sequence[str]] = (),
) -> Outcome:
    """Log the run and check everything it needs; all problems are reported at once.

    Parameters
    ----------
    cursor
        Cursor on the database that is built; each statement is its own transaction.
    invocation
        The run.
    expected
        Schema and name of each table that the run reads and does not make itself.
    """
    if problem := newer_code(cursor):
        return Outcome(problem=problem)
    open_run(cursor, invocation)
    check = check_run(cursor, invocation, expected)
    if check.problems:
        message = "\n  ".join(["the build cannot start:", *without_secrets(check.problems)])
        close_run(cursor, invocation, message)
        return Outcome(list(_reported_failure(invocation, message)), message)
    unread: dict[str, str] = without_secrets(check.unread)
    note_inputs(cursor, invocation, unread, check.queries, without_secrets(check.remarks))
    project = Settings(invocation.variables.get("segmentation")).project
    for name in ("memory_limit", "temp_directory"):
        if value := getattr(project, name):
            cursor.execute(f"set {name} = {sql_literal(value)}")
    lines = [
        f"WARNING inputs.{name}: {reason}; the build goes on without it"
        for name, reason in unread.items()
    ]
    for name, n_lines in check.lines["input"].value_counts().sort("input").iter_rows():
        lines.append(
            f"WARNING inputs.{name}: {n_lines} line(s) cannot be read;"
            " governance.rejected_rows has them"
        )
    return Outcome(lines)


def end_run(
    cursor: duckdb.DuckDBPyConnection,
    invocation: Invocation,
    results: list[NodeResult],
    publication: Publication,
) -> Outcome:
    """Log what became of the run, show it, and publish a complete build.

    Parameters
    ----------
    cursor
        Cursor on the database that was built.
    invocation
        The run.
    results
        Outcome of every node.
    publication
        What a complete build publishes.
    """
    add_nodes(cursor, invocation, results)
    drop_results(cursor)
    drop_unused(cursor, set(invocation.inputs) - {"sales"})  # stg_internal__sales_rows has them
    changed = changed_inputs(cursor, invocation)
    failures = [result for result in results if result.failed]
    message = _first_message(failures) or changed
    close_run(cursor, invocation, message, results)
    lines = list(_shown(cursor, invocation, results))
    if message:
        return Outcome([*lines, *_reported_failure(invocation, message)], changed)
    if invocation.command not in COMMANDS:
        return Outcome(lines)
    path = published_path(invocation.path, invocation.published)
    is_complete = path is not None and publication.is_complete(results)
    if path is not None and is_complete:
        problem = _problem_of_publishing(cursor, invocation, publication, path)
        if problem:
            with suppress(duckdb.Error):  # a disk that is full may not take this either
                close_run(cursor, invocation, problem, results)
            return Outcome([*lines, *_reported_failure(invocation, problem)], problem)
        lines += [f"  Published: {path}", *next_steps(cursor)]
    elif path is not None:
        lines += _not_published(results, publication)
    if (address := os.environ.get(ADDRESS)) and segments_were_built(results):
        lines += delivery(address, success_message(cursor, invocation, is_published=is_complete))
    return Outcome(lines)


def on_engine(
    cursor: duckdb.DuckDBPyConnection, invocation: Invocation, job: Mapping[str, Any]
) -> dict[str, str]:
    """Run a query of a model over the sales of the engine (`EngineSales.merged`).

    Parameters
    ----------
    cursor
        Cursor on the database that is built.
    invocation
        The run.
    job
        `name` of the model, `sql`, `merge` and `beside`.

    Returns
    -------
    dict
        `relation` with the merged result, or the `problem`.
    """
    try:
        engine = invocation.engine
        assert engine is not None  # noqa: S101 (the macro asks for an engine only)
        sales = EngineSales.remembered(cursor, engine)
        relation = sales.merged(
            cursor, job["sql"], job["merge"], name=job["name"], beside=job["beside"]
        )
    except EngineError as error:
        return {"problem": without_secrets(str(error))}
    return {"relation": relation}


def _problem_of_publishing(
    cursor: duckdb.DuckDBPyConnection,
    invocation: Invocation,
    publication: Publication,
    path: Path,
) -> str | None:
    """Publish with the data contract; what to say if the files could not be written.

    What the run has found at its start may be different by now.
    """
    if problem := destination_problem(path, invocation.path):
        return f"the build is complete and was not published: {problem}"
    try:
        contract = {contract_path(path): data_contract(publication.tables, path)}
        publish(cursor, publication.tables, publication.queries, path, contract)
    except (OSError, duckdb.Error) as error:
        cause = " ".join(str(error).split())
        problem = f"the build is complete and was not published: {path} could not be written"
        return f"{problem}: {cause}"
    return None


def _reported_failure(invocation: Invocation, cause: str) -> Iterator[str]:
    """Send a message about a build that failed; other commands are not worth one."""
    address = os.environ.get(ADDRESS)
    if address and invocation.command in COMMANDS:
        yield from delivery(address, failure_message(invocation, cause))


def _not_published(results: list[NodeResult], publication: Publication) -> Iterator[str]:
    """What to say of a run that made some of the published tables and not all of them."""
    if any(result.node_id in publication.node_ids for result in results):
        yield "  Not published: this run made a part of the tables; dbt build makes all of them"


def _first_message(failures: list[NodeResult]) -> str | None:
    """What the first failed node says."""
    return next((failure.message or failure.status for failure in failures), None)


def _shown(
    cursor: duckdb.DuckDBPyConnection, invocation: Invocation, results: list[NodeResult]
) -> Iterator[str]:
    """The summary if the segments were built, then the causes of warnings."""
    has_summary = segments_were_built(results)
    if has_summary:
        yield from summary(cursor, invocation)
    yield from warnings(cursor, results, without={"nothing_has_drifted"} if has_summary else set())
