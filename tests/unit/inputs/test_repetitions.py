from __future__ import annotations

from collections import Counter

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.inputs.hash_tables import LARGEST_AVERAGE, TABLE_BITS, Hashes
from segmentation.inputs.repetitions import REPEATED_SCHEMA, found_in_tables, repeated_hashes

LARGEST = 2**64 - 1
IN_TABLES, BY_SORTING = 1, 1_000


def repeated(hashes: list[int], rows_at_once: int, rows_for_tables: int) -> pl.DataFrame:
    """Result for some hashes, as a relation of DuckDB."""
    frame = pl.DataFrame({"row_hash": hashes}, schema=REPEATED_SCHEMA)
    with duckdb.connect() as connection:
        connection.register("hashes", frame.to_arrow())
        return repeated_hashes(
            connection.table("hashes"), connection, rows_at_once, rows_for_tables
        )


def found(hashes: Hashes, n_batches: int, expected: int, n_threads: int = 2) -> list[int]:
    """What tables find in an array, each hash once."""
    batches = np.array_split(hashes, n_batches)
    return sorted(set(found_in_tables(batches, expected, n_threads)))


def counted(hashes: Hashes) -> list[int]:
    """What comes more than once, by NumPy's sort."""
    values, times = np.unique(hashes, return_counts=True)
    return [int(value) for value in values[times > 1]]


def spread(n_hashes: int) -> Hashes:
    """Hashes of which some come twice, and one often."""
    drawn = np.random.default_rng(7).integers(LARGEST, size=n_hashes, dtype=np.uint64)
    drawn[::50] = drawn[1]
    drawn[3::40] = drawn[2::40][: len(drawn[3::40])]
    return drawn


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 2**63 - 1, 2**63, LARGEST - 1, LARGEST]) | st.integers(0, 99)),
    st.integers(1, 20),
    st.sampled_from([IN_TABLES, BY_SORTING]),
)
def test_hashes_that_come_more_than_once_are_found_however_many_are_held_at_a_time(
    hashes: list[int], rows_at_once: int, rows_for_tables: int
) -> None:
    expected = sorted(value for value, times in Counter(hashes).items() if times > 1)
    assert repeated(hashes, rows_at_once, rows_for_tables)["row_hash"].to_list() == expected


@pytest.mark.parametrize("rows_for_tables", [IN_TABLES, BY_SORTING])
@pytest.mark.parametrize("hashes", [[], [5]])
def test_without_repetitions_there_is_no_row_and_the_column_is_there(
    hashes: list[int], rows_for_tables: int
) -> None:
    assert repeated(hashes, 10, rows_for_tables).schema == REPEATED_SCHEMA
    assert repeated(hashes, 10, rows_for_tables).is_empty()


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("expected", [1, 1_000, 5 * LARGEST_AVERAGE, 50 * LARGEST_AVERAGE])
def test_neither_threads_nor_the_number_expected_change_what_is_found(
    expected: int, n_threads: int
) -> None:
    hashes = spread(5 * LARGEST_AVERAGE)
    assert found(hashes, 7, expected, n_threads) == counted(hashes)


@pytest.mark.parametrize("n_hot", [1, 2, 100])
def test_hashes_that_fill_their_part_hide_no_other_one(n_hot: int) -> None:
    hashes = spread(LARGEST_AVERAGE)
    hot = np.tile(hashes[2 : 2 + n_hot], 3 * LARGEST_AVERAGE // n_hot)
    both = np.concatenate([hot, hashes, hot[:1]])
    assert found(both, 3, len(both)) == counted(both)


def test_a_hash_that_finds_its_part_full_each_time_is_found() -> None:
    late, filling = np.uint64(5), np.arange(10, 10_000, dtype=np.uint64)
    for between in ([], [7], [7, 8]):
        hashes = np.array([*filling, late, *between, late], dtype=np.uint64)
        assert found(hashes, 1, 1) == [late]


def test_a_table_has_room_for_the_largest_part() -> None:
    assert LARGEST_AVERAGE * 9 // 8 + 1024 < 2**TABLE_BITS / 2


def test_a_row_that_cannot_be_hashed_is_an_error_and_the_connection_goes_on() -> None:
    with duckdb.connect() as connection:
        hashes = connection.sql(
            "select if(number = 3000000, error('no such row'), hash(number)) as row_hash"
            " from range(4000000) as numbers (number)"
        )
        with pytest.raises((duckdb.Error, OSError), match="no such row"):
            repeated_hashes(hashes, connection, rows_for_tables=IN_TABLES)
        assert connection.sql("select 1").fetchall() == [(1,)]
