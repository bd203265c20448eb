"""How the values of a feature are distributed, as counts in bins that can be counted again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from segmentation.features.vectors import Matrix

#: Deciles, the usual bins of a population stability index.
_N_BINS: Final = 10


@dataclass(frozen=True)
class Distribution:
    """Counts of a feature's values: bin i holds those above `edges[i - 1]`, up to `edges[i]`.

    Attributes
    ----------
    edges
        Ascending; the first and the last bin are open to their side.
    counts
        One more than edges.
    n_missing
        Number of missing values.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    n_missing: int


def distribution(values: Matrix) -> Distribution:
    """Count values in bins between their deciles.

    Values that repeat, as zeros and indicators do, share a bin, so there may be fewer than ten.
    An edge stands half-way between two values that occur: a value that comes back with another
    last digit stays in its bin.

    Parameters
    ----------
    values
        Shape (stores,); NaN is missing.
    """
    ordered = np.sort(values[~np.isnan(values)])
    if not ordered.size:
        return Distribution((), (0,), len(values))
    shares = np.arange(1, _N_BINS) / _N_BINS
    deciles = np.unique(np.quantile(ordered, shares, method="inverted_cdf"))
    deciles = deciles[deciles < ordered[-1]]
    above = ordered[np.searchsorted(ordered, deciles, side="right")]
    # of two neighbours in floating point the middle is one of them: the lower one is right then
    edges = np.unique(np.minimum(deciles / 2 + above / 2, np.nextafter(above, -np.inf)))
    up_to = np.searchsorted(ordered, edges, side="right")
    counts = np.diff(up_to, prepend=0, append=len(ordered))
    return Distribution(
        tuple(edges.tolist()), tuple(counts.tolist()), int(len(values) - len(ordered))
    )
