from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from segmentation.fitting.metric import Metric
from segmentation.fitting.mixtures import Family, fit_mixtures

from ..helpers import FAR_CENTERS, blobs

FAMILIES: tuple[Family, ...] = ("full", "diagonal")


def test_the_full_mixture_is_as_likely_as_that_of_scikit_learn() -> None:
    z = blobs([60, 50, 40], FAR_CENTERS, spread=3.0)
    z -= z.mean(axis=0)
    ours = fit_mixtures(z, 3, ["full"], 0)["full", 3]
    theirs = GaussianMixture(3, covariance_type="tied", n_init=10, tol=1e-7, random_state=0).fit(z)
    assert ours.log_likelihood == pytest.approx(theirs.score(z) * len(z), rel=2e-3)
    assert ours.n_parameters == theirs._n_parameters()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_likelihood_is_that_of_the_means_weights_and_covariance(family: Family) -> None:
    z = blobs([60, 50], FAR_CENTERS, spread=3.0)
    z -= z.mean(axis=0)
    mixture = fit_mixtures(z, 2, [family], 0)[family, 2]
    densities = sum(
        weight * multivariate_normal(mean, mixture.covariance).pdf(z)
        for weight, mean in zip(mixture.weights, mixture.means, strict=True)
    )
    assert mixture.log_likelihood == pytest.approx(np.log(densities).sum(), rel=1e-9)


def test_more_clusters_are_never_less_likely() -> None:
    z = blobs([60, 50, 40], FAR_CENTERS, spread=4.0)
    z -= z.mean(axis=0)
    found = fit_mixtures(z, 6, FAMILIES, 0)
    for family in FAMILIES:
        likelihoods = [found[family, k].log_likelihood for k in range(1, 7)]
        assert all(b >= a - 0.1 for a, b in itertools.pairwise(likelihoods))


def test_the_diagonal_family_has_no_covariances() -> None:
    z = blobs([60, 50], FAR_CENTERS)
    covariance = fit_mixtures(z - z.mean(axis=0), 2, FAMILIES, 0)["diagonal", 2].covariance
    np.testing.assert_array_equal(covariance, np.diag(np.diag(covariance)))


def test_groups_of_unequal_volume_are_described_by_as_many_clusters() -> None:
    tight, wide = blobs([150], FAR_CENTERS, 0.5), blobs([150], FAR_CENTERS[1:], 3.0)
    z = np.vstack([tight, wide])
    z -= z.mean(axis=0)
    found = fit_mixtures(z, 4, (*FAMILIES, "volume"), 0)
    two = found["volume", 2]
    assert np.bincount(two.labels).tolist() == [150, 150]
    assert two.log_likelihood > found["full", 4].log_likelihood
    for cluster in range(2):
        r = two.responsibilities[:, cluster]
        variance = (r @ (z - two.means[cluster]) ** 2).mean() / r.sum()
        assert min(abs(variance - 0.25) / 0.25, abs(variance - 9.0) / 9.0) < 0.2


def test_rows_that_are_all_the_same_are_one_cluster() -> None:
    mixture = fit_mixtures(np.zeros((20, 3)), 1, FAMILIES, 0)["full", 1]
    assert np.isfinite(mixture.log_likelihood)
    assert mixture.smallest == 20


def test_the_metric_turns_the_covariance_into_the_identity_and_keeps_an_orthonormal_rotation() -> (
    None
):
    random = np.random.default_rng(1)
    root = random.normal(size=(4, 4))
    covariance = root @ root.T
    metric = Metric.of_covariance(covariance)
    unit = metric.transform(metric.transform(covariance).T)
    np.testing.assert_allclose(unit, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(metric.rotation.T @ metric.rotation, np.eye(4), atol=1e-12)
    one, other = random.normal(size=(2, 4))
    mahalanobis = (one - other) @ np.linalg.inv(covariance) @ (one - other)
    w = metric.transform(np.array([one, other]))
    assert ((w[0] - w[1]) ** 2).sum() == pytest.approx(mahalanobis)
