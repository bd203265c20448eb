"""The number of clusters: every candidate measured, gated, ranked and explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

from segmentation.features.vectors import Labels, Matrix
from segmentation.fitting.criterion import Assessment, assess, best_first
from segmentation.fitting.kmeans import WeightedRows, partition, weighted_rows
from segmentation.fitting.metric import Metric
from segmentation.fitting.mixtures import Family, expectation_maximization, fit_mixtures
from segmentation.fitting.search_rows import without_twins
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


#: Restarts of K-means: for a candidate, and for each of its many resamples and references. (10
#: missed the optimum of one scope of the example; 50 found it on all.)
CANDIDATE_RESTARTS = 50
RESAMPLE_RESTARTS = 3
#: Rows on which mixtures are searched, at most; a seeded sample of more.
SEARCH_ROWS = 2000
#: Candidates, from the best score, that are tested for a valley before "no structure".
TESTED = 3
#: p-value of "no valley" up to which a candidate passes, and the same where chance empties windows
#: more often: below `FEW_ROWS` stores (twins count once), whose windows hold few of them, and with
#: columns that have levels, whose density falls in steps.
ALPHA = 0.2
ALPHA_IF_DOUBTFUL = 0.02
FEW_ROWS = 50
FAMILIES: tuple[Family, ...] = ("full", "diagonal", "volume")


@dataclass
class Candidate:
    """One number of clusters with everything that speaks for or against it.

    `model` is fitted in the space that `metric` leads to; silhouette, Calinski-Harabasz and
    Davies-Bouldin are measured on the components, so that candidates can be compared.
    """

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
    assessment: Assessment | None = field(default=None, repr=False, kw_only=True)
    metric: Metric = field(repr=False, kw_only=True)
    model: Clusterer = field(repr=False, kw_only=True)


@dataclass(frozen=True)
class Rule:
    """A value of `selection`: a score of each candidate that passes the gates, the lowest wins.

    `name` completes the verdict "best by ...".
    """

    name: str
    score: Callable[[Candidate], float]


#: All but `mixture`, which finds its candidates in another way.
RULES: Final[Mapping[str, Rule]] = {
    "vote": Rule("rank sum of the three indices", lambda one: one.rank_sum or 0.0),
    "silhouette": Rule("silhouette", lambda one: -one.silhouette),
    "calinski_harabasz": Rule("calinski_harabasz", lambda one: -one.calinski_harabasz),
    "davies_bouldin": Rule("davies_bouldin", lambda one: one.davies_bouldin),
}
#: Rules whose ranks `vote` adds up.
_VOTERS: Final = ("silhouette", "calinski_harabasz", "davies_bouldin")


@dataclass
class SearchResult:
    """All candidates, and the winner or the reason why there is none."""

    candidates: list[Candidate]
    chosen: Candidate | None
    reason: str


@dataclass(frozen=True)
class _Fitted:
    """Estimator of one number of clusters, the space it was fitted in, what the mixture says."""

    model: Clusterer
    metric: Metric
    assessment: Assessment | None = None


def choose_clusters(
    z: Matrix,
    settings: ScopeSettings,
    make_clusterer: MakeClusterer,
    n_jobs: int = 1,
    zero_share: float = 0.0,
    smooth: Callable[[Labels], Matrix] | None = None,
) -> SearchResult:
    """Measure every k and choose one.

    With `selection: mixture` a mixture with a common covariance is fitted for each k, and K-means
    runs in the space in which that covariance is the identity, from the centers of the mixture.
    The criterion decides (see `criterion`); of the best candidates the first one with a valley
    between its clusters is chosen (see `valleys`).

    With every other `selection` K-means runs on the components. Gates come first: the smallest
    cluster has `min_cluster_size` stores, the bootstrap stability reaches `stability_threshold`.
    Among those that pass, `vote` adds up the ranks of silhouette, Calinski-Harabasz and
    Davies-Bouldin, and an index by name takes its best value. The winner must then beat one single
    cluster (gap statistic).

    Ties go to the smaller k. `n_clusters` fixes k, regardless of the evidence and of
    `max_clusters`. All candidates have all indices in either case.

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
    zero_share
        Share of the cells behind `z` that stand for a share of zero.
    smooth
        Gives rows by their numbers as the mixtures see them (see `search_rows`); those of `z` if
        not given.

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
    fixed = settings.n_clusters
    possible = distinct if fixed else min(distinct, len(z) // settings.min_cluster_size)
    smallest = min(settings.min_clusters, fixed or settings.min_clusters)
    largest = min(max(settings.max_clusters, fixed or 0), possible)
    if largest < (fixed or smallest):
        return SearchResult(
            [],
            None,
            f"{len(z)} training stores ({distinct} different ones) are too few for "
            f"{fixed or smallest} clusters"
            + ("" if fixed else f" of at least {settings.min_cluster_size}"),
        )
    ks = range(smallest, largest + 1)
    if settings.selection == "mixture":
        fitted = _from_mixtures(z, smooth, ks, settings, make_clusterer, zero_share)
    else:
        fitted = _from_kmeans(z, ks, settings, make_clusterer, n_jobs)
    candidates = _measured(z, fitted, settings, make_clusterer, n_jobs)
    passing = [candidate for candidate in candidates if _passes(candidate, settings)]
    _rank(passing)
    if settings.selection == "mixture":
        n_searched = min(
            len(one.assessment.mixture.labels) for one in fitted.values() if one.assessment
        )
        is_doubtful = n_searched < FEW_ROWS or (smooth is not None and not zero_share)
        winner, reason = _best_mixture(candidates, ALPHA_IF_DOUBTFUL if is_doubtful else ALPHA)
        if winner is not None:
            _set_gap(z, winner, settings, make_clusterer, n_jobs)
    else:
        winner, reason = _best_by_index(z, passing, settings, make_clusterer, n_jobs, ks)
    if fixed:
        alone = "the data alone give no structure" if winner is None else f"the data: {reason}"
        if winner is not None:
            winner.verdict = f"the data alone: {winner.verdict.removeprefix('chosen: ')}"
        winner = next(candidate for candidate in candidates if candidate.k == fixed)
        beyond = (
            f", beyond max_clusters = {settings.max_clusters}"
            if fixed > settings.max_clusters
            else ""
        )
        reason = f"k = {fixed} fixed by n_clusters{beyond} ({alone})"
        winner.verdict = f"chosen: fixed by n_clusters; {winner.verdict}".rstrip("; ")
    elif (
        winner is not None
        and winner.k == largest == settings.max_clusters
        and settings.min_clusters < settings.max_clusters
    ):
        reason += (
            f"; it is the largest k that was tried: raise max_clusters ({largest}) to see if more"
            " clusters describe the stores better"
        )
    return SearchResult(candidates, winner, reason)


def _from_kmeans(
    z: Matrix,
    ks: range,
    settings: ScopeSettings,
    make_clusterer: MakeClusterer,
    n_jobs: int,
) -> dict[int, _Fitted]:
    """K-means on the components for each k."""
    # from the largest k, which takes longest, so that all threads end at about the same time
    fit = partial(_candidate, z, weighted_rows(z), settings.seed, make_clusterer)
    models = each(fit, ks[::-1], n_jobs)[::-1]
    metric = Metric.identity(z.shape[1])
    return {k: _Fitted(model, metric) for k, model in zip(ks, models, strict=True)}


def _from_mixtures(
    z: Matrix,
    smooth: Callable[[Labels], Matrix] | None,
    ks: range,
    settings: ScopeSettings,
    make_clusterer: MakeClusterer,
    zero_share: float,
) -> dict[int, _Fitted]:
    """K-means for each k in the metric of the best mixture, from the centers of the mixture.

    The mixtures are fitted to smooth rows; centers and metric are those that their clusters have
    in `z`.
    """
    rows = np.arange(len(z))
    if len(z) > SEARCH_ROWS:
        drawn = np.random.default_rng(settings.seed).permutation(len(z))[:SEARCH_ROWS]
        rows = np.sort(drawn)
    searched = smooth(rows) if smooth else z[rows]
    alone = without_twins(searched, settings.min_cluster_size)
    if len(alone) >= ks[-1]:
        rows, searched = rows[alone], searched[alone]
    searched = searched - searched.mean(axis=0)
    mixtures = fit_mixtures(searched, ks[-1], FAMILIES, settings.seed)
    assessments = assess(searched, mixtures.values(), zero_share, settings.min_cluster_size)
    center = z[rows].mean(axis=0)
    known = z[rows] - center
    scatter = known.T @ known / len(known)
    fitted = {}
    for k in ks:
        mixture = assessments[k].mixture
        family: Family = "full" if mixture.family == "full" else "diagonal"
        tied = expectation_maximization(known, scatter, mixture.responsibilities, family, 1)
        metric = Metric.of_covariance(tied.covariance)
        start = metric.transform(tied.means + center)
        model = make_clusterer(k, 1, settings.seed, start).fit(metric.transform(z))
        fitted[k] = _Fitted(model, metric, assessments[k])
    return fitted


def _candidate(
    z: Matrix, data: WeightedRows, seed: int, make_clusterer: MakeClusterer, k: int
) -> Clusterer:
    """Fit the estimator from the best of its starts, which the compiled K-means finds sooner."""
    found = partition(data, k, CANDIDATE_RESTARTS, seed)
    start = z[found.start] if found else None
    return make_clusterer(k, CANDIDATE_RESTARTS, seed, start).fit(z)


def _measured(
    z: Matrix,
    fitted: Mapping[int, _Fitted],
    settings: ScopeSettings,
    make_clusterer: MakeClusterer,
    n_jobs: int,
) -> list[Candidate]:
    """Compute the indices of every candidate."""
    labelings = {k: one.model.labels_ for k, one in fitted.items()}
    silhouettes = mean_silhouettes(
        z, list(labelings.values()), settings.silhouette_sample, settings.seed, n_jobs
    )
    stabilities = bootstrap_jaccard(
        {k: one.metric.transform(z) for k, one in fitted.items()},
        labelings,
        settings.stability_resamples,
        settings.seed,
        make_clusterer,
        n_jobs,
    )
    return [
        Candidate(
            k=k,
            silhouette=silhouette,
            calinski_harabasz=_index(calinski_harabasz_score, z, labelings[k]),
            davies_bouldin=_index(davies_bouldin_score, z, labelings[k]),
            inertia=float(one.model.inertia_),
            smallest_cluster=int(np.bincount(labelings[k], minlength=k).min()),
            stability=float(stabilities[k].mean()),
            least_stable_cluster=float(stabilities[k].min()),
            assessment=one.assessment,
            metric=one.metric,
            model=one.model,
        )
        for (k, one), silhouette in zip(fitted.items(), silhouettes, strict=True)
    ]


def _index(score: Callable[[Matrix, Labels], float], z: Matrix, labels: Labels) -> float:
    """An index of scikit-learn, which refuses as many clusters as rows; it is 0 there."""
    return float(score(z, labels)) if len(np.unique(labels)) < len(z) else 0.0


def bootstrap_jaccard(
    spaces: Mapping[int, Matrix],
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
    spaces
        By number of clusters: stores x components, in the metric in which they are clustered.
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
    n = len(next(iter(spaces.values())))
    draws = (
        _Resample.of(np.sort(generator.integers(0, n, size=n)), seed + resample + 1)
        for resample in range(resamples)
    )
    # one resample after the other, so that threads share its rows, and the processor keeps them
    pairs = ((draw, k) for draw in draws for k in labelings)
    similarities = each(
        partial(_best_similarities, spaces, labelings, make_clusterer), pairs, n_jobs
    )
    stabilities = {}
    for place, k in enumerate(labelings):
        total, seen = np.zeros(k), np.zeros(k)
        for best, is_seen in similarities[place :: len(labelings)]:
            total += best
            seen += is_seen
        stabilities[k] = total / np.maximum(seen, 1.0)
    return stabilities


class _Resample(NamedTuple):
    """Rows drawn with replacement: in order, each one once, where it is first, and how often."""

    drawn: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    first: npt.NDArray[np.intp]
    times: Matrix
    seed: int

    @classmethod
    def of(cls, drawn: npt.NDArray[np.int64], seed: int) -> _Resample:
        """Prepare what all k need of the rows `drawn`; `seed` is that of their clusters."""
        rows, first, times = np.unique(drawn, return_index=True, return_counts=True)
        return cls(drawn, rows, first, times.astype(np.float64), seed)


def _best_similarities(
    spaces: Mapping[int, Matrix],
    labelings: Mapping[int, Labels],
    make_clusterer: MakeClusterer,
    pair: tuple[_Resample, int],
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """Best Jaccard similarity of each of k clusters in one resample, and if it is in it."""
    resample, k = pair
    z = spaces[k]
    data = weighted_rows(z[resample.rows], resample.times)
    found = partition(data, min(k, len(resample.rows)), RESAMPLE_RESTARTS, resample.seed)
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
    """Apply the gates and leave the verdict of one that fails; a mixture has its own gate."""
    if candidate.smallest_cluster < settings.min_cluster_size:
        candidate.verdict = (
            f"rejected: smallest cluster has {candidate.smallest_cluster} stores, "
            f"fewer than {settings.min_cluster_size}"
        )
    elif settings.selection != "mixture" and candidate.stability < settings.stability_threshold:
        candidate.verdict = (
            f"rejected: stability {candidate.stability:.2f} is below "
            f"{settings.stability_threshold:g}"
        )
    return not candidate.verdict


def _best_mixture(candidates: list[Candidate], alpha: float) -> tuple[Candidate | None, str]:
    """Best candidate by the criterion that has a valley, with a verdict on each; or the reason."""
    able = {
        candidate.k: candidate
        for candidate in candidates
        if not candidate.verdict and candidate.assessment and candidate.assessment.score is not None
    }
    for candidate in candidates:
        if not candidate.verdict and candidate.k not in able:
            candidate.verdict = "rejected: one cluster has a better criterion"
    ranked = best_first(
        candidate.assessment for candidate in able.values() if candidate.assessment is not None
    )
    if not ranked:
        return None, "one cluster describes the stores best (BIC of mixtures, or too few stores)"
    winner = next((one for one in ranked[:TESTED] if _splits(one, alpha)), None)
    for place, one in enumerate(ranked, start=1):
        figures = f"gain {one.gain:.0%}, p = {one.split:.2g} of no valley"
        if one is winner:
            verdict = f"chosen: best by the criterion of mixtures ({figures})"
        elif place <= TESTED and not _splits(one, alpha):
            verdict = f"rejected: no valley between its clusters ({figures})"
        else:
            verdict = f"place {place} by the criterion of mixtures ({figures})"
        able[one.k].verdict = verdict
    if winner is None:
        best = ranked[0]
        tested = ", ".join(str(k) for k in sorted(one.k for one in ranked[:TESTED]))
        return None, (
            f"no valley between the clusters of the best candidates (k = {tested}; "
            f"p = {best.split:.2f} for k = {best.k}): one group of stores, not several"
        )
    return able[winner.k], f"k = {winner.k} {able[winner.k].verdict}"


def _splits(assessment: Assessment, alpha: float) -> bool:
    """Whether the clusters of a candidate fall apart."""
    return assessment.split is not None and assessment.split <= alpha


def _rank(passing: list[Candidate]) -> None:
    """Add up the ranks of the three indices."""
    for name in _VOTERS:
        values = np.round([RULES[name].score(one) for one in passing], RANK_DECIMALS)
        for candidate, rank in zip(passing, rankdata(values, method="min"), strict=True):
            candidate.rank_sum = (candidate.rank_sum or 0.0) + float(rank)


def _best_by_index(
    z: Matrix,
    passing: list[Candidate],
    settings: ScopeSettings,
    make_clusterer: MakeClusterer,
    n_jobs: int,
    ks: range,
) -> tuple[Candidate | None, str]:
    """Best candidate by vote or by one index, if it beats one cluster; or the reason."""
    if not passing:
        return None, (
            f"no k from {ks[0]} to {ks[-1]} passes the gates "
            f"(smallest cluster at least {settings.min_cluster_size} stores, "
            f"stability at least {settings.stability_threshold:g})"
        )
    rule = RULES[settings.selection]
    score = [round(rule.score(candidate), RANK_DECIMALS) for candidate in passing]
    order = sorted(range(len(passing)), key=lambda position: (score[position], passing[position].k))
    winner = passing[order[0]]
    for place, position in enumerate(order, start=1):
        passing[position].verdict = (
            f"best by {rule.name}"
            if place == 1
            else f"place {place} by {rule.name}, behind k = {winner.k}"
        )
    _set_gap(z, winner, settings, make_clusterer, n_jobs)
    if winner.gap is not None and winner.gap <= (winner.gap_standard_error or 0.0):
        reason = (
            f"one cluster explains the data as well as the best k = {winner.k} "
            "(gap statistic, Tibshirani 2001)"
        )
        winner.verdict = f"best of the candidates, but {reason}"
        return None, reason
    winner.verdict = f"chosen: {winner.verdict}"
    return winner, f"k = {winner.k} {winner.verdict}"


def _set_gap(
    z: Matrix,
    winner: Candidate,
    settings: ScopeSettings,
    make_clusterer: MakeClusterer,
    n_jobs: int,
) -> None:
    """Gap statistic of the winner against k = 1, references uniform over the range of `z`.

    There is structure when ``gap(k) - s_k > gap(1)``, the rule of Tibshirani et al. (2001) between
    one cluster and the winner. The rows are already principal components, so the box of their
    ranges is the aligned reference distribution that the paper recommends.
    """
    inertia = _dispersion(z, winner.model.labels_)
    if inertia <= 0.0:  # as many clusters as different rows: nothing is left to compare
        return
    generator = np.random.default_rng(settings.seed)
    low, high = z.min(axis=0), z.max(axis=0)
    clouds = (
        (settings.seed + row + 1, generator.uniform(low, high, size=z.shape))
        for row in range(settings.gap_references)
    )
    references = np.log(each(partial(_dispersions, winner.k, make_clusterer), clouds, n_jobs))
    gap_one, gap_winner = references.mean(axis=0) - np.log([_within(z), inertia])
    error = references[:, 1].std() * np.sqrt(1.0 + 1.0 / settings.gap_references)
    winner.gap = float(gap_winner - gap_one)
    winner.gap_standard_error = float(error)


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


def _dispersion(z: Matrix, labels: Labels) -> float:
    """Sum of squared distances to the mean of the own cluster."""
    return sum(_within(z[labels == cluster]) for cluster in np.unique(labels))
