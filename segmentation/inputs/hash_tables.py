"""Hashes in parts and tables that fit into the cache, compiled.

One table of all hashes would cost a cache miss for each of them. So they are dealt out to parts by
their first bits, as for a radix join, and each part is looked at in a small table.

References
----------
Shatdal, Kant and Naughton (1994), Cache conscious algorithms for relational query processing;
Manegold, Boncz and Kersten (2002), Optimizing main-memory join on modern hardware.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from segmentation.fitting.compiled import compiled

Hashes: TypeAlias = npt.NDArray[np.uint64]
Lengths: TypeAlias = npt.NDArray[np.int64]

#: A table takes 2 MB, about what a core has for itself; most of it stays empty.
TABLE_BITS: Final = 18
#: Hashes of a part on average, at most.
LARGEST_AVERAGE: Final = 2 ** (TABLE_BITS - 2)


@compiled
def deal_out(hashes: Hashes, part_bits: int, parts: Hashes, filled: Lengths) -> Hashes:
    """Write each hash behind those of its part, and give those that have no room there.

    Parameters
    ----------
    hashes
        Hashes.
    part_bits
        First bits of a hash that say its part, 1 to 63.
    parts
        A row per part; written to.
    filled
        Length of each part; counted on.

    Returns
    -------
    array
        Hashes without room. Of equal ones that follow each other only two.
    """
    shift = np.uint64(64 - part_bits)
    left = np.empty_like(hashes)
    n_left = 0
    for value in hashes:
        part = np.int64(value >> shift)
        if filled[part] < parts.shape[1]:
            parts[part, filled[part]] = value
            filled[part] += 1
        elif not (n_left > 1 and left[n_left - 2] == value == left[n_left - 1]):
            left[n_left] = value
            n_left += 1
    return left[:n_left].copy()


@compiled
def move_repeated(part: Hashes, part_bits: int, table: Hashes) -> int:
    """Move hashes that came before to the front of their part, by linear probing.

    Parameters
    ----------
    part
        Hashes with the same first bits, at least one and fewer than the table has places; written
        to.
    part_bits
        How many bits that are.
    table
        2 ** `TABLE_BITS` places; what stands in them does not matter.

    Returns
    -------
    int
        How many were moved: one that comes three times is moved twice.
    """
    table[:] = empty = ~part[0]  # begins with other bits than any hash of the part
    first_bits = np.uint64(64 - TABLE_BITS)
    n_repeated = 0
    for value in part:
        place = np.int64((value << np.uint64(part_bits)) >> first_bits)
        while table[place] not in (empty, value):
            place = (place + 1) % len(table)
        if table[place] == value:
            part[n_repeated] = value
            n_repeated += 1
        table[place] = value
    return n_repeated
