"""SQL functions that dbt-duckdb registers on its connection, so that hooks can ask the package.

dbt-duckdb loads the module named in `profiles.yml` and calls the hooks of its class `Plugin`
(https://github.com/duckdb/dbt-duckdb, "Plugins"). Only the names of the hooks matter, so the
package needs no import of dbt.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
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

from segmentation.fitting.registry import tampered_models
from segmentation.inputs.checks import Reader, check_inputs, input_stamps, load_readers
from segmentation.publishing.publish import Query, Table, publish, published_path
from segmentation.run.facts import code_state, versions
from segmentation.settings import Lane, Settings, SettingsError
from segmentation.warehouse.database import is_file, sql_name, wait_seconds, wait_until_free
from segmentation.warehouse.extensions import MissingPackageError, load_extension
from segmentation.warehouse.secrets import without_secrets

#: Opens a cursor on the database that is built; the caller closes it.
OpenCursor = Callable[[], duckdb.DuckDBPyConnection]


def segmentation_problems(
    open_cursor: OpenCursor, project_vars: str, readers: str, known: str
) -> str:
    """All that is wrong with the vars of this invocation, as JSON object.

    Lines of text inputs that cannot be read are written to `governance.unreadable_lines`, in place
    of those of the run before.

    Parameters
    ----------
    open_cursor
        Bound by the plugin.
    project_vars
        JSON object with the vars `segmentation`, `inputs` and `external_sources`.
    readers
        JSON object: input name to the fields of its `inputs.Reader`.
    known
        JSON list: external inputs that have a staging model.

    Returns
    -------
    str
        `problems`: lines that stop the build; by name of the input: `unread`, the reasons why the
        build goes on without it, `options`, what it is read with beyond the usual, and `n_lines`,
        the number of lines that cannot be read.
    """
    given = json.loads(project_vars)
    check = check_inputs(
        {} if given.get("inputs") is None else given["inputs"],
        [] if given.get("external_sources") is None else given["external_sources"],
        {name: Reader(**fields) for name, fields in json.loads(readers).items()},
        json.loads(known),
    )
    try:
        Settings(given.get("segmentation"))
    except SettingsError as error:
        check.problems.extend(str(error).splitlines())
    with open_cursor() as cursor:
        if not check.problems:
            with suppress(MissingPackageError):  # told as the reason why the input is not read
                load_readers(cursor, filter(None, (given.get("inputs") or {}).values()))
        cursor.register("lines", check.lines.to_arrow())
        cursor.execute("create schema if not exists governance")
        cursor.execute("create or replace table governance.unreadable_lines as from lines")
    return json.dumps(
        {
            "problems": without_secrets(check.problems),
            "unread": without_secrets(check.unread),
            "options": check.options,
            "n_lines": dict(check.lines["input"].value_counts(sort=True).iter_rows()),
        }
    )


def segmentation_input_stamps(locations: str) -> str:
    """Stamps of the files of the inputs, JSON object in and out (`inputs.input_stamps`)."""
    return json.dumps(input_stamps(json.loads(locations)), sort_keys=True)


def segmentation_setting(segmentation: str, lane: str, scope: str, name: str) -> str:
    """One setting in force as JSON: of a scope where `scope` is given, else of the project."""
    settings = Settings(json.loads(segmentation))
    block = settings.for_scope(cast("Lane", lane), scope) if scope else settings.project
    return json.dumps(block.model_dump(mode="json")[name])


def segmentation_run_facts(project_dir: str, project_vars: str) -> str:
    """What this invocation is made with, as JSON object.

    Parameters
    ----------
    project_dir
        Folder of the dbt project.
    project_vars
        JSON object with the vars in force.

    Returns
    -------
    str
        Keys `git_revision`, `is_clean`, `versions` (list of name and value) and
        `vars`, the given ones as JSON text without secrets.
    """
    revision, is_clean = code_state(project_dir)
    return json.dumps(
        {
            "git_revision": revision,
            "is_clean": is_clean,
            "versions": [{"name": name, "value": value} for name, value in versions().items()],
            "vars": json.dumps(without_secrets(json.loads(project_vars)), sort_keys=True),
        }
    )


def segmentation_without_secrets(text: str) -> str:
    """Text with its secrets masked (`warehouse.secrets`)."""
    return str(without_secrets(text))


def segmentation_tampered_models(open_cursor: OpenCursor, lane: str) -> str:
    """Models of a lane whose row is not as it was written, as JSON list of scope and model id.

    `open_cursor` is bound by the plugin; SQL gives the lane.
    """
    with open_cursor() as cursor:
        return json.dumps(tampered_models(cursor, cast("Lane", lane)))


def segmentation_publish(
    open_cursor: OpenCursor, tables: str, queries: str, database: str, given: str
) -> str:
    """Publish tables (`publishing.publish`), say in JSON where to or why not.

    Parameters
    ----------
    open_cursor
        Bound by the plugin.
    tables
        JSON list of the fields of `publishing.Table`.
    queries
        JSON list of the fields of `publishing.Query`.
    database
        Path of the database.
    given
        Path of the published file, or empty.
    """
    path = published_path(database, given)
    if path is None:
        return json.dumps({"path": None, "problem": None})
    problem = None
    try:
        with open_cursor() as cursor:
            publish(
                cursor,
                [Table(**fields) for fields in json.loads(tables)],
                [Query(**fields) for fields in json.loads(queries)],
                path,
            )
    except (OSError, duckdb.Error) as error:
        problem = f"{path} could not be written: {' '.join(str(error).split())}"
    return json.dumps({"path": str(path), "problem": problem})


#: Extension that an attached database needs, by what its path or type says.
_EXTENSIONS: Final = {"ducklake": "ducklake", "postgres": "postgres_scanner"}
#: Nobody but the owner may write to the files that a build makes, whatever the shell allows.
_FORBIDDEN: Final = 0o022


class Plugin:
    """What dbt-duckdb asks of a plugin.

    `credentials` are those of the profile; which databases there are is read from them.
    """

    def __init__(self, name: str, plugin_config: dict[str, Any], credentials: object) -> None:
        os.umask(os.umask(_FORBIDDEN) | _FORBIDDEN)
        # dbt's threads share the cores, and a sum over several threads differs in its last bits
        threadpool_limits(limits=1)
        self.name = name
        self.plugin_config = plugin_config
        self.credentials = credentials

    def update_connection_config(
        self,
        creds: object,
        config: dict[str, Any],
    ) -> None:
        """Before the database is opened: wait for it, or say who has it.

        DuckDB is told to fetch no extension from elsewhere. What is raised here reaches the
        terminal as one message without a traceback.
        """
        config["autoinstall_known_extensions"] = False
        path = str(getattr(creds, "path", ":memory:"))
        if is_file(path):
            wait_until_free(path, wait_seconds(os.environ.get("STORE_SEGMENTS_WAIT", "")))

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register the functions of this module, once per database connection."""
        for name, extension in _EXTENSIONS.items():
            if any(name in self._kinds_of(attached) for attached in self._attached()):
                load_extension(conn, extension)
        for function in (
            segmentation_input_stamps,
            segmentation_setting,
            segmentation_run_facts,
            segmentation_without_secrets,
        ):
            conn.create_function(function.__name__, function)
        # these ask the database itself; "side effects" keeps DuckDB from asking ahead
        asking: Callable[..., str]
        for asking, n_arguments in (
            (segmentation_problems, 3),
            (segmentation_tampered_models, 1),
            (segmentation_publish, 4),
        ):
            conn.create_function(
                asking.__name__,
                partial(asking, partial(self._open_cursor, conn)),
                ["varchar"] * n_arguments,
                "varchar",
                side_effects=True,
            )

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
        """What an attached database is: its type, or what stands before the colons of its path."""
        return {str(attached.type).lower(), *str(attached.path).lower().split(":")[:-1]}
