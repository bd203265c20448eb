"""The date format of a text column, decided over all of its values.

The order of day and month is decided by values above 12. A column in which no value is above 12 at
either place is ambiguous. A date lies between 1970-01-01 and tomorrow. A two-digit year is not one.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final, Literal

from segmentation.inputs.sql_text import NOTHING, or_null, tidy
from segmentation.warehouse.database import sql_literal

Order = Literal["year_month_day", "day_month_year", "month_day_year", "compact", "excel", "name"]
EARLIEST: Final = dt.date(1970, 1, 1)
#: Excel counts days from here (serial 60, a day that does not exist, is before 1970).
_EXCEL_ORIGIN: Final = dt.date(1899, 12, 30)
_DAYS_AFTER_TODAY: Final = 1
_MOST_EXAMPLES: Final = 3
#: So few of the rows can have a typing error that looks like the other order of day and month.
_CHANCE: Final = 0.01

_TIME: Final = (
    r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
    r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?)?"
)
_SEPARATOR: Final = r"(?:[-/.]| |\. )"
_NUMERIC: Final = rf"(\d{{1,2}}){_SEPARATOR}(\d{{1,2}}){_SEPARATOR}(\d{{4}}){_TIME}"
_PATTERNS: Final[dict[Order, str]] = {
    "year_month_day": rf"(\d{{4}}){_SEPARATOR}(\d{{1,2}}){_SEPARATOR}(\d{{1,2}}){_TIME}",
    "day_month_year": _NUMERIC,
    "month_day_year": _NUMERIC,
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

    `alternatives` has the formats that no value decides between. `conflicting` has a date of each
    order, day first and month first, where both are proven. `needs_limit` is true when a value is a
    date after tomorrow.
    """

    format: DateFormat
    evidence: str
    n_rows_lost: int = 0
    money_lost: float | None = None
    examples: tuple[str, ...] = ()
    alternatives: tuple[DateFormat, ...] = ()
    conflicting: tuple[str, ...] = ()
    needs_limit: bool = False


def decisions_sql(values: str, today: dt.date, only: DateFormat | None = None) -> str:
    """SQL that counts, over all values, what each candidate format understands.

    Parameters
    ----------
    values
        Query with a column `value` (text), `n_rows` and `money`, one row per different value.
    today
        The day after it is the last that is a date.
    only
        The format that the user has set.

    Returns
    -------
    str
        Query with one row: for each candidate the rows and the money that it understands and a
        value that it does not, and how many values decide the order of day and month.
    """
    formats = [only] if only else [DateFormat(order) for order in _ORDERS]
    parsed = ", ".join(f"{fmt.sql('text', today)} as date_{i}" for i, fmt in enumerate(formats))
    counted = ", ".join(
        f"coalesce(sum(n_rows) filter (date_{i} is not null), 0)::bigint as n_rows_{i}, "
        f"coalesce(sum(n_rows) filter (date_{i} is null), 0)::bigint as n_lost_{i}, "
        f"sum(money) filter (date_{i} is null) as money_{i}, "
        f"min(text) filter (date_{i} is null) as example_{i}, "
        f"max(text) filter (date_{i} is null) as other_example_{i}, "
        f"min(date_{i}) as min_{i}, max(date_{i}) as max_{i}"
        for i in range(len(formats))
    )
    numeric = sql_literal(f"^{_NUMERIC}$")
    differing = (
        "0"
        if only
        else "coalesce(sum(n_rows) filter (date_1 is not null and date_2 is not null "
        "and date_1 <> date_2), 0)"
    )
    return f"""
        with texts as (
            select {or_null(tidy("value"), NOTHING)} as text, n_rows, money
            from ({values})
        ),

        dates as (
            select
                text,
                n_rows,
                money,
                {parsed},
                try_cast(regexp_extract(text, {numeric}, 1) as integer) as part_1,
                try_cast(regexp_extract(text, {numeric}, 2) as integer) as part_2
            from texts
            where text is not null
        )

        select
            {counted},
            coalesce(sum(n_rows), 0)::bigint as n_rows,
            {differing}::bigint as n_differing,
            coalesce(sum(n_rows) filter (part_1 > 12 and part_2 <= 12), 0)::bigint
                as n_first_is_day,
            coalesce(sum(n_rows) filter (part_2 > 12 and part_1 <= 12), 0)::bigint
                as n_second_is_day,
            max(text) filter (part_1 > 12 and part_2 <= 12) as first_is_day,
            max(text) filter (part_2 > 12 and part_1 <= 12) as second_is_day
        from dates
    """


def decide_date_format(row: dict[str, object], only: DateFormat | None = None) -> DateDecision:
    """Decide the date format of a column from the row of `decisions_sql`.

    The format that understands the most rows wins. Day-month-year and month-day-year that
    understand equally many rows, and differ in some, are ambiguous.
    """
    formats = [only] if only else [DateFormat(order) for order in _ORDERS]
    counts = [int(str(row[f"n_rows_{i}"])) for i in range(len(formats))]
    best = max(range(len(formats)), key=lambda i: (counts[i], -i))
    alternatives: tuple[DateFormat, ...] = ()
    conflicting: tuple[str, ...] = ()
    if only:
        evidence = "set by formats"
    else:
        by_order = dict(zip(_ORDERS, counts, strict=True))
        is_numeric = formats[best].order in ("day_month_year", "month_day_year")
        if (
            is_numeric
            and by_order["day_month_year"] == by_order["month_day_year"]
            and int(str(row["n_differing"]))
        ):
            alternatives = (formats[1], formats[2])
        n_minority = min(int(str(row["n_first_is_day"])), int(str(row["n_second_is_day"])))
        if is_numeric and n_minority > _CHANCE * int(str(row["n_rows"])):
            conflicting = (str(row["first_is_day"]), str(row["second_is_day"]))
        proof = (
            row["first_is_day"] if formats[best].order == "day_month_year" else row["second_is_day"]
        )
        evidence = (
            f"values such as {proof}" if is_numeric and proof else "the only format that fits"
        )
    examples = tuple(
        dict.fromkeys(
            str(row[name]) for name in (f"example_{best}", f"other_example_{best}") if row[name]
        )
    )
    money = row[f"money_{best}"]
    n_lost = int(str(row[f"n_lost_{best}"]))
    return DateDecision(
        formats[best],
        evidence,
        n_rows_lost=n_lost,
        money_lost=None if money is None else float(str(money)),
        examples=examples[:_MOST_EXAMPLES],
        alternatives=alternatives,
        conflicting=conflicting,
        needs_limit=n_lost > 0,
    )


def is_strptime_format(text: str) -> bool:
    """Whether a text can be a date format: it names a year, a month and a day."""
    codes = set(re.findall(r"%-?([A-Za-z])", text))
    return bool(codes & {"Y"}) and bool(codes & {"m", "b", "B"}) and "d" in codes
