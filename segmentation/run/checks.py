"""All that can stop a run before its first model: vars, inputs, database, kept models."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import duckdb
import polars as pl

from segmentation.engine.options import EngineError, is_table
from segmentation.engine.sales import drop_results
from segmentation.engine.session import Engine
from segmentation.fitting.processes import missing_package
from segmentation.fitting.registry import LIBRARIES, tampered_models
from segmentation.inputs.check import PROFILE, check_data
from segmentation.inputs.checks import vars_problems
from segmentation.inputs.locations import Location
from segmentation.inputs.losses import listed
from segmentation.inputs.names import REQUIRED, InputError
from segmentation.inputs.options import INPUT_VARS, InputOptions, misspelled_vars
from segmentation.inputs.reading import LINES, drop_unused, not_allowed
from segmentation.inputs.select import select_of
from segmentation.publishing.destination import destination_problem
from segmentation.publishing.publish import published_path
from segmentation.run.invocation import Invocation
from segmentation.run.publication import COMMANDS
from segmentation.settings import EXTERNAL_SCOPE, LANES, ONLY_IN, Lane, Settings, SettingsError
from segmentation.warehouse.database import execute


@dataclass
class RunCheck:
    """What a run has to know before it starts.

    Attributes
    ----------
    problems
        What stops the run, one line each, for people.
    unread
        Reason by name of the external inputs that cannot be read; the run goes on without them.
    queries
        SQL of the rows of each input, by name.
    remarks
        What is worth a look in each input, by name.
    lines
        Lines of text that could not be read (`segmentation.inputs.reading.LINES`).
    profile
        How each column was read (`segmentation.inputs.check.PROFILE`).
    """

    problems: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    lines: pl.DataFrame = field(default_factory=LINES.to_frame)
    profile: pl.DataFrame = field(default_factory=PROFILE.to_frame)


def check_run(
    cursor: duckdb.DuckDBPyConnection,
    invocation: Invocation,
    expected: Sequence[Sequence[str]] = (),
) -> RunCheck:
    """Look at everything that a run needs before it starts.

    Lines of text inputs that cannot be read are written to `governance.unreadable_lines` and the
    profile of the inputs to `governance.profiled_columns`, in place of those of the run before.

    Parameters
    ----------
    cursor
        Cursor on the database that is built.
    invocation
        The run.
    expected
        Schema and name of each table that the run reads and does not make itself.
    """
    check = RunCheck()
    settings = None
    problems_of_settings: list[str] = []
    try:
        settings = Settings(invocation.variables.get("segmentation"))
    except SettingsError as error:
        problems_of_settings = str(error).splitlines()
    _check_inputs(cursor, invocation, settings, check)
    check.problems.extend(problems_of_settings)
    for name, rows in (("unreadable_lines", check.lines), ("profiled_columns", check.profile)):
        cursor.register("_rows", rows.to_arrow())
        execute(cursor, f"create or replace table governance.{name} as from _rows")
        cursor.unregister("_rows")
    check.problems.extend(publishing_problems(invocation))
    check.problems.extend(empty_build_problems(cursor, invocation))
    check.problems.extend(clock_problems(cursor, invocation))
    if settings is not None and not check.problems:
        check.problems.extend(fit_on_problems(invocation, settings))
    seeds = list(missing_seed_problems(cursor, invocation))
    check.problems.extend(seeds or missing_table_problems(cursor, expected))
    if settings is not None and not check.problems:
        check.problems.extend(tampered_model_problems(cursor))
        check.problems.extend(pinned_model_problems(cursor, settings))
        check.problems.extend(kept_model_problems(cursor, settings))
    return check


def publishing_problems(invocation: Invocation) -> Iterator[str]:
    """Why the build could not be published once it is complete."""
    path = published_path(invocation.path, invocation.published)
    if invocation.command in COMMANDS and path is not None:
        problem = destination_problem(path, invocation.path)
        if problem:
            yield problem


def _check_inputs(
    cursor: duckdb.DuckDBPyConnection,
    invocation: Invocation,
    settings: Settings | None,
    check: RunCheck,
) -> None:
    """Read and profile the inputs; an external input that cannot be read is left out."""
    given = invocation.variables
    inputs, sources = given.get("inputs"), given.get("external_sources")
    check.problems.extend(
        vars_problems(
            {} if inputs is None else inputs,
            [] if sources is None else sources,
            invocation.known_sources,
        )
    )
    check.problems.extend(misspelled_vars(invocation.given_vars))
    try:
        engine = invocation.engine
    except EngineError as error:
        check.problems.extend(str(error).splitlines())
        return
    if engine is not None and settings is None:
        return  # report the wrong setting before the engine runs a job
    locations = _locations(cursor, invocation, check, sales_are_there=engine is not None)
    try:
        options = InputOptions({name: given.get(name) for name in INPUT_VARS}, settings)
    except InputError as error:
        check.problems.extend(error.problems)
        return
    check.problems.extend(options.unknown_inputs(invocation.known_sources))
    today = dt.datetime.fromisoformat(invocation.started_at).date()
    # without sales, staging has nothing to match the stores of external inputs with
    try:
        if engine is not None and "sales" in locations:
            engine.check()
        report = check_data(
            cursor,
            locations,
            options,
            today,
            judges_joins=not locations.keys() & REQUIRED.keys(),
            engine=engine,
        )
    except EngineError as error:
        check.problems.append(str(error))
        return
    finally:
        drop_results(cursor)
    if "sales" in report.plans and (sales := report.plans["sales"].on_engine):
        sales.remember(cursor)
    for name in report.unread & set(invocation.known_sources):
        check.unread[name] = "; ".join(report.problems.pop(name))
    check.problems.extend(report.all_problems())
    check.queries = {
        name: select_of(plan, report.columns[name]) for name, plan in sorted(report.plans.items())
    }
    check.remarks = report.remarks
    check.lines = pl.concat([check.lines, *(plan.lines for plan in report.plans.values())])
    check.profile = report.profile()
    if not check.problems:
        drop_unused(cursor, report.plans.keys())


def fit_on_problems(invocation: Invocation, settings: Settings) -> Iterator[str]:
    """Why models cannot be fitted where the setting `fit_on` says."""
    fit_on = settings.project.fit_on
    if fit_on == "engine":
        engine = Engine.from_var(invocation.variables.get("engine"))
        if engine is None:
            yield "segmentation.fit_on: engine needs the var engine, with remote and shared"
            return
        try:
            engine.check(LIBRARIES)
        except EngineError as error:
            yield str(error)
    elif fit_on != "processes" and (package := missing_package(fit_on)):
        yield (
            f"segmentation.fit_on: {fit_on} needs the package {package}, which is not installed;"
            f" run .venv/bin/pip install {package}"
        )


def _locations(
    cursor: duckdb.DuckDBPyConnection,
    invocation: Invocation,
    check: RunCheck,
    *,
    sales_are_there: bool,
) -> dict[str, str]:
    """Location by name of the inputs whose location is one; others are noted.

    Only an engine can say whether it has the sales (`sales_are_there`).
    """
    possible = {*REQUIRED, *invocation.known_sources}
    locations: dict[str, str] = {}
    for name, value in invocation.inputs.items():
        place = invocation.locations.get(name)
        if sales_are_there and name == "sales" and place is not None:
            locations[name] = place.given if is_table(place.given) else place.path
            continue
        problem = _location_problem(cursor, place, value)
        if problem.startswith("there is no table") and name in invocation.known_sources:
            check.unread[name] = problem
        elif problem:
            check.problems.append(f"inputs.{name}: {problem}")
        elif place is not None and name in possible:
            locations[name] = place.path if place.is_file else place.given
    return locations


def _location_problem(
    cursor: duckdb.DuckDBPyConnection, location: Location | None, given: object
) -> str:
    """What is wrong with a location that is not a file; empty for nothing."""
    if location is None:
        return f"{given} is not allowed; it is a location as text"
    if location.is_file:
        return ""
    if not location.is_table:
        return not_allowed(location.given)
    names = ("table_name", "table_schema", "table_catalog")
    parts = dict(zip(names, location.table_parts, strict=False))
    found = execute(
        cursor,
        "select 1 from information_schema.tables where "  # noqa: S608 (fixed names)
        + " and ".join(f"lower({name}) = lower(?)" for name in parts),
        list(parts.values()),
    ).fetchone()
    if found:
        return ""
    return (
        f"there is no table '{location.given}'; give database.schema.table of an attached database"
    )


def empty_build_problems(
    cursor: duckdb.DuckDBPyConnection, invocation: Invocation
) -> Iterator[str]:
    """`--empty` would empty the segments, and with them end every period of the history."""
    history = ("segments", "store_segments_history")
    if invocation.is_empty and _has_rows(cursor, *history):
        yield (
            f"--empty: it would empty the tables of {invocation.path} and end every row of the"
            " history; name another file in STORE_SEGMENTS_DB for a build without data"
        )


def clock_problems(cursor: duckdb.DuckDBPyConnection, invocation: Invocation) -> Iterator[str]:
    """A run that is dated before an earlier one would put the history in a wrong order."""
    started_at = dt.datetime.fromisoformat(invocation.started_at)
    ((latest,),) = execute(
        cursor,
        "select max(started_at) from governance.runs where run_id <> ?",
        [invocation.run_id],
    ).fetchall()
    if latest is not None and latest > started_at:
        yield (
            f"the clock of this machine says {started_at:%Y-%m-%d %H:%M} UTC, and {invocation.path}"
            f" has a run of {latest:%Y-%m-%d %H:%M} UTC: set the clock right. If it was wrong"
            " during that run, restore the database from a backup made before it, or build"
            " another one (STORE_SEGMENTS_DB)"
        )


def missing_seed_problems(
    cursor: duckdb.DuckDBPyConnection, invocation: Invocation
) -> Iterator[str]:
    """`dbt run` loads no seeds; without them and without own inputs there is nothing to read."""
    reads_seeds = invocation.command == "run" and not invocation.inputs
    if reads_seeds and not _exists(cursor, "raw", "raw_sales"):
        yield (
            "the example seeds are not in the database yet: run dbt build, or dbt seed before"
            " dbt run"
        )


def missing_table_problems(
    cursor: duckdb.DuckDBPyConnection, expected: Sequence[Sequence[str]]
) -> Iterator[str]:
    """A part of a build reads tables that no build has made yet."""
    missing = [f"{schema}.{name}" for schema, name in expected if not _exists(cursor, schema, name)]
    if missing:
        yield (
            f"this part of the project reads {listed(missing, most=1)}, which no build has made"
            " yet; run dbt build once without --select, or put + in front of what you select"
        )


def tampered_model_problems(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Models whose row was changed after it was written."""
    for lane in LANES:
        for scope, model_id in tampered_models(cursor, lane):
            yield (
                f"model {model_id} of {scope}: its row in lanes.{lane}_cluster_models has been"
                " modified (hash mismatch); restore it from a backup, or delete it and the scope"
                " is fitted again"
            )


