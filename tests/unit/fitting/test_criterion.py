from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from segmentation.features.vectors import Matrix
from segmentation.fitting.criterion import Assessment, assess, best_first
from segmentation.fitting.mixtures import Mixture, expectation_maximization, fit_mixtures
from segmentation.fitting.valleys import split_p_value, valley_p_values

from ..helpers import FAR_CENTERS, blobs


def assessment(k: int, score: float | None) -> Assessment:
    """An assessment of which only the number of clusters and the score matter."""
    mixture = Mixture("full", np.zeros((k, 1)), np.ones(k), np.eye(1), np.ones((1, k)), 0.0)
    return Assessment(mixture, criterion=0.0, score=score)


def clouds(sizes: list[int]) -> Matrix:
    """Centered clouds that are far apart."""
    z = blobs(sizes, FAR_CENTERS)
    centered: Matrix = z - z.mean(axis=0)
    return centered


def criteria(z: Matrix, zero_share: float, min_size: int = 5) -> dict[int, Assessment]:
    """Up to four clusters, assessed."""
    return assess(z, fit_mixtures(z, 4, ("full",), 1).values(), zero_share, min_size)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        pytest.param({2: 0.5, 3: 0.9, 4: 0.7}, [3, 4, 2], id="from the best score"),
        pytest.param({3: 0.9, 4: 0.9}, [3, 4], id="a tie goes to the smaller number"),
        pytest.param({3: 0.9, 4: 0.9003}, [3, 4], id="so does a near-tie"),
        pytest.param({3: 0.9, 4: 0.902}, [4, 3], id="a larger difference counts"),
        pytest.param({2: None, 3: 0.1}, [3], id="what cannot be chosen is left out"),
    ],
)
def test_candidates_are_in_the_order_of_their_scores(
    scores: dict[int, float | None], expected: list[int]
) -> None:
    ranked = best_first(assessment(k, score) for k, score in scores.items())
    assert [one.k for one in ranked] == expected


def test_groups_far_apart_have_the_best_criterion_and_a_valley() -> None:
    found = criteria(clouds([40, 30, 30]), zero_share=0.0)
    best = best_first(found.values())[0]
    assert best.k == 3
    assert best.gain == 1.0
    assert best.split is not None
    assert best.split < 0.001


def test_zeros_make_clusters_worth_less_up_to_a_limit() -> None:
    z = clouds([40, 30, 30])
    gains = {}
    for share in (0.0, 0.2, 0.6, 0.9):
        found = criteria(z, share)
        gains[share] = found[1].criterion - found[3].criterion
    assert gains[0.0] > gains[0.2] > gains[0.6] > 0
    assert gains[0.6] == gains[0.9]


def test_a_number_of_clusters_with_a_cluster_that_is_too_small_cannot_be_chosen() -> None:
    found = criteria(clouds([60, 30, 6]), zero_share=0.0, min_size=7)
    assert found[3].score is None
    assert found[2].score is not None


def overlapping(seed: int = 5) -> Matrix:
    """Centered clouds that overlap."""
    z = blobs([60, 50, 40], FAR_CENTERS / 3, seed=seed)
    centered: Matrix = z - z.mean(axis=0)
    return centered


