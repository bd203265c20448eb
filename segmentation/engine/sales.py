"""Queries over the sales of an engine: one result per partition, merged in the build's database.

Money is DECIMAL in each partial sum, so the merged sums do not depend on the partitions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa
from pyarrow import dataset

from segmentation.engine import tasks
from segmentation.engine.options import EngineError
from segmentation.engine.session import Engine
from segmentation.engine.tasks import Order
from segmentation.warehouse.database import sql_literal, sql_name

#: Where the rows of the engine have a name, and where merged results go.
SCHEMA: Final = "engine"
#: The view that has the columns of the sales of the engine and no rows.
ROWS: Final = "sales"
#: The table with what `EngineSales.remember` keeps.
_SOURCE: Final = "source"
#: Ways in which the partial values of a column become one.
AGGREGATES: Final = ("sum", "min", "max")
#: Without these optimizers the plan of a query names every column of the rows that it needs.
_PLAIN_PLAN: Final = "statistics_propagation, empty_result_pullup, filter_pushdown"
_ON_ENGINE: Final = (
    "the sales are on the engine and not in this database; sums and rejected rows of them are"
    " (features.int_sales_outcomes, governance.rejected_rows)"
)
_MEMORY: Final = "2GB"
#: More files are not compared with each other: somebody's job writes them.
_MOST_FILES: Final = 1000


@dataclass(frozen=True)
class EngineSales:
    """The sales at a location of an engine.

    Attributes
    ----------
    engine
        The engine.
    location
        Files, folder or table of its catalog.
    key
        Columns of the engine by which rows are partitioned: the store, and the product for rows
        without a store, of which there can be many.
    compares_rows
        Whether a rule compares whole rows, so that equal ones have to meet in one partition.
    n_rows
        Rows that each pass must read; None before they are counted.
    """

    engine: Engine
    location: str
    key: tuple[str, ...] = ()
    compares_rows: bool = False
    n_rows: int | None = None

    def declare(self, connection: duckdb.DuckDBPyConnection) -> str:
        """Give the columns a name in the database; the quoted name.

        The view has no rows to read: a query that is not sent to the engine fails.

        Raises
        ------
        EngineError
            If the location cannot be read.
        """
        empty = self.engine.schema(self.location).empty_table()
        connection.register("_engine_rows", empty)
        described = connection.execute("describe from _engine_rows").fetchall()
        connection.unregister("_engine_rows")
        lowered = [name.lower() for name in empty.schema.names]
        if repeated := [name for name in empty.schema.names if lowered.count(name.lower()) > 1]:
            raise EngineError(
                f"{self.location}: several columns are called {repeated[0]!r}; rename all but one"
            )
        # in every column too: DuckDB needs no row to know that a null is not "S1"
        refused = f"error({sql_literal(_ON_ENGINE)})"
        columns = ", ".join(f"{refused}::{row[1]} as {sql_name(row[0])}" for row in described)
        schema = f"{sql_name(_database(connection))}.{SCHEMA}"
        connection.execute(f"create schema if not exists {schema}")
        connection.execute(
            f"create or replace view {schema}.{ROWS} as select {columns} where {refused}::boolean"
        )
        return f"{schema}.{ROWS}"

    def remember(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Keep what the models of this run have to know of the sales."""
        connection.execute(
            f"create or replace table {sql_name(_database(connection))}.{SCHEMA}.{_SOURCE} as"
            " select ?::varchar as location, ?::varchar[] as key, ?::boolean as compares_rows,"
            " ?::bigint as n_rows",
            [self.location, list(self.key), self.compares_rows, self.n_rows],
        )

    @classmethod
    def remembered(cls, connection: duckdb.DuckDBPyConnection, engine: Engine) -> EngineSales:
        """The sales as the start of this run found them."""
        ((location, key, compares_rows, n_rows),) = connection.execute(
            "select location, key, compares_rows, n_rows"
            f" from {sql_name(_database(connection))}.{SCHEMA}.{_SOURCE}"
        ).fetchall()
        return cls(engine, location, tuple(key), compares_rows, n_rows)

    def count(self) -> int:
        """Number of rows."""
        return self.engine.count(self.location)

    def repeated_files(self, columns: Sequence[str]) -> list[list[str]]:
        """Parquet files that have the same values in some columns, in whatever order.

        Parameters
        ----------
        columns
            Names of columns of the engine.

        Raises
        ------
        EngineError
            If the engine cannot read the files.
        """
        from pyspark.sql import functions  # noqa: PLC0415 (only with an engine)

        frames = self.engine.frames_of_files(self.location)
        if not 1 < len(frames) <= _MOST_FILES:
            return []

        def hashed(place: int, frame: Any) -> Any:
            # as text, since a type can differ from file to file
            values = [
                functions.coalesce(_column(name).cast("string"), functions.lit(""))
                for name in columns
                if name in frame.columns
            ]
            # DECIMAL, as a sum of BIGINT would overflow
            row_hash = functions.xxhash64(*values).cast("decimal(38, 0)")
            return frame.select(functions.lit(place).alias("file"), row_hash.alias("row_hash"))

        with self.engine.explained(f"cannot read {self.location!r}"):
            parts = [hashed(place, frame) for place, frame in enumerate(frames.values())]
            while len(parts) > 1:  # in pairs, as engines dislike a deep plan
                pairs = zip(parts[::2], parts[1::2], strict=False)
                parts = [*(one.union(other) for one, other in pairs), *parts[len(parts) // 2 * 2 :]]
            found = (
                parts[0]
                .groupBy("file")
                .agg(
                    functions.count("row_hash").alias("n_rows"),
                    functions.sum("row_hash").alias("content"),
                )
                .toArrow()
            )
        names = list(frames)
        alike: dict[tuple[int, Any], list[str]] = {}
        for row in sorted(found.to_pylist(), key=lambda row: row["file"]):
            alike.setdefault((row["n_rows"], row["content"]), []).append(names[row["file"]])
        return [files for files in alike.values() if len(files) > 1]

    def merged(
        self,
        connection: duckdb.DuckDBPyConnection,
        sql: str,
        merge: Mapping[str, str] | None,
        *,
        name: str,
        beside: Mapping[str, str] | None = None,
    ) -> str:
        """Run a query on every partition and merge the results in a table; its quoted name.

        Parameters
        ----------
        connection
            Cursor on the database that is built.
        sql
            Query that reads the sales, and perhaps small tables.
        merge
            `sum`, `min` or `max` by column; rows with equal values in the other columns become
            one. None leaves the rows as they are.
        name
            Name of the table.
        beside
            Queries by the names that `sql` has for them; their results are sent along.

        Raises
        ------
        EngineError
            If the engine fails or refuses, or if it reads another number of rows than at first.
        """
        rows = (_database(connection), SCHEMA, ROWS)
        described = connection.execute(f"describe {'.'.join(map(sql_name, rows))}").fetchall()
        tables, views = _needed(connection, sql)
        for other, query in (beside or {}).items():
            tables["temp", "main", other] = connection.execute(query).to_arrow_table()
        order = Order(
            sql=sql,
            rows=rows,
            types={row[0]: row[1] for row in described},
            folder="",
            views=views,
            settings={"memory_limit": _MEMORY, "TimeZone": _time_zone(connection)},
        )
        nothing = _on_nothing(order, tables)
        with (
            self.engine.explained(),
            self.engine.results(self._partitioned(nothing.columns), order, tables) as (
                found,
                n_read,
            ),
        ):
            if self.n_rows is not None and n_read != self.n_rows:
                raise EngineError(
                    f"inputs.sales changed during the build: {self.location!r} had"
                    f" {self.n_rows:,} rows and now has {n_read:,}; run it again when nothing"
                    " writes to the sales"
                )
            return _merge(connection, nothing, found, merge, name)

    def _partitioned(self, columns: list[str]) -> Any:
        """The columns that a query needs; equal rows are in one partition where it matters."""
        from pyspark.sql.functions import coalesce, lit  # noqa: PLC0415 (only with an engine)

        frame = self.engine.frame(self.location)
        n_partitions = self.engine.options.partitions
        if self.compares_rows or n_partitions != "auto":
            key = coalesce(*(_column(name).cast("string") for name in self.key), lit(""))
            frame = frame.repartition(*([] if n_partitions == "auto" else [n_partitions]), key)
        return frame.select(*map(_column, columns))


def _column(name: str) -> Any:
    from pyspark.sql.functions import col  # noqa: PLC0415 (only with an engine)

    return col("`" + name.replace("`", "``") + "`")


def drop_results(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop merged results; models have what they need of them."""
    found = connection.execute(
        "select database_name, table_name from duckdb_tables()"
        " where database_name = current_database() and schema_name = ? order by table_name",
        [SCHEMA],
    ).fetchall()
    for database, name in found:
        if name != _SOURCE:
            connection.execute(f"drop table {sql_name(database)}.{SCHEMA}.{sql_name(name)}")


def _time_zone(connection: duckdb.DuckDBPyConnection) -> str:
    """The time zone of the build: a time of a worker is on another day in another one."""
    ((name,),) = connection.execute("select current_setting('TimeZone')").fetchall()
    return str(name)


def _database(connection: duckdb.DuckDBPyConnection) -> str:
    ((name,),) = connection.execute("select current_database()").fetchall()
    return str(name)


def _needed(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> tuple[dict[tuple[str, str, str], pa.Table], list[tuple[str, str, str]]]:
    """Small tables and views that a query names, and those that the views name, in order."""
    database = _database(connection)
    views = connection.execute(
        "select schema_name, view_name, sql from duckdb_views()"
        " where database_name = current_database() and not internal"
    ).fetchall()
    named_tables = connection.execute(
        "select schema_name, table_name from duckdb_tables()"
        " where database_name = current_database() and not internal"
    ).fetchall()
    tables: dict[tuple[str, str, str], pa.Table] = {}
    found: dict[tuple[str, str], str] = {}

    def collect(text: str) -> None:
        plain = text.replace('"', "")
        for schema, view, created in views:
            if (schema, view) not in {*found, (SCHEMA, ROWS)} and _names(plain, schema, view):
                query = created.partition(" AS ")[2].rstrip().rstrip(";")
                collect(query)
                found[schema, view] = query
        for schema, table in named_tables:
            parts = (database, schema, table)
            if parts not in tables and _names(plain, schema, table):
                relation = ".".join(map(sql_name, parts))
                tables[parts] = connection.execute(f"from {relation}").to_arrow_table()

    collect(sql)
    return tables, [(schema, view, query) for (schema, view), query in found.items()]


def _names(text: str, schema: str, relation: str) -> bool:
    """Whether SQL without quotes names a relation with its schema."""
    return re.search(rf"(?<!\w){re.escape(schema)}\.{re.escape(relation)}(?!\w)", text) is not None


@dataclass(frozen=True)
class _Nothing:
    """What a query gives without rows, with its DuckDB types, and the columns that it reads."""

    result: pa.Table
    types: Mapping[str, str]
    columns: list[str]


def _on_nothing(order: Order, tables: Mapping[tuple[str, str, str], pa.Table]) -> _Nothing:
    """Plan a query and run it without rows, as a task would."""
    with duckdb.connect() as connection:
        columns = ", ".join(
            f"null::{kind} as {sql_name(name)}" for name, kind in order.types.items()
        )
        rows = connection.execute(f"select {columns} where false").to_arrow_table()
    small = {name: table.slice(0, 0) for name, table in tables.items()}
    with tasks.opened(rows, small, order) as connection:
        connection.execute(f"set disabled_optimizers = {sql_literal(_PLAIN_PLAN)}")
        ((_, plan),) = connection.execute(f"explain (format json) {order.sql}").fetchall()
        described = connection.execute(f"describe {order.sql}").fetchall()
        result = connection.execute(order.sql).to_arrow_table()
    read = _columns_read(json.loads(plan)) & order.types.keys()
    some = list(order.types)[:1]  # a query that counts rows reads no column
    return _Nothing(
        result,
        {row[0]: row[1] for row in described},
        [name for name in order.types if name in read] or some,
    )


def _columns_read(nodes: list[Any]) -> set[str]:
    """Columns that the scans of Arrow rows in a plan produce."""
    found: set[str] = set()
    for node in nodes:
        read = node.get("extra_info", {}).get("Projections", [])
        if node.get("name") == "ARROW_SCAN":
            found.update([read] if isinstance(read, str) else read)
        found |= _columns_read(node.get("children", []))
    return found


def _merge(
    connection: duckdb.DuckDBPyConnection,
    nothing: _Nothing,
    found: dataset.Dataset,
    merge: Mapping[str, str] | None,
    name: str,
) -> str:
    """Write the merged results of all partitions to a table; its quoted name."""
    aggregates = merge or {}
    if (
        unknown := {*aggregates.values()} - {*AGGREGATES}
        or aggregates.keys() - nothing.types.keys()
    ):
        raise ValueError(f"{name}: cannot merge by {sorted(unknown)}")
    columns = ", ".join(
        f"{aggregates[column]}({sql_name(column)})::{kind} as {sql_name(column)}"
        if column in aggregates
        else f"{sql_name(column)}::{kind} as {sql_name(column)}"
        for column, kind in nothing.types.items()
    )
    keys = ", ".join(sql_name(column) for column in nothing.types if column not in aggregates)
    grouped = f" group by {keys}" if merge is not None and keys else ""
    table = f"{sql_name(_database(connection))}.{SCHEMA}.{sql_name(name)}"
    results = {"_engine_nothing": nothing.result}
    if found.schema.names:  # some partition had rows
        results["_engine_found"] = found
    for result, rows in results.items():
        connection.register(result, rows)
    try:
        every = " union all by name ".join(f"from {result}" for result in results)
        connection.execute(
            f"create or replace table {table} as select {columns} from ({every}){grouped}"
        )
    finally:
        for result in results:
            connection.unregister(result)
    return table
