"""Cluster numbers that mean the same thing from fit to fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from segmentation.features.vectors import Labels, Matrix


def order_clusters(labels: Labels, centers: Matrix) -> npt.NDArray[np.int64]:
    """Clusters from large to small, equal sizes by their centroid's coordinates.

    Parameters
    ----------
    labels
        Shape (stores,), values 0 to k - 1.
    centers
        Shape (k, components).

    Returns
    -------
    numpy.ndarray
        Shape (k,): the cluster that stands at each place of the order.
    """
    sizes = np.bincount(labels, minlength=len(centers))
    keys = [*centers.T[::-1], -sizes]
    order: npt.NDArray[np.int64] = np.lexsort(keys).astype(np.int64)
    return order


def match_clusters(
    new: Labels, previous: Labels | None, k: int, highest_used: int
) -> npt.NDArray[np.int64]:
    """Give each new cluster a lasting number.

    New clusters are matched one to one with the previous ones so that as many stores as possible
    keep their number (Kuhn 1955, the Hungarian method). A new cluster without a partner, or one
    that shares no store with it, gets a number that was never used before in the scope.

    Parameters
    ----------
    new
        Shape (stores,), values 0 to k - 1 in the order of :func:`order_clusters`.
    previous
        Shape (stores,), lasting numbers that the model before gives to the same stores; None for
        the first model of a scope.
    k
        Number of new clusters.
    highest_used
        Highest number ever used in the scope, 0 for none.

    Returns
    -------
    numpy.ndarray
        Shape (k,): the lasting number of each new cluster, all different, from 1.

    References
    ----------
    Kuhn (1955), The Hungarian method for the assignment problem.
    """
    lasting = np.zeros(k, dtype=np.int64)
    highest = highest_used
    if previous is not None and len(previous):
        numbers = np.unique(previous)
        highest = max(highest, int(numbers[-1]))
        overlap = np.zeros((k, len(numbers)))
        np.add.at(overlap, (new, np.searchsorted(numbers, previous)), 1.0)
        rows, columns = linear_sum_assignment(-overlap)
        for row, column in zip(rows, columns, strict=True):
            if overlap[row, column] > 0:
                lasting[row] = numbers[column]
    unnamed = np.flatnonzero(lasting == 0)
    lasting[unnamed] = highest + 1 + np.arange(len(unnamed))
    return lasting
