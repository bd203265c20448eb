"""Silhouettes of several labelings of the same rows from one pass over their distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from segmentation.features.vectors import Labels, Matrix
from segmentation.fitting.threads import each

#: Rows whose distances to all others are computed at once, few enough to stay in the cache.
_BLOCK: Final = 128


def mean_silhouettes(
    z: Matrix, labelings: Sequence[Labels], sample: int, seed: int, n_jobs: int = 1
) -> list[float]:
    """Mean silhouette of each labeling: exact up to `sample` rows, above that of a seeded sample.

    All labelings are measured on the same rows.

    Parameters
    ----------
    z
        Rows x components.
    labelings
        For each labeling the cluster of every row, numbered from 0.
    sample
        Rows up to which the silhouette is exact.
    seed
        Of the sample.
    n_jobs
        Threads; they change no result.

    Returns
    -------
    list of float
        From -1 to 1; 0 where all rows of the sample are in one cluster.
    """
    rows = np.arange(len(z))
    if len(z) > sample:
        rows = np.sort(np.random.default_rng(seed).choice(len(z), size=sample, replace=False))
    measured = silhouettes(z[rows], [labels[rows] for labels in labelings], n_jobs)
    return [float(values.mean()) for values in measured]


def silhouettes(z: Matrix, labelings: Sequence[Labels], n_jobs: int = 1) -> list[Matrix]:
    """Silhouette of each row in each labeling.

    Each distance is computed once: a block of distances times the indicators of all clusters gives
    the sums that every silhouette is made of.

    Parameters
    ----------
    z
        Rows x components.
    labelings
        For each labeling the cluster of every row, numbered from 0.
    n_jobs
        Threads; they change no result.

    Returns
    -------
    list of Matrix
        Per labeling one value per row, from -1 to 1; all 0 where there is one cluster.

    References
    ----------
    Rousseeuw (1987), Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis. A row that is alone in its cluster has silhouette 0, as there.
    """
    widths = [int(labels.max()) + 1 for labels in labelings]
    ends = np.cumsum(widths)[:-1]
    indicators = np.hstack(
        [np.eye(width)[labels] for width, labels in zip(widths, labelings, strict=True)]
    )
    sizes = np.split(indicators.sum(axis=0), ends)
    norms = np.einsum("ij,ij->i", z, z)

    def measured(start: int) -> list[Matrix]:
        block = slice(start, start + _BLOCK)
        squares = norms[block, None] + norms - 2.0 * (z[block] @ z.T)
        distances = np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)
        own = np.arange(len(distances))
        distances[own, start + own] = 0.0
        return [
            _from_sums(totals, labels[block], counts)
            for totals, labels, counts in zip(
                np.split(distances @ indicators, ends, axis=1), labelings, sizes, strict=True
            )
        ]

    blocks = each(measured, range(0, len(z), _BLOCK), n_jobs)
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


def _from_sums(totals: Matrix, labels: Labels, sizes: Matrix) -> Matrix:
    """Silhouette of each row from its summed distances to every cluster (rows x clusters)."""
    if np.count_nonzero(sizes) < 2:  # noqa: PLR2004 (a silhouette needs two clusters)
        return np.zeros(len(labels))
    own = np.arange(len(labels)), labels
    within = totals[own] / np.maximum(sizes[labels] - 1.0, 1.0)
    means = np.where(sizes > 0.0, totals / np.maximum(sizes, 1.0), np.inf)
    means[own] = np.inf
    nearest = means.min(axis=1)
    larger = np.maximum(within, nearest)
    values: Matrix = np.where(
        (sizes[labels] > 1.0) & (larger > 0.0),
        (nearest - within) / np.where(larger > 0.0, larger, 1.0),
        0.0,
    )
    return values
