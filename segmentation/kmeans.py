"""K-means for the hundreds of resamples and references of one search, compiled.

scikit-learn's `KMeans` spends more time on checks and calls than on arithmetic where a fit has a
thousand rows. The loops here take the same draws and the same steps, so that they end in the same
clusters; numba compiles them once per machine. The candidates themselves are fitted by PyCaret's
estimator, which is told where to start.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from segmentation.compiled import compiled
from segmentation.features import Labels, Matrix

#: As scikit-learn's defaults: rounds, and the shift of the centroids in units of the variance.
_MAX_ROUNDS: Final = 300
_TOLERANCE: Final = 1e-4
#: Two rows that are each other's neighbours leave the same sum: the first drawn is taken, where
#: scikit-learn leaves it to rounding, which differs from processor to processor.
_CLEARLY: Final = 1.0 - 1e-12
#: Rows that are compared with one centroid at a time, in registers and the nearest cache.
_BLOCK: Final = 256


class Partition(NamedTuple):
    """Clusters of the rows and their weighted sum of squares, by scikit-learn's names.

    `start` are the numbers of the rows that the best start took for centroids.
    """

    labels_: Labels
    inertia_: float
    start: Labels


def first_centroids(
    X: Matrix,
    n_clusters: int,
    random_state: np.random.RandomState,
) -> Matrix:
    """Pick the first centroids, as `init` of scikit-learn's `KMeans`.

    Greedy k-means++: the first row is drawn evenly; for each further centroid some rows are drawn
    in proportion to their squared distance to the nearest one so far, and the one that leaves the
    smallest sum of squares is taken. The draws are those of scikit-learn's own "k-means++".

    Parameters
    ----------
    X
        Rows x components, finite, with means of 0.
    n_clusters
        Centroids wanted, at most as many as rows.
    random_state
        Source of the draws.

    Returns
    -------
    Matrix
        Centroids x components, rows of `X`.

    References
    ----------
    Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding; the greedy form
    with ``2 + log(k)`` draws is from the conclusion of their report.
    """
    columns = np.ascontiguousarray(X.T)
    draws = random_state.random_sample(_n_draws(n_clusters))
    return X[_first_rows(columns, np.ones(len(X)), _norms(columns), draws, n_clusters)]


def partition(
    points: Matrix, weights: Matrix, k: int, restarts: int, seed: int
) -> Partition | None:
    """Cluster weighted rows with K-means, as scikit-learn's `KMeans` does with the same seed.

    Parameters
    ----------
    points
        Rows x components, finite.
    weights
        How many times each row counts, above 0.
    k
        Clusters, at most as many as rows.
    restarts
        Starts with greedy k-means++; the one with the smallest sum of squares is returned.
    seed
        Of the draws.

    Returns
    -------
    Partition or None
        Equal to scikit-learn's clusters of the rows repeated by their weights, up to numbering and
        rounding; None where a cluster ran empty, which is rare and left to scikit-learn, or where
        the distances overflow.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM.
    """
    total = weights.sum()
    columns = np.ascontiguousarray((points - weights @ points / total).T)
    variance = float((weights @ columns.T**2).mean() / total)
    labels, inertia, start, has_empty = _best_of(
        columns, weights, _draws(k, restarts, seed), k, _TOLERANCE * variance
    )
    return None if has_empty else Partition(labels, inertia, start)


def _n_draws(k: int) -> int:
    """Draws of one start: one row, and a few candidates for each further centroid."""
    return 1 + (k - 1) * (2 + int(np.log(k)))


@lru_cache(maxsize=4096)
def _draws(k: int, restarts: int, seed: int) -> Matrix:
    """Draws of all restarts, a line each: the same for all scopes with the same seed."""
    draws = np.random.RandomState(seed).random_sample((restarts, _n_draws(k)))
    draws.setflags(write=False)
    return draws


@compiled
def _norms(columns: Matrix) -> Matrix:
    """Squared length of each row."""
    norms = np.zeros(columns.shape[1])
    for column in columns:
        norms += column * column
    return norms


@compiled
def _best_of(
    columns: Matrix, weights: Matrix, draws: Matrix, k: int, tolerance: float
) -> tuple[Labels, float, Labels, bool]:
    """Best of all restarts; the last is true where a cluster ran empty in one of them."""
    n_components, n_rows = columns.shape
    norms = _norms(columns)
    weighted = np.ascontiguousarray((columns * weights).T)
    centroids = np.empty((k, n_components))
    best = np.full(n_rows, -1, np.intp)
    best_start = np.zeros(k, np.intp)
    smallest = np.inf
    for restart in range(len(draws)):
        start = _first_rows(columns, weights, norms, draws[restart], k)
        for cluster in range(k):
            centroids[cluster] = columns[:, start[cluster]]
        labels, has_empty = _rounds(columns, weighted, weights, centroids, tolerance)
        if has_empty:
            return best, smallest, best_start, True
        inertia = _inertia(columns, weights, centroids, labels)
        if inertia < smallest and not _are_same(labels, best, k):
            best, smallest, best_start = labels, inertia, start
    return best, smallest, best_start, False


@compiled
def _are_same(labels: Labels, others: Labels, k: int) -> bool:
    """Tell if two labelings are the same clusters; then rounding must not choose between them."""
    number = np.full(k, -1, np.intp)
    for row in range(len(labels)):
        if number[labels[row]] == -1:
            number[labels[row]] = others[row]
        if others[row] == -1 or number[labels[row]] != others[row]:
            return False
    return True


@compiled
def _first_rows(columns: Matrix, weights: Matrix, norms: Matrix, draws: Matrix, k: int) -> Labels:
    """Greedy k-means++: of a few draws the one that leaves the smallest sum of squares."""
    n_rows = columns.shape[1]
    n_draws = (len(draws) - 1) // max(k - 1, 1)
    picked = np.empty(k, np.intp)
    nearest = np.full(n_rows, np.inf)
    candidate = np.empty(n_rows)
    closest = np.empty(n_rows)
    summed = np.cumsum(weights / weights.sum())
    picked[0] = min(np.searchsorted(summed / summed[-1], draws[0], side="right"), n_rows - 1)
    potential = _keep_nearest(columns, weights, norms, picked[0], nearest, candidate)
    nearest[:] = candidate
    for cluster in range(1, k):
        summed = np.cumsum(nearest * weights)
        first = 1 + (cluster - 1) * n_draws
        best_row, best_potential = 0, np.inf
        for draw in draws[first : first + n_draws]:
            row = min(np.searchsorted(summed, draw * potential), n_rows - 1)
            left = _keep_nearest(columns, weights, norms, row, nearest, candidate)
            if left < _CLEARLY * best_potential:
                best_row, best_potential = row, left
                closest[:] = candidate
        nearest[:] = closest
        potential = best_potential
        picked[cluster] = best_row
    return picked


@compiled
def _keep_nearest(
    columns: Matrix, weights: Matrix, norms: Matrix, row: int, nearest: Matrix, candidate: Matrix
) -> float:
    """Write to `candidate` the squared distances once `row` is a centroid; return their sum."""
    candidate[:] = norms
    _add_products(candidate, columns, 0, -2.0 * columns[:, row])
    total = 0.0
    for other in range(len(candidate)):
        distance = max(candidate[other] + norms[row], 0.0)
        candidate[other] = min(distance, nearest[other])
        total += weights[other] * candidate[other]
    return total


@compiled
def _rounds(
    columns: Matrix, rows: Matrix, weights: Matrix, centroids: Matrix, tolerance: float
) -> tuple[Labels, bool]:
    """Move the centroids, in place, until no row changes or they hardly move."""
    k, n_components = centroids.shape
    labels = np.full(columns.shape[1], -1, np.intp)
    sums = np.empty((k, n_components))
    mass = np.empty(k)
    for _ in range(_MAX_ROUNDS):
        has_changed = _assign(columns, centroids, labels)
        mass[:] = 0.0
        sums[:] = 0.0
        for row in range(len(labels)):
            mass[labels[row]] += weights[row]
            own = sums[labels[row]]
            weighted = rows[row]
            for component in range(n_components):
                own[component] += weighted[component]
        if mass.min() == 0.0:
            return labels, True
        shift = 0.0
        for cluster in range(k):
            for component in range(n_components):
                moved = sums[cluster, component] / mass[cluster]
                shift += (moved - centroids[cluster, component]) ** 2
                centroids[cluster, component] = moved
        if not has_changed:
            return labels, False
        if shift <= tolerance:
            break
    _assign(columns, centroids, labels)
    return labels, False


@compiled
def _assign(columns: Matrix, centroids: Matrix, labels: Labels) -> bool:
    """Write the nearest centroid of each row to `labels`; return if any is another than before."""
    k, n_components = centroids.shape
    n_rows = columns.shape[1]
    has_changed = False
    half_norms = np.zeros(k)
    for cluster in range(k):
        for component in range(n_components):
            half_norms[cluster] += 0.5 * centroids[cluster, component] ** 2
    scores = np.empty(_BLOCK)
    smallest = np.empty(_BLOCK)
    nearest = np.empty(_BLOCK, np.intp)
    for start in range(0, n_rows, _BLOCK):
        own = labels[start : start + _BLOCK]
        smallest[:] = np.inf
        nearest[:] = 0  # where distances overflow, no score is smaller than infinity
        for cluster in range(k):
            scores[:] = half_norms[cluster]
            _add_products(scores, columns, start, -centroids[cluster])
            for place in range(_BLOCK):
                is_nearer = scores[place] < smallest[place]
                smallest[place] = scores[place] if is_nearer else smallest[place]
                nearest[place] = cluster if is_nearer else nearest[place]
        for place in range(len(own)):
            if own[place] != nearest[place]:
                own[place] = nearest[place]
                has_changed = True
    return has_changed


@compiled
def _add_products(sums: Matrix, columns: Matrix, start: int, factors: Matrix) -> None:
    """Add columns times factors to the sums, one for each row from `start` on, column by column.

    Four columns at a time, in their order, so that a sum is read and written once for them.
    """
    # (parts of contiguous rows: of parts of the matrix no loop becomes vector code)
    n_components = len(columns)
    n_rows = min(len(sums), columns.shape[1] - start)
    end = start + n_rows
    for first in range(0, n_components - 3, 4):
        a, b = columns[first][start:end], columns[first + 1][start:end]
        c, d = columns[first + 2][start:end], columns[first + 3][start:end]
        times_a, times_b = factors[first], factors[first + 1]
        times_c, times_d = factors[first + 2], factors[first + 3]
        for place in range(n_rows):
            total = sums[place] + times_a * a[place]
            total += times_b * b[place]
            total += times_c * c[place]
            sums[place] = total + times_d * d[place]
    for last in range(n_components - n_components % 4, n_components):
        column = columns[last][start:end]
        for place in range(n_rows):
            sums[place] += factors[last] * column[place]


@compiled
def _inertia(columns: Matrix, weights: Matrix, centroids: Matrix, labels: Labels) -> float:
    """Weighted sum of the squared distances to the own centroid."""
    total = 0.0
    for row in range(len(labels)):
        distance = 0.0
        for component in range(len(columns)):
            distance += (columns[component, row] - centroids[labels[row], component]) ** 2
        total += weights[row] * distance
    return total
