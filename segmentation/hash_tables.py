"""Hashes that come more than once, found in tables that fit into the cache.

One table of all hashes would cost a cache miss for each of them. So they are dealt out to parts by
their first bits, as for a radix join, and each part is looked at in a small table.

References
----------
Shatdal, Kant and Naughton (1994), Cache conscious algorithms for relational query processing;
Manegold, Boncz and Kersten (2002), Optimizing main-memory join on modern hardware.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from segmentation.compiled import compiled

Hashes: TypeAlias = npt.NDArray[np.uint64]
Places: TypeAlias = npt.NDArray[np.int64]

#: A table takes 2 MB, about what a core has for itself; at least half of it stays empty.
TABLE_BITS: Final = 18
AVERAGE_PART: Final = 2 ** (TABLE_BITS - 2)


def repeated(batches: Iterable[Hashes], n_hashes: int, n_threads: int) -> Hashes:
    """Hashes that come more than once, each of them once, in order.

    Parameters
    ----------
    batches
        Hashes, spread evenly. (Where they are not, or one comes very often, the result is the same
        and takes longer.) Each batch may be gone when the next one is asked for.
    n_hashes
        About how many there are: memory for an eighth more is set aside.
    n_threads
        Threads that look at parts; they change no result.
    """
    part_bits = max(1, (n_hashes // AVERAGE_PART).bit_length())
    size = n_hashes // 2**part_bits * 9 // 8 + 1024
    # (NumPy asks for huge pages, which the system may have to make first, for seconds)
    memory = mmap.mmap(-1, 8 * size * 2**part_bits)
    parts = np.frombuffer(memory, dtype=np.uint64).reshape(-1, size)
    filled = np.zeros(len(parts), dtype=np.int64)
    too_many = [_deal_out(batch, np.uint64(64 - part_bits), parts, filled) for batch in batches]
    too_many += [part for part, length in zip(parts, filled, strict=True) if length == size]

    def of_thread(thread: int) -> list[Hashes]:
        table = np.empty(2**TABLE_BITS, dtype=np.uint64)
        return [
            part[: _move_repeated(part[:length], part_bits, table)]
            for part, length in zip(
                parts[thread::n_threads], filled[thread::n_threads], strict=True
            )
            if 0 < length < size
        ]

    with ThreadPoolExecutor(n_threads) as threads:
        found = [part for share in threads.map(of_thread, range(n_threads)) for part in share]
    if too_many:
        values, times = np.unique(np.concatenate(too_many), return_counts=True)
        found.append(values[times > 1])
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.uint64)


@compiled
def _deal_out(hashes: Hashes, shift: np.uint64, parts: Hashes, filled: Places) -> Hashes:
    """Write each hash behind those of its part; give those that have no room there."""
    too_many = np.empty_like(hashes)
    n_too_many = 0
    for value in hashes:
        part = np.int64(value >> shift)
        if filled[part] < parts.shape[1]:
            parts[part, filled[part]] = value
            filled[part] += 1
        else:
            too_many[n_too_many] = value
            n_too_many += 1
    return too_many[:n_too_many].copy()


@compiled
def _move_repeated(part: Hashes, part_bits: int, table: Hashes) -> int:
    """Move hashes that came before to the front, by linear probing, and give their number."""
    table[:] = empty = ~part[0]  # begins with other bits than any hash of the part
    first_bits = np.uint64(64 - TABLE_BITS)
    n_repeated = 0
    for value in part:
        slot = np.int64((value << np.uint64(part_bits)) >> first_bits)
        while table[slot] not in (empty, value):
            slot = (slot + 1) % len(table)
        if table[slot] == value:
            part[n_repeated] = value
            n_repeated += 1
        table[slot] = value
    return n_repeated
