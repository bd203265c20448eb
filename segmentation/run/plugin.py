"""SQL functions that dbt-duckdb registers on its connection, so that hooks can ask the package.

dbt-duckdb loads the module named in `profiles.yml` and calls the hooks of its class `Plugin`
(https://github.com/duckdb/dbt-duckdb, "Plugins"). Only the names of the hooks matter, so the
package needs no import of dbt.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, cast

import duckdb

# dbt runs Python models in threads. SciPy and scikit-learn import their parts in circles, and two
# threads that do so at the same time can fail ("partially initialized module"). dbt-duckdb imports
# this module before the first model runs, so the libraries that models share are imported here.
import scipy.spatial.distance
import scipy.special  # noqa: F401
import sklearn.metrics
import sklearn.tree  # noqa: F401
from threadpoolctl import threadpool_limits

from segmentation.features.vectors import TRANSFORMS
from segmentation.run.hooks import end_run, on_engine, start_run
from segmentation.run.invocation import Invocation, Outcome, node_results
from segmentation.run.log import input_relation, loaded_at
from segmentation.run.publication import Publication
from segmentation.settings import Lane, Settings, Transform
from segmentation.warehouse.database import (
    attach,
    check_name,
    is_file,
    sql_name,
    wait_seconds,
    wait_until_free,
)
from segmentation.warehouse.extensions import load_extension

#: Opens a cursor on the database that is built; the caller closes it.
OpenCursor = Callable[[], duckdb.DuckDBPyConnection]


def segmentation_setting(segmentation: str, lane: str, scope: str, name: str) -> str:
    """One setting in force as JSON: of a scope where `scope` is given, else of the project."""
    settings = Settings(json.loads(segmentation))
    block = settings.for_scope(cast("Lane", lane), scope) if scope else settings.project
    return json.dumps(block.model_dump(mode="json")[name])


def segmentation_transform(name: str) -> str:
    """SQL of a transform of shares (`vectors.TRANSFORMS`)."""
    return TRANSFORMS[cast("Transform", name)].sql


def segmentation_end_run(open_cursor: OpenCursor, invocation: str, results: str, graph: str) -> str:
    """Hook at the end of a run (`hooks.end_run`), JSON in and out."""
    with open_cursor() as cursor:
        run, publication = Invocation.from_json(invocation), Publication.from_json(graph)
        return _outcome(lambda: end_run(cursor, run, node_results(results), publication)).to_json()


def _outcome(hook: Callable[[], Outcome]) -> Outcome:
    """What a hook has to show, or that the database cannot be written.

    DuckDB would add a Python traceback to an error that leaves the function.
    """
    try:
        return hook()
    except _NOT_WRITTEN as error:
        cause = " ".join(str(error).split())
        return Outcome(problem=f"this run cannot be logged: {cause}")


def segmentation_input(open_cursor: OpenCursor, invocation: str, name: str) -> str:
    """SQL of the rows of an input that has a location (`log.input_relation`)."""
    with open_cursor() as cursor:
        return input_relation(cursor, Invocation.from_json(invocation), name)


def segmentation_on_engine(open_cursor: OpenCursor, invocation: str, job: str) -> str:
    """Query of a model over the sales of an engine (`hooks.on_engine`), JSON in and out."""
    with open_cursor() as cursor:
        return json.dumps(on_engine(cursor, Invocation.from_json(invocation), json.loads(job)))


def segmentation_loaded_at(invocation: str, name: str) -> str:
    """When the files of an input were last written (`log.loaded_at`)."""
    return loaded_at(Invocation.from_json(invocation), name)


#: What DuckDB raises where it cannot write to its file.
_NOT_WRITTEN: Final = (
    OSError,
    duckdb.FatalException,
    duckdb.IOException,
    duckdb.TransactionException,
)
#: Extension that an attached database needs, by what its path or type says.
_EXTENSIONS: Final = {"ducklake": "ducklake", "postgres": "postgres_scanner"}
#: Only the owner may write to the files of a build, regardless of the shell's umask.
_FORBIDDEN: Final = 0o022


class Plugin:
    """What dbt-duckdb asks of a plugin.

    `credentials` are those of the profile; which databases there are is read from them.
    """

    def __init__(self, name: str, plugin_config: dict[str, Any], credentials: object) -> None:
        os.umask(os.umask(_FORBIDDEN) | _FORBIDDEN)
        # dbt's threads share the cores, and a sum over several threads differs in its last bits
        threadpool_limits(limits=1)
        # dbt logs to the disk that is full, too: the node that fails says so, and not each line
        logging.raiseExceptions = False
        self.name = name
        self.plugin_config = plugin_config
        self.credentials = credentials
        self._engine = json.dumps(None)

    def update_connection_config(
        self,
        creds: object,
        config: dict[str, Any],
    ) -> None:
        """Before the database is opened: wait for it, or say who has it.

        DuckDB must not download extensions. An error that is raised here is shown on the
        terminal as one message without a traceback.
        """
        config["autoinstall_known_extensions"] = False
        path = str(getattr(creds, "path", ":memory:"))
        if is_file(path):
            check_name(path)
            wait_until_free(path, wait_seconds(os.environ.get("STORE_SEGMENTS_WAIT", "")))

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Attach databases and register the functions of this module, once per connection."""
        for name, extension in _EXTENSIONS.items():
            if any(name in self._kinds_of(attached) for attached in self._attached()):
                load_extension(conn, extension)
        # dbt-duckdb attaches them next, unless they are, and would show passwords if it cannot
        for attached in self._attached():
            attach(conn, attached.to_sql(), str(attached.path))
        conn.create_function(segmentation_setting.__name__, segmentation_setting)
        conn.create_function(segmentation_transform.__name__, segmentation_transform)
        conn.create_function(
            segmentation_loaded_at.__name__, segmentation_loaded_at, side_effects=True
        )
        conn.create_function(
            "segmentation_engine", lambda: self._engine, [], "varchar", side_effects=True
        )
        # these ask the database itself; "side effects" keeps DuckDB from asking ahead
        asking: Callable[..., str]
        for asking, n_arguments in (
            (self.segmentation_start_run, 2),
            (segmentation_end_run, 3),
            (segmentation_input, 2),
            (segmentation_on_engine, 2),
        ):
            conn.create_function(
                asking.__name__,
                partial(asking, partial(self._open_cursor, conn)),
                ["varchar"] * n_arguments,
                "varchar",
                side_effects=True,
            )

    def segmentation_start_run(
        self, open_cursor: OpenCursor, invocation: str, expected: str
    ) -> str:
        """Hook at the start of a run (`hooks.start_run`), JSON in and out.

        The var `engine` of the run is kept for Python models (`segmentation_engine`).
        """
        run = Invocation.from_json(invocation)
        self._engine = json.dumps(run.variables.get("engine"))
        with open_cursor() as cursor:
            return _outcome(lambda: start_run(cursor, run, json.loads(expected))).to_json()

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Leave cursors as they are: they share the functions of their connection."""

    def _open_cursor(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        """Another cursor; a name without a database is one of the database that is built."""
        cursor = connection.cursor()
        if any(attached.alias == self._database() for attached in self._attached()):
            cursor.execute(f"use {sql_name(self._database())}")
        return cursor

    def _database(self) -> str:
        """Name of the database that is built."""
        return str(getattr(self.credentials, "database", ""))

    def _attached(self) -> Sequence[Any]:
        """Databases that the profile attaches."""
        return getattr(self.credentials, "attach", None) or ()

    @staticmethod
    def _kinds_of(attached: Any) -> set[str]:
        """Kinds of an attached database: its type, and the prefixes of its path."""
        return {str(attached.type).lower(), *str(attached.path).lower().split(":")[:-1]}
