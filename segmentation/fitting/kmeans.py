"""K-means for the hundreds of resamples and references of one search, compiled with numba.

For a thousand rows, scikit-learn's `KMeans` spends more time on validation and calls than on
arithmetic. The loops here use the same random draws and the same steps as scikit-learn, so they end
in the same clusters. `docs/decisions/0201-compiled-k-means.md` compares the time with scikit-learn
and faiss. The candidates themselves are fitted by PyCaret's estimator, which
starts from the best start found here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from segmentation.features.vectors import Labels, Matrix
from segmentation.fitting.compiled import compiled

#: Maximum number of iterations, and the tolerance on the shift of the centroids in units of the
#: variance: scikit-learn's defaults.
_MAX_ITERATIONS: Final = 300
_TOLERANCE: Final = 1e-4
#: Two candidates for a centroid can leave the same sum of squares. The first one drawn wins, where
#: scikit-learn lets rounding decide, which differs between processors.
_CLEARLY: Final = 1.0 - 1e-12
#: Rows whose distances to one centroid are computed together; they stay in the processor's cache.
_BLOCK: Final = 256


class WeightedRows(NamedTuple):
    """Rows to be clustered once or many times.

    Attributes
    ----------
    rows, columns
        Rows x components with means of 0, and the same transposed; both C-contiguous.
    weights
        How many times each row counts.
    norms
        Squared length of each row.
    """

    rows: Matrix
    columns: Matrix
    weights: Matrix
    norms: Matrix


class Partition(NamedTuple):
    """Clusters of the rows and their weighted sum of squares, named as in scikit-learn.

    `start` has the row numbers that the best start used as centroids.
    """

    labels_: Labels
    inertia_: float
    start: Labels


def first_centroids(
    X: Matrix,
    n_clusters: int,
    random_state: np.random.RandomState,
) -> Matrix:
    """Choose the first centroids; use it as `init` of scikit-learn's `KMeans`.

    Greedy k-means++: the first row is drawn uniformly. For each further centroid, several rows are
    drawn with probabilities proportional to their squared distance from the nearest centroid so
    far, and the row that leaves the smallest sum of squares is taken. The draws are those of
    scikit-learn's "k-means++".

    Parameters
    ----------
    X
        Rows x components, finite, with means of 0.
    n_clusters
        Number of centroids, at most the number of rows.
    random_state
        Source of the draws.

    Returns
    -------
    Matrix
        Centroids x components, rows of `X`.

    References
    ----------
    Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding; the greedy form
    with ``2 + log(k)`` draws is in the conclusion of their report.
    """
    columns = np.ascontiguousarray(X.T)
    draws = random_state.random_sample(_n_draws(n_clusters))
    data = WeightedRows(X, columns, np.ones(len(X)), np.einsum("ij,ij->j", columns, columns))
    centroids: Matrix = X[_first_rows(data, draws, n_clusters, _n_candidates(n_clusters))]
    return centroids


def weighted_rows(points: Matrix, weights: Matrix | None = None) -> WeightedRows:
    """Prepare rows for any number of calls of `partition`, also from several threads.

    Parameters
    ----------
    points
        Rows x components, finite.
    weights
        How many times each row counts, whole numbers above 0; once by default.
    """
    weights = np.ones(len(points)) if weights is None else weights
    rows = np.ascontiguousarray(points - weights @ points / weights.sum())
    return WeightedRows(
        rows, np.ascontiguousarray(rows.T), weights, np.einsum("ij,ij->i", rows, rows)
    )


def partition(data: WeightedRows, k: int, restarts: int, seed: int) -> Partition | None:
    """Cluster weighted rows with K-means, as scikit-learn's `KMeans` does with the same seed.

    Parameters
    ----------
    data
        The rows and their weights; not modified.
    k
        Number of clusters, at most the number of rows.
    restarts
        Starts with greedy k-means++; the one with the smallest sum of squares is returned.
    seed
        Of the draws.

    Returns
    -------
    Partition or None
        Equal to scikit-learn's clusters of the rows repeated by their weights, except for the
        numbering and for rows that are equally near to two centroids, where rounding decides. None
        if a cluster became empty, which is rare and left to scikit-learn, or if the distances
        overflow.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM.
    """
    variance = float(data.weights @ data.norms / data.weights.sum() / len(data.columns))
    labels, inertia, start, found = _best_of(
        data, _draws(k, restarts, seed), k, _n_candidates(k), _TOLERANCE * variance
    )
    return Partition(labels, inertia, start) if found else None


def _n_candidates(k: int) -> int:
    """Rows drawn for each centroid after the first."""
    return 2 + int(np.log(k))


def _n_draws(k: int) -> int:
    """Draws of one start: one row, and the candidates for each further centroid."""
    return 1 + (k - 1) * _n_candidates(k)


@lru_cache(maxsize=4096)
def _draws(k: int, restarts: int, seed: int) -> Matrix:
    """Draws of all restarts, restarts x draws; the same for all scopes with the same seed."""
    draws = np.random.RandomState(seed).random_sample((restarts, _n_draws(k)))
    draws.setflags(write=False)
    return draws


@compiled
def _best_of(
    data: WeightedRows, draws: Matrix, k: int, n_candidates: int, tolerance: float
) -> tuple[Labels, float, Labels, bool]:
    """Best of all restarts; the last value is false if a cluster became empty or there is none."""
    best = np.full(len(data.rows), -1, np.intp)
    best_start = np.zeros(k, np.intp)
    smallest = np.inf
    for one in draws:
        start = _first_rows(data, one, k, n_candidates)
        centroids = data.rows[start]
        labels, has_empty = _lloyd(data, centroids, tolerance)
        if has_empty:
            return best, smallest, best_start, False
        inertia = _inertia(data, centroids, labels)
        if inertia < smallest and not _are_same(labels, best, k):
            best, smallest, best_start = labels, inertia, start
    return best, smallest, best_start, smallest < np.inf


@compiled
def _are_same(labels: Labels, others: Labels, k: int) -> bool:
    """Whether two labelings are the same clusters; rounding must not choose between them then."""
    number = np.full(k, -1, np.intp)
    for row in range(len(labels)):
        if number[labels[row]] == -1:
            number[labels[row]] = others[row]
        if others[row] == -1 or number[labels[row]] != others[row]:
            return False
    return True


@compiled
def _first_rows(data: WeightedRows, draws: Matrix, k: int, n_candidates: int) -> Labels:
    """Row numbers of the first centroids by greedy k-means++."""
    n_rows = len(data.rows)
    picked = np.empty(k, np.intp)
    nearest = np.full(n_rows, np.inf)
    candidate = np.empty(n_rows)
    best = np.empty(n_rows)
    summed = np.cumsum(data.weights / data.weights.sum())
    place = np.searchsorted(summed / summed[-1], draws[0], side="right")
    picked[0] = min(place, n_rows - 1)
    left = _keep_nearest(data, picked[0], nearest, nearest)
    for cluster in range(1, k):
        summed = np.cumsum(nearest * data.weights)
        smallest = np.inf
        for draw in range(n_candidates):
            threshold = draws[1 + (cluster - 1) * n_candidates + draw] * left
            row = min(np.searchsorted(summed, threshold), n_rows - 1)
            total = _keep_nearest(data, row, nearest, candidate)
            if draw == 0 or total < _CLEARLY * smallest:
                smallest, picked[cluster] = total, row
                best, candidate = candidate, best
        nearest, best = best, nearest
        left = smallest
    return picked


@compiled
def _keep_nearest(data: WeightedRows, centroid: int, before: Matrix, after: Matrix) -> float:
    """Write each row's squared distance with one more centroid to `after`; return their sum."""
    factors = -2.0 * data.rows[centroid]
    own = data.norms[centroid]
    distances = np.empty(_BLOCK)
    total = 0.0
    for start in range(0, len(data.rows), _BLOCK):
        end = min(start + _BLOCK, len(data.rows))
        distances[: end - start] = data.norms[start:end]
        _add_products(distances[: end - start], data.columns, start, factors)
        for row in range(start, end):
            after[row] = min(max(distances[row - start] + own, 0.0), before[row])
            total += data.weights[row] * after[row]
    return total


