from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from segmentation.features.vectors import Matrix
from segmentation.fitting.weights import CATEGORICAL_CONTRIBUTION, WeightColumns, measurement_weight

SIZE_LEVELS = np.eye(3)[[0, 1, 2, 0, 0, 1] * 10]
REGION_LEVELS = np.eye(2)[[0, 1, 1, 1] * 15]


def frame(*parts: Matrix, start: int = 0) -> pd.DataFrame:
    """Columns side by side, named by position as in the pipeline."""
    values = np.column_stack(parts)
    return pd.DataFrame(values, columns=[f"f{start + i:05d}" for i in range(values.shape[1])])


def measurements(scales: tuple[float, ...], seed: int = 0) -> Matrix:
    """Independent columns of different spread."""
    values: Matrix = np.random.default_rng(seed).normal(size=(60, len(scales))) * scales
    return values


@given(
    st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)),
    st.integers(0, 1000),
)
def test_a_categorical_column_contributes_a_fixed_part_of_the_mean_variance_of_the_measurements(
    scales: tuple[float, ...], seed: int
) -> None:
    measured = measurements(scales, seed)
    x = frame(measured, SIZE_LEVELS, REGION_LEVELS)
    out = WeightColumns([None] * 3 + ["size"] * 3 + ["region"] * 2).fit_transform(x)
    variances = out.to_numpy().var(axis=0)
    part = CATEGORICAL_CONTRIBUTION * measured.var(axis=0).mean()
    assert variances[3:6].sum() == pytest.approx(part)
    assert variances[6:].sum() == pytest.approx(part)


def test_measurements_stay_as_they_are() -> None:
    x = frame(measurements((1.0, 30.0)), SIZE_LEVELS)
    out = WeightColumns([None, None, "size", "size", "size"]).fit_transform(x)
    pd.testing.assert_frame_equal(out[["f00000", "f00001"]], x[["f00000", "f00001"]])


def test_all_indicators_of_one_column_share_one_weight() -> None:
    x = frame(measurements((2.0,)), SIZE_LEVELS)
    weights = WeightColumns([None, "size", "size", "size"]).fit(x).weights_
    assert weights[0] == 1.0
    assert weights[1] == weights[2] == weights[3] != 1.0


def test_indicators_of_one_column_need_not_stand_side_by_side() -> None:
    x = frame(SIZE_LEVELS[:, 0], measurements((2.0,)), SIZE_LEVELS[:, 1:])
    out = WeightColumns(["size", None, "size", "size"]).fit_transform(x)
    variances = out.to_numpy().var(axis=0)
    assert variances[[0, 2, 3]].sum() == pytest.approx(CATEGORICAL_CONTRIBUTION * variances[1])


def test_columns_that_earlier_steps_removed_do_not_shift_the_groups() -> None:
    x = frame(SIZE_LEVELS[:, 0], measurements((2.0, 3.0)), SIZE_LEVELS[:, 1:])
    left = x.drop(columns=["f00001"])
    out = WeightColumns(["size", None, None, "size", "size"]).fit_transform(left)
    variances = out.var(axis=0, ddof=0)
    measured = x["f00002"].var(ddof=0)
    assert variances["f00002"] == pytest.approx(measured)
    assert variances[["f00000", "f00003", "f00004"]].sum() == pytest.approx(
        CATEGORICAL_CONTRIBUTION * measured
    )


def test_without_measurements_every_categorical_column_contributes_the_same() -> None:
    out = WeightColumns(["size"] * 3 + ["region"] * 2).fit_transform(
        frame(SIZE_LEVELS, REGION_LEVELS)
    )
    variances = out.to_numpy().var(axis=0)
    assert variances[:3].sum() == pytest.approx(CATEGORICAL_CONTRIBUTION)
    assert variances[3:].sum() == pytest.approx(CATEGORICAL_CONTRIBUTION)


def test_constant_measurements_do_not_count_for_the_mean_variance() -> None:
    x = frame(measurements((2.0,)), np.full(60, 7.0), SIZE_LEVELS)
    out = WeightColumns([None, None, "size", "size", "size"]).fit_transform(x)
    variances = out.to_numpy().var(axis=0)
    assert variances[2:].sum() == pytest.approx(CATEGORICAL_CONTRIBUTION * variances[0])


def test_a_categorical_column_that_does_not_vary_keeps_finite_numbers() -> None:
    x = frame(measurements((2.0,)), np.ones((60, 1)), np.zeros((60, 1)))
    out = WeightColumns([None, "size", "size"]).fit_transform(x)
    pd.testing.assert_frame_equal(out, x)


def test_without_categorical_columns_nothing_changes() -> None:
    x = frame(measurements((1.0, 5.0)))
    pd.testing.assert_frame_equal(WeightColumns([None, None]).fit_transform(x), x)


def test_new_rows_get_the_weights_of_the_rows_it_was_fitted_on() -> None:
    x = frame(measurements((2.0,)), SIZE_LEVELS)
    step = WeightColumns([None, "size", "size", "size"]).fit(x)
    np.testing.assert_array_equal(step.transform(x[:3]), x[:3].to_numpy() * step.weights_)


def test_a_clone_has_the_same_groups_and_nothing_learned() -> None:
    x = frame(measurements((2.0,)), SIZE_LEVELS)
    step = WeightColumns([None, "size", "size", "size"]).fit(x)
    again = clone(step)
    assert list(again.groups) == list(step.groups)
    assert not hasattr(again, "weights_")


def test_a_column_with_two_groups_is_scaled_by_the_spread_within_them() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=200) + np.repeat([0.0, 8.0], 100)
    scaled = values / (np.quantile(values, 0.75) - np.quantile(values, 0.25))
    weight, reason = measurement_weight(scaled)
    assert reason == "scaled by the spread within its 2 separate groups"
    within = (scaled * weight)[:100].std()
    assert within == pytest.approx(1 / 1.349, rel=0.2)


def test_a_column_whose_middle_half_is_nearly_constant_is_limited() -> None:
    random = np.random.default_rng(1)
    values = np.concatenate([random.normal(scale=0.01, size=240), random.normal(size=60)])
    weight, reason = measurement_weight(values)
    spread = np.quantile(values, 0.75) - np.quantile(values, 0.25)
    assert "nearly constant" in reason
    assert (values * weight).std() == pytest.approx(3.0 * spread / 1.349)


@pytest.mark.parametrize("shape", ["normal", "uniform", "count", "constant"])
def test_a_column_without_groups_keeps_its_weight(shape: str) -> None:
    random = np.random.default_rng(2)
    values = {
        "normal": random.normal(size=300),
        "uniform": random.uniform(size=300),
        "count": random.integers(0, 6, size=300).astype(float),
        "constant": np.ones(300),
    }[shape]
    assert measurement_weight(values) == (1.0, "")
