"""The published file as tables of an engine, beside the sales: in its catalog, or as Delta tables.

Each table is replaced by one commit of its format. `runs` comes last: once its newest run is the
one that was published, all other tables are of that run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from segmentation.engine.options import EngineError, is_table
from segmentation.engine.session import Engine
from segmentation.publishing.published import (
    PublishedTable,
    PublishingError,
    last_run,
    published_file,
    published_tables,
)
from segmentation.warehouse.database import sql_literal
from segmentation.warehouse.secrets import without_secrets

#: The table that is written last.
_LAST: Final = ("governance", "runs")


class EngineTablesError(PublishingError):
    """The engine has not taken all tables; the message says why and what state they are in."""


def publish_to_engine(path: Path, engine: Engine) -> int:
    """Write every table of the published file as a table of the engine; their number.

    The rows travel by way of `shared`. A table has the name that it has in the published file.

    Parameters
    ----------
    path
        The published file.
    engine
        The engine; its option `tables` says where they go, `format` in which format.

    Raises
    ------
    PublishedFileError
        If there is no published file.
    EngineTablesError
        If no place is given, if the format has no commits, or if the engine fails. Tables that
        were written before are new, all others and `runs` are as they were.
    """
    place = engine.options.tables
    if not place:
        raise EngineTablesError(
            "engine.tables is not given; name a schema of the catalog of the engine, or a folder or"
            " a URL for Delta or Iceberg tables"
        )
    if not is_table(place) and engine.options.format == "parquet":
        raise EngineTablesError(
            f"engine.tables: {without_secrets(place)}: a folder of Parquet files is not replaced at"
            " once, readers would see a part of it; use format: delta, a schema of the catalog, or"
            " make publish-lake"
        )
    with published_file(path) as connection:
        last_run(connection)
        tables = published_tables(connection)
        tables.sort(key=lambda table: (table.schema, table.name) == _LAST)
        done = 0
        try:
            if is_table(place):
                engine.create_schema(place)
            for table in tables:
                _publish(connection, table, engine, place)
                done += 1
        except (EngineError, OSError, pa.ArrowException, duckdb.Error) as error:
            cause = without_secrets(" ".join(str(error).split()))
            raise EngineTablesError(
                f"{without_secrets(place)}: {done} of {len(tables)} tables are new, the others and"
                f" runs are as they were: {cause}"
            ) from error
    return len(tables)


def _publish(
    connection: duckdb.DuckDBPyConnection, table: PublishedTable, engine: Engine, place: str
) -> None:
    """Replace one table."""
    target = f"{place}.{table.name}" if is_table(place) else f"{place.rstrip('/')}/{table.name}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "table.parquet")
        connection.execute(f"copy (from {table.sql}) to {sql_literal(str(file))} (format parquet)")
        engine.replace_table(target, file)
    n_rows = engine.count(target)
    if n_rows != table.n_rows:
        raise EngineError(f"{target} has {n_rows:,} rows instead of {table.n_rows:,}")
