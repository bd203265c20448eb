"""Data and factories that several unit tests use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from sklearn.cluster import KMeans

from segmentation.features.vectors import Matrix
from segmentation.fitting.cluster_search import Clusterer
from segmentation.fitting.kmeans import first_centroids
from segmentation.fitting.model import TrainingData
from segmentation.settings import EXTERNAL_SCOPE, Lane, ScopeSettings, Settings

#: Three centres so far apart that no reasonable method misses them.
FAR_CENTERS = np.array([[0.0, 0.0, 0.0], [12.0, 0.0, 6.0], [0.0, 12.0, -6.0]])


def kmeans(k: int, restarts: int, seed: int, start: Matrix | None = None) -> Clusterer:
    """Give scikit-learn's own K-means, as the search asks for it.

    Without a start it draws as the search does: of two starts that are equally good,
    scikit-learn's own "k-means++" takes the one that rounding prefers.
    """
    starts = {"init": first_centroids, "n_init": restarts}
    if start is not None:
        starts = {"init": start, "n_init": 1}
    return cast("Clusterer", KMeans(n_clusters=k, random_state=seed, **starts))


def scope_settings(
    lane: Lane = "external", scope: str = EXTERNAL_SCOPE, **given: Any
) -> ScopeSettings:
    """Settings of one scope with a few of them given."""
    return Settings(given).for_scope(lane, scope)


def blobs(sizes: Sequence[int], centers: Matrix, spread: float = 1.0, seed: int = 0) -> Matrix:
    """Gaussian clouds of given sizes, one after the other."""
    noise = np.random.default_rng(seed).normal(scale=spread, size=(sum(sizes), centers.shape[1]))
    rows: Matrix = np.repeat(centers[: len(sizes)], sizes, axis=0) + noise
    return rows


def training(
    x: Matrix,
    groups: Sequence[str | None] | None = None,
    raw: Matrix | None = None,
    scope: str = EXTERNAL_SCOPE,
) -> TrainingData:
    """Training data with plain names: stores s000, s001, ... and features n0, n1, ..."""
    stores, features = x.shape
    return TrainingData(
        scope=scope,
        store_ids=tuple(f"s{row:03d}" for row in range(stores)),
        names=tuple(f"n{column}" for column in range(features)),
        groups=tuple(groups or [None] * features),
        raw=x if raw is None else raw,
        x=x,
    )
