from __future__ import annotations

import datetime as dt

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.evaluation.periods import (
    Panel,
    halves,
    panel,
    period_end,
    period_start,
    seen_in_both,
    too_little,
)
from segmentation.evaluation.simulation import simulated_chain
from segmentation.settings import Period

DATES = st.dates(dt.date(1995, 1, 1), dt.date(2035, 1, 1))


def start_of(day: dt.date, period: Period) -> dt.date:
    start = pl.DataFrame({"day": [day]}).select(period_start(pl.col("day"), period)).item()
    assert isinstance(start, dt.date)
    return start


@given(DATES, st.sampled_from(["day", "week", "two_weeks", "month"]))
def test_a_date_lies_in_its_own_period(day: dt.date, period: Period) -> None:
    start = start_of(day, period)
    assert start <= day < period_end(start, period)
    assert start_of(start, period) == start


@pytest.mark.parametrize(
    ("period", "width"),
    [("day", "1 day"), ("week", "7 days"), ("two_weeks", "14 days"), ("month", "1 month")],
)
def test_periods_start_where_duckdb_starts_its_time_buckets(period: Period, width: str) -> None:
    days = [dt.date(1999, 12, 20) + dt.timedelta(days=9 * step) for step in range(400)]
    frame = pl.DataFrame({"day": days})
    theirs = duckdb.sql(f"select time_bucket(interval '{width}', day)::date as start from frame")
    assert frame.select(period_start(pl.col("day"), period))["day"].to_list() == [
        row[0] for row in theirs.fetchall()
    ]


def test_a_panel_holds_every_amount_once() -> None:
    sales = pl.DataFrame(
        {
            "store_id": ["b", "a", "a", "a", "c"],
            "category": ["Tea", "Tea", "Tea", "Tea", "Bread"],
            "need_state": ["green", "black", "black", "green", "white"],
            "period_start": [dt.date(2025, 1, 13), *[dt.date(2024, 12, 30)] * 4],
            "sales_amount": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )
    found = panel(sales, "Tea")
    assert found.stores == ("a", "b")
    assert found.need_states == ("black", "green")
    assert found.end == dt.date(2025, 1, 27)
    assert found.amounts.tolist() == [[[5.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]


def test_halves_share_all_periods_and_keep_all_money() -> None:
    whole, _ = simulated_chain(n_periods=9, n_stores=5)
    first, second = halves(whole)
    assert first.starts + second.starts == whole.starts
    assert first.end == second.starts[0]
    np.testing.assert_allclose(first.totals() + second.totals(), whole.totals())


def test_a_store_that_opened_in_the_second_half_is_not_compared() -> None:
    whole, _ = simulated_chain(n_periods=8, n_stores=5)
    whole.amounts[2, :4] = 0
    assert seen_in_both(*halves(whole)) == ["S00000", "S00001", "S00003", "S00004"]


@pytest.mark.parametrize(
    ("n_periods", "n_stores", "message"),
    [
        (10, 60, "the shorter half of the sales has 10 weeks; at least 13 are needed"),
        (2, 60, "the shorter half of the sales has 2 weeks; at least 13 are needed"),
        (14, 20, "20 stores sold in both halves; at least 30 are needed"),
        (14, 1, "1 store sold in both halves; at least 30 are needed"),
        (1, 60, "all sales fall into one period"),
    ],
)
def test_too_little_data_is_explained(n_periods: int, n_stores: int, message: str) -> None:
    whole, _ = simulated_chain(n_periods=n_periods, n_stores=n_stores)
    assert too_little(*halves(whole)) == message


@pytest.mark.parametrize(
    ("days", "known"), [(181, "12 weeks"), (14, "1 week"), (6, "less than a week")]
)
def test_a_time_that_is_too_short_is_not_said_to_be_long_enough(days: int, known: str) -> None:
    whole, _ = simulated_chain(n_periods=2, n_stores=60)
    starts = tuple(whole.starts[0] + dt.timedelta(days=day) for day in (0, days // 2))
    end = starts[0] + dt.timedelta(days=days)
    short = Panel(whole.stores, whole.need_states, starts, end, whole.amounts)
    assert too_little(*halves(short)) == (
        f"the shorter half of the sales has {known}; at least 13 weeks are needed"
        if known.startswith("less")
        else f"the shorter half of the sales has {known}; at least 13 are needed"
    )


def test_sales_without_dates_have_nothing_to_compare() -> None:
    sales = pl.DataFrame(
        {
            "store_id": ["a"],
            "category": ["Tea"],
            "need_state": ["green"],
            "period_start": pl.Series([None], dtype=pl.Date),
            "sales_amount": [1.0],
        }
    )
    assert too_little(*halves(panel(sales, "Tea"))) == "there are no sales with dates"
