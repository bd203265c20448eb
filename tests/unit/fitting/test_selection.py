from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.features.vectors import Matrix
from segmentation.fitting.selection import (
    FeatureDecision,
    is_ignored,
    pairwise_correlations,
    select_features,
)

from ..helpers import scope_settings

NAN = np.nan


def noise(columns: int, rows: int = 60, seed: int = 0) -> Matrix:
    """Independent columns, none of which gives a reason to be dropped."""
    return np.random.default_rng(seed).normal(size=(rows, columns))


def with_missing(values: Matrix, share: float) -> Matrix:
    """Return one column with its first values missing."""
    gaps = values.copy()
    gaps[: round(share * len(values))] = NAN
    return gaps


def decide(x: Matrix, raw: Matrix | None = None, **given_settings: Any) -> list[FeatureDecision]:
    """Decisions on columns that are called a, b, c, ..."""
    names = [chr(ord("a") + column) for column in range(x.shape[1])]
    return select_features(names, x if raw is None else raw, x, scope_settings(**given_settings))


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.2, 0.6]), st.floats(-1e6, 1e6))
def test_correlations_equal_those_of_pandas_whatever_is_missing(
    seed: int, missing: float, offset: float
) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(25, 5)) @ random.normal(size=(5, 5)) + offset
    x[random.random(x.shape) < missing] = NAN
    expected = pd.DataFrame(x).corr(min_periods=3).to_numpy()
    defined = ~np.isnan(expected)
    assert defined.any()
    np.testing.assert_allclose(
        pairwise_correlations(x)[defined], expected[defined], rtol=1e-6, atol=1e-7
    )


def test_correlations_are_symmetric_one_with_itself_and_between_minus_one_and_one() -> None:
    x = noise(6)
    correlations = pairwise_correlations(x)
    np.testing.assert_array_equal(correlations, correlations.T)
    np.testing.assert_allclose(np.diag(correlations), 1.0)
    assert np.abs(correlations).max() <= 1.0 + 1e-12


def test_a_correlation_that_is_not_defined_is_zero() -> None:
    x = np.array([[1.0, 5.0, 1.0, NAN], [2.0, 5.0, NAN, 2.0], [3.0, 5.0, NAN, 1.0]])
    correlations = pairwise_correlations(x)
    assert np.isfinite(correlations).all()
    assert correlations[0, 1] == 0.0  # a constant column
    assert correlations[2, 3] == 0.0  # never known together


def test_features_without_a_reason_to_drop_them_are_kept_without_figures() -> None:
    assert decide(noise(3)) == [FeatureDecision(name) for name in "abc"]


@pytest.mark.parametrize("pattern", ["b", "[b]", "b*", "?"])
def test_a_feature_that_matches_a_pattern_is_ignored_and_names_the_pattern(pattern: str) -> None:
    decision = decide(noise(3), ignore_features=["no_such_feature", pattern])[1]
    assert decision == FeatureDecision("b", kept=False, reason="ignored", partner=pattern)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("lat", ["demographics.lat", "lat"]),
        ("LAT", ["demographics.lat", "Lat"]),
        ("demographics.lat", ["demographics.lat"]),
        ("*.lat", ["demographics.lat"]),
        ("median age", ["demographics.Median_Age", "demographics.median age"]),
        ("median?age", ["demographics.Median_Age", "demographics.median  age"]),
        ("median age", ["demographics.median__age", "demographics._Median_Age_"]),
        ("size (sq. ft)", ["demographics.size (sq. ft)", "demographics.size (sq. ft) = 1.5"]),
        ("price", ["demographics.price = a = b"]),
        ("price = 1.5", ["demographics.price = 1.5"]),
        ("area_type", ["demographics.area_type = urban"]),
        ("area_type = urban", ["demographics.area_type = urban"]),
        ("*coupon*", ["Miscellaneous Coupons"]),
    ],
)
def test_a_pattern_means_the_names_that_people_see(pattern: str, names: list[str]) -> None:
    assert all(is_ignored(name, pattern) for name in names)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("lat", "demographics.latitude"),
        ("lat", "demographics.flat"),
        ("competition.lat", "demographics.lat"),
        ("area_type = urban", "demographics.area_type = rural"),
        ("demographics", "demographics.lat"),
        ("", "Wine"),
    ],
)
def test_a_pattern_means_no_other_names(pattern: str, name: str) -> None:
    assert not is_ignored(name, pattern)