@pytest.mark.parametrize(("share", "worth"), [(0.0, 1.0), (0.2, 0.512), (0.5, 0.25)])
def test_the_criterion_is_bic_with_a_quarter_of_the_entropy(share: float, worth: float) -> None:
    z = overlapping()
    fitted = fit_mixtures(z, 4, ("full",), 1)
    found = assess(z, fitted.values(), share, 5)
    bic = {}
    for (_, k), mixture in fitted.items():
        density = sum(
            weight * multivariate_normal(mean, mixture.covariance).pdf(z)
            for weight, mean in zip(mixture.weights, mixture.means, strict=True)
        )
        entropy = sum(p * np.log(1 / p) for p in mixture.responsibilities.ravel() if p > 0)
        n_parameters = 3 * k + (k - 1) + 6
        bic[k] = worth * (-2 * np.log(density).sum() + 0.5 * entropy) + n_parameters * np.log(150)
        assert found[k].criterion == pytest.approx(bic[k], rel=1e-9)
        assert found[k].mixture is mixture
    largest = max(bic[1] - value for value in bic.values())
    assert largest > 0
    for k in (2, 3, 4):
        p = valley_p_values(z, fitted["full", k].labels)
        gain = (bic[1] - bic[k]) / largest
        assert found[k].gain == pytest.approx(gain)
        assert found[k].weakest_valley == p.max()
        assert found[k].split == split_p_value(p)
        expected = gain - 0.1 * float(p.max()) if gain > 0 else None
        assert found[k].score == (None if expected is None else pytest.approx(expected))
    assert (found[1].gain, found[1].score, found[1].split) == (None, None, None)
    assert list(found) == [1, 2, 3, 4]


def test_where_one_cluster_is_best_the_others_have_a_negative_gain_and_no_score() -> None:
    z = np.random.default_rng(0).normal(size=(100, 3))
    z -= z.mean(axis=0)
    found = criteria(z, zero_share=0.0)
    for k in (2, 3, 4):
        one, other = found[1].criterion, found[k].criterion
        assert other > one
        assert found[k].gain == pytest.approx((one - other) / (abs(one) + 1))
        assert found[k].score is None
        assert found[k].weakest_valley is not None


def test_a_mixture_with_clusters_that_are_large_enough_is_taken_before_a_likelier_one() -> None:
    z = clouds([60, 30, 6])
    one = fit_mixtures(z, 1, ("full",), 1)["full", 1]
    scatter = z.T @ z / len(z)

    def split(first: int) -> Mixture:
        responsibilities = np.zeros((96, 2))
        responsibilities[:first, 0] = responsibilities[first:, 1] = 1.0
        return expectation_maximization(z, scatter, responsibilities, "full", 1)

    small, large = split(90), split(60)
    likelier = replace(small, log_likelihood=large.log_likelihood + 1.0)
    for order in ((likelier, large), (large, likelier)):
        assert assess(z, [one, *order], 0.0, 7)[2].mixture is large
        assert assess(z, [one, *order], 0.0, 6)[2].mixture is likelier
    found = assess(z, [one, likelier, replace(likelier, log_likelihood=-1e4)], 0.0, 7)[2]
    assert found.mixture is likelier
    assert found.score is None
    assert found.split is not None


def test_a_cluster_without_rows_has_neither_valleys_nor_a_score() -> None:
    z = clouds([40, 30, 30])
    one = fit_mixtures(z, 1, ("full",), 1)["full", 1]
    empty = Mixture(
        "full",
        np.vstack([one.means, one.means]),
        np.array([0.9, 0.1]),
        one.covariance,
        np.tile([0.9, 0.1], (100, 1)),
        one.log_likelihood,
    )
    found = assess(z, [one, empty], 0.0, 1)[2]
    assert found.gain is not None
    assert found.gain < 0
    assert (found.weakest_valley, found.split, found.score) == (None, None, None)


def test_clusters_of_different_volume_need_a_valley() -> None:
    random = np.random.default_rng(3)
    tight_and_wide = random.normal(size=(300, 3)) * np.repeat([[1.0], [6.0]], 150, axis=0)
    apart = tight_and_wide + np.repeat([[0.0, 0, 0], [40.0, 0, 0]], 150, axis=0)
    for z, family in ((tight_and_wide, "full"), (apart, "volume")):
        centered = z - z.mean(axis=0)
        mixtures = fit_mixtures(centered, 2, ("full", "volume"), 1)
        found = assess(centered, mixtures.values(), 0.0, 5)
        assert mixtures["volume", 2].log_likelihood > mixtures["full", 2].log_likelihood
        assert found[2].mixture.family == family
