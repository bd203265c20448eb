from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segmentation.features.vectors import (
    EXTERNAL_SCHEMA,
    INTERNAL_SCHEMA,
    TRANSFORMS,
    Matrix,
    centred_log_ratio,
    closure,
    external_features,
    has_few_rows,
    internal_features,
    lane_features,
    to_matrix,
)
from segmentation.settings import Settings, Transform

AMOUNTS = arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 7)),
    elements=st.one_of(st.just(0.0), st.floats(1e-3, 1e6)),
).filter(lambda amounts: bool((amounts.sum(axis=1) > 0).all()))


def log_ratios_in_plain_python(shares: Sequence[Sequence[float]], weight: float) -> Matrix:
    """Centre log-ratios with loops and math.log, as the formula stands in the book."""
    rows = []
    for row in shares:
        smoothed = [(share + weight / len(row)) / (1.0 + weight) for share in row]
        geometric_mean = math.exp(math.fsum(math.log(share) for share in smoothed) / len(row))
        rows.append([math.log(share / geometric_mean) for share in smoothed])
    return np.array(rows)


def scope_features(lists: dict[tuple[str, str], list[str]]) -> pl.DataFrame:
    """Feature lists of some scopes, as `scope_features` has them."""
    return pl.DataFrame(
        [
            {"lane": lane, "scope": scope, "position": position, "feature": feature}
            for (lane, scope), names in lists.items()
            for position, feature in enumerate(names, start=1)
        ],
        schema={"lane": pl.String, "scope": pl.String, "position": pl.Int64, "feature": pl.String},
    )


def sales(rows: list[tuple[str, str, str, float]], n_rows: int | list[int] = 100) -> pl.DataFrame:
    """Rows of `int_sales_by_need_state`, money in DECIMAL as in the warehouse."""
    columns = {
        "store_id": pl.String,
        "category": pl.String,
        "need_state": pl.String,
        "sales_amount": pl.Float64,
    }
    counts = [n_rows] * len(rows) if isinstance(n_rows, int) else n_rows
    return (
        pl.DataFrame(rows, schema=columns, orient="row")
        .cast({"sales_amount": pl.Decimal(38, 10)})
        .with_columns(n_rows=pl.Series(counts, dtype=pl.Int64))
    )


@given(AMOUNTS)
def test_shares_are_each_amount_divided_by_the_total_of_its_store(amounts: Matrix) -> None:
    expected = [[amount / math.fsum(row) for amount in row] for row in amounts.tolist()]
    np.testing.assert_allclose(closure(amounts), expected, rtol=1e-12)


@given(AMOUNTS)
def test_shares_of_every_store_sum_to_one(amounts: Matrix) -> None:
    np.testing.assert_allclose(closure(amounts).sum(axis=1), 1.0, rtol=1e-12)


@given(AMOUNTS, st.floats(1e-3, 1e3))
def test_shares_do_not_depend_on_the_currency(amounts: Matrix, rate: float) -> None:
    np.testing.assert_allclose(closure(amounts * rate), closure(amounts), rtol=1e-9)


@pytest.mark.parametrize(
    "amounts", [[[1.0, -0.5]], [[0.0, 0.0]], [[3.0, 1.0], [0.0, 0.0]], [[2.0, 1.0], [5.0, -1.0]]]
)
def test_negative_amounts_and_stores_without_sales_have_no_shares(
    amounts: list[list[float]],
) -> None:
    with pytest.raises(ValueError, match="non-negative amounts and a positive total"):
        closure(np.array(amounts))


@given(AMOUNTS, st.floats(1e-4, 0.9))
def test_log_ratios_equal_the_formula_written_out_in_plain_python(
    amounts: Matrix, weight: float
) -> None:
    shares = closure(amounts)
    np.testing.assert_allclose(
        centred_log_ratio(shares, weight),
        log_ratios_in_plain_python(shares.tolist(), weight),
        rtol=1e-9,
        atol=1e-12,
    )


@given(AMOUNTS, st.floats(1e-4, 0.9))
def test_log_ratios_of_every_store_sum_to_zero_even_with_zero_shares(
    amounts: Matrix, weight: float
) -> None:
    ratios = centred_log_ratio(closure(amounts), weight)
    assert np.isfinite(ratios).all()
    np.testing.assert_allclose(ratios.sum(axis=1), 0.0, atol=1e-11)


@given(AMOUNTS, st.randoms(use_true_random=False))
def test_the_order_of_the_need_states_does_not_change_their_log_ratios(
    amounts: Matrix, random: object
) -> None:
    shares = closure(amounts)
    order = list(range(shares.shape[1]))
    random.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_allclose(
        centred_log_ratio(shares[:, order], 0.02),
        centred_log_ratio(shares, 0.02)[:, order],
        rtol=1e-9,
        atol=1e-12,
    )


