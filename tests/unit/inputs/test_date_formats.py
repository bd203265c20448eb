"""Dates as people write them, against dates that were written in a known way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb
import pytest

from segmentation.inputs.date_formats import (
    EARLIEST,
    DateDecision,
    DateFormat,
    decide_date_format,
    decisions_sql,
    is_strptime_format,
    proposed_format,
    votes_sql,
)
from segmentation.inputs.evidence import Votes
from segmentation.warehouse.database import sql_literal

from .helpers import TODAY

DATES: Final = (
    *(EARLIEST, dt.date(1999, 12, 31), dt.date(2000, 2, 29), dt.date(2025, 3, 4)),
    *(dt.date(2025, 11, 22), TODAY, TODAY + dt.timedelta(1)),
)
NO_DATES: Final = (EARLIEST - dt.timedelta(1), TODAY + dt.timedelta(2))
TIMES: Final = (
    *("", " 12:30", " 9:05:07", "T23:59:59.123456", " 00:00:00,5", " 1:30 PM", " 1:30pm"),
    *(" 11:00 a.m.", "T12:30Z", " 12:30:00 UTC", " 12:30 GMT", "T12:30+02:00", " 12:30 -0530"),
    " 12:30:00+01",
)
#: How a date of each order is written, besides times.
WRITTEN: Final[dict[Any, tuple[str, ...]]] = {
    "year_month_day": (
        "{d:%Y-%m-%d}",
        "{d:%Y/%m/%d}",
        "{d.year}.{d.month}.{d.day}",
        "{d:%Y %m %d}",
        "{d:%Y. %m. %d}",
    ),
    "day_month_year": (
        "{d:%d/%m/%Y}",
        "{d:%d.%m.%Y}",
        "{d.day}-{d.month}-{d.year}",
        "{d:%d %m %Y}",
        "{d:%d. %m. %Y}",
    ),
    "month_day_year": ("{d:%m/%d/%Y}", "{d.month}-{d.day}-{d.year}", "{d:%m %d %Y}"),
    "name": (
        "{d:%d-%b-%Y}",
        "{d:%d %b %Y}",
        "{d:%d %B %Y}",
        "{d:%d-%B-%Y}",
        "{d:%b %d, %Y}",
        "{d:%b %d %Y}",
        "{d:%B %d, %Y}",
        "{d:%B %d %Y}",
        "{d:%a, %d %b %Y}",
        "{d:%A %B %d, %Y}",
    ),
}


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def dates(
    database: duckdb.DuckDBPyConnection,
    date_format: DateFormat,
    texts: Sequence[str],
    today: dt.date | None = TODAY,
) -> list[dt.date | None]:
    """What the SQL of a format makes of texts."""
    rows = ", ".join(f"({place}, {sql_literal(text)})" for place, text in enumerate(texts))
    query = (
        f"select {date_format.sql('text', today)} from (values {rows}) as texts (place, text) "
        "order by place"
    )
    return [value for (value,) in database.execute(query).fetchall()]


@pytest.mark.parametrize("order", list(WRITTEN))
def test_a_date_is_read_as_it_was_written(database: duckdb.DuckDBPyConnection, order: Any) -> None:
    texts = {
        style.format(d=date) + time: date
        for style in WRITTEN[order]
        for date in (*DATES, *NO_DATES)
        for time in TIMES
    }
    read = dates(database, DateFormat(order), list(texts))
    expected = [None if date in NO_DATES else date for date in texts.values()]
    assert dict(zip(texts, read, strict=True)) == dict(zip(texts, expected, strict=True))


@pytest.mark.parametrize("style", ["{d:%Y%m%d}", "{d:%Y%m%d}.0"])
def test_compact_dates_are_read(database: duckdb.DuckDBPyConnection, style: str) -> None:
    texts = [style.format(d=date) for date in (*DATES, *NO_DATES)]
    assert dates(database, DateFormat("compact"), texts) == [*DATES, None, None]


@pytest.mark.parametrize("time", ["", ".5", ",75"])
def test_serial_numbers_of_excel_are_days(database: duckdb.DuckDBPyConnection, time: str) -> None:
    # serial 25569 is the first day of 1970, as Excel shows it
    texts = [f"{25569 + (date - EARLIEST).days}{time}" for date in (*DATES, *NO_DATES)]
    assert dates(database, DateFormat("excel"), texts) == [*DATES, None, None]


def test_without_a_limit_days_after_tomorrow_are_dates(
    database: duckdb.DuckDBPyConnection,
) -> None:
    texts = ["2099-01-31", "9999-12-31", "1969-12-31"]
    read = dates(database, DateFormat(), texts, None)
    assert read == [dt.date(2099, 1, 31), dt.date(9999, 12, 31), None]


@pytest.mark.parametrize(
    ("order", "texts"),
    [
        ("year_month_day", ["2025-02-30", "2025-13-01", "25-01-31", "2025-01", "2025-01-31x"]),
        ("day_month_year", ["31/02/2025", "01/31/2025", "31/01/25", "31/01/2025 noon"]),
        ("month_day_year", ["31/01/2025", "02/30/2025", "01.31.2025", "01/31/25"]),
        ("compact", ["20250230", "2025013", "202501311", "20250131.5"]),
        ("excel", ["4568", "456880", "45688.", "x45688"]),
        ("name", ["31 Foo 2025", "Jan 2025", "31-Jan-25", "30 Feb 2025"]),
    ],
)
def test_other_texts_are_no_dates(
    database: duckdb.DuckDBPyConnection, order: Any, texts: list[str]
) -> None:
    assert dates(database, DateFormat(order), texts) == [None] * len(texts)


def test_a_format_of_strptime_is_followed(database: duckdb.DuckDBPyConnection) -> None:
    date_format = DateFormat(strptime="%m/%Y")
    assert dates(database, date_format, ["03/2025", "2025-03"]) == [dt.date(2025, 3, 1), None]
    assert str(date_format) == "%m/%Y"


def decide(
    database: duckdb.DuckDBPyConnection,
    texts: Sequence[str | tuple[str, str]],
    only: DateFormat | None = None,
) -> DateDecision:
    """Decide the format of a column of one file, or of values with their files; 10 per row."""
    rows = [("", text) if isinstance(text, str) else text for text in texts]
    listed = ", ".join(f"({sql_literal(file)}, {sql_literal(text)})" for file, text in rows)
    values = (
        "select file, value, count(*) as n_rows, 10.0 * count(*) as money "
        f"from (values {listed}) as texts (file, value) group by all"
    )
    counts = database.execute(decisions_sql(values, TODAY, only))
    names = [column[0] for column in counts.description]
    row = dict(zip(names, counts.fetchall()[0], strict=True))
    votes = [Votes(*vote) for vote in database.execute(votes_sql(values, TODAY)).fetchall()]
    return decide_date_format(row, votes, only)


@pytest.mark.parametrize(
    ("texts", "order", "evidence"),
    [
        (["2025-01-31", "2025-02-01"], "year_month_day", "the only format that fits"),
        (["20250131"], "compact", "the only format that fits"),
        (["45688"], "excel", "the only format that fits"),
        (["31 Jan 2025", "Feb 1, 2025"], "name", "the only format that fits"),
        (["31/01/2025", "02/03/2025"], "day_month_year", "values such as 31/01/2025"),
        (["01/31/2025", "02/03/2025"], "month_day_year", "values such as 01/31/2025"),
        (["05.06.2025"], "day_month_year", "the only format that fits"),
        (["13.06.2025"], "day_month_year", "values such as 13.06.2025"),
        (["03/03/2025"], "day_month_year", "the only format that fits"),
        (["02/03/2025"], "day_month_year", "no value decides"),
        (["05.06.2025", "02/03/2025"], "day_month_year", "no value decides"),
        (
            [*["31/01/2025"] * 2, *["02/03/2025"] * 50],
            "day_month_year",
            "only 2 of 52 rows decide, such as '31/01/2025'",
        ),
        (
            [*["31/01/2025"] * 9, *["01/31/2025"] * 8, "02/03/2025"],
            "day_month_year",
            "values prove both orders",
        ),
    ],
)
def test_the_order_is_decided_by_values_above_twelve(
    database: duckdb.DuckDBPyConnection, texts: list[str], order: str, evidence: str
) -> None:
    decision = decide(database, texts)
    assert (decision.format.order, decision.evidence) == (order, evidence)
    assert (decision.ruling is not None) == (order in ("day_month_year", "month_day_year"))


def test_every_file_votes_for_itself(database: duckdb.DuckDBPyConnection) -> None:
    texts = [("a", "31/01/2025"), ("a", "02/03/2025"), ("b", "01/31/2025"), ("b", "02/03/2025")]
    ruling = decide(database, texts).ruling
    assert ruling is not None
    assert ruling.conflict == (("31/01/2025", "a"), ("01/31/2025", "b"))
    ruling = decide(database, [*texts[:2], ("c", "05/06/2025")]).ruling
    assert ruling is not None
    assert (ruling.winner, ruling.followers, ruling.doubtful) == (0, ("c",), "02/03/2025")


def test_what_is_lost_is_counted_with_its_money_and_two_examples(
    database: duckdb.DuckDBPyConnection,
) -> None:
    good = ["2025-01-31", "2025-02-28", "2025-02-28"]
    decision = decide(database, [*good, "soon", "soon", "later", "n/a", "", "always"])
    assert (decision.n_rows_understood, decision.n_rows_lost) == (3, 4)
    assert decision.money_lost == 40
    assert decision.examples == ("always", "soon")
    assert decision.needs_limit
    assert decision.n_rows_mixed == 0
    whole = decide(database, good)
    assert (whole.n_rows_lost, whole.money_lost, whole.examples) == (0, None, ())
    assert not whole.needs_limit
    single = decide(database, [*good, "soon"])
    assert (single.examples, single.needs_limit) == (("soon",), True)


def test_days_after_tomorrow_are_lost_and_decide_nothing(
    database: duckdb.DuckDBPyConnection,
) -> None:
    decision = decide(database, ["2025-01-31", "2026-07-01", "2026-07-02", "2099-01-31"])
    assert (decision.n_rows_understood, decision.n_rows_lost) == (2, 2)
    decision = decide(database, [*["31/01/2099"] * 9, "02/03/2025"])
    assert decision.evidence == "no value decides"


def test_rows_in_a_second_format_are_counted_with_an_example_of_each(
    database: duckdb.DuckDBPyConnection,
) -> None:
    texts = [*[("a", "31.01.2025")] * 9, ("b", "2025-01-05"), ("c", "20250106")]
    decision = decide(database, [*texts, ("b", "2025-01-06")])
    assert decision.n_rows_mixed == 2
    assert decision.mixed == (("31.01.2025", "a"), ("2025-01-06", "b"))
    assert decide(database, ["31/01/2025", "01/02/2025"]).n_rows_mixed == 0


def test_a_format_that_is_set_is_not_questioned(database: duckdb.DuckDBPyConnection) -> None:
    decision = decide(database, ["02/03/2025", "2025-01-31"], DateFormat("month_day_year"))
    assert decision.format == DateFormat("month_day_year")
    assert (decision.evidence, decision.ruling) == ("set by formats", None)
    assert (decision.n_rows_understood, decision.n_rows_lost) == (1, 1)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        *(("%Y-%m-%d", True), ("%b %Y", True), ("%B %-d, %Y", True), ("%Y%m", True)),
        *(("%d/%m/%y", False), ("%Y", False), ("%m", False), ("Y-m-d", False), ("", False)),
        ("%d %H %Y", False),
    ],
)
def test_a_format_has_a_year_of_four_digits_and_a_month(text: str, is_one: bool) -> None:
    assert is_strptime_format(text) == is_one


@pytest.mark.parametrize(
    ("texts", "proposed"),
    [
        *((["2025-01", " 2025-12 "], "%Y-%m"), (["31Jan2025"], "%d%b%Y"), (["Jan 2025"], "%b %Y")),
        *((["January 2025", "May 2025"], "%B %Y"), (["13/2025"], ""), (["31012025"], "%d%m%Y")),
        *((["2025年1月31日"], "%Y年%m月%d日"), (["2025-01", "soon"], ""), (["soon"], ""), ([], "")),
    ],
)
def test_a_format_that_fits_all_texts_is_proposed(texts: list[str], proposed: str) -> None:
    assert proposed_format(texts) == proposed


@pytest.mark.parametrize(
    ("order", "text"),
    [
        *(("year_month_day", "year-month-day"), ("compact", "YYYYMMDD")),
        ("name", "with the name of the month"),
    ],
)
def test_a_format_is_called_by_its_parts(order: Any, text: str) -> None:
    assert str(DateFormat(order)) == text
