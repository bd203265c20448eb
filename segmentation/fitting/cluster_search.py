"""The number of clusters: every candidate measured, gated, ranked and explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

from segmentation.features.vectors import Labels, Matrix
from segmentation.fitting.kmeans import WeightedRows, partition, weighted_rows
from segmentation.fitting.silhouettes import mean_silhouettes
from segmentation.fitting.threads import each
from segmentation.settings import ScopeSettings

#: Rounding below which two indices count as equal when candidates are ranked.
RANK_DECIMALS = 12


class Clusterer(Protocol):
    """What the search needs of an estimator (scikit-learn's names)."""

    labels_: Labels
    cluster_centers_: Matrix
    inertia_: float

    def fit(self, X: Matrix) -> Clusterer:
        """Find the clusters of the rows of `X`."""
        ...

    def predict(self, X: Matrix) -> Labels:
        """Give the nearest cluster of each row of `X`."""
        ...


class MakeClusterer(Protocol):
    """Makes an unfitted estimator for a number of clusters, restarts and a seed."""

    def __call__(self, k: int, restarts: int, seed: int, start: Matrix | None = None) -> Clusterer:
        """Give one that starts there and nowhere else, if `start` is given."""
        ...


#: Restarts of K-means: for a candidate, and for each of its many resamples and references.
CANDIDATE_RESTARTS = 10
RESAMPLE_RESTARTS = 3


@dataclass
class Candidate:
    """One number of clusters with everything that speaks for or against it."""

    k: int
    silhouette: float
    calinski_harabasz: float
    davies_bouldin: float
    inertia: float
    smallest_cluster: int
    stability: float
    least_stable_cluster: float
    rank_sum: float | None = None
    gap: float | None = None
    gap_standard_error: float | None = None
    verdict: str = ""
    model: Clusterer = field(repr=False, kw_only=True)


@dataclass
class SearchResult:
    """All candidates, and the winner or the reason why there is none."""

    candidates: list[Candidate]
    chosen: Candidate | None
    reason: str


def choose_clusters(
    z: Matrix, settings: ScopeSettings, make_clusterer: MakeClusterer, n_jobs: int = 1
) -> SearchResult:
    """Measure every k and choose one.

    Gates come first: the smallest cluster has `min_cluster_size` stores, the bootstrap stability
    reaches `stability_threshold`. Among those that pass, `selection` decides: `vote` adds up the
    ranks of silhouette, Calinski-Harabasz and Davies-Bouldin, ties go to the smaller k; an index
    by name takes its best value. The winner must then beat one single cluster (gap statistic).

    Parameters
    ----------
    z
        Stores x components, the rows on which the model is fitted.
    settings
        Settings of the scope.
    make_clusterer
        Estimator factory: (clusters, restarts, seed).
    n_jobs
        Threads that fit at once; they change no result.

    Returns
    -------
    SearchResult
        `chosen` is None where the data has no structure; `reason` says why.

    Raises
    ------
    ValueError
        If values are so large that their squares are infinite.

    References
    ----------
    Rousseeuw (1987) for the silhouette; Calinski and Harabasz (1974); Davies and Bouldin (1979);
    Hennig (2007), Cluster-wise assessment of cluster stability; Tibshirani, Walther and Hastie
    (2001), Estimating the number of clusters in a data set via the gap statistic.
    """
    if not np.isfinite(_within(z)):
        raise ValueError(
            "distances between stores contain infinity or a value too large for double precision"
        )
    distinct = len(np.unique(z, axis=0))
    largest = min(settings.max_clusters, distinct - 1, len(z) // settings.min_cluster_size)
    if largest < settings.min_clusters:
        return SearchResult(
            [],
            None,
            f"{len(z)} training stores ({distinct} different ones) are too few for "
            f"{settings.min_clusters} clusters of at least {settings.min_cluster_size}",
        )
    ks = range(settings.min_clusters, largest + 1)
    # from the largest k, which takes longest, so that all threads end at about the same time
    fit = partial(_candidate, z, weighted_rows(z), settings.seed, make_clusterer)
    models = each(fit, ks[::-1], n_jobs)[::-1]
    labelings = {k: model.labels_ for k, model in zip(ks, models, strict=True)}
    silhouettes = mean_silhouettes(
        z, list(labelings.values()), settings.silhouette_sample, settings.seed, n_jobs
    )
    stabilities = bootstrap_jaccard(
        z, labelings, settings.stability_resamples, settings.seed, make_clusterer, n_jobs
    )
    candidates = [
        _measure(z, k, model, silhouette, stabilities[k])
        for k, model, silhouette in zip(ks, models, silhouettes, strict=True)
    ]
    passing = [candidate for candidate in candidates if _passes(candidate, settings)]
    if not passing:
        return SearchResult(
            candidates,
            None,
            f"no k from {settings.min_clusters} to {largest} passes the gates "
            f"(smallest cluster at least {settings.min_cluster_size} stores, "
            f"stability at least {settings.stability_threshold:g})",
        )
    winner = _best(passing, settings.selection)
    if not _has_structure(z, winner, settings, make_clusterer, n_jobs):
        reason = (
            f"one cluster explains the data as well as the best k = {winner.k} "
            "(gap statistic, Tibshirani 2001)"
        )
        winner.verdict = f"best of the candidates, but {reason}"
        return SearchResult(candidates, None, reason)
    winner.verdict = f"chosen: {winner.verdict}"
    return SearchResult(candidates, winner, f"k = {winner.k} {winner.verdict}")


def _candidate(
    z: Matrix, data: WeightedRows, seed: int, make_clusterer: MakeClusterer, k: int
) -> Clusterer:
    """Fit the estimator from the best of its starts, which the compiled K-means finds sooner."""
    found = partition(data, k, CANDIDATE_RESTARTS, seed)
    start = z[found.start] if found else None
    return make_clusterer(k, CANDIDATE_RESTARTS, seed, start).fit(z)


def _measure(
    z: Matrix, k: int, model: Clusterer, silhouette: float, per_cluster: Matrix
) -> Candidate:
    """Compute the indices of one candidate, of which the stability per cluster is known."""
    labels = model.labels_
    return Candidate(
        k=k,
        silhouette=silhouette,
        calinski_harabasz=float(calinski_harabasz_score(z, labels)),
        davies_bouldin=float(davies_bouldin_score(z, labels)),
        inertia=float(model.inertia_),
        smallest_cluster=int(np.bincount(labels, minlength=k).min()),
        stability=float(per_cluster.mean()),
        least_stable_cluster=float(per_cluster.min()),
        model=model,
    )


def bootstrap_jaccard(
    z: Matrix,
    labelings: Mapping[int, Labels],
    resamples: int,
    seed: int,
    make_clusterer: MakeClusterer,
    n_jobs: int = 1,
) -> dict[int, Matrix]:
    """Stability of each cluster: mean over resamples of its best Jaccard similarity.

    Every resample draws as many rows as there are, with replacement, and is clustered again for
    each k; the comparison uses the distinct rows drawn (Hennig 2007, the "boot" scheme of
    `clusterboot`). A row drawn twice is one row of weight 2, which is the same to K-means and a
    third less work.

    Parameters
    ----------
    z
        Stores x components.
    labelings
        By number of clusters: the cluster of each store.
    resamples
        Resamples to draw, the same ones for each k.
    seed
        Of the draws.
    make_clusterer
        Estimator factory: (clusters, restarts, seed).
    n_jobs
        Threads that fit at once; they change no result.

    Returns
    -------
    dict
        By number of clusters k: shape (k,), values from 0 to 1.
    """
    generator = np.random.default_rng(seed)
    draws = (
        _Resample.of(z, np.sort(generator.integers(0, len(z), size=len(z))), seed + resample + 1)
        for resample in range(resamples)
    )
    # one resample after the other, so that threads share its rows, and the processor keeps them
    pairs = ((draw, k) for draw in draws for k in labelings)
    similarities = each(partial(_best_similarities, z, labelings, make_clusterer), pairs, n_jobs)
    stabilities = {}
    for place, k in enumerate(labelings):
        total, seen = np.zeros(k), np.zeros(k)
        for best, is_seen in similarities[place :: len(labelings)]:
            total += best
            seen += is_seen
        stabilities[k] = total / np.maximum(seen, 1.0)
    return stabilities


class _Resample(NamedTuple):
    """Rows drawn with replacement: in order, each one once, where it is first, and as data."""

    drawn: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    first: npt.NDArray[np.intp]
    data: WeightedRows
    seed: int

    @classmethod
    def of(cls, z: Matrix, drawn: npt.NDArray[np.int64], seed: int) -> _Resample:
        """Prepare what all k need of the rows `drawn`; `seed` is that of their clusters."""
        rows, first, times = np.unique(drawn, return_index=True, return_counts=True)
        return cls(drawn, rows, first, weighted_rows(z[rows], times.astype(np.float64)), seed)


def _best_similarities(
    z: Matrix,
    labelings: Mapping[int, Labels],
    make_clusterer: MakeClusterer,
    pair: tuple[_Resample, int],
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """Best Jaccard similarity of each of k clusters in one resample, and if it is in it."""
    resample, k = pair
    found = partition(resample.data, min(k, len(resample.rows)), RESAMPLE_RESTARTS, resample.seed)
    if found is None:
        again = make_clusterer(k, RESAMPLE_RESTARTS, resample.seed).fit(z[resample.drawn])
        labels = again.labels_[resample.first]
    else:
        labels = found.labels_
    overlap = np.zeros((k, k))
    np.add.at(overlap, (labelings[k][resample.rows], labels), 1.0)
    sizes = overlap.sum(axis=1)
    union = sizes[:, None] + overlap.sum(axis=0)[None, :] - overlap
    best: Matrix = (overlap / np.maximum(union, 1.0)).max(axis=1)
    return best, sizes > 0


def _passes(candidate: Candidate, settings: ScopeSettings) -> bool:
    """Apply the gates and leave the verdict of one that fails."""
    if candidate.smallest_cluster < settings.min_cluster_size:
        candidate.verdict = (
            f"rejected: smallest cluster has {candidate.smallest_cluster} stores, "
            f"fewer than {settings.min_cluster_size}"
        )
    elif candidate.stability < settings.stability_threshold:
        candidate.verdict = (
            f"rejected: stability {candidate.stability:.2f} is below "
            f"{settings.stability_threshold:g}"
        )
    return not candidate.verdict


def _best(passing: list[Candidate], selection: str) -> Candidate:
    """Rank the candidates that passed, leave a verdict on each, return the first."""
    columns = {
        "silhouette": [-candidate.silhouette for candidate in passing],
        "calinski_harabasz": [-candidate.calinski_harabasz for candidate in passing],
        "davies_bouldin": [candidate.davies_bouldin for candidate in passing],
    }
    ranks = {
        name: rankdata(np.round(values, RANK_DECIMALS), method="min")
        for name, values in columns.items()
    }
    for position, candidate in enumerate(passing):
        candidate.rank_sum = float(sum(rank[position] for rank in ranks.values()))
    if selection == "vote":
        score = [candidate.rank_sum or 0.0 for candidate in passing]
        rule = "rank sum of the three indices"
    else:
        score = [float(rank) for rank in ranks[selection]]
        rule = selection
    order = sorted(range(len(passing)), key=lambda position: (score[position], passing[position].k))
    winner = passing[order[0]]
    for place, position in enumerate(order, start=1):
        passing[position].verdict = (
            f"best by {rule}" if place == 1 else f"place {place} by {rule}, behind k = {winner.k}"
        )
    return winner


def _has_structure(
    z: Matrix,
    winner: Candidate,
    settings: ScopeSettings,
    make_clusterer: MakeClusterer,
    n_jobs: int,
) -> bool:
    """Gap statistic of the winner against k = 1, references uniform over the range of `z`.

    There is structure when ``gap(k) - s_k > gap(1)``, the rule of Tibshirani et al. (2001) between
    one cluster and the winner. The rows are already principal components, so the box of their
    ranges is the aligned reference distribution that the paper recommends.
    """
    generator = np.random.default_rng(settings.seed)
    low, high = z.min(axis=0), z.max(axis=0)
    clouds = (
        (settings.seed + row + 1, generator.uniform(low, high, size=z.shape))
        for row in range(settings.gap_references)
    )
    references = np.log(each(partial(_dispersions, winner.k, make_clusterer), clouds, n_jobs))
    gap_one, gap_winner = references.mean(axis=0) - np.log([_within(z), winner.inertia])
    error = references[:, 1].std() * np.sqrt(1.0 + 1.0 / settings.gap_references)
    winner.gap = float(gap_winner - gap_one)
    winner.gap_standard_error = float(error)
    return bool(winner.gap > winner.gap_standard_error)


def _dispersions(
    k: int, make_clusterer: MakeClusterer, cloud: tuple[int, Matrix]
) -> tuple[float, float]:
    """Within-cluster sum of squares of one reference (seed, rows), in one cluster and in k."""
    seed, uniform = cloud
    found = partition(weighted_rows(uniform), k, RESAMPLE_RESTARTS, seed)
    again = found or make_clusterer(k, RESAMPLE_RESTARTS, seed).fit(uniform)
    return _within(uniform), again.inertia_


def _within(z: Matrix) -> float:
    """Sum of squared distances to the one common mean."""
    return float(((z - z.mean(axis=0)) ** 2).sum())
