"""Which of very many hashes come more than once."""

from __future__ import annotations

from typing import Final

import duckdb
import polars as pl

#: Hashes that are sorted at once: 8 bytes each, twice.
ROWS_AT_ONCE: Final = 150_000_000

REPEATED_SCHEMA: Final = pl.Schema({"row_hash": pl.UInt64()})


def repeated_hashes(
    hashes: duckdb.DuckDBPyRelation, rows_at_once: int = ROWS_AT_ONCE
) -> pl.DataFrame:
    """Hashes that stand in more than one row, sorted.

    Sorting 64-bit integers takes a fifth of the time of counting them in a hash table, which has
    a random access per row, and one thread needs less processor time than several that merge what
    each has sorted. Above `rows_at_once` the hashes are read several times, each time
    another part of their values, so that memory does not grow with the rows.

    Parameters
    ----------
    hashes
        One column `row_hash`, unsigned 64-bit integers, spread evenly.
    rows_at_once
        Rows that are held in memory at a time.

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
        ordered = chosen.pl()["row_hash"].sort(multithreaded=False)
        found.append(ordered.filter(ordered == ordered.shift()).unique())
    return pl.DataFrame({"row_hash": pl.concat(found).sort()}, schema=REPEATED_SCHEMA)
