from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from segmentation.features.vectors import Labels, Matrix
from segmentation.fitting.valleys import split_p_value, valley_p_values

from ..helpers import FAR_CENTERS, blobs


def test_clouds_far_apart_have_valleys() -> None:
    z = blobs([60, 50, 40], FAR_CENTERS)
    p = valley_p_values(z, np.repeat([0, 1, 2], [60, 50, 40]))
    np.testing.assert_array_equal(p, p.T)
    assert p.max() < 0.01
    assert split_p_value(p) < 0.001


@pytest.mark.parametrize("shape", ["normal", "uniform"])
def test_two_halves_of_one_group_have_none(shape: str) -> None:
    random = np.random.default_rng(2)
    z = random.normal(size=(300, 3)) if shape == "normal" else random.uniform(size=(300, 3))
    p = valley_p_values(z, (z[:, 0] > z[:, 0].mean()).astype(int))
    assert split_p_value(p) > 0.2


def test_a_group_that_is_cut_in_two_does_not_hide_another_group() -> None:
    z = blobs([80, 60], FAR_CENTERS)
    labels = np.repeat([0, 2], [80, 60])
    labels[:80][z[:80, 2] > 0] = 1
    p = valley_p_values(z, labels)
    assert p[0, 1] > 0.2
    assert split_p_value(p) < 0.001


def test_equal_centers_have_no_valley() -> None:
    z = np.tile([[0.0, 1.0], [0.0, -1.0]], (20, 1))
    labels = np.tile([0, 0, 2, 2], 10)
    assert valley_p_values(z, labels // 2)[0, 1] == 1.0
    other = np.tile([[9.0, 1.0], [9.0, -1.0]], (20, 1))
    p = valley_p_values(np.concatenate([z, other]), np.append(labels, [1] * 40))
    assert p[0, 2] == 1.0
    assert p[0, 1] == p[1, 2]
    assert p[1, 2] < 0.01


def counted(z: Matrix, labels: Labels, one: int, other: int) -> tuple[int, int]:
    """Rows in the middle and at the thinner center of two clusters, counted one by one.

    The line is Fisher's, and the middle is where both clusters are equally likely, between 35 % and
    65 % of the way.
    """
    means = [z[labels == cluster].mean(axis=0) for cluster in (one, other)]
    sizes = [int((labels == cluster).sum()) for cluster in (one, other)]
    within = sum(
        len(part) * np.cov(part.T, bias=True)
        for part in (z[labels == cluster] for cluster in range(labels.max() + 1))
    ) / len(z)
    within += 1e-3 * np.mean(np.var(z, axis=0)) * np.eye(z.shape[1])
    direction = np.linalg.solve(within, means[1] - means[0])
    start, end = (float(mean @ direction) for mean in means)
    places = [
        (float(row @ direction) - start) / (end - start)
        for row, label in zip(z, labels, strict=True)
        if label in (one, other)
    ]
    middle = min(max(0.5 + np.log(sizes[0] / sizes[1]) / (end - start), 0.35), 0.65)
    first, between, last = (
        sum(abs(place - center) < 1 / 6 for place in places) for center in (0.0, middle, 1.0)
    )
    return between, min(first, last)


@pytest.mark.parametrize("distance", [0.3, 1.0, 3.0, 5.0])
@pytest.mark.parametrize("sizes", [(60, 60, 60), (90, 30, 10), (10, 90, 60), (40, 12, 200)])
def test_the_middle_is_compared_with_the_thinner_center(
    sizes: tuple[int, ...], distance: float
) -> None:
    scales = [1.0, 0.2, 3.0, 1.0]
    centers = distance * np.array([[0.0, 0, 0, 0], [1, 0.2, 0, 1], [0, -0.4, 3, 2]])
    labels = np.repeat([0, 1, 2], sizes)
    z = np.random.default_rng(8).normal(size=(sum(sizes), 4)) * scales + centers[labels]
    found = valley_p_values(z, labels)
    for one in range(3):
        for other in range(one):
            between, thinner = counted(z, labels, one, other)
            p = binomtest(between, between + thinner, 0.5, "less").pvalue
            assert found[one, other] == pytest.approx(p, rel=1e-9)
            assert found[other, one] == found[one, other]
    np.testing.assert_array_equal(np.diag(found), 0.0)


@settings(max_examples=50)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_the_data_fall_apart_where_the_weakest_valley_between_two_parts_is_deepest(
    k: int, seed: int
) -> None:
    p = np.random.default_rng(seed).uniform(0, 0.3, size=(k, k))
    p = (p + p.T) / 2
    parts = [
        part for size in range(1, k) for part in itertools.combinations(range(k), size) if 0 in part
    ]
    deepest = min(
        max(p[one, other] for one in part for other in range(k) if other not in part)
        for part in parts
    )
    assert split_p_value(p) == pytest.approx(1 - (1 - deepest) ** (k - 1))


def test_columns_that_are_always_the_same_do_not_matter() -> None:
    z = blobs([30, 20], FAR_CENTERS)
    labels = np.repeat([0, 1], [30, 20])
    p = valley_p_values(np.zeros((5, 2)), np.array([0, 0, 1, 1, 1]))
    np.testing.assert_array_equal(p, [[0, 1], [1, 0]])
    wider = valley_p_values(np.column_stack([z, np.full(50, 7.0)]), labels)
    np.testing.assert_allclose(wider, valley_p_values(z, labels))