def test_a_feature_missing_in_too_many_stores_is_dropped_with_both_figures() -> None:
    x = noise(2)
    x[:, 1] = with_missing(x[:, 1], 0.4)
    decision = decide(x, max_missing_share=0.3)[1]
    assert (decision.kept, decision.reason) == (False, "too many missing values")
    assert decision.statistic == decision.missing_share == pytest.approx(0.4)
    assert decision.threshold == 0.3


def test_a_feature_missing_in_exactly_the_allowed_share_of_stores_is_kept() -> None:
    x = noise(2)
    x[:, 1] = with_missing(x[:, 1], 0.5)
    decision = decide(x, max_missing_share=0.5)[1]
    assert decision == FeatureDecision("b", missing_share=0.5)


def test_a_feature_without_any_value_is_dropped_even_when_everything_may_be_missing() -> None:
    x = noise(2)
    x[:, 1] = NAN
    decision = decide(x, max_missing_share=1)[1]
    assert (decision.kept, decision.reason) == (False, "too many missing values")
    assert decision.missing_share == 1.0


def test_all_features_of_a_scope_without_stores_are_missing() -> None:
    for decision in decide(np.empty((0, 2))):
        assert decision.reason == "too many missing values"
        assert decision.missing_share == 1.0


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e9])
def test_a_near_constant_feature_is_dropped_whatever_its_unit(unit: float) -> None:
    x = noise(2)
    x[:, 1] = 0.0
    x[:6, 1] = np.arange(1, 7) * unit
    decision = decide(x, low_variance_threshold=0.1)[1]
    assert (decision.kept, decision.reason) == (False, "near-constant")
    assert decision.statistic == pytest.approx(0.1)
    assert decision.threshold == 0.1


def test_a_feature_with_one_more_differing_store_than_the_threshold_is_kept() -> None:
    x = noise(2)
    x[:, 1] = 0.0
    x[:7, 1] = np.arange(1, 8)
    assert decide(x, low_variance_threshold=0.1)[1].kept


def test_a_constant_feature_is_dropped_even_with_a_threshold_of_zero() -> None:
    x = noise(2)
    x[:, 1] = 4.2
    decision = decide(x, low_variance_threshold=0)[1]
    assert (decision.kept, decision.reason, decision.statistic) == (False, "near-constant", 0.0)


def test_missing_values_do_not_count_as_another_value() -> None:
    x = noise(2)
    x[:, 1] = with_missing(np.ones(60), 0.4)
    assert decide(x)[1].reason == "near-constant"


def test_constancy_is_judged_in_the_raw_unit_and_not_after_the_transform() -> None:
    x, raw = noise(2), noise(2)
    raw[:, 1] = 0.0  # a share that is always zero varies after the centred log-ratio
    assert decide(x, raw)[1].reason == "near-constant"
    assert decide(raw, x)[1].reason != "near-constant"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_feature_that_repeats_another_one_is_dropped_in_either_direction(sign: float) -> None:
    x = noise(3)
    x[:, 2] = sign * x[:, 0] + 0.05 * x[:, 2]
    first, _, last = decide(x)
    assert first.kept
    assert (last.kept, last.reason, last.partner, last.threshold) == (False, "collinear", "a", 0.95)
    assert last.statistic == pytest.approx(np.corrcoef(x[:, 0], x[:, 2])[0, 1])


