"""Which of very many hashes come more than once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import duckdb
import polars as pl

#: Hashes that are sorted at once: 8 bytes each, twice.
ROWS_AT_ONCE: Final = 150_000_000

#: Fewer are sorted by one thread before a second has begun; more than so many threads would read
#: all hashes too often.
ROWS_FOR_THREADS: Final = 1_000_000
MOST_THREADS: Final = 8
#: Short ranges leave the threads less to wait for each other, and are sorted faster.
RANGES_PER_THREAD: Final = 2

REPEATED_SCHEMA: Final = pl.Schema({"row_hash": pl.UInt64()})


def repeated_hashes(
    hashes: duckdb.DuckDBPyRelation,
    rows_at_once: int = ROWS_AT_ONCE,
    rows_for_threads: int = ROWS_FOR_THREADS,
) -> pl.DataFrame:
    """Hashes that stand in more than one row, sorted.

    Sorting 64-bit integers takes a fifth of the time of counting them in a hash table, which has
    a random access per row. Each thread sorts ranges of their values of its own, so that nothing
    has to be merged. Above `rows_at_once` the hashes are read several times, each time
    another part of their values, so that memory does not grow with the rows.

    Parameters
    ----------
    hashes
        One column `row_hash`, unsigned 64-bit integers, spread evenly.
    rows_at_once
        Rows that are held in memory at a time.
    rows_for_threads
        From as many on several threads sort.

    Returns
    -------
    polars.DataFrame
        Schema `REPEATED_SCHEMA`.
    """
    (n_rows,) = hashes.count("*").fetchone() or (0,)
    parts = max(1, -(-int(n_rows) // rows_at_once))
    found = []
    for part in range(parts):
        chosen = hashes if parts == 1 else hashes.filter(f"row_hash % {parts} = {part}")
        n_threads = min(pl.thread_pool_size(), MOST_THREADS) if n_rows >= rows_for_threads else 1
        found += _repeated(chosen.pl()["row_hash"], n_threads)
    return pl.DataFrame({"row_hash": pl.concat(found).sort()}, schema=REPEATED_SCHEMA)


def _repeated(hashes: pl.Series, n_threads: int) -> list[pl.Series]:
    """The values that come more than once, by ranges of values."""
    n_ranges = 1 if n_threads == 1 else RANGES_PER_THREAD * n_threads
    edges = [2**64 * edge // n_ranges for edge in range(n_ranges + 1)]

    def within(lowest: int, beyond: int) -> pl.Series:
        chosen = hashes if n_ranges == 1 else hashes.filter(hashes.is_between(lowest, beyond - 1))
        ordered = chosen.sort(multithreaded=False)
        later, earlier = ordered[1:], ordered[:-1]  # no copies, unlike a shift
        return later.filter(later == earlier).unique()

    with ThreadPoolExecutor(n_threads) as threads:
        return list(threads.map(within, edges, edges[1:]))
