"""Relations of DuckDB that are read or made part by part, so that no process holds them whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import duckdb
import polars as pl

from segmentation.warehouse.database import sql_name


class RowsBy(Mapping[str, pl.DataFrame]):
    """The rows of a relation by the value of a column of text, sorted by it.

    The rows of one value are read when they are asked for.

    Parameters
    ----------
    relation
        The relation.
    column
        Name of the column.
    """

    def __init__(self, relation: duckdb.DuckDBPyRelation, column: str) -> None:
        self._relation = relation
        self._column = column
        found = relation.select(duckdb.ColumnExpression(column)).distinct().fetchall()
        self._values = sorted(value for (value,) in found)

    def __getitem__(self, value: str) -> pl.DataFrame:
        """Rows with one value."""
        if value not in self._values:
            raise KeyError(value)
        column, constant = duckdb.ColumnExpression(self._column), duckdb.ConstantExpression(value)
        return self._relation.filter(column == constant).pl()

    def __iter__(self) -> Iterator[str]:
        """Values of the column."""
        return iter(self._values)

    def __len__(self) -> int:
        """Count the values."""
        return len(self._values)


def collected(
    session: Any, name: str, parts: Iterable[pl.DataFrame], schema: pl.Schema
) -> duckdb.DuckDBPyRelation:
    """A temporary table with the rows of all parts, in order; DuckDB spills it to disk.

    Parameters
    ----------
    session
        What dbt gives to a Python model: a cursor of DuckDB.
    name
        Name of the table.
    parts
        Frames with `schema`, made one after the other.
    schema
        Names and types of the columns.
    """
    table = f"temp.main.{sql_name(name)}"
    empty = pl.DataFrame(schema=schema)
    _with_rows(session, empty, f"create or replace temporary table {sql_name(name)} as from")
    for part in parts:
        _with_rows(session, part, f"insert into {table} from")
    relation: duckdb.DuckDBPyRelation = session.table(table)
    return relation


def _with_rows(session: Any, rows: pl.DataFrame, statement: str) -> None:
    session.register("_part", rows.to_arrow())
    try:
        session.execute(f"{statement} _part")
    finally:
        session.unregister("_part")
