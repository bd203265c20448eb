from __future__ import annotations

import numpy as np
import pytest

from segmentation.features.vectors import Matrix
from segmentation.fitting.criterion import Assessment, assess, best_first
from segmentation.fitting.mixtures import Mixture, fit_mixtures

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