@compiled
def _lloyd(data: WeightedRows, centroids: Matrix, tolerance: float) -> tuple[Labels, bool]:
    """Move the centroids, in place, until no label changes or they hardly move.

    The second value is true if a cluster became empty.
    """
    labels = np.full(len(data.rows), -1, np.intp)
    sums, mass = np.zeros_like(centroids), np.zeros(len(centroids))
    n_changed = len(labels)
    for _ in range(_MAX_ITERATIONS):
        n_changed = _assign(data, centroids, labels, sums, mass)
        if mass.min() == 0.0:  # exact: weights are whole numbers
            return labels, True
        shift = _move(centroids, sums, mass)
        if n_changed == 0 or shift <= tolerance:
            break
    # sum again, so that no rounding error remains from rows that joined and left a cluster
    sums[:] = 0.0
    for row in range(len(labels)):
        _add_row(sums[labels[row]], data.rows[row], data.weights[row])
    _move(centroids, sums, mass)
    if n_changed > 0:
        _assign(data, centroids, labels, sums, mass)
    return labels, False


@compiled
def _assign(
    data: WeightedRows, centroids: Matrix, labels: Labels, sums: Matrix, mass: Matrix
) -> int:
    """Write the nearest centroid of each row to the labels; return how many have changed.

    `sums` and `mass`, the weighted sum of the rows of each cluster and their total weight, follow
    the rows whose label changes. Scores are half the squared distance less what all centroids have
    in common. The first of equally near centroids is taken.
    """
    half_norms = 0.5 * (centroids * centroids).sum(axis=1)
    factors = -centroids
    scores = np.empty(_BLOCK)
    smallest = np.empty(_BLOCK)
    nearest = np.empty(_BLOCK, np.intp)
    n_changed = 0
    for start in range(0, len(labels), _BLOCK):
        n_here = min(_BLOCK, len(labels) - start)
        smallest[:] = np.inf
        nearest[:] = 0  # if distances overflow, no score is smaller than infinity
        for cluster in range(len(centroids)):
            scores[:] = half_norms[cluster]
            _add_products(scores[:n_here], data.columns, start, factors[cluster])
            for place in range(_BLOCK):
                is_nearer = scores[place] < smallest[place]
                smallest[place] = scores[place] if is_nearer else smallest[place]
                nearest[place] = cluster if is_nearer else nearest[place]
        for place in range(n_here):
            row, after = start + place, nearest[place]
            before, weight = labels[row], data.weights[row]
            if before != after:
                n_changed += 1
                labels[row] = after
                mass[after] += weight
                _add_row(sums[after], data.rows[row], weight)
                if before >= 0:
                    mass[before] -= weight
                    _add_row(sums[before], data.rows[row], -weight)
    return n_changed