def test_correlations_below_the_threshold_drop_nothing() -> None:
    x = noise(2)
    x[:, 1] = x[:, 0] + x[:, 1]  # about 0.7
    assert all(decision.kept for decision in decide(x))
    assert not decide(x, multicollinearity_threshold=0.5)[1].kept


def test_a_correlation_of_exactly_the_threshold_drops_the_feature() -> None:
    x = np.array([[-1.0, -1.0], [0.0, 1.0], [1.0, 0.0]])  # a correlation of one half
    assert not decide(x, multicollinearity_threshold=0.5)[1].kept
    assert decide(x, multicollinearity_threshold=0.51)[1].kept


def test_the_partner_of_a_collinear_feature_is_kept_itself() -> None:
    step = noise(1, rows=400)[:, 0]
    drift = noise(1, rows=400, seed=1)[:, 0]
    # a - b - c: b repeats a, c repeats b, but c does not repeat a
    x = np.column_stack([step, step + 0.3 * drift, step + 0.6 * drift])
    decisions = decide(x, multicollinearity_threshold=0.9)
    assert abs(np.corrcoef(x[:, 1], x[:, 2])[0, 1]) > 0.9 > abs(np.corrcoef(x[:, 0], x[:, 2])[0, 1])
    assert [decision.kept for decision in decisions] == [True, False, True]
    assert decisions[1].partner == "a"


def test_the_partner_is_the_kept_feature_with_the_strongest_correlation() -> None:
    base = noise(3, rows=500)
    x = np.column_stack([base[:, 0], base[:, 1], base[:, 0] + 3.0 * base[:, 1]])
    assert decide(x, multicollinearity_threshold=0.3)[2].partner == "b"


def test_of_two_collinear_features_the_one_with_fewer_missing_values_stays() -> None:
    x = noise(2)
    x[:, 1] = 2.0 * x[:, 0]
    x[:, 0] = with_missing(x[:, 0], 0.1)
    first, second = decide(x)
    assert second.kept
    assert (first.reason, first.partner) == ("collinear", "b")


def test_a_dropped_feature_never_drops_another_one() -> None:
    x = noise(2)
    x[:, 1] = x[:, 0]
    decisions = decide(x, ignore_features=["a"])
    assert [decision.reason for decision in decisions] == ["ignored", "kept"]


def test_the_first_rule_that_applies_names_the_reason() -> None:
    x = noise(2)
    x[:, 1] = with_missing(np.ones(60), 0.9)
    assert decide(x, ignore_features=["b"])[1].reason == "ignored"
    assert decide(x)[1].reason == "too many missing values"
    assert decide(x, max_missing_share=0.95)[1].reason == "near-constant"


@given(st.permutations(range(60)))
def test_the_order_of_the_stores_changes_no_decision(order: list[int]) -> None:
    x = noise(4)
    x[:, 1] = with_missing(x[:, 1], 0.7)
    x[:, 2] = 3.0
    x[:, 3] = -x[:, 0]
    before, after = decide(x), decide(x[order])
    assert [(one.name, one.kept, one.reason, one.partner) for one in before] == [
        (one.name, one.kept, one.reason, one.partner) for one in after
    ]


@given(st.permutations(range(5)))
def test_without_ties_in_missing_values_the_order_of_the_features_changes_no_decision(
    order: list[int],
) -> None:
    x = noise(5)
    x[:, 2] = x[:, 0] * 5.0
    x[:, 4] = -x[:, 1]
    for column in range(5):  # every column has its own number of missing values
        x[:, column] = with_missing(x[:, column], column / 60)
    names = [chr(ord("a") + column) for column in range(5)]
    settings = scope_settings()
    before = {one.name: one.reason for one in select_features(names, x, x, settings)}
    shuffled = x[:, order]
    after = {
        one.name: one.reason
        for one in select_features([names[i] for i in order], shuffled, shuffled, settings)
    }
    assert before == after
    assert before["c"] == before["e"] == "collinear"
