"""K-means for the hundreds of resamples and references of one search, compiled.

scikit-learn's `KMeans` spends more time on checks and calls than on arithmetic where a fit has a
thousand rows. The loops here take the same draws and the same steps, so that they end in the same
clusters; numba compiles them once per machine. The candidates themselves are fitted by PyCaret's
estimator, which is told where to start.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from segmentation.features.vectors import Labels, Matrix
from segmentation.fitting.compiled import compiled

#: As scikit-learn's defaults: rounds, and the shift of the centroids in units of the variance.
_MAX_ROUNDS: Final = 300
_TOLERANCE: Final = 1e-4
#: Two rows that are each other's neighbours leave the same sum: the first drawn is taken, where
#: scikit-learn leaves it to rounding, which differs from processor to processor.
_CLEARLY: Final = 1.0 - 1e-12
#: Rows that are compared with one centroid at a time, in registers and the nearest cache.
_BLOCK: Final = 256
#: Starts that are made in one go, so that their rows are read together.
_STARTS: Final = 5
#: Below it single precision has few digits, or none: no difference of scores counts.
_TINY: Final = 1e-30
#: Share of rows below which those that change from one round to the next are few.
_FEW: Final = 0.125
#: Difference of two distances, as a share of the longest row, that rounding cannot hide: of a
#: distance near 0 the root of its squares' rounding stays, 7e-8 with 40 components.
_MARGIN: Final = 1e-6
#: Products of lengths above it may have no number in single precision.
_HUGE: Final = 1e37


#: Numbers in single precision, in this and in double precision.
_ShortMatrix = npt.NDArray[np.float32]
_Floats = _ShortMatrix | Matrix


class WeightedRows(NamedTuple):
    """Rows to be clustered once or many times, as the loops read them.

    `rows` is rows x components with means of 0, `columns` the same the other way round, `short`
    that in single precision; `norms` are squared lengths, `lengths` their roots, `longest` the
    largest of these, `lightest` the smallest weight.
    """

    rows: Matrix
    columns: Matrix
    short: _ShortMatrix
    weights: Matrix
    norms: Matrix
    lengths: Matrix
    longest: float
    lightest: float


class _Clusters(NamedTuple):
    """What changes from round to round.

    `sums` and `mass` are the weighted rows of each cluster and their weights. `labels` is the
    cluster of each row. That holds while the `loss` of the cluster is below the row's `limits`: how
    much another centroid can have come nearer to its rows so far, compared with their own.
    """

    centroids: Matrix
    sums: Matrix
    mass: Matrix
    loss: Matrix
    labels: Labels
    limits: Matrix


class _Block(NamedTuple):
    """Some rows, as many as fit into the nearest cache: numbers, values, the two nearest."""

    rows: Labels
    packed: _ShortMatrix
    scores: npt.NDArray[np.float32]
    smallest: npt.NDArray[np.float32]
    second: npt.NDArray[np.float32]
    nearest: npt.NDArray[np.int32]


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
    draws = random_state.random_sample((1, _n_draws(n_clusters)))
    candidates = np.empty((1, _n_candidates(n_clusters), len(X)))
    rows = _first_rows(columns, np.ones(len(X)), _norms(columns), draws, n_clusters, candidates)
    centroids: Matrix = X[rows[0]]
    return centroids


def weighted_rows(points: Matrix, weights: Matrix | None = None) -> WeightedRows:
    """Make of rows what `partition` reads, for any number of calls and threads.

    Parameters
    ----------
    points
        Rows x components, finite.
    weights
        How many times each row counts, whole and above 0; once where it is not given.
    """
    n_rows, n_components = points.shape
    weights = np.ones(n_rows) if weights is None else weights
    rows = np.empty((n_rows, n_components))
    columns = np.empty((n_components, n_rows))
    short = np.empty((n_components, n_rows), np.float32)
    norms = np.empty(n_rows)
    _fill(points, weights @ points / weights.sum(), rows, columns, short, norms)
    lengths = np.sqrt(norms)
    longest, lightest = float(lengths.max()), float(weights.min())
    return WeightedRows(rows, columns, short, weights, norms, lengths, longest, lightest)


def partition(data: WeightedRows, k: int, restarts: int, seed: int) -> Partition | None:
    """Cluster weighted rows with K-means, as scikit-learn's `KMeans` does with the same seed.

    Parameters
    ----------
    data
        The rows and their weights; only read.
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
        rounding, which decides where two centroids are equally near. None where a cluster ran
        empty, which is rare and left to scikit-learn, or where the distances overflow.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM.
    """
    n_rows, n_components = data.rows.shape
    tolerance = _TOLERANCE * float(data.weights @ data.norms / data.weights.sum() / n_components)
    labels, inertia, start, has_empty = _best_of(
        data,
        _draws(k, restarts, seed),
        k,
        tolerance,
        _scratch("candidates", (min(_STARTS, restarts), _n_candidates(k), n_rows)),
        _scratch("limits", (n_rows,)),
    )
    return None if has_empty else Partition(labels, inertia, start)


class _Scratch(threading.local):
    """Arrays that a thread uses again, without what is in them.

    New memory took a third of the time of three starts on a few clusters. A thread that ends gives
    it back.
    """

    def __init__(self) -> None:
        self._held: dict[str, Matrix] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Matrix:
        size = int(np.prod(shape))
        if name not in self._held or self._held[name].size < size:
            self._held[name] = np.empty(size)
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
def _fill(
    points: Matrix,
    means: Matrix,
    rows: Matrix,
    columns: Matrix,
    short: _ShortMatrix,
    norms: Matrix,
) -> None:
    """Write points less their means as rows, as columns and in single precision."""
    n_rows, n_components = points.shape
    for start in range(0, n_rows, _BLOCK):
        end = min(start + _BLOCK, n_rows)
        for row in range(start, end):
            point, values = points[row], rows[row]
            norm = 0.0
            for component in range(n_components):
                value = point[component] - means[component]
                values[component] = value
                norm += value * value
            norms[row] = norm
        for component in range(n_components):
            column, short_column = columns[component], short[component]
            for row in range(start, end):
                column[row] = rows[row, component]
                short_column[row] = rows[row, component]


@compiled
def _best_of(
    data: WeightedRows,
    draws: Matrix,
    k: int,
    tolerance: float,
    candidates: Matrix,
    limits: Matrix,
) -> tuple[Labels, float, Labels, bool]:
    """Best of all restarts; the last is true where a cluster ran empty, or there is none."""
    n_components, n_rows = data.columns.shape
    centroids = np.empty((k, n_components))
    best = np.full(n_rows, -1, np.intp)
    starts = np.zeros((1, k), np.intp)
    best_start = starts[0]
    smallest = np.inf
    for restart in range(len(draws)):
        place = restart % len(candidates)
        if place == 0:
            some = draws[restart : restart + len(candidates)]
            starts = _first_rows(data.columns, data.weights, data.norms, some, k, candidates)
        for cluster in range(k):
            centroids[cluster] = data.rows[starts[place, cluster]]
        labels, has_empty = _rounds(data, centroids, tolerance, limits)
        if has_empty:
            return best, smallest, best_start, True
        inertia = _inertia(data, centroids, labels)
        if inertia < smallest and not _are_same(labels, best, k):
            best, smallest, best_start = labels, inertia, starts[place]
    return best, smallest, best_start, smallest == np.inf


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

    Returns a line of row numbers for each line of `draws`. What is in `candidates`, at least as
    many lines x draws for a centroid x rows, is overwritten.
    """
    n_starts, (_, n_draws, n_rows) = len(draws), candidates.shape
    picked = np.empty((n_starts, k), np.intp)
    rows = np.empty((n_starts, n_draws), np.intp)
    nearest = np.full((n_starts, n_rows), np.inf)
    best = np.zeros(n_starts, np.intp)
    summed = np.cumsum(weights / weights.sum())
    for start in range(n_starts):
        place = np.searchsorted(summed / summed[-1], draws[start, 0], side="right")
        rows[start, 0] = picked[start, 0] = min(place, n_rows - 1)
    left = _keep_nearest(columns, weights, norms, rows[:, :1], nearest, candidates)
    for cluster in range(1, k):
        first = 1 + (cluster - 1) * n_draws
        for start in range(n_starts):
            nearest[start] = candidates[start, best[start]]
            summed = np.cumsum(nearest[start] * weights)
            for draw in range(n_draws):
                place = np.searchsorted(
                    summed, draws[start, first + draw] * left[start, best[start]]
                )
                rows[start, draw] = min(place, n_rows - 1)
        left = _keep_nearest(columns, weights, norms, rows, nearest, candidates)
        for start in range(n_starts):
            best[start] = 0
            for draw in range(1, n_draws):
                if left[start, draw] < _CLEARLY * left[start, best[start]]:
                    best[start] = draw
            picked[start, cluster] = rows[start, best[start]]
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

    There is a line of `rows` and of `nearest` for each start. A block of the data is read once for
    all of them.
    """
    n_starts, n_draws = rows.shape
    sums = np.zeros(rows.shape)
    factors = np.empty((n_starts, n_draws, len(columns)))
    for start in range(n_starts):
        for draw in range(n_draws):
            factors[start, draw] = -2.0 * columns[:, rows[start, draw]]
    for begin in range(0, columns.shape[1], _BLOCK):
        end = min(begin + _BLOCK, columns.shape[1])
        weight = weights[begin:end]
        for start in range(n_starts):
            before = nearest[start, begin:end]
            for draw in range(n_draws):
                distances = candidates[start, draw, begin:end]
                distances[:] = norms[begin:end]
                _add_products(distances, columns, begin, factors[start, draw])
                own = norms[rows[start, draw]]
                total = sums[start, draw]
                for place in range(len(distances)):
                    distances[place] = min(max(distances[place] + own, 0.0), before[place])
                    total += weight[place] * distances[place]
                sums[start, draw] = total
    return sums


@compiled
def _rounds(
    data: WeightedRows, centroids: Matrix, tolerance: float, limits: Matrix
) -> tuple[Labels, bool]:
    """Move the centroids, in place, until no row changes or they hardly move.

    Once few rows change, the sums follow those that do, and a row is looked at only if another
    centroid can have become the nearest. What is in `limits`, one for each row, is overwritten.
    """
    k, n_rows = len(centroids), len(limits)
    labels = np.full(n_rows, -1, np.intp)
    sums, mass, loss = np.empty_like(centroids), np.empty(k), np.zeros(k)
    clusters = _Clusters(centroids, sums, mass, loss, labels, limits)
    is_settling = False
    n_changed = n_rows
    for _ in range(_MAX_ROUNDS):
        n_changed = _assign(data, clusters, is_settling)
        if not is_settling:
            _sum_up(data, clusters)
        if mass.min() <= 0.5 * data.lightest:
            return labels, True
        shift = _move(clusters)
        if n_changed == 0 or shift <= tolerance:
            break
        if not is_settling and n_changed < _FEW * n_rows:
            is_settling = True
            limits[:] = -np.inf
    if is_settling:
        # once more from the beginning: the centroids keep no rounding of rows that came and went
        _sum_up(data, clusters)
        if mass.min() == 0.0:
            return labels, True
        _move(clusters)
    if n_changed > 0:
        _assign(data, clusters, is_settling)
    return labels, False


@compiled
def _sum_up(data: WeightedRows, clusters: _Clusters) -> None:
    """Sum the rows of each cluster."""
    clusters.mass[:] = 0.0
    clusters.sums[:] = 0.0
    for row in range(len(clusters.labels)):
        cluster, weight = clusters.labels[row], data.weights[row]
        clusters.mass[cluster] += weight
        own, values = clusters.sums[cluster], data.rows[row]
        for component in range(len(own)):
            own[component] += weight * values[component]


@compiled
def _transfer(data: WeightedRows, clusters: _Clusters, row: int, before: int, after: int) -> None:
    """Take a row off the sums of one cluster and add it to those of another."""
    weight, values = data.weights[row], data.rows[row]
    clusters.mass[before] -= weight
    clusters.mass[after] += weight
    for component in range(len(values)):
        clusters.sums[before, component] -= weight * values[component]
        clusters.sums[after, component] += weight * values[component]


@compiled
def _move(clusters: _Clusters) -> float:
    """Move each centroid to the mean of its rows; return the sum of the squared ways."""
    k, n_components = clusters.centroids.shape
    ways = np.zeros(k)
    shift = 0.0
    for cluster in range(k):
        for component in range(n_components):
            mean = clusters.sums[cluster, component] / clusters.mass[cluster]
            way = (mean - clusters.centroids[cluster, component]) ** 2
            shift += way
            ways[cluster] += way
            clusters.centroids[cluster, component] = mean
    ways[:] = np.sqrt(ways)
    for cluster in range(k):
        farthest = 0.0
        for other in range(k):
            if other != cluster:
                farthest = max(farthest, ways[other])
        clusters.loss[cluster] += ways[cluster] + farthest
    return shift


@compiled
def _assign(data: WeightedRows, clusters: _Clusters, is_settling: bool) -> int:
    """Write the nearest centroid of each row to the labels; return how many are others than before.

    Scores are half the squared distance less what all centroids share. In single precision they
    take half of the memory and of the time; where the two smallest are closer than rounding can
    tell, they are computed in double precision.

    While the clusters are settling, sums follow the rows that change, and the limit of a row is the
    loss of its cluster now and the difference of the two smallest distances: before centroids have
    come as far, none can be nearer.

    References
    ----------
    Hamerly (2010), Making k-means even faster.
    """
    k, n_components = clusters.centroids.shape
    n_rows = len(clusters.labels)
    half_norms = np.zeros(k)
    for cluster in range(k):
        for component in range(n_components):
            half_norms[cluster] += 0.5 * clusters.centroids[cluster, component] ** 2
    short_norms = half_norms.astype(np.float32)
    factors = (-clusters.centroids).astype(np.float32)
    longest = np.sqrt(2.0 * half_norms.max())
    error = (n_components + 8) * 2.0**-23 * longest
    has_numbers = longest * (data.longest + longest) < _HUGE
    block = _Block(
        np.empty(_BLOCK, np.intp),
        np.empty((n_components, _BLOCK), np.float32),
        np.empty(_BLOCK, np.float32),
        np.empty(_BLOCK, np.float32),
        np.empty(_BLOCK, np.float32),
        np.empty(_BLOCK, np.int32),
    )
    n_changed = 0
    after = 0
    while after < n_rows:
        start = after
        if is_settling:
            n_here, after = _pack_doubtful(data, clusters, block, start)
            _find_nearest_two(block, block.packed, 0, n_here, short_norms, factors)
        else:
            n_here = min(_BLOCK, n_rows - start)
            after += n_here
            _find_nearest_two(block, data.short, start, n_here, short_norms, factors)
        for place in range(n_here):
            row = block.rows[place] if is_settling else start + place
            found = int(block.nearest[place])
            smallest, second = block.smallest[place], block.second[place]
            hidden = error * (data.lengths[row] + longest) + _TINY
            is_clear = has_numbers and second - smallest > hidden
            if not is_clear:
                found = _nearest(data.rows[row], clusters.centroids, half_norms)
            before = clusters.labels[row]
            if before != found:
                clusters.labels[row] = found
                n_changed += 1
                if is_settling:
                    _transfer(data, clusters, row, before, found)
            if is_settling:
                clusters.limits[row] = -np.inf
                if is_clear:
                    near = np.sqrt(max(data.norms[row] + 2.0 * (smallest + hidden), 0.0))
                    far = np.sqrt(max(data.norms[row] + 2.0 * (second - hidden), 0.0))
                    gap = far - near - _MARGIN * data.longest
                    clusters.limits[row] = clusters.loss[found] + gap
    return n_changed


@compiled
def _pack_doubtful(
    data: WeightedRows, clusters: _Clusters, block: _Block, start: int
) -> tuple[int, int]:
    """Put into the block rows to look at, from `start` on; return how many, and what comes next."""
    n_here, after = 0, start
    while after < len(clusters.labels) and n_here < _BLOCK:
        block.rows[n_here] = after  # overwritten by the next one if it is not counted
        n_here += 0 if clusters.limits[after] > clusters.loss[clusters.labels[after]] else 1
        after += 1
    for component in range(len(data.short)):
        column, part = data.short[component], block.packed[component]
        for place in range(n_here):
            part[place] = column[block.rows[place]]
    return n_here, after


@compiled
def _find_nearest_two(
    block: _Block,
    columns: _ShortMatrix,
    start: int,
    n_here: int,
    short_norms: npt.NDArray[np.float32],
    factors: _ShortMatrix,
) -> None:
    """Write the two smallest scores of the rows from `start` on, and which centroid is nearest."""
    scores, smallest, second, nearest = block.scores, block.smallest, block.second, block.nearest
    smallest[:] = np.inf
    second[:] = np.inf
    nearest[:] = 0
    for cluster in range(len(factors)):
        scores[:] = short_norms[cluster]
        _add_products(scores[:n_here], columns, start, factors[cluster])
        for place in range(_BLOCK):
            is_nearer = scores[place] < smallest[place]
            farther = smallest[place] if is_nearer else scores[place]
            second[place] = farther if farther < second[place] else second[place]
            smallest[place] = scores[place] if is_nearer else smallest[place]
            nearest[place] = np.int32(cluster) if is_nearer else nearest[place]


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
