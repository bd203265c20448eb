from __future__ import annotations

import numpy as np
import pytest

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
    assert valley_p_values(z, np.tile([0, 0, 1, 1], 10))[0, 1] == 1.0
