"""Relations that are read and made part by part."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from segmentation.warehouse.parts import RowsBy, collected


def test_rows_are_read_by_value_in_order() -> None:
    with duckdb.connect() as connection:
        rows = connection.sql("select * from (values ('b', 1), ('O''Neil', 2), ('b', 3)) t(s, n)")
        found = RowsBy(rows, "s")
        assert [*found] == ["O'Neil", "b"]
        assert len(found) == 2
        assert {value: part["n"].to_list() for value, part in found.items()} == {
            "O'Neil": [2],
            "b": [1, 3],
        }
        with pytest.raises(KeyError):
            found["c"]
        assert not RowsBy(rows.filter("false"), "s")


def test_parts_are_collected_in_order_and_replace_those_of_before() -> None:
    schema = pl.Schema({"s": pl.String(), "x": pl.List(pl.Float64)})
    with duckdb.connect() as connection:
        for numbers in ([[1.0], [2.0, None]], [[3.0]]):
            parts = (pl.DataFrame({"s": ["a"], "x": [x]}, schema=schema) for x in numbers)
            found = collected(connection, "odd 'name", parts, schema)
            assert found.fetchall() == [("a", x) for x in numbers]
        assert collected(connection, "none", [], schema).columns == ["s", "x"]
