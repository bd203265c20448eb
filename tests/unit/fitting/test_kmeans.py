"""The compiled K-means against scikit-learn's, which is independent of it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans, kmeans_plusplus

from segmentation.features.vectors import Matrix
from segmentation.fitting.cluster_search import bootstrap_jaccard
from segmentation.fitting.kmeans import first_centroids, partition, weighted_rows

from ..helpers import FAR_CENTERS, blobs, kmeans

RESTARTS = 3


def clouds(seed: int, rows: int, components: int, distance: float) -> Matrix:
    """Rows around four centres in a line, which overlap where `distance` is small."""
    random = np.random.default_rng(seed)
    shift = distance * random.integers(0, 4, size=(rows, 1))
    points: Matrix = random.normal(size=(rows, components)) + shift
    return points


@pytest.mark.parametrize("rows", [30, 500])
@pytest.mark.parametrize("k", [1, 2, 3, 5, 9])
def test_it_starts_where_scikit_learn_starts(rows: int, k: int) -> None:
    for seed in range(10):
        points = clouds(seed, rows, 4, distance=2.0)
        points -= points.mean(axis=0)
        expected, _ = kmeans_plusplus(points, k, random_state=seed)
        found = first_centroids(points, k, np.random.RandomState(seed))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("distance", [0.0, 3.0])
@pytest.mark.parametrize(("rows", "components"), [(60, 2), (400, 5), (1500, 12)])
@pytest.mark.parametrize("k", [2, 4, 8])
def test_it_ends_in_scikit_learns_clusters(
    rows: int, components: int, k: int, distance: float
) -> None:
    for seed in range(3):
        points = clouds(seed, rows, components, distance)
        expected = KMeans(k, n_init=RESTARTS, random_state=seed).fit(points)
        found = partition(weighted_rows(points), k, RESTARTS, seed)
        assert found is not None
        assert len({*zip(expected.labels_.tolist(), found.labels_.tolist(), strict=True)}) == k
        assert found.inertia_ == pytest.approx(expected.inertia_, rel=1e-9)


@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("distance", [0.0, 3.0])
def test_a_weight_is_a_repeated_row(k: int, distance: float) -> None:
    points = clouds(0, 300, 5, distance)
    for seed in range(5):
        drawn = np.sort(np.random.default_rng(seed).integers(0, 300, size=300))
        rows, first, times = np.unique(drawn, return_index=True, return_counts=True)
        expected = KMeans(k, n_init=RESTARTS, random_state=seed).fit(points[drawn])
        found = partition(weighted_rows(points[rows], times.astype(float)), k, RESTARTS, seed)
        assert found is not None
        pairs = {*zip(expected.labels_[first].tolist(), found.labels_.tolist(), strict=True)}
        assert len(pairs) == k
        assert found.inertia_ == pytest.approx(expected.inertia_, rel=1e-9)


@pytest.mark.parametrize("kind", ["overlapping", "close", "far from most", "equal rows"])
@pytest.mark.parametrize("k", [2, 3, 7])
def test_the_unit_of_the_rows_does_not_change_the_clusters(kind: str, k: int) -> None:
    """A power of two changes no digit, so the clusters have to be the same at every size."""
    for seed in range(5):
        random = np.random.default_rng(seed)
        points = clouds(seed, 700, 6, distance=1.0)
        if kind == "close":  # neighbours that differ in the last digits only
            points = np.repeat(points[:350], 2, axis=0) + 1e-9 * random.normal(size=(700, 6))
        elif kind == "far from most":
            points[:3] *= 1e7
        elif kind == "equal rows":
            points = np.round(points)
        weights = random.integers(1, 4, size=700).astype(float)
        outcomes = [
            partition(weighted_rows(points * 2.0**power, weights), k, RESTARTS, seed)
            for power in (0, -300, -70, -40, 20, 50, 62, 63, 64, 65, 66, 100, 300)
        ]
        for found in outcomes[1:]:
            if outcomes[0] is None:
                assert found is None
            else:
                assert found is not None
                np.testing.assert_array_equal(found.labels_, outcomes[0].labels_)
                np.testing.assert_array_equal(found.start, outcomes[0].start)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 3))
def test_whatever_comes_every_row_is_in_the_cluster_of_the_nearest_mean(
    seed: int, rows: int, components: int
) -> None:
    random = np.random.default_rng(seed)
    points = np.unique(random.integers(0, 5, size=(rows, components)).astype(float), axis=0)
    k = int(random.integers(1, len(points) + 1))
    weights = random.integers(1, 4, size=len(points)).astype(float)
    found = partition(weighted_rows(points, weights), k, RESTARTS, seed)
    assert found is not None
    used = np.unique(found.labels_)
    means = np.array(
        [
            np.average(
                points[found.labels_ == cluster],
                axis=0,
                weights=weights[found.labels_ == cluster],
            )
            for cluster in used
        ]
    )
    distances = ((points[:, None] - means) ** 2).sum(axis=2)
    own = distances[np.arange(len(points)), np.searchsorted(used, found.labels_)]
    np.testing.assert_allclose(own, distances.min(axis=1), atol=1e-9)
    assert found.inertia_ == pytest.approx((weights * own).sum(), abs=1e-9)


def test_a_cluster_that_runs_empty_is_left_to_scikit_learn() -> None:
    # two of the three starts are the same place, so that one of them gets no row
    points = np.repeat([[0.0], [1.0]], [20, 20], axis=0)
    assert partition(weighted_rows(points), 3, RESTARTS, 0) is None
    labels = np.append(np.repeat([0, 1], 20)[1:], 2)
    with pytest.warns(UserWarning, match="distinct clusters"):
        stabilities = bootstrap_jaccard({3: points}, {3: labels}, 5, 0, kmeans)
    assert stabilities[3].max() <= 1.0


@pytest.mark.parametrize("value", [1e200, np.inf, np.nan])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_whose_distances_overflow_are_left_to_scikit_learn(value: float) -> None:
    points = np.random.default_rng(0).normal(size=(200, 3)) * value
    assert partition(weighted_rows(points), 3, RESTARTS, 0) is None


def test_without_a_writable_cache_folder_the_loops_are_compiled_each_time() -> None:
    # numba then looks for a cache folder in IPython alone, where the package is not
    environment = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "IPythonCacheLocator"}
    program = (
        "import numpy as np; from segmentation.fitting.kmeans import _are_same;"
        "print(_are_same(np.arange(3), np.arange(3)[::-1], 3), type(_are_same._cache).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[0] == "True NullCache"


def test_rounding_does_not_choose_between_equal_clusters() -> None:
    z = blobs([40, 40, 40], FAR_CENTERS)
    many = partition(weighted_rows(z), 3, 20, 0)
    once = partition(weighted_rows(z), 3, 1, 0)
    assert many is not None
    assert once is not None
    assert many.inertia_ == once.inertia_
