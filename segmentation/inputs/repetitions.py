"""Which of very many hashes come more than once."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np
import polars as pl

if TYPE_CHECKING:
    from segmentation.inputs.hash_tables import Hashes

#: Hashes that are looked at together.
ROWS_AT_ONCE: Final = 250_000_000
#: Fewer are sorted in less time than it takes to import numba.
ROWS_FOR_TABLES: Final = 20_000_000

#: What DuckDB gets ready while a batch is dealt out, and rows of a batch.
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
    so that memory grows with what is repeated and not with the rows.

    Parameters
    ----------
    hashes
        One column `row_hash`, unsigned 64-bit integers, spread evenly.
    connection
        The one of `hashes`; its buffer for streams is set to `BUFFER`.
    rows_at_once
        Rows that are held in memory at a time.
    rows_for_tables
        From as many on they are found in tables (see `hash_tables`), which takes half the memory
        of sorting them, and from about 60 million on less time.

    Returns
    -------
    polars.DataFrame
        Schema `REPEATED_SCHEMA`.

    Raises
    ------
    duckdb.Error, OSError
        If the hashes cannot be read; while they come as a stream the second.
    """
    (n_rows,) = hashes.count("*").fetchone() or (0,)
    rounds = max(1, -(-int(n_rows) // rows_at_once))
    found = []
    for number in range(rounds):
        chosen = hashes if rounds == 1 else hashes.filter(f"row_hash % {rounds} = {number}")
        if n_rows < rows_for_tables:
            repeated = _repeated_neighbours(chosen.pl()["row_hash"])
        else:
            connection.execute(f"set streaming_buffer_size = '{BUFFER}'")
            stream = chosen.to_arrow_reader(ROWS_OF_A_BATCH)
            batches = (batch.column(0).to_numpy() for batch in stream)
            repeated = found_in_tables(batches, int(n_rows) // rounds, pl.thread_pool_size())
        found.append(repeated.sort().unique())
    return pl.DataFrame({"row_hash": pl.concat(found).sort()}, schema=REPEATED_SCHEMA)


def found_in_tables(batches: Iterable[Hashes], n_hashes: int, n_threads: int) -> pl.Series:
    """Hashes that come more than once, each of them once or more often, in no order.

    Parameters
    ----------
    batches
        Hashes, spread evenly. (Where they are not, or some come very often, the result is the same
        and takes longer.) Each batch may be gone when the next one is asked for.
    n_hashes
        About how many there are: memory for an eighth more is set aside.
    n_threads
        Threads that look at parts; they change no result.
    """
    from segmentation.inputs.hash_tables import (  # noqa: PLC0415
        LARGEST_AVERAGE,
        TABLE_BITS,
        deal_out,
        move_repeated,
    )

    part_bits = max(1, (n_hashes // LARGEST_AVERAGE).bit_length())
    size = n_hashes // 2**part_bits * 9 // 8 + 1024
    # (NumPy asks for huge pages, which the system may have to clear first, for seconds)
    memory = mmap.mmap(-1, 8 * size * 2**part_bits)
    parts = np.frombuffer(memory, dtype=np.uint64).reshape(-1, size)
    filled = np.zeros(len(parts), dtype=np.int64)
    crowded = [deal_out(batch, part_bits, parts, filled) for batch in batches]
    crowded += [part for part, length in zip(parts, filled, strict=True) if length == size]

    def of_thread(thread: int) -> list[Hashes]:
        table = np.empty(2**TABLE_BITS, dtype=np.uint64)
        return [
            part[: move_repeated(part[:length], part_bits, table)].copy()
            for part, length in zip(
                parts[thread::n_threads], filled[thread::n_threads], strict=True
            )
            if 0 < length < size
        ]

    with ThreadPoolExecutor(n_threads) as threads:
        found = [part for share in threads.map(of_thread, range(n_threads)) for part in share]
    in_parts = pl.Series(np.concatenate([np.empty(0, dtype=np.uint64), *found]))
    if not crowded:
        return in_parts
    return pl.concat([in_parts, _repeated_neighbours(pl.Series(np.concatenate(crowded)))])


def _repeated_neighbours(hashes: pl.Series) -> pl.Series:
    """Hashes that come more than once, each of them once or more often, by sorting them."""
    ordered = hashes.sort()
    later, earlier = ordered[1:], ordered[:-1]  # no copies, unlike a shift
    return later.filter(later == earlier)
