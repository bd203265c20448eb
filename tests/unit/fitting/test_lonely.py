from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from segmentation.fitting.lonely import RemoveLonely, lonely_rows

from ..helpers import FAR_CENTERS, blobs


@pytest.mark.parametrize("members", [9, 15, 30])
def test_a_small_group_is_not_lonely(members: int) -> None:
    x = blobs([300 - members, members], FAR_CENTERS)
    assert not lonely_rows(x, 0.05, 0)[-members:].any()


def test_single_rows_far_from_all_others_are_lonely() -> None:
    x = blobs([200, 100], FAR_CENTERS)
    x[[3, 250]] = [[60.0, 0.0, 0.0], [0.0, -70.0, 5.0]]
    assert np.flatnonzero(lonely_rows(x, 0.05, 0)).tolist() == [3, 250]


def test_no_more_rows_are_lonely_than_the_forest_flags() -> None:
    x = np.random.default_rng(0).standard_t(1, size=(400, 3))
    assert 0 < lonely_rows(x, 0.02, 0).sum() <= 8


@pytest.mark.parametrize(("rows", "threshold"), [(19, 0.05), (100, 0.0)])
def test_nothing_is_lonely_among_few_rows_or_without_a_threshold(
    rows: int, threshold: float
) -> None:
    x = blobs([rows], FAR_CENTERS)
    x[0] = 100.0
    assert not lonely_rows(x, threshold, 0).any()


def test_the_step_drops_lonely_rows_and_keeps_the_labels_of_the_others() -> None:
    x = blobs([100], FAR_CENTERS)
    x[7] = 100.0
    kept = RemoveLonely(0.05, 1).fit_transform(pd.DataFrame(x))
    assert kept.index.tolist() == [row for row in range(100) if row != 7]