@compiled
def _add_row(total: Matrix, row: Matrix, weight: float) -> None:
    """Add a weighted row to a sum of rows."""
    for component in range(len(row)):
        total[component] += weight * row[component]


@compiled
def _move(centroids: Matrix, sums: Matrix, mass: Matrix) -> float:
    """Move each centroid to the mean of its rows; return the sum of the squared shifts."""
    shift = 0.0
    for cluster in range(len(centroids)):
        for component in range(centroids.shape[1]):
            mean = sums[cluster, component] / mass[cluster]
            shift += (mean - centroids[cluster, component]) ** 2
            centroids[cluster, component] = mean
    return shift


@compiled
def _add_products(sums: Matrix, columns: Matrix, start: int, factors: Matrix) -> None:
    """Add ``columns[:, start + i] @ factors`` to each ``sums[i]``, four columns at a time."""
    # slices of contiguous rows: numba vectorizes no loop over a slice of the whole matrix
    n_components, end = len(columns), start + len(sums)
    for first in range(0, n_components - 3, 4):
        a, b = columns[first][start:end], columns[first + 1][start:end]
        c, d = columns[first + 2][start:end], columns[first + 3][start:end]
        times_a, times_b = factors[first], factors[first + 1]
        times_c, times_d = factors[first + 2], factors[first + 3]
        for place in range(len(sums)):
            total = sums[place] + times_a * a[place]
            total += times_b * b[place]
            total += times_c * c[place]
            sums[place] = total + times_d * d[place]
    for last in range(n_components - n_components % 4, n_components):
        column = columns[last][start:end]
        for place in range(len(sums)):
            sums[place] += factors[last] * column[place]


@compiled
def _inertia(data: WeightedRows, centroids: Matrix, labels: Labels) -> float:
    """Weighted sum of the squared distances to the own centroid."""
    total = 0.0
    for row in range(len(labels)):
        own, values = centroids[labels[row]], data.rows[row]
        distance = 0.0
        for component in range(len(own)):
            distance += (values[component] - own[component]) ** 2
        total += data.weights[row] * distance
    return total
