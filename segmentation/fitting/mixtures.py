"""Gaussian mixtures with a common covariance, the candidates for the number of clusters.

A common ("tied") covariance keeps the clusters nearest-centroid in a suitable metric, needs few
parameters, and costs little: with ``T = z'z / n`` computed once, an iteration of the
expectation-maximization algorithm costs rows x clusters x components. A third family multiplies a
common diagonal covariance by one number for each cluster, its volume, so that a wide group beside a
tight one is not cut into many.

scikit-learn's `GaussianMixture(covariance_type="tied")` gives the same maximum. It computes the
scatter of the rows in each iteration, has no diagonal tied form, and starts from K-means only,
which misses stretched and small groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from segmentation.features.vectors import Labels, Matrix
from segmentation.fitting.kmeans import partition, weighted_rows

Family = Literal["full", "diagonal", "volume"]

#: Iterations of every start, and of the two best starts until the likelihood settles.
_SHORT_RUN: Final = 10
_LONG_RUN: Final = 300
_LONG_STARTS: Final = 2
#: Gain of mean log likelihood per row below which an iteration is the last.
_TOLERANCE: Final = 1e-5
#: Part of the mean variance that is added to the covariance, so that it has an inverse.
RIDGE: Final = 1e-3
#: Restarts of K-means on the components, and on the components in units of their deviation.
_KMEANS_RESTARTS: Final = (10, 3)
#: Clusters of the mixture with one cluster less that are cut in two as starts, per family.
_CUTS: Final[dict[Family, int]] = {"full": 3, "diagonal": 1, "volume": 1}
_MIN_TO_CUT: Final = 10
_CUT_ROUNDS: Final = 8
#: Kurtosis below which a component of one cluster is flat enough to be cut at its mean; that of a
#: uniform distribution is 1.8, of a normal one 3.
_FLAT: Final = 2.2
#: Largest ratio of the variances of two clusters of different volume.
_LARGEST_RATIO: Final = 100.0
_TINY: Final = 1e-300


@dataclass(frozen=True)
class Mixture:
    """Mixture of normal distributions with a common covariance, or with one for each volume.

    Attributes
    ----------
    family
        Form of the covariance.
    means
        Shape (k, components).
    weights
        Shape (k,), sums to 1.
    covariance
        Shape (components, components), ridge included; the mean of the clusters if their volumes
        differ.
    responsibilities
        Shape (rows, k): probability of each cluster for each row.
    log_likelihood
        Of all rows.
    """

    family: Family
    means: Matrix
    weights: Matrix
    covariance: Matrix
    responsibilities: Matrix
    log_likelihood: float

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.means)

    @property
    def labels(self) -> Labels:
        """Most probable cluster of each row."""
        labels: Labels = self.responsibilities.argmax(axis=1)
        return labels

    @property
    def smallest(self) -> int:
        """Rows of the smallest cluster."""
        return int(np.bincount(self.labels, minlength=self.k).min())

    @property
    def n_parameters(self) -> int:
        """Free parameters: means, weights and the covariance."""
        m = self.means.shape[1]
        volumes = self.k - 1 if self.family == "volume" else 0
        covariance = m * (m + 1) // 2 if self.family == "full" else m
        return self.k * m + self.k - 1 + covariance + volumes

    @property
    def entropy(self) -> float:
        """Entropy of the responsibilities, summed over the rows; 0 without any overlap."""
        r = self.responsibilities
        return float(-(r * np.log(np.maximum(r, _TINY))).sum())


def fit_mixtures(
    z: Matrix, largest: int, families: Iterable[Family], seed: int
) -> dict[tuple[Family, int], Mixture]:
    """Fit mixtures of 1 to `largest` clusters with each form of the covariance.

    Several starts run for a few iterations each, the two most likely ones until they settle:
    K-means and Ward's tree, both on the components and on the components in units of their
    deviation, and the mixture with one cluster less with one of its clusters cut in two. Families
    after the first start from its result instead of the trees.

    Parameters
    ----------
    z
        Rows x components, finite.
    largest
        Largest number of clusters, at most the number of distinct rows.
    families
        Forms of the covariance.
    seed
        Seed of K-means.

    Returns
    -------
    dict
        By family and number of clusters.

    References
    ----------
    Dempster, Laird and Rubin (1977) for the algorithm; McLachlan and Peel (2000), Finite Mixture
    Models, section 3.8 (common covariance); Fraley and Raftery (2002), Model-based clustering,
    discriminant analysis, and density estimation (families EEE, EEI and VEI, starts from a tree);
    Biernacki, Celeux and Govaert (2003) (short runs before long ones).
    """
    deviations = z.std(axis=0)
    spaces = (z, z / np.where(deviations > 0, deviations, 1.0))
    trees = [linkage(space, "ward") for space in spaces] if len(z) > 1 else []
    rows = [weighted_rows(space) for space in spaces]
    scatter = z.T @ z / len(z)
    found: dict[tuple[Family, int], Mixture] = {}
    for k in range(1, largest + 1):
        partitions, from_trees = [], []
        if k > 1:
            for data, restarts in zip(rows, _KMEANS_RESTARTS, strict=True):
                split = partition(data, k, restarts, seed)
                if split is not None:
                    partitions.append(split.labels_)
            from_trees = [fcluster(tree, k, "maxclust") - 1 for tree in trees]
        first: Mixture | None = None
        for family in families:
            starts = [*partitions, *(from_trees if first is None else [first.labels])]
            if k == 1:
                starts = [np.zeros(len(z), dtype=np.intp)]
            elif (family, k - 1) in found:
                starts += _cuts(z, found[family, k - 1], _CUTS[family])
            runs = [
                expectation_maximization(z, scatter, _hard(labels, k), family, _SHORT_RUN)
                for labels in starts
            ]
            runs.sort(key=lambda run: -run.log_likelihood)
            best = max(
                (
                    expectation_maximization(z, scatter, run.responsibilities, family, _LONG_RUN)
                    for run in runs[:_LONG_STARTS]
                ),
                key=lambda run: run.log_likelihood,
            )
            found[family, k] = best
            first = first or best
    return found


def expectation_maximization(
    z: Matrix, scatter: Matrix, responsibilities: Matrix, family: Family, iterations: int
) -> Mixture:
    """Improve a mixture until its likelihood settles or the iterations are used up.

    Parameters
    ----------
    z
        Rows x components.
    scatter
        ``z'z / rows``.
    responsibilities
        Rows x clusters, where the algorithm starts.
    family
        Form of the common covariance.
    iterations
        Maximum number, at least 1.

    Returns
    -------
    Mixture
        Means, weights and covariance are those that the responsibilities were computed with.
    """
    if family == "volume":
        return _with_volumes(z, scatter, responsibilities, iterations)
    n, m = z.shape
    diagonal = np.diag_indices(m)
    ridge = RIDGE * np.trace(scatter) / m
    constant = m * np.log(2 * np.pi)
    before = -np.inf
    for _ in range(iterations):
        sizes = responsibilities.sum(axis=0) + 1e-10
        means = (responsibilities.T @ z) / sizes[:, None]
        weights = sizes / sizes.sum()
        covariance = scatter - (means.T * weights) @ means
        covariance = (covariance + covariance.T) / 2
        if family == "diagonal":
            covariance = np.diag(np.diag(covariance))
        covariance[diagonal] = np.maximum(covariance[diagonal], 0.0) + ridge + 1e-12
        precision = np.linalg.inv(covariance)
        projected = precision @ means.T
        scores = z @ projected + (np.log(weights) - 0.5 * (means.T * projected).sum(axis=0))
        top = scores.max(axis=1, keepdims=True)
        responsibilities = np.exp(scores - top)
        sums = responsibilities.sum(axis=1, keepdims=True)
        responsibilities /= sums
        likelihood = float(
            (np.log(sums) + top).mean()
            - 0.5 * ((precision * scatter).sum() + np.linalg.slogdet(covariance)[1] + constant)
        )
        if likelihood - before < _TOLERANCE:
            break
        before = likelihood
    return Mixture(family, means, weights, covariance, responsibilities, likelihood * n)


def _with_volumes(z: Matrix, scatter: Matrix, responsibilities: Matrix, iterations: int) -> Mixture:
    """Run the algorithm for a common diagonal covariance times one number for each cluster."""
    n, m = z.shape
    squared = z**2
    ridge = RIDGE * np.trace(scatter) / m + 1e-12
    volumes = np.ones(responsibilities.shape[1])
    before = -np.inf
    for _ in range(iterations):
        sizes = responsibilities.sum(axis=0) + 1e-10
        means = (responsibilities.T @ z) / sizes[:, None]
        weights = sizes / sizes.sum()
        within = np.maximum((responsibilities.T @ squared) / sizes[:, None] - means**2, 0.0) + ridge
        shape = (weights / volumes) @ within
        volumes = (within / shape).mean(axis=1)
        volumes = np.maximum(volumes, volumes.max() / _LARGEST_RATIO)
        shape *= weights @ volumes
        volumes /= weights @ volumes
        projected = means / shape
        squares = (squared @ (1 / shape))[:, None] - 2 * z @ projected.T
        squares = (squares + (means * projected).sum(axis=1)) / volumes
        scores = np.log(weights) - 0.5 * (squares + m * np.log(volumes))
        top = scores.max(axis=1, keepdims=True)
        responsibilities = np.exp(scores - top)
        sums = responsibilities.sum(axis=1, keepdims=True)
        responsibilities /= sums
        constant = m * np.log(2 * np.pi) + np.log(shape).sum()
        likelihood = float((np.log(sums) + top).mean() - 0.5 * constant)
        if likelihood - before < _TOLERANCE:
            break
        before = likelihood
    return Mixture("volume", means, weights, np.diag(shape), responsibilities, likelihood * n)


def _hard(labels: Labels, k: int) -> Matrix:
    """Responsibilities of 0 and 1."""
    responsibilities = np.zeros((len(labels), k))
    responsibilities[np.arange(len(labels)), labels] = 1.0
    return responsibilities


def _cuts(z: Matrix, mixture: Mixture, top: int) -> list[Labels]:
    """Labels with one cluster more: the best cuts of one cluster in two, and the flattest one."""
    labels, k = mixture.labels, mixture.k
    whitened = z @ np.linalg.cholesky(np.linalg.inv(mixture.covariance))
    cuts: list[tuple[float, Labels]] = []
    flattest, flat_labels = _FLAT, None
    for cluster in range(k):
        members = np.flatnonzero(labels == cluster)
        if len(members) < _MIN_TO_CUT:
            continue
        gain, part = _best_cut(whitened[members] - whitened[members].mean(axis=0))
        if gain > 0:
            cuts.append((gain, _with_new_cluster(labels, members[part], k)))
        centered = z[members] - z[members].mean(axis=0)
        variances = centered.var(axis=0)
        kurtosis = (centered**4).mean(axis=0) / np.where(variances > 0, variances, np.inf) ** 2
        kurtosis[variances <= 0] = np.inf
        column = int(kurtosis.argmin())
        if kurtosis[column] < flattest:
            flattest = float(kurtosis[column])
            flat_labels = _with_new_cluster(labels, members[centered[:, column] > 0], k)
    cuts.sort(key=lambda cut: -cut[0])
    chosen = [cut for _, cut in cuts[:top]]
    return chosen if flat_labels is None else [*chosen, flat_labels]


def _best_cut(y: Matrix) -> tuple[float, Labels]:
    """Cut centered rows in two with 2-means: gain of the sum of squares, and one part."""
    along = y @ np.linalg.svd(y, full_matrices=False)[2][0]
    lengths = (y**2).sum(axis=1)
    around_farthest = ((y - y[lengths.argmax()]) ** 2).sum(axis=1) < lengths
    best, best_part = 0.0, np.empty(0, dtype=np.intp)
    for start in (along > 0, around_farthest):
        part = start
        for _ in range(_CUT_ROUNDS):
            if part.all() or not part.any():
                break
            one, other = y[part].mean(axis=0), y[~part].mean(axis=0)
            again = y @ (one - other) > (one @ one - other @ other) / 2
            if (again == part).all():
                break
            part = again
        share = float(part.mean())
        if 0 < share < 1:
            gain = len(y) * share / (1 - share) * float((y[part].mean(axis=0) ** 2).sum())
            if gain > best:
                best, best_part = gain, np.flatnonzero(part)
    return best, best_part


def _with_new_cluster(labels: Labels, rows: Labels, number: int) -> Labels:
    """Labels in which some rows have moved to a new cluster."""
    changed = labels.copy()
    changed[rows] = number
    return changed
