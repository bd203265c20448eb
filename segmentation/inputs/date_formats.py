"""The date format of a text column, decided over all of its values.

The order of day and month is decided by values above 12, in every file by its own. A column in
which no value is above 12 at either place is ambiguous, unless points are between the parts: the
day is first in `05.06.2025`. A date lies between 1970-01-01 and
tomorrow. A two-digit year is not one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from segmentation.inputs.evidence import Ruling, Votes, rule
from segmentation.inputs.sql_text import NOTHING, SET_BY_FORMATS, or_null, tidy
from segmentation.warehouse.database import sql_literal

Order = Literal["year_month_day", "day_month_year", "month_day_year", "compact", "excel", "name"]
EARLIEST: Final = dt.date(1970, 1, 1)
#: Excel counts days from here (serial 60, a day that does not exist, is before 1970).
_EXCEL_ORIGIN: Final = dt.date(1899, 12, 30)
_DAYS_AFTER_TODAY: Final = 1
_MOST_EXAMPLES: Final = 3
_TIME: Final = (
    r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
    r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?)?"
)
_SEPARATOR: Final = r"(?:[-/.]| |\. )"
_NUMERIC: Final = rf"(\d{{1,2}}){_SEPARATOR}(\d{{1,2}}){_SEPARATOR}(\d{{4}}){_TIME}"
#: Points between the parts mean that the day is first.
_WITHOUT_POINTS: Final = _NUMERIC.replace(_SEPARATOR, "[-/ ]")
_PATTERNS: Final[dict[Order, str]] = {
    "year_month_day": rf"(\d{{4}}){_SEPARATOR}(\d{{1,2}}){_SEPARATOR}(\d{{1,2}}){_TIME}",
    "day_month_year": _NUMERIC,
    "month_day_year": _WITHOUT_POINTS,
    "compact": r"(\d{4})(\d{2})(\d{2})(?:\.0+)?",
    "excel": r"(\d{5})(?:[.,]\d+)?",
    "name": (
        rf"(?:[A-Za-z]{{3,9}},? )?(?:\d{{1,2}}[- ][A-Za-z]{{3,9}}[- ,]+\d{{4}}"
        rf"|[A-Za-z]{{3,9}} \d{{1,2}},? \d{{4}}){_TIME}"
    ),
}
_DESCRIPTIONS: Final[dict[Order, str]] = {
    "year_month_day": "year-month-day",
    "day_month_year": "day-month-year",
    "month_day_year": "month-day-year",
    "compact": "YYYYMMDD",
    "excel": "Excel serial number",
    "name": "with the name of the month",
}
#: Order of preference among orders that understand equally many rows and give the same dates.
_ORDERS: Final[tuple[Order, ...]] = (
    "year_month_day",
    "day_month_year",
    "month_day_year",
    "compact",
    "excel",
    "name",
)
#: Formats that are not read without being set, as months and days without separators.
_PROPOSED: Final = (
    *("%Y-%m", "%Y/%m", "%m/%Y", "%m-%Y", "%m.%Y", "%b %Y", "%B %Y", "%b-%Y", "%Y%m"),
    *("%d%m%Y", "%d%b%Y", "%d.%b.%Y", "%d/%b/%Y", "%Y. %m. %d.", "%Y年%m月%d日"),
)
#: The two readings of `03/04/2025`.
_EITHER_ORDER: Final[tuple[Order, Order]] = ("day_month_year", "month_day_year")


@dataclass(frozen=True)
class DateFormat:
    """How the dates of a column are written: an order of its parts, or a `strptime` format."""

    order: Order = "year_month_day"
    strptime: str = ""

    def sql(self, column: str, today: dt.date | None = None) -> str:
        """SQL that gives the date of a text column, null for what is not understood.

        Parameters
        ----------
        column
            SQL of the text.
        today
            Dates after the day after it are no dates. `None` checks no limit, for a column that
            has no such date.
        """
        text = tidy(column)
        date = self._date(text)
        latest = (
            f"date '{today + dt.timedelta(_DAYS_AFTER_TODAY)}'" if today else "date '9999-12-31'"
        )
        return f"case when {date} between date '{EARLIEST}' and {latest} then {date} end"

    def _date(self, text: str) -> str:
        if self.strptime:
            return f"try_strptime({text}, {sql_literal(self.strptime)})::date"
        pattern = sql_literal(_PATTERNS[self.order])
        matches = f"regexp_full_match({text}, {pattern})"
        if self.order == "excel":
            days = f"try_cast(regexp_extract({text}, {pattern}, 1) as integer)"
            return f"case when {matches} then date '{_EXCEL_ORIGIN}' + {days} end"
        if self.order == "name":
            formats = [
                f"{day}{month}{year}"
                for day, month, year in (
                    ("%d-", "%b-", "%Y"),
                    ("%d ", "%b ", "%Y"),
                    ("%d ", "%B ", "%Y"),
                    ("%d-", "%B-", "%Y"),
                    ("%b ", "%d, ", "%Y"),
                    ("%b ", "%d ", "%Y"),
                    ("%B ", "%d, ", "%Y"),
                    ("%B ", "%d ", "%Y"),
                )
            ]
            listed = ", ".join(map(sql_literal, formats))
            date_part = (
                f"regexp_extract({text}, '(?:\\d{{1,2}}[- ][A-Za-z]{{3,9}}[- ]+\\d{{4}}"
                f"|[A-Za-z]{{3,9}} \\d{{1,2}},? \\d{{4}})')"
            )
            return f"case when {matches} then try_strptime({date_part}, [{listed}])::date end"
        groups = {"day_month_year": "\\3-\\2-\\1", "month_day_year": "\\3-\\1-\\2"}
        iso = groups.get(self.order, "\\1-\\2-\\3")
        replaced = (
            f"regexp_replace({text}, {sql_literal('^' + _PATTERNS[self.order] + '$')}, '{iso}')"
        )
        return f"case when {matches} then try_cast({replaced} as date) end"

    def __str__(self) -> str:
        """The order of the parts, as people say it."""
        return self.strptime or _DESCRIPTIONS[self.order]


@dataclass(frozen=True)
class DateDecision:
    """The format of a column, why, and what it does not understand.

    `ruling` says whether the order of day and month is decided; it is None where there is nothing
    to decide. `needs_limit` is true when a value is a date after tomorrow. `n_rows_mixed` is the
    number of rows in the second format of the column, and `mixed` has a value of the first and of
    the second format, each with its file.

    `n_rows_understood` and `n_rows_lost` are the rows that are dates in the format, and the others.
    """

    format: DateFormat
    evidence: str
    n_rows_understood: int = 0
    n_rows_lost: int = 0
    money_lost: float | None = None
    examples: tuple[str, ...] = ()
    ruling: Ruling | None = None
    needs_limit: bool = False
    n_rows_mixed: int = 0
    mixed: tuple[tuple[str, str], ...] = ()


def decisions_sql(values: str, today: dt.date, only: DateFormat | None = None) -> str:
    """SQL that counts, over all values, what each candidate format understands.

    Parameters
    ----------
    values
        Query with a column `value` (text), `file`, `n_rows` and `money`, one row per different
        value.
    today
        The day after it is the last that is a date.
    only
        The format that the user has set.

    Returns
    -------
    str
        Query with one row: for each candidate the rows that it understands with one of the values
        and its file, and the rows and the money that it does not, with two of the values.
    """
    formats = [only] if only else [DateFormat(order) for order in _ORDERS]
    parsed = ", ".join(f"{fmt.sql('text', today)} as date_{i}" for i, fmt in enumerate(formats))
    counted = ", ".join(
        f"coalesce(sum(n_rows) filter (date_{i} is not null), 0)::bigint as n_rows_{i}, "
        f"coalesce(sum(n_rows) filter (date_{i} is null), 0)::bigint as n_lost_{i}, "
        f"sum(money) filter (date_{i} is null) as money_{i}, "
        f"max(text) filter (date_{i} is not null) as proof_{i}, "
        f"arg_max(file, text) filter (date_{i} is not null) as file_{i}, "
        f"min(text) filter (date_{i} is null) as example_{i}, "
        f"max(text) filter (date_{i} is null) as other_example_{i}"
        for i in range(len(formats))
    )
    return f"""
        select {counted}
        from (
            select text, file, n_rows, money, {parsed}
            from ({_texts(values)})
        )
    """


def votes_sql(values: str, today: dt.date) -> str:
    """SQL that counts which values decide the order of day and month.

    Parameters
    ----------
    values
        Query with a column `value` (text), `file` and `n_rows`.
    today
        The day after it is the last that is a date.

    Returns
    -------
    str
        Query with one row per file: the arguments of `Votes`, day first before month first.
    """
    first, second = (DateFormat(order).sql("text", today) for order in _EITHER_ORDER)
    # points decide for their own date and say nothing about others
    decides = r"(day(first) > 12 or not regexp_matches(text, '^\d+\. ?\d'))"
    return f"""
        select
            file,
            coalesce(sum(n_rows) filter (second is null and {decides}), 0)::bigint,
            coalesce(sum(n_rows) filter (first is null), 0)::bigint,
            coalesce(sum(n_rows) filter (first <> second), 0)::bigint,
            coalesce(max(text) filter (second is null and {decides}), ''),
            coalesce(max(text) filter (first is null), ''),
            coalesce(max(text) filter (first <> second), '')
        from (
            select file, text, n_rows, {first} as first, {second} as second
            from ({_texts(values)})
        )
        where first is not null or second is not null
        group by file
        order by file
    """


def _texts(values: str) -> str:
    return (
        f"select *, {or_null(tidy('value'), NOTHING)} as text from ({values}) "
        "where text is not null"
    )


def decide_date_format(
    row: Mapping[str, object], votes: Sequence[Votes] = (), only: DateFormat | None = None
) -> DateDecision:
    """Decide the date format of a column.

    The format that understands the most rows wins. Between day-month-year and month-day-year the
    votes of the files decide.

    Parameters
    ----------
    row
        The row of `decisions_sql`.
    votes
        The rows of `votes_sql`.
    only
        The format that the user has set.
    """
    formats = [only] if only else [DateFormat(order) for order in _ORDERS]
    counts = [int(str(row[f"n_rows_{i}"])) for i in range(len(formats))]
    best = max(range(len(formats)), key=lambda i: (counts[i], -i))
    ruling = None
    evidence = SET_BY_FORMATS if only else "the only format that fits"
    if not only and formats[best].order in _EITHER_ORDER:
        ruling = rule(votes)
        if ruling.is_open:
            evidence = ruling.reason
        elif ruling.conflict:
            evidence = "values prove both orders"
        elif ruling.winner is not None:
            best = _ORDERS.index(_EITHER_ORDER[ruling.winner])
            evidence = f"values such as {ruling.example}"
    examples = tuple(
        dict.fromkeys(
            str(row[name]) for name in (f"example_{best}", f"other_example_{best}") if row[name]
        )
    )
    rivals = [i for i, fmt in enumerate(formats) if not _are_alike(fmt, formats[best])]
    second = max(rivals, key=lambda i: counts[i], default=best)
    money = row[f"money_{best}"]
    n_lost = int(str(row[f"n_lost_{best}"]))
    return DateDecision(
        formats[best],
        evidence,
        n_rows_understood=counts[best],
        n_rows_lost=n_lost,
        money_lost=None if money is None else float(str(money)),
        examples=examples[:_MOST_EXAMPLES],
        ruling=ruling,
        needs_limit=n_lost > 0,
        n_rows_mixed=counts[second] if second != best else 0,
        mixed=tuple((str(row[f"proof_{i}"]), str(row[f"file_{i}"])) for i in (best, second)),
    )


def _are_alike(one: DateFormat, other: DateFormat) -> bool:
    """Whether two formats read the same texts."""
    return one == other or {one.order, other.order} == {*_EITHER_ORDER}


def is_strptime_format(text: str) -> bool:
    """Whether a text can be a date format: year and month; without a day the first one is meant."""
    codes = set(re.findall(r"%-?([A-Za-z])", text))
    return bool(codes & {"Y"}) and bool(codes & {"m", "b", "B"})


def proposed_format(examples: Sequence[str]) -> str:
    """A format that fits all of some texts that are not read without one; empty if none does."""
    for proposed in _PROPOSED:
        try:
            for text in examples:
                dt.datetime.strptime(text.strip(), proposed)
        except ValueError:
            continue
        return proposed if examples else ""
    return ""