def pinned_model_problems(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> Iterator[str]:
    """Pinned ids that no model of the scope has."""
    for scope, model_id in settings.project.pinned_models.items():
        lane: Lane = "external" if scope == EXTERNAL_SCOPE else "internal"
        known = [
            known_id
            for known_scope, known_id, _ in _usable_models(cursor, lane)
            if known_scope == scope
        ]
        if model_id not in known:
            yield (
                f"segmentation.pinned_models.{scope}: '{model_id}' is not a model of this scope;"
                f" it has: {', '.join(known) or 'none'}"
            )


def kept_model_problems(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> Iterator[str]:
    """Settings that shape the features differently than a kept model expects.

    A pin or `retrain: never` keeps a model; it would be scored with numbers that it does not know.
    """
    pins = set(settings.project.pinned_models.values())
    never = settings.project.retrain == "never"
    for lane in LANES:
        kept: dict[str, tuple[str, list[dict[str, str]]]] = {}
        for scope, model_id, fitted_with in _usable_models(cursor, lane):
            is_pinned = model_id in pins
            was_pinned = scope in kept and kept[scope][0] in pins
            if (never or is_pinned) and (is_pinned or not was_pinned):
                kept[scope] = (model_id, fitted_with)
        for scope, (model_id, fitted_with) in sorted(kept.items()):
            today = settings.for_scope(lane, scope).model_dump(mode="json")
            for name, value in sorted((one["name"], one["value"]) for one in fitted_with):
                if name not in ONLY_IN[lane]:
                    continue
                now = today[name] if isinstance(today[name], str) else json.dumps(today[name])
                if now != value:
                    yield (
                        f"segmentation.{name}: {now} is not what the kept model {model_id} of"
                        f" {scope} was fitted with ({value}); set it to that value, or let the"
                        " scope be fitted again"
                    )


def _usable_models(
    cursor: duckdb.DuckDBPyConnection, lane: Lane
) -> list[tuple[str, str, list[dict[str, str]]]]:
    """Scope, model id and settings of the models that did not fail, the oldest first."""
    if not _exists(cursor, "lanes", f"{lane}_cluster_models"):
        return []
    return execute(
        cursor,
        f"select scope, model_id, settings from lanes.{lane}_cluster_models"  # noqa: S608
        " where status <> 'failed' order by scope, in_force_order",
    ).fetchall()


def _exists(cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether the database that is built has a table or view."""
    found = execute(
        cursor,
        "select 1 from information_schema.tables"
        " where table_catalog = current_database() and table_schema = ? and table_name = ?",
        [schema, table],
    ).fetchone()
    return found is not None


def _has_rows(cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    return (
        _exists(cursor, schema, table)
        and execute(cursor, f"select 1 from {schema}.{table} limit 1").fetchone() is not None  # noqa: S608
    )
