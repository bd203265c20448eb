"""The sales of an engine as an input: known by name and type here, read in the engine's tasks."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from segmentation.engine.options import EngineError, is_table, location_problem
from segmentation.engine.sales import EngineSales
from segmentation.engine.session import Engine
from segmentation.inputs.names import InputError
from segmentation.inputs.options import InputOptions
from segmentation.inputs.reading import InputPlan, native_plan

_NAME = "sales"


def read_sales(
    connection: duckdb.DuckDBPyConnection, location: str, options: InputOptions, engine: Engine
) -> InputPlan:
    """Plan of sales that stay on an engine; its queries run there.

    Parameters
    ----------
    connection
        Connection in which the columns get a name.
    location
        Files or a folder that all workers can read, or a table of the engine's catalog.
    options
        What the user has set.
    engine
        The engine.

    Raises
    ------
    InputError
        If the location is of a format without types, if it has files that engines leave out, if the
        engine cannot read it, or if a column is missing.
    """
    if problem := location_problem(location) or _left_out(location):
        raise InputError([problem])
    sales = EngineSales(engine, location, compares_rows=options.rejects_repeats)
    try:
        engine.refuse_other_format(location)
        relation = sales.declare(connection)
        return native_plan(connection, _NAME, location, relation, options, sales)
    except EngineError as error:
        raise InputError([str(error)]) from error


def _left_out(location: str) -> str:
    """Why files at a location would not be read, if they are seen from here; empty if all are."""
    if "://" in location or is_table(location):
        return ""
    folder = re.sub(r"/\*(\.parquet)?$", "", location)
    found = sorted(map(str, Path(folder).glob("[_.]*.parquet")))
    if not found:
        return ""
    return (
        "engines leave out files whose names begin with _ or a dot, such as"
        f" {found[0]}; rename them"
    )
