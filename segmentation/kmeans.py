"""K-means for the hundreds of resamples and references of one search, compiled.

scikit-learn's `KMeans` spends more time on checks and calls than on arithmetic where a fit has a
thousand rows. The loops here take the same draws and the same steps, so that they end in the same
clusters; numba compiles them once per machine. The candidates themselves are fitted by PyCaret's
estimator, which is told where to start.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

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
#: Below it single precision has few digits, or none: no difference of scores counts.
_TINY: Final = 1e-30


#: Numbers in single precision, in this and in double precision.
ShortMatrix = npt.NDArray[np.float32]
_Floats = ShortMatrix | Matrix


class Data(NamedTuple):
    """Weighted rows with means of 0, as the loops read them.

    `columns` is components x rows, `short` the same in single precision, `weighted` the rows times
    their weights; `norms` are squared lengths, `lengths` their roots.
    """

    columns: Matrix
    short: ShortMatrix
    weighted: Matrix
    weights: Matrix
    norms: Matrix
    lengths: Matrix


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
    candidates = np.empty((_n_candidates(n_clusters), len(X)))
    rows = _first_rows(columns, np.ones(len(X)), _norms(columns), draws, n_clusters, candidates)
    return X[rows]


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
    n_rows, n_components = points.shape
    draws = _draws(k, restarts, seed)
    data = Data(
        columns=_scratch("columns", (n_components, n_rows)),
        short=_scratch("short", (n_components, n_rows), np.float32),
        weighted=_scratch("weighted", (n_rows, n_components)),
        weights=weights,
        norms=_scratch("norms", (n_rows,)),
        lengths=_scratch("lengths", (n_rows,)),
    )
    _fill(data, points, weights @ points / total)
    tolerance = _TOLERANCE * float(weights @ data.norms / total / n_components)
    labels, inertia, start, has_empty = _best_of(
        data, draws, k, tolerance, _scratch("candidates", (_n_candidates(k), n_rows))
    )
    return None if has_empty else Partition(labels, inertia, start)


class _Scratch(threading.local):
    """Arrays that a thread uses again, without what is in them.

    New memory took a third of the time of three starts on a few clusters. A thread that ends gives
    it back.
    """

    def __init__(self) -> None:
        self._held: dict[str, npt.NDArray[Any]] = {}

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: type[np.floating[Any]] = np.float64
    ) -> npt.NDArray[Any]:
        size = int(np.prod(shape))
        if name not in self._held or self._held[name].size < size:
            self._held[name] = np.empty(size, dtype)
        return self._held[name][:size].reshape(shape)


_scratch = _Scratch()


def _n_candidates(k: int) -> int:
    """Rows of which one is taken for each centroid but the first."""
    return 2 + int(np.log(k))


def _n_draws(k: int) -> int:
    """Draws of one start: one row, and a few candidates for each further centroid."""
    return 1 + (k - 1) * _n_candidates(k)


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
def _fill(data: Data, points: Matrix, means: Matrix) -> None:
    """Write rows less their means to all of `data` but the weights."""
    n_rows, n_components = points.shape
    data.norms[:] = 0.0
    for start in range(0, n_rows, _BLOCK):
        end = min(start + _BLOCK, n_rows)
        for component in range(n_components):
            column, short = data.columns[component], data.short[component]
            for row in range(start, end):
                value = points[row, component] - means[component]
                column[row] = value
                short[row] = value
                data.weighted[row, component] = value * data.weights[row]
                data.norms[row] += value * value
    data.lengths[:] = np.sqrt(data.norms)


@compiled
def _best_of(
    data: Data, draws: Matrix, k: int, tolerance: float, candidates: Matrix
) -> tuple[Labels, float, Labels, bool]:
    """Best of all restarts; the last is true where a cluster ran empty in one of them."""
    n_components, n_rows = data.columns.shape
    centroids = np.empty((k, n_components))
    best = np.full(n_rows, -1, np.intp)
    best_start = np.zeros(k, np.intp)
    smallest = np.inf
    for restart in range(len(draws)):
        start = _first_rows(data.columns, data.weights, data.norms, draws[restart], k, candidates)
        for cluster in range(k):
            centroids[cluster] = data.columns[:, start[cluster]]
        labels, has_empty = _rounds(data, centroids, tolerance)
        if has_empty:
            return best, smallest, best_start, True
        inertia = _inertia(data.columns, data.weights, centroids, labels)
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
def _first_rows(
    columns: Matrix, weights: Matrix, norms: Matrix, draws: Matrix, k: int, candidates: Matrix
) -> Labels:
    """Greedy k-means++: of a few draws the one that leaves the smallest sum of squares.

    What is in `candidates`, draws x rows, is overwritten.
    """
    n_draws, n_rows = candidates.shape
    picked = np.empty(k, np.intp)
    rows = np.empty(n_draws, np.intp)
    summed = np.cumsum(weights / weights.sum())
    rows[0] = min(np.searchsorted(summed / summed[-1], draws[0], side="right"), n_rows - 1)
    nearest = np.full(n_rows, np.inf)
    left = _keep_nearest(columns, weights, norms, rows[:1], nearest, candidates)
    best = 0
    picked[0] = rows[0]
    for cluster in range(1, k):
        nearest[:] = candidates[best]
        summed = np.cumsum(nearest * weights)
        first = 1 + (cluster - 1) * n_draws
        for draw in range(n_draws):
            place = np.searchsorted(summed, draws[first + draw] * left[best])
            rows[draw] = min(place, n_rows - 1)
        left = _keep_nearest(columns, weights, norms, rows, nearest, candidates)
        best = 0
        for draw in range(1, n_draws):
            if left[draw] < _CLEARLY * left[best]:
                best = draw
        picked[cluster] = rows[best]
    return picked


@compiled
def _keep_nearest(
    columns: Matrix,
    weights: Matrix,
    norms: Matrix,
    rows: Labels,
    nearest: Matrix,
    candidates: Matrix,
) -> Matrix:
    """Write to `candidates` the squared distances once one of `rows` is a centroid; return sums.

    There is a line for each of `rows`. A block of the data is read once for all of them.
    """
    sums = np.zeros(len(rows))
    factors = np.empty((len(rows), len(columns)))
    for number in range(len(rows)):
        factors[number] = -2.0 * columns[:, rows[number]]
    for start in range(0, columns.shape[1], _BLOCK):
        end = min(start + _BLOCK, columns.shape[1])
        before, weight = nearest[start:end], weights[start:end]
        for number in range(len(rows)):
            distances = candidates[number][start:end]
            distances[:] = norms[start:end]
            _add_products(distances, columns, start, factors[number])
            own = norms[rows[number]]
            total = sums[number]
            for place in range(len(distances)):
                distances[place] = min(max(distances[place] + own, 0.0), before[place])
                total += weight[place] * distances[place]
            sums[number] = total
    return sums


@compiled
def _rounds(data: Data, centroids: Matrix, tolerance: float) -> tuple[Labels, bool]:
    """Move the centroids, in place, until no row changes or they hardly move."""
    k, n_components = centroids.shape
    labels = np.full(len(data.weights), -1, np.intp)
    sums = np.empty((k, n_components))
    mass = np.empty(k)
    for _ in range(_MAX_ROUNDS):
        has_changed = _assign(data, centroids, labels)
        mass[:] = 0.0
        sums[:] = 0.0
        for row in range(len(labels)):
            mass[labels[row]] += data.weights[row]
            own = sums[labels[row]]
            weighted = data.weighted[row]
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
    _assign(data, centroids, labels)
    return labels, False


@compiled
def _assign(data: Data, centroids: Matrix, labels: Labels) -> bool:
    """Write the nearest centroid of each row to `labels`; return if any is another than before.

    Scores are half the squared distance less what all centroids share. In single precision they
    take half of the memory and of the time; where the two smallest are closer than rounding can
    tell, they are computed in double precision.
    """
    k, n_components = centroids.shape
    has_changed = False
    half_norms = np.zeros(k)
    for cluster in range(k):
        for component in range(n_components):
            half_norms[cluster] += 0.5 * centroids[cluster, component] ** 2
    short_norms = half_norms.astype(np.float32)
    factors = (-centroids).astype(np.float32)
    longest = np.sqrt(2.0 * half_norms.max())
    error = (n_components + 8) * 2.0**-23 * longest
    scores = np.empty(_BLOCK, np.float32)
    smallest = np.empty(_BLOCK, np.float32)
    second = np.empty(_BLOCK, np.float32)
    nearest = np.empty(_BLOCK, np.int32)
    for start in range(0, len(labels), _BLOCK):
        own, length = labels[start : start + _BLOCK], data.lengths[start : start + _BLOCK]
        smallest[:] = np.inf
        second[:] = np.inf
        nearest[:] = 0
        for cluster in range(k):
            scores[:] = short_norms[cluster]
            _add_products(scores, data.short, start, factors[cluster])
            for place in range(_BLOCK):
                is_nearer = scores[place] < smallest[place]
                farther = smallest[place] if is_nearer else scores[place]
                second[place] = farther if farther < second[place] else second[place]
                smallest[place] = scores[place] if is_nearer else smallest[place]
                nearest[place] = np.int32(cluster) if is_nearer else nearest[place]
        for place in range(len(own)):
            found = int(nearest[place])
            hidden = error * (length[place] + longest) + _TINY
            is_clear = smallest[place] > -np.inf and second[place] - smallest[place] > hidden
            if not is_clear:
                found = _nearest(data.columns[:, start + place], centroids, half_norms)
            if own[place] != found:
                own[place] = found
                has_changed = True
    return has_changed


@compiled
def _nearest(row: Matrix, centroids: Matrix, half_norms: Matrix) -> int:
    """Nearest centroid of one row, the first of equally near ones."""
    nearest, smallest = 0, np.inf  # where distances overflow, no score is smaller than infinity
    for cluster in range(len(centroids)):
        score = half_norms[cluster]
        for component in range(len(row)):
            score += -centroids[cluster, component] * row[component]
        if score < smallest:
            nearest, smallest = cluster, score
    return nearest


@compiled
def _add_products(sums: _Floats, columns: _Floats, start: int, factors: _Floats) -> None:
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
