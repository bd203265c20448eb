"""The run log: one row per run in `governance.runs`, one per node in `governance.run_nodes`.

Written by the hooks, so that a failed run is logged as well.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import polars as pl

from segmentation.inputs.checks import input_stamps, last_change
from segmentation.run.facts import code_state, versions
from segmentation.run.invocation import Invocation, NodeResult
from segmentation.warehouse.database import execute
from segmentation.warehouse.secrets import without_secrets

#: Counts the layouts of the database. A change that older code cannot build on raises it.
LAYOUT: Final = 2
#: Tables of the log. Columns that are added later are nullable and added to old databases as well.
_TABLES: Final = """
create schema if not exists governance;

create table if not exists governance.runs (
    run_id varchar not null,
    command varchar not null,
    target_name varchar not null,
    status varchar not null,
    message varchar,
    git_revision varchar,
    vars varchar not null,
    versions struct("name" varchar, "value" varchar)[] not null,
    n_nodes bigint,
    n_failed bigint,
    n_warned bigint,
    is_clean boolean,
    started_at timestamp not null,
    finished_at timestamp,
    input_stamps varchar,
    layout integer
);

alter table governance.runs add column if not exists input_stamps varchar;
alter table governance.runs add column if not exists layout integer;
alter table governance.runs drop column if exists reader_options;
alter table governance.runs drop column if exists made_from;
alter table governance.runs drop column if exists keeps_tables;

create table if not exists governance.unread_inputs (
    run_id varchar not null,
    input varchar not null,
    reason varchar not null
);

create table if not exists governance.input_remarks (
    run_id varchar not null,
    input varchar not null,
    remark varchar not null
);

create table if not exists governance.input_queries (
    run_id varchar not null,
    input varchar not null,
    query varchar not null
);

