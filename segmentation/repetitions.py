"""Which of very many hashes come more than once."""

from __future__ import annotations

from typing import Final

import duckdb
import polars as pl

from segmentation.libraries import importing

#: Hashes that are looked at together, which takes 9 bytes for each.
ROWS_AT_ONCE: Final = 250_000_000

#: Fewer are sorted before numba is imported.
ROWS_FOR_TABLES: Final = 20_000_000
#: They come in batches: what DuckDB gets ready while one is dealt out, and rows of one.
BUFFER: Final = "16MB"
ROWS_OF_A_BATCH: Final = 122_880

REPEATED_SCHEMA: Final = pl.Schema({"row_hash": pl.UInt64()})


def repeated_hashes(
    hashes: duckdb.DuckDBPyRelation,
    connection: duckdb.DuckDBPyConnection,
    rows_at_once: int = ROWS_AT_ONCE,
    rows_for_tables: int = ROWS_FOR_TABLES,
) -> pl.DataFrame:
    """Hashes that stand in more than one row, sorted.

    Above `rows_at_once` the hashes are read several times, each time another part of their values,
    so that memory does not grow with the rows.

    Parameters
    ----------
    hashes
        One column `row_hash`, unsigned 64-bit integers, spread evenly.
    connection
        The one of `hashes`.
    rows_at_once
        Rows that are held in memory at a time.
    rows_for_tables
        From as many on they are found in tables (see `hash_tables`), which takes a fourth of the
        time of sorting them.

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
        if n_rows < rows_for_tables:
            found.append(_by_sorting(chosen.pl()["row_hash"]))
        else:
            found.append(_in_tables(chosen, connection, int(n_rows) // parts))
    return pl.DataFrame({"row_hash": pl.concat(found).sort()}, schema=REPEATED_SCHEMA)


def _by_sorting(hashes: pl.Series) -> pl.Series:
    ordered = hashes.sort()
    later, earlier = ordered[1:], ordered[:-1]  # no copies, unlike a shift
    return later.filter(later == earlier).unique()


def _in_tables(
    hashes: duckdb.DuckDBPyRelation, connection: duckdb.DuckDBPyConnection, n_hashes: int
) -> pl.Series:
    with importing():
        from segmentation.hash_tables import repeated  # noqa: PLC0415
    connection.execute(f"set streaming_buffer_size = '{BUFFER}'")
    try:
        batches = (batch.column(0).to_numpy() for batch in hashes.to_arrow_reader(ROWS_OF_A_BATCH))
        return pl.Series(repeated(batches, n_hashes, pl.thread_pool_size()))
    finally:
        connection.execute("reset streaming_buffer_size")
