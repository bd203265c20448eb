"""Sales of one category over time: stores x periods x need states, and the two halves of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import polars as pl

from segmentation.features.vectors import Matrix
from segmentation.settings import Period

#: A Monday, and the origin that DuckDB's `time_bucket` uses for widths in days.
ORIGIN: Final = dt.date(2000, 1, 3)
_DAYS: Final[dict[Period, int]] = {"day": 1, "week": 7, "two_weeks": 14}

#: Least number of weeks in each half of the sales: one quarter.
MIN_WEEKS: Final = 13
#: Least number of stores with sales in both halves.
MIN_STORES: Final = 30
#: Least number of stores in a group whose mean is used to predict.
MIN_GROUP: Final = 8


@dataclass(frozen=True)
class Panel:
    """Sales of one category.

    Attributes
    ----------
    stores, need_states
        Names of the first and the last axis of `amounts`, both sorted.
    starts
        First day of each period, sorted: names of the middle axis.
    end
        The day after the last period.
    amounts
        Stores x periods x need states, in money. A cell may be negative (returns).
    """

    stores: tuple[str, ...]
    need_states: tuple[str, ...]
    starts: tuple[dt.date, ...]
    end: dt.date
    amounts: Matrix

    @property
    def weeks(self) -> float:
        """Length of time from the first day of the first period to the end, in weeks."""
        return (self.end - self.starts[0]).days / 7 if self.starts else 0.0

    def totals(self) -> Matrix:
        """Stores x need states: sales of all periods; a negative total counts as zero."""
        totals: Matrix = np.maximum(self.amounts.sum(axis=1), 0.0)
        return totals

    def take(self, stores: list[str]) -> Panel:
        """Return the same panel for some of its stores, in the order given."""
        rows = {store: row for row, store in enumerate(self.stores)}
        amounts = self.amounts[[rows[store] for store in stores]]
        return Panel(tuple(stores), self.need_states, self.starts, self.end, amounts)


def period_start(dates: pl.Expr, period: Period) -> pl.Expr:
    """First day of the period that a date belongs to.

    Weeks start on Mondays. Two-week blocks are counted from Monday, January 3, 2000, so that every
    build cuts time in the same places.

    Examples
    --------
    >>> dates = pl.DataFrame({"sold_on": [dt.date(2025, 1, 1)]})
    >>> dates.select(period_start(pl.col("sold_on"), "two_weeks")).item()
    datetime.date(2024, 12, 30)
    """
    if period == "month":
        return dates.dt.truncate("1mo")
    days = (dates - pl.lit(ORIGIN)).dt.total_days()
    width = _DAYS[period]
    return dates - pl.duration(days=days - days.floordiv(width) * width)


def period_end(start: dt.date, period: Period) -> dt.date:
    """Day after the last day of the period that starts on `start`."""
    if period == "month":
        return (start.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return start + dt.timedelta(days=_DAYS[period])


def panel(sales: pl.DataFrame, category: str, period: Period = "two_weeks") -> Panel:
    """Sales of one category as an array.

    Parameters
    ----------
    sales
        store_id, category, need_state, period_start, sales_amount (money). Rows without
        `period_start` are left out.
    category
        The category to keep.
    period
        Length of the periods that `period_start` was cut into.

    Returns
    -------
    Panel
        Periods without sales in the whole category are left out, not filled with zeros. Where sales
        are recorded less often than the period, such as once a month or every half-year, the last
        record counts for the median time between records.
    """
    rows = sales.filter(
        pl.col("category") == category,
        pl.col("period_start").is_not_null(),
    )
    names = ("store_id", "period_start", "need_state")
    axes = [rows[name].unique().sort() for name in names]
    # numbers of the stores and need states: to group by them takes half the time
    cells = (
        rows.select("sales_amount", *(_numbers(axis) for axis in axes))
        .group_by(names)
        .agg(pl.col("sales_amount").sum().cast(pl.Float64))
    )
    amounts = np.zeros([len(axis) for axis in axes])
    if len(cells):
        places = tuple(cells[name].to_numpy() for name in names)
        amounts[places] = cells["sales_amount"].to_numpy()
    stores, starts, need_states = (tuple(axis.to_list()) for axis in axes)
    return Panel(stores, need_states, starts, _end(starts, period), amounts)


def _numbers(axis: pl.Series) -> pl.Expr:
    """Place of each value of a column in the sorted axis of the same name."""
    column = pl.col(axis.name)
    if axis.dtype == pl.String:
        return column.cast(pl.Enum(axis)).to_physical()
    return column.replace_strict(axis, range(len(axis)), return_dtype=pl.UInt32)


def panels(
    sales: duckdb.DuckDBPyRelation, categories: Iterable[str], period: Period
) -> Iterator[tuple[str, Panel]]:
    """Read one category after the other, so that memory does not grow with their number.

    Parameters
    ----------
    sales
        `int_sales_by_period`.
    categories
        Those to read; one without dated sales has a panel without stores.
    period
        Length of the periods that `period_start` was cut into.
    """
    for category in categories:
        rows = of_category(sales, category)
        columns = "store_id, category, need_state, period_start, sales_amount"
        yield category, panel(rows.select(columns).pl(), category, period)


def of_category(rows: duckdb.DuckDBPyRelation, category: str) -> duckdb.DuckDBPyRelation:
    """Rows of one category."""
    return rows.filter(duckdb.ColumnExpression("category") == duckdb.ConstantExpression(category))


def _end(starts: tuple[dt.date, ...], period: Period) -> dt.date:
    """Day after the time that the last record covers."""
    if not starts:
        return ORIGIN
    end = period_end(starts[-1], period)
    if len(starts) == 1:
        return end
    usual = float(np.median(np.diff([start.toordinal() for start in starts])))
    return max(end, starts[-1] + dt.timedelta(days=int(usual)))


def halves(whole: Panel) -> tuple[Panel, Panel]:
    """Split a panel in the middle of its time.

    A period belongs to the first half if it starts before the middle. Both halves keep all stores.
    """
    if not whole.starts:
        return whole, whole
    middle = whole.starts[0] + (whole.end - whole.starts[0]) / 2
    cut = sum(start < middle for start in whole.starts)
    between = whole.starts[cut] if cut < len(whole.starts) else whole.end
    return (
        Panel(whole.stores, whole.need_states, whole.starts[:cut], between, whole.amounts[:, :cut]),
        Panel(
            whole.stores, whole.need_states, whole.starts[cut:], whole.end, whole.amounts[:, cut:]
        ),
    )


def seen_in_both(first: Panel, second: Panel) -> list[str]:
    """Stores with positive sales in both halves, sorted."""
    active = (first.totals().sum(axis=1) > 0) & (second.totals().sum(axis=1) > 0)
    return [store for store, seen in zip(first.stores, active, strict=True) if seen]


def too_little(first: Panel, second: Panel) -> str | None:
    """Why two halves are not enough to compare them, or `None` if they are.

    Each half needs at least 13 weeks and the halves need at least 30 stores in common.
    """
    shortest = min(first.weeks, second.weeks)
    if not first.starts:
        return "there are no sales with dates"
    if not second.starts:
        return "all sales fall into one period"
    if shortest < MIN_WEEKS:
        known = counted(int(shortest), "week") if shortest >= 1 else "less than a week"
        needed = MIN_WEEKS if shortest >= 1 else f"{MIN_WEEKS} weeks"
        return f"the shorter half of the sales has {known}; at least {needed} are needed"
    n_stores = len(seen_in_both(first, second))
    if n_stores < MIN_STORES:
        known = counted(n_stores, "store")
        return f"{known} sold in both halves; at least {MIN_STORES} are needed"
    return None


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as `1 store` or `2 stores`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