create table if not exists governance.run_nodes (
    run_id varchar not null,
    node_id varchar not null,
    node_name varchar not null,
    node_type varchar not null,
    status varchar not null,
    message varchar,
    n_rows bigint,
    n_failures bigint,
    seconds double not null
);
"""
_NODE_SCHEMA: Final = pl.Schema(
    {
        "run_id": pl.String,
        "node_id": pl.String,
        "node_name": pl.String,
        "node_type": pl.String,
        "status": pl.String,
        "message": pl.String,
        "n_rows": pl.Int64,
        "n_failures": pl.Int64,
        "seconds": pl.Float64,
    }
)
_COUNTED: Final = frozenset({"model", "seed", "snapshot"})


def newer_code(cursor: duckdb.DuckDBPyConnection) -> str | None:
    """Which newer code the database needs; None if this code can build on it."""
    try:
        found = execute(
            cursor,
            """
            select
                list_filter(versions, lambda library: library.name = 'store-segments')[1].value,
                layout
            from governance.runs
            where layout > ?
            order by layout desc, started_at desc
            limit 1
            """,
            [LAYOUT],
        ).fetchone()
    except (duckdb.BinderException, duckdb.CatalogException):  # a new or an older database
        return None
    if found is None:
        return None
    return (
        f"a newer version of this project ({found[0]}) built this database: use that version, or"
        " another database (STORE_SEGMENTS_DB)"
    )


def open_run(cursor: duckdb.DuckDBPyConnection, invocation: Invocation) -> None:
    """Add the row of this run. A run that is still open has been killed: nobody else can write."""
    execute(cursor, _TABLES)
    execute(
        cursor,
        "update governance.runs"
        " set status = 'interrupted', message = 'the process ended before the run did'"
        " where status = 'running'",
    )
    revision, is_clean = code_state(invocation.project_dir)
    execute(
        cursor,
        """
        insert into governance.runs by name
        select
            $run_id as run_id,
            $command as command,
            $target_name as target_name,
            'running' as status,
            $git_revision as git_revision,
            $vars as vars,
            from_json($versions, '[{"name": "VARCHAR", "value": "VARCHAR"}]') as versions,
            $is_clean as is_clean,
            $started_at::timestamp as started_at,
            $input_stamps as input_stamps,
            $layout as layout
        """,
        {
            "run_id": invocation.run_id,
            "command": invocation.command,
            "target_name": invocation.target_name,
            "git_revision": revision,
            "vars": json.dumps(without_secrets(dict(invocation.variables)), sort_keys=True),
            "versions": json.dumps(
                [{"name": name, "value": value} for name, value in versions().items()]
            ),
            "is_clean": is_clean,
            "started_at": invocation.started_at,
            "input_stamps": json.dumps(stamps(invocation), sort_keys=True),
            "layout": LAYOUT,
        },
    )


def close_run(
    cursor: duckdb.DuckDBPyConnection,
    invocation: Invocation,
    message: str | None,
    results: Sequence[NodeResult] = (),
) -> None:
    """Complete the row of this run; it has failed if there is a message."""
    execute(
        cursor,
        """
        update governance.runs
        set
            status = ?,
            message = ?,
            n_nodes = ?,
            n_failed = ?,
            n_warned = ?,
            finished_at = now() at time zone 'UTC'
        where run_id = ?
        """,
        [
            "failed" if message else "success",
            without_secrets(message),
            len(results),
            sum(result.failed for result in results),
            sum(result.status == "warn" for result in results),
            invocation.run_id,
        ],
    )


def add_nodes(
    cursor: duckdb.DuckDBPyConnection, invocation: Invocation, results: Sequence[NodeResult]
) -> None:
    """Add a row per node. Rows of tables are counted; views would have to run again."""
    rows = [
        (
            invocation.run_id,
            result.node_id,
            result.name,
            result.type,
            result.status,
            without_secrets(result.message),
            _n_rows(cursor, result),
            result.n_failures if result.type == "test" else None,
            result.seconds,
        )
        for result in results
    ]
    cursor.register("nodes", pl.DataFrame(rows, schema=_NODE_SCHEMA, orient="row").to_arrow())
    execute(cursor, "insert into governance.run_nodes by name from nodes")
    cursor.unregister("nodes")


def _n_rows(cursor: duckdb.DuckDBPyConnection, result: NodeResult) -> int | None:
    if result.table is None or result.status != "success" or result.type not in _COUNTED:
        return None
    return cursor.table(result.table).shape[0]


def note_inputs(
    cursor: duckdb.DuckDBPyConnection,
    invocation: Invocation,
    unread: Mapping[str, str],
    queries: Mapping[str, str],
    remarks: Mapping[str, Sequence[str]],
) -> None:
    """Write down which external inputs the run goes on without, and how the others are read.

    Parameters
    ----------
    cursor
        Cursor on the database that is built.
    invocation
        The run.
    unread
        Reason by name of the input.
    queries
        SQL of the rows by name of the input.
    remarks
        What is worth a look, by name of the input.
    """
    for name, texts in remarks.items():
        for text in texts:
            execute(
                cursor,
                "insert into governance.input_remarks (run_id, input, remark) values (?, ?, ?)",
                [invocation.run_id, name, text],
            )
    for name, reason in unread.items():
        execute(
            cursor,
            "insert into governance.unread_inputs (run_id, input, reason) values (?, ?, ?)",
            [invocation.run_id, name, reason],
        )
    # not a part of the log, and not published: addresses in it have their signatures
    execute(cursor, "delete from governance.input_queries")
    for name, query in queries.items():
        execute(
            cursor,
            "insert into governance.input_queries (run_id, input, query) values (?, ?, ?)",
            [invocation.run_id, name, query],
        )


def input_relation(cursor: duckdb.DuckDBPyConnection, invocation: Invocation, name: str) -> str:
    """SQL of the rows of an input that has a location, as the start of this run found it.

    A command that does not run the hooks, such as `dbt compile`, has no row in the log: it gets
    the files as DuckDB reads them by default.
    """
    try:
        unread = execute(
            cursor,
            "select 1 from governance.unread_inputs where run_id = ? and input = ?",
            [invocation.run_id, name],
        ).fetchone()
        found = execute(
            cursor,
            "select query from governance.input_queries where run_id = ? and input = ?",
            [invocation.run_id, name],
        ).fetchone()
    except duckdb.CatalogException:  # nothing has been built yet
        unread, found = None, None
    if unread:
        return "(select null::varchar as store_id where false)"
    return f"({found[0]})" if found else invocation.location(name).relation


def stamps(invocation: Invocation) -> dict[str, str]:
    """Hash of names, sizes and times of the files of each input."""
    return input_stamps(
        {name: location.path for name, location in invocation.locations.items() if location.is_file}
    )


def loaded_at(invocation: Invocation, name: str) -> str:
    """When the files of an input were last written, as ISO text, for `dbt source freshness`.

    Where that cannot be known (a table, an address, no file) it is now: such an input always
    counts as new.
    """
    location = invocation.locations.get(name)
    changed = last_change(location.path) if location and location.is_file else None
    return (changed or dt.datetime.now(dt.UTC)).isoformat()


def changed_inputs(cursor: duckdb.DuckDBPyConnection, invocation: Invocation) -> str | None:
    """What to say if files of the inputs are not what they were when the run started.

    Each model reads the files again, so that one table need not fit the other.
    """
    (before,) = execute(
        cursor, "select input_stamps from governance.runs where run_id = ?", [invocation.run_id]
    ).fetchone() or (None,)
    known = json.loads(before or "{}")
    changed = [name for name, stamp in stamps(invocation).items() if known.get(name) != stamp]
    if not changed:
        return None
    names = ", ".join(f"inputs.{name}" for name in changed)
    return f"{names} changed during the build; run it again when nothing writes to the files"
