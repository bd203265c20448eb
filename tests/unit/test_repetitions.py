from __future__ import annotations

from collections import Counter

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.repetitions import REPEATED_SCHEMA, repeated_hashes

LARGEST = 2**64 - 1


def repeated(hashes: list[int], rows_at_once: int, rows_for_tables: int = 1_000) -> pl.DataFrame:
    """Result for some hashes, as a relation of DuckDB."""
    frame = pl.DataFrame({"row_hash": hashes}, schema=REPEATED_SCHEMA)
    with duckdb.connect() as connection:
        connection.register("hashes", frame.to_arrow())
        return repeated_hashes(
            connection.table("hashes"), connection, rows_at_once, rows_for_tables
        )


#: Ends of the ranges that two or more threads sort, and values beside them.
EDGES = st.sampled_from([2**62, 2**63]).flatmap(lambda edge: st.integers(edge - 1, edge + 1))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 9) | st.integers(LARGEST - 9, LARGEST) | EDGES),
    st.integers(1, 20),
    st.sampled_from([1, 1_000]),
)
def test_hashes_that_come_more_than_once_are_found_however_many_are_held_at_a_time(
    hashes: list[int], rows_at_once: int, rows_for_tables: int
) -> None:
    expected = sorted(value for value, times in Counter(hashes).items() if times > 1)
    assert repeated(hashes, rows_at_once, rows_for_tables)["row_hash"].to_list() == expected


@pytest.mark.parametrize("hashes", [[], [5]])
def test_without_repetitions_there_is_no_row_and_the_column_is_there(hashes: list[int]) -> None:
    assert repeated(hashes, 10).schema == REPEATED_SCHEMA
    assert repeated(hashes, 10).is_empty()