def test_equal_shares_have_log_ratios_of_zero() -> None:
    np.testing.assert_allclose(centred_log_ratio(np.full((2, 4), 0.25), 0.02), 0.0, atol=1e-15)


def test_the_difference_of_two_log_ratios_is_the_log_of_the_ratio_of_the_smoothed_shares() -> None:
    ratios = centred_log_ratio(np.array([[0.6, 0.3, 0.1]]), 0.03)
    assert ratios[0, 0] - ratios[0, 2] == pytest.approx(math.log((0.6 + 0.01) / (0.1 + 0.01)))


@pytest.mark.parametrize("transform", ["clr", "share"])
def test_the_transform_is_the_one_that_is_asked_for(transform: Transform) -> None:
    shares = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    expected = shares if transform == "share" else log_ratios_in_plain_python(shares.tolist(), 0.1)
    np.testing.assert_allclose(
        TRANSFORMS[transform].of_shares(shares, 0.1),
        expected,
        rtol=1e-12,
    )


def test_every_value_of_the_setting_is_a_transform() -> None:
    assert set(TRANSFORMS) == {*get_args(Transform)}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("shares", [[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [1.0]])
def test_the_sql_of_a_transform_gives_the_same_values(
    transform: Transform, shares: list[float]
) -> None:
    smoothed = f"ln((s + 0.1 / {len(shares)}) / (1 + 0.1))"
    ((found,),) = duckdb.sql(
        f"select {TRANSFORMS[transform].sql} from ("
        f"select shares, list_transform(shares, lambda s: {smoothed}) as logs"
        f" from (select {shares}::double[] as shares))"
    ).fetchall()
    expected = TRANSFORMS[transform].of_shares(np.array([shares]), 0.1)[0]
    np.testing.assert_allclose(np.array(found, float), expected, rtol=1e-12, atol=1e-15)


def test_internal_vectors_follow_the_feature_list_and_not_the_order_of_the_rows() -> None:
    lists = scope_features({("internal", "Snacks"): ["sweet", "salty", "fresh"]})
    rows = [
        ("s2", "Snacks", "fresh", 1.0),
        ("s1", "Snacks", "salty", 3.0),
        ("s2", "Snacks", "sweet", 3.0),
        ("s1", "Snacks", "sweet", 1.0),
    ]
    frame = internal_features(sales(rows), lists, Settings({"transform": "share"}))
    assert frame.schema == INTERNAL_SCHEMA
    assert frame.rows() == [
        ("Snacks", "s1", 4.0, [0.25, 0.75, 0.0], [0.25, 0.75, 0.0], 200, False),
        ("Snacks", "s2", 4.0, [0.75, 0.0, 0.25], [0.75, 0.0, 0.25], 200, False),
    ]


@pytest.mark.parametrize(
    ("n_rows", "least", "expected"),
    [
        pytest.param([1, 400, 500], 50, [True, False, False], id="one row is no mix"),
        pytest.param([49, 50, 900, 900], 50, [True, False, False, False], id="below the minimum"),
        pytest.param([4, 16, 20], 50, [False] * 3, id="a quarter of the median is typical"),
        pytest.param([3, 16, 20], 50, [True, False, False], id="less than a quarter is not"),
        pytest.param([1, 1, 1], 50, [False] * 3, id="totals: one row per store and need state"),
        pytest.param([1, 400, 500], 0, [False] * 3, id="no minimum"),
        pytest.param([], 50, [], id="no store"),
    ],
)
def test_a_store_with_few_rows_where_others_have_many_is_thin(
    n_rows: list[int], least: int, expected: list[bool]
) -> None:
    assert has_few_rows(np.array(n_rows, dtype=np.int64), least).tolist() == expected


def test_rows_of_all_need_states_count_and_the_minimum_can_differ_by_category() -> None:
    lists = scope_features({("internal", "A"): ["x", "y"], ("internal", "B"): ["x", "y"]})
    rows = [
        (store, category, need_state, 1.0)
        for category in "AB"
        for store in ("s1", "s2", "s3")
        for need_state in "xy"
    ]
    counts = [4, 5, 300, 300, 300, 300] * 2
    settings = Settings({"scopes": {"B": {"min_training_rows": 9}}})
    frame = internal_features(sales(rows, counts), lists, settings)
    assert frame["n_rows"].to_list() == [9, 600, 600] * 2
    assert frame["is_thin_history"].to_list() == [True, False, False, False, False, False]


def test_stores_with_sales_below_the_minimum_are_thin_in_both_lanes() -> None:
    lists = scope_features({("internal", "A"): ["x"], ("external", "external"): ["age"]})
    rows = [("s1", "A", "x", 9.99), ("s2", "A", "x", 10.0)]
    frame = internal_features(sales(rows), lists, Settings({"min_training_sales": 10}))
    assert frame["is_thin_history"].to_list() == [True, False]
    values = external_values([(store, "age", 1.0) for store in ("s1", "s2", "s3")])
    outside = external_features(values, lists, known_stores([("s1", 9.99), ("s2", 10.0)]), 10.0)
    assert outside["is_thin_history"].to_list() == [True, False, True]


def test_internal_vectors_are_log_shares_by_default_and_a_zero_has_none() -> None:
    lists = scope_features({("internal", "Snacks"): ["salty", "sweet", "other"]})
    rows = [
        ("s1", "Snacks", "salty", 9.0),
        ("s1", "Snacks", "sweet", 1.0),
        ("s2", "Snacks", "other", 1.0),
    ]
    frame = internal_features(sales(rows), lists, Settings({"zero_replacement": 0.03}))
    assert frame["shares"].to_list()[0] == [0.9, 0.1, 0.0]
    logs = [math.log((share + 0.01) / 1.03) for share in (0.9, 0.1)]
    assert frame["x"].to_list()[0] == [pytest.approx(logs[0]), pytest.approx(logs[1]), None]


def test_internal_vectors_are_centered_log_ratios_where_that_is_asked_for() -> None:
    lists = scope_features({("internal", "Snacks"): ["salty", "sweet"]})
    rows = [("s1", "Snacks", "salty", 9.0), ("s1", "Snacks", "sweet", 1.0)]
    settings = Settings({"zero_replacement": 0.03, "transform": "clr"})
    frame = internal_features(sales(rows), lists, settings)
    assert frame["shares"].to_list() == [[0.9, 0.1]]
    expected = log_ratios_in_plain_python([[0.9, 0.1]], 0.03)
    np.testing.assert_allclose(to_matrix(frame["x"]), expected, rtol=1e-12)


@given(st.permutations(range(12)), st.permutations(["s1", "s2", "s3", "s4"]))
def test_the_order_of_the_rows_and_the_names_of_the_stores_change_no_vector(
    order: list[int], names: list[str]
) -> None:
    stores, states = ["s1", "s2", "s3", "s4"], ["a", "b", "c"]
    rows = [
        (store, "Snacks", state, 1.0 + 3 * number + place**2)
        for number, store in enumerate(stores)
        for place, state in enumerate(states)
    ]
    renamed = dict(zip(stores, names, strict=True))
    lists = scope_features({("internal", "Snacks"): states})
    settings = Settings({})
    given_order = internal_features(sales(rows), lists, settings)
    shuffled = internal_features(
        sales([(renamed[rows[row][0]], *rows[row][1:]) for row in order]), lists, settings
    )
    vectors = dict(given_order.select("store_id", "x").iter_rows())
    assert dict(shuffled.select("store_id", "x").iter_rows()) == {
        renamed[store]: vector for store, vector in vectors.items()
    }
    assert shuffled["store_id"].is_sorted()
    assert math.fsum(shuffled["sales_amount"]) == math.fsum(row[3] for row in rows)


def test_every_category_has_its_own_feature_list_and_settings() -> None:
    lists = scope_features({("internal", "Dairy"): ["milk"], ("internal", "Bakery"): ["b", "a"]})
    rows = [
        ("s1", "Dairy", "milk", 7.0),
        ("s1", "Bakery", "a", 1.0),
        ("s2", "Bakery", "b", 2.0),
        ("s1", "Bakery", "b", 1.0),
    ]
    settings = Settings({"scopes": {"Bakery": {"transform": "share"}}})
    frame = internal_features(sales(rows), lists, settings)
    assert frame.select("scope", "store_id", "sales_amount", "x").rows() == [
        ("Bakery", "s1", 2.0, [0.5, 0.5]),
        ("Bakery", "s2", 2.0, [1.0, 0.0]),
        ("Dairy", "s1", 7.0, [0.0]),
    ]


def test_sales_of_a_need_state_outside_the_feature_list_do_not_count() -> None:
    lists = scope_features({("internal", "Snacks"): ["salty"], ("external", "Snacks"): ["sweet"]})
    rows = [("s1", "Snacks", "salty", 2.0), ("s1", "Snacks", "sweet", 6.0)]
    frame = internal_features(sales(rows), lists, Settings(None))
    assert frame.select("sales_amount", "shares").rows() == [(2.0, [1.0])]


def test_a_store_with_negative_net_sales_of_a_need_state_stops_the_internal_features() -> None:
    lists = scope_features({("internal", "Snacks"): ["salty", "sweet"]})
    rows = [("s1", "Snacks", "salty", 5.0), ("s1", "Snacks", "sweet", -1.0)]
    with pytest.raises(ValueError, match="non-negative"):
        internal_features(sales(rows), lists, Settings(None))


def test_without_sales_the_internal_features_are_an_empty_table_of_the_same_columns() -> None:
    frame = internal_features(sales([]), scope_features({}), Settings(None))
    assert frame.is_empty()
    assert frame.schema == INTERNAL_SCHEMA


def external_values(rows: list[tuple[str, str, float | None]]) -> pl.DataFrame:
    """Rows of `int_external_features`."""
    return pl.DataFrame(
        rows,
        schema={"store_id": pl.String, "feature": pl.String, "value": pl.Float64},
        orient="row",
    )


def known_stores(rows: list[tuple[str, float]]) -> pl.DataFrame:
    """Rows of `dim_stores`."""
    return pl.DataFrame(
        rows, schema={"store_id": pl.String, "sales_amount": pl.Float64}, orient="row"
    )


def test_external_vectors_keep_missing_values_as_null_whether_the_row_or_the_value_is_missing() -> (
    None
):
    lists = scope_features({("external", "external"): ["income", "age", "rivals"]})
    values = external_values(
        [("s2", "rivals", 3.0), ("s1", "income", 10.0), ("s1", "age", None), ("s2", "age", 40.0)]
    )
    frame = external_features(values, lists, known_stores([("s1", 100.0), ("s2", 0.0)]))
    assert frame.schema == EXTERNAL_SCHEMA
    assert frame.rows() == [
        ("external", "s1", 100.0, [10.0, None, None], False),
        ("external", "s2", 0.0, [None, 40.0, 3.0], False),
    ]


def test_external_values_outside_the_feature_list_of_the_external_lane_are_not_read() -> None:
    lists = scope_features({("external", "external"): ["age"], ("internal", "A"): ["income"]})
    values = external_values([("s1", "income", 10.0), ("s1", "age", 40.0)])
    frame = external_features(values, lists, known_stores([("s1", 1.0)]))
    assert frame["x"].to_list() == [[40.0]]


def test_a_store_that_only_the_external_sources_know_stays_with_unknown_sales() -> None:
    lists = scope_features({("external", "external"): ["age"]})
    frame = external_features(external_values([("s9", "age", 1.0)]), lists, known_stores([]))
    assert frame.rows() == [("external", "s9", None, [1.0], False)]


def test_without_external_sources_the_external_features_are_an_empty_table() -> None:
    frame = external_features(external_values([]), scope_features({}), known_stores([("s1", 1.0)]))
    assert frame.is_empty()
    assert frame.schema == EXTERNAL_SCHEMA


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 5), st.integers(1, 4)),
        elements=st.floats(-1e9, 1e9, width=64),
    ),
    st.integers(0, 19),
)
def test_a_matrix_of_vectors_has_the_numbers_of_the_lists_and_nan_for_null(
    values: Matrix, gap: int
) -> None:
    lists: list[list[float | None]] = [list(row) for row in values.tolist()]
    lists[gap % len(lists)][gap % len(lists[0])] = None
    expected = np.array([[np.nan if cell is None else cell for cell in row] for row in lists])
    matrix = to_matrix(pl.Series(lists, dtype=pl.List(pl.Float64)))
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, expected)


@pytest.mark.parametrize(
    ("lists", "shape"), [([], (0, 0)), ([[]], (1, 0)), ([[], []], (2, 0)), ([None], (1, 0))]
)
def test_a_matrix_of_empty_vectors_keeps_its_rows_and_has_no_columns(
    lists: list[list[float] | None], shape: tuple[int, int]
) -> None:
    assert to_matrix(pl.Series(lists, dtype=pl.List(pl.Float64))).shape == shape


def test_vectors_of_different_lengths_are_refused_and_never_shifted() -> None:
    with pytest.raises(ValueError, match="reshape"):
        to_matrix(pl.Series([[1.0], [2.0, 3.0, 4.0]]))


def test_constancy_is_judged_in_shares_inside_and_in_the_values_outside() -> None:
    frame = pl.DataFrame({"shares": [[0.5]], "x": [[7.0]]})
    assert lane_features(frame, "internal").to_list() == [[0.5]]
    assert lane_features(frame, "external").to_list() == [[7.0]]
