"""What each column of an input is, and the SQL that reads it.

A column is decided over all of its different values, counted with their rows and their money. The
result is a `ColumnFormat`: an expression for staging, the evidence, and what it cannot read.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import duckdb

from segmentation.inputs.date_formats import (
    DateDecision,
    DateFormat,
    decide_date_format,
    decisions_sql,
    votes_sql,
)
from segmentation.inputs.evidence import Ruling, Votes, in_file
from segmentation.inputs.garbled import OTHER_ENCODINGS, garbled_names
from segmentation.inputs.names import (
    InputError,
    did_you_mean,
    in_yaml,
    normalized,
    required_columns,
)
from segmentation.inputs.number_formats import (
    CANDIDATES,
    NumberDecision,
    NumberFormat,
    Shape,
    decide_number_format,
    is_currency,
    several_currencies,
    shapes_sql,
)
from segmentation.inputs.options import ColumnOptions, InputOptions
from segmentation.inputs.reading import InputPlan
from segmentation.inputs.sql_text import (
    NO_CATEGORY,
    NOTHING,
    OF_A_CELL,
    SET_BY_FORMATS,
    or_null,
    tidy,
    tidy_id,
)
from segmentation.warehouse.database import sql_literal, sql_name

ReadAs = Literal["id", "number", "date", "category", "text", "identifier", "ignored"]
MONEY_TYPE: Final = "decimal(18, 4)"
MEASURE_TYPE: Final = "double"
_NUMBERS: Final = re.compile(
    r"(?i)^(decimal|u?(tiny|small|big|huge)?int|u?integer|float|double|real)"
)
_DATES: Final = re.compile(r"(?i)^(date|timestamp)")
#: Share of the values of an external column that have to be numbers, as in the first version.
_NUMERIC_SHARE: Final = 0.9
#: Share of the values that are no numbers from which a setting that says so is wrong.
_FEWEST_NUMBERS: Final = 0.5
#: Below this many stores, texts that are all different can be chance.
_FEWEST_FOR_IDENTIFIER: Final = 10
_MOST_LEVELS_OF_A_CODE: Final = 20
_NAMES_OF_CODES: Final = re.compile(
    r"(?i)(code|region|zip|plz|postal|postcode|cluster|(^|[_ ])id$)"
)
#: Names of coordinates by the largest value that they have.
_COORDINATES: Final = {
    90.0: re.compile("(.*(geo|store|gps))?(lat|latitude|breitengrad)"),
    180.0: re.compile("(.*(geo|store|gps))?(lon|lng|long|longitude|längengrad|laengengrad)"),
}
_WITH_UNIT: Final = sql_literal(r"^[-+]?\d[\d.,]* ?(\pL[\pL\d/²³]{0,7})$")
#: Numbers that some programs write for a missing value.
_STAND_FOR_NOTHING: Final = (-1, -9, -99, -999, -9999, -99999)
_NAMES_OF_CURRENCIES: Final = re.compile(
    "currency|currencycode|curr|isocurrency|währung|waehrung|devise|moneda|moeda|valuta"
)
_MOST_EXAMPLES: Final = 3
#: Differences between ids that may not count, and how they are called.
ID_DIFFERENCES: Final = {"leading_zeros": "leading zeros", "case": "upper and lower case"}
#: Share of the ids from which such differences are no chance.
UNMATCHED: Final = 0.2
#: Garbled names are the fault of the file if so many of the names that are not ASCII are.
_GARBLED: Final = 0.1
_MOST_NAMES: Final = 10_000
#: What the decisions on formats read.
_VALUES: Final = (
    "select _value as value, _file as file, _n_rows as n_rows, _money as money from _intake_values"
)
#: What `formats` can say about a column, by its role; about a column of facts it can say anything.
_POSSIBLE_FORMATS: Final = {
    "id": ("category",),
    "category": ("category",),
    "money": ("number", "decimal", "thousands", "currency", "ignore"),
    "date": ("date", "ignore"),
    "text": ("ignore",),
}
#: Formats that one call of `strptime` reads, tried where all values have the same pattern.
_COMMON_DATES: Final = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d")


@dataclass(frozen=True)
class ColumnFormat:
    """How one column is read.

    Attributes
    ----------
    column, source
        Name in the relation of the input, and in the file.
    read_as
        What it is.
    format, evidence
        For people, and the values that decide it.
    sql
        Expression over the columns of the relation that gives the typed value; null for a value
        that is missing or not understood.
    n_rows, n_missing, n_distinct
        Rows; rows without a value; different values.
    minimum, maximum
        Of the typed values, as text.
    n_not_understood, money_not_understood, examples
        Rows with a value that is not understood, the sales in them, and some of the values.
    problem
        Why the column cannot be used as it is, with the setting that helps; empty if it can.
    note
        What the user may want to know.
    remedy
        What helps with the values that are not understood.
    """

    column: str
    source: str
    read_as: ReadAs
    format: str
    evidence: str
    sql: str
    n_rows: int = 0
    n_missing: int = 0
    n_distinct: int = 0
    minimum: str | None = None
    maximum: str | None = None
    n_not_understood: int = 0
    money_not_understood: float | None = None
    examples: tuple[str, ...] = ()
    problem: str = ""
    note: str = ""
    remedy: str = ""

    @property
    def is_set(self) -> bool:
        """Whether the user has said in `formats` how the column is read."""
        return self.evidence == SET_BY_FORMATS


def decide_columns(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    options: InputOptions,
    today: dt.date,
) -> list[ColumnFormat]:
    """Decide how every column of an input is read.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan
        The input.
    options
        What the user has set.
    today
        Dates after the day after it are no dates.

    Raises
    ------
    InputError
        If `formats` names a column that the input does not have.
    """
    unknown = [
        f"formats.{plan.name}.{name}: there is no such column; {did_you_mean(name, plan.types)}"
        f"the input has: {', '.join(plan.types)}"
        for name in options.named_formats(plan.name)
        if normalized(name) not in map(normalized, plan.types)
    ]
    if unknown:
        raise InputError(unknown)
    texts = _some_texts(connection, plan)
    decided = [
        _Column(connection, plan, column, options, today, texts.get(column)).decide()
        for column in _in_order(plan)
    ]
    proven = [
        found.number.ruling
        for found in decided
        if found.number and found.number.ruling and found.number.ruling.winner is not None
    ]
    like = None
    if len({ruling.winner for ruling in proven}) == 1:
        like = max(proven, key=lambda ruling: ruling.n_deciding)
    money = next((d.format.sql for d in decided if d.format.column == "sales_amount"), None)
    formats = []
    for found in decided:
        ruling = found.number.ruling if found.number else None
        is_money = plan.name == "sales" and found.format.column == "sales_amount"
        follows = ruling is not None and like is not None and ruling.is_settled_by(like)
        again = follows and not is_money
        is_weighed = found.format.n_not_understood > 0 or found.follows
        with_money = found.format.read_as == "date" and is_weighed and money
        if again or with_money:
            column = _Column(connection, plan, found.format.column, options, today)
            column.like, column.money = like, money
            formats.append(column.decide().format)
        else:
            formats.append(found.format)
    by_name = {fmt.column: fmt for fmt in formats}
    return [by_name[column] for column in plan.types]


def is_text(kind: str) -> bool:
    """Whether values of a DuckDB type are texts."""
    return kind == "VARCHAR" or kind.startswith("ENUM")


def _some_texts(connection: duckdb.DuckDBPyConnection, plan: InputPlan) -> dict[str, str | None]:
    """A value of each column of texts of the sales that no rule reads, in one pass over rows."""
    names = {
        column: sql_name(column)
        for column, kind in plan.types.items()
        if is_text(kind) and plan.name == "sales" and _role(plan, column) == "text"
    }
    if not names:
        return {}
    filled = ", ".join(f"nullif({name}::varchar, '') as {name}" for name in names.values())
    chosen = ", ".join(f"any_value({name}) as {name}" for name in names.values())
    some = plan.grouped(
        connection,
        f"select {chosen} from (select {filled} from {plan.relation})",
        dict.fromkeys(names, "min"),
    )
    tidied = ", ".join(map(tidy, names.values()))
    (found,) = connection.execute(f"select {tidied} from {some}").fetchall()
    return dict(zip(names, found, strict=True))


@dataclass(frozen=True)
class _Decided:
    format: ColumnFormat
    number: NumberDecision | None = None
    follows: bool = False  # whether a file is read like the others


def _in_order(plan: InputPlan) -> list[str]:
    """Columns with the amount first: other columns are weighed with it."""
    return sorted(plan.types, key=lambda column: column != "sales_amount")


def _role(plan: InputPlan, column: str) -> str:
    if column in ("store_id", "product_id") and column in required_columns(plan.name):
        return "id"
    if plan.name == "sales":
        return {"sales_amount": "money", "units": "money", "sold_on": "date"}.get(column, "text")
    if plan.name == "products":
        return "category" if column in ("category", "need_state") else "text"
    return "external"


class _Column:
    """One column while it is decided."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        plan: InputPlan,
        column: str,
        options: InputOptions,
        today: dt.date,
        some_text: str | None = None,
    ) -> None:
        self.connection, self.plan, self.column, self.today = connection, plan, column, today
        self.some_text = some_text
        self.role = _role(plan, column)
        self.given: ColumnOptions = options.column(plan.name, column)
        self.ignored = options.ignored_in_ids
        self.most_lost = options.max_rejected_share
        self.name = sql_name(column)
        self.type = plan.types[column]
        self.like: Ruling | None = None
        self.money: str | None = None
        self.setting = f"formats.{plan.name}.{in_yaml(column)}"

    def decide(self) -> _Decided:
        """Decide how the column is read."""
        if problem := self._impossible() or self._nested():
            found = self._format("ignored", "ignored", SET_BY_FORMATS, "null")
            return _Decided(replace(found, problem=problem))
        if self.given.read_as == "ignore":
            return _Decided(self._format("ignored", "ignored", SET_BY_FORMATS, "null"))
        if self.role == "text":
            found = self._format("text", "text", "", or_null(tidy(self.name), NO_CATEGORY))
            return _Decided(replace(found, problem=self._several_currencies()))
        self._collect()
        return self._decide_from_values()

    def _impossible(self) -> str:
        """Why what `formats` says about the column cannot be done; empty if it can."""
        possible = _POSSIBLE_FORMATS.get(self.role, self.given.names)
        if self.column in required_columns(self.plan.name):
            possible = tuple(name for name in possible if name != "ignore")
        wrong = [name for name in self.given.names if name not in possible]
        if not wrong:
            return ""
        return (
            f"{self.setting}: {wrong[0]} is not possible there; possible are: {', '.join(possible)}"
        )

    def _nested(self) -> str:
        """Why the values are no single ones; empty if they are, or if nothing reads them."""
        is_nested = re.search(r"(?i)^(struct|map|union)|\[\d*\]$", self.type)
        if not is_nested or self.given.read_as == "ignore" or self.role == "text":
            return ""
        kind = "lists" if self.type.endswith("]") else "nested values"
        advice = "export one value per row"
        if self.column not in required_columns(self.plan.name):
            advice += f", or set {self.setting} to ignore"
        return f"{self._shown()} has {kind} ({self.type.lower()}); {advice}"

    def _decide_from_values(self) -> _Decided:
        if self.role == "id":
            return _Decided(self._stats(self._id()))
        if self.role == "category" or self.given.read_as == "category":
            found = self._category(SET_BY_FORMATS if self.given.read_as else "")
            return _Decided(self._with_garbled_names(self._stats(found)))
        if self.role == "date":
            date, follows = self._date()
            return _Decided(date, follows=follows)
        if self.role == "money":
            return self._number(MONEY_TYPE)
        return self._external()

    def _collect(self) -> None:
        """Different values with their rows and money; everything else is asked of these.

        Where a format is decided, the values of each file are kept apart.
        """
        file = "''"
        if self.plan.file_column and self.type == "VARCHAR" and self.role not in ("id", "category"):
            file = f"{sql_name(self.plan.file_column)}::varchar"
        money = f"sum({self.money})" if self.money else "null::double"
        named = self.plan.file_column
        more = f", _file as {sql_name(named)}" if named and named != "_file" else ""
        values = self.plan.grouped(
            self.connection,
            f"""
            select {self.name}, {file} as _file, count(*) as _n_rows, {money} as _money
            from {self.plan.relation}
            group by all
            """,
            {"_n_rows": "sum", "_money": "sum"},
        )
        self.connection.execute(
            f"""
            create or replace temp table _intake_values as
            select
                {self.name}, {self.name}::varchar as _value, _file, _n_rows,
                _money::double as _money{more}
            from {values}
            """
        )

    def _format(self, read_as: ReadAs, text: str, evidence: str, sql: str) -> ColumnFormat:
        return ColumnFormat(
            self.column,
            self.plan.sources[self.column],
            read_as,
            text,
            evidence,
            sql,
            n_rows=self.plan.n_rows,
        )

    def _stats(self, found: ColumnFormat) -> ColumnFormat:
        """Complete the counts from the different values, and simplify the expression."""
        found = replace(found, sql=self._simplest(found))
        nothing = or_null(tidy("_value"), NO_CATEGORY if found.read_as == "category" else NOTHING)
        values = (
            f"(select _n_rows, _money, {nothing} as text, {found.sql} as typed from _intake_values)"
        )
        n_missing, n_distinct, minimum, maximum, n_lost, money = self.connection.execute(
            f"""
            select
                coalesce(sum(_n_rows) filter (text is null and typed is null), 0)::bigint,
                count(distinct typed),
                min(typed)::varchar,
                max(typed)::varchar,
                coalesce(sum(_n_rows) filter (text is not null and typed is null), 0)::bigint,
                sum(_money) filter (text is not null and typed is null)
            from {values}
            """
        ).fetchall()[0]
        examples = self.connection.execute(
            f"""
            select text
            from {values}
            where text is not null and typed is null
            group by text
            order by sum(_n_rows) desc, text
            limit {_MOST_EXAMPLES}
            """
        ).fetchall()
        return replace(
            found,
            n_missing=n_missing,
            n_distinct=n_distinct,
            minimum=minimum,
            maximum=maximum,
            n_not_understood=n_lost,
            money_not_understood=None if money is None else float(money),
            examples=tuple(text for (text,) in examples),
        )

    def _simplest(self, found: ColumnFormat) -> str:
        """The simplest expression that gives the same for every value of the column.

        Most columns have no blanks to trim and no marks to remove, and are read as they are.
        """
        if self.type != "VARCHAR":
            return found.sql
        number_type = MONEY_TYPE if self.role == "money" else MEASURE_TYPE
        candidates = {
            "number": [f"try_cast({self.name} as {number_type})"],
            "date": [
                f"try_cast({self.name} as date)",
                *(f"try_strptime({self.name}, '{fmt}')::date" for fmt in _COMMON_DATES),
            ],
        }.get(found.read_as, [self.name])
        for simple in candidates:
            ((is_same,),) = self.connection.execute(
                f"select bool_and(({found.sql}) is not distinct from ({simple})) "
                "from _intake_values"
            ).fetchall()
            if is_same:
                return simple
        return found.sql

    def _id(self) -> ColumnFormat:
        without = f", without regard to {' and '.join(self.ignored)}" if self.ignored else ""
        found = self._format(
            "id", f"id{without.replace('_', ' ')}", "", tidy_id(self.name, ignore=self.ignored)
        )
        if self.plan.name != "sales" and (problem := self._repeated_header()):
            return replace(found, problem=problem)
        if self.given.read_as == "category":
            return replace(found, evidence=SET_BY_FORMATS)
        if problem := self._lost_digits():
            return replace(found, problem=problem)
        return self._with_garbled_names(self._with_twins(found))

    def _repeated_header(self) -> str:
        """Why a row is no row; empty if all are. In the sales, its amount is no number."""
        ((n_rows,),) = self.connection.execute(
            "select coalesce(sum(_n_rows), 0)::bigint from _intake_values "
            f"where lower(trim(_value)) = {sql_literal(self.plan.sources[self.column].lower())}"
        ).fetchall()
        if not n_rows:
            return ""
        return (
            f"{n_rows:,} row(s) repeat the header in the column {self._shown()}; remove them. "
            "Several files can be named by a pattern instead of putting them together"
        )

    def _lost_digits(self) -> str:
        """Why ids of the column are not the ones that were meant; empty if they are.

        A spreadsheet shows a long number as 4.00638E+12 and exports it so. A floating-point column
        has the same value for neighboring numbers from some size on.
        """
        exact = {"DOUBLE": 53, "FLOAT": 24}.get(self.type.upper())
        is_lost = "false"
        if exact:
            is_lost = f"isfinite({self.name}) and abs({self.name}) >= {2**exact}"
        elif self.type == "VARCHAR":
            is_lost = "regexp_full_match(trim(_value), '\\d([.,]\\d+)?[eE][+]\\d{2,3}')"
        n_lost, n_ids, example = self.connection.execute(
            f"select count(*) filter ({is_lost}), count(*), min(_value) filter ({is_lost}) "
            "from _intake_values"
        ).fetchall()[0]
        if not n_lost:
            return ""
        return (
            f"{self._shown()} has {n_lost:,} of {n_ids:,} ids without all their digits, such as "
            f"{example!r}: a program kept them as numbers. Export the column as text, or set "
            f"{self.setting}: category if these are the ids"
        )

    def _with_twins(self, found: ColumnFormat) -> ColumnFormat:
        """Say whether ids of the column would split stores or products.

        Files of different programs write the same id with and without zeros, and no other input
        is needed to see it.
        """
        for difference, words in ID_DIFFERENCES.items():
            if difference in self.ignored:
                continue
            known = tidy_id("_value", ignore=self.ignored)
            same = tidy_id("_value", ignore=(*self.ignored, difference))
            n_ids, n_twins, example = self.connection.execute(
                f"""
                select count(*), count(*) filter (len(ids) > 1), min(ids) filter (len(ids) > 1)
                from (
                    select unnest(ids), ids
                    from (
                        select list_sort(list(distinct {known})) as ids
                        from _intake_values
                        where {same} is not null
                        group by {same}
                    )
                )
                """
            ).fetchall()[0]
            if not n_twins:
                continue
            message = (
                f"{n_twins:,} of the {n_ids:,} ids in {self._shown()} differ from another one "
                f"only in {words}, such as {example[0]!r} and {example[1]!r}; set "
                f"segmentation.ignore_in_ids: [{difference}] if these are the same, or "
                f"{self.setting}: category if they are not"
            )
            if n_twins > UNMATCHED * n_ids:
                return replace(found, problem=message)
            return replace(found, note=message)
        return found

    def _with_garbled_names(self, found: ColumnFormat) -> ColumnFormat:
        """Say whether names look as if they were read in the wrong encoding."""
        if found.problem or self.given.read_as == "category":
            return found
        names = self.connection.execute(
            "select distinct _value from _intake_values "
            "where not regexp_full_match(_value, '[\\x00-\\x7f]*') "
            f"order by _value limit {_MOST_NAMES}"
        ).fetchall()
        guessed = any(file.read_as.startswith("Windows-1252") for file in self.plan.files)
        garbled = garbled_names([name for (name,) in names], is_windows_1252=guessed)
        if garbled is None:
            return found
        meant = f", which may be {garbled.meant!r}" if garbled.meant else ""
        codec = garbled.encoding or next(iter(OTHER_ENCODINGS))
        setting = f"set encodings: {{{self.plan.name}: {codec}}}, " if guessed else ""
        message = (
            f"{garbled.n_names:,} name(s) in {self._shown()} look garbled, such as "
            f"{garbled.example!r}{meant}; export the file as UTF-8, {setting}or set "
            f"{self.setting}: category if the names are right"
        )
        if garbled.share > _GARBLED:
            return replace(found, problem=message)
        return replace(found, note=found.note or message)

    def _category(self, evidence: str) -> ColumnFormat:
        return self._format("category", "text", evidence, or_null(tidy(self.name), NO_CATEGORY))

    def _date(self) -> tuple[ColumnFormat, bool]:
        """How the dates are read, and whether a file is read like the others."""
        if _DATES.match(self.type):
            zone = " at time zone 'UTC'" if "TIME ZONE" in self.type.upper() else ""
            sql = f"try_cast({self.name}{zone} as date)"
            found = self._format("date", self.type.lower(), "type of the column", sql)
            return self._stats(found), False
        decision = self._date_decision()
        n_values = decision.n_rows_understood + decision.n_rows_lost
        is_mixed = decision.n_rows_mixed > self.most_lost * n_values
        if (decision.ruling and decision.ruling.conflict) or is_mixed:
            by_file = {file: self._date_decision(file) for file in self._files()}
            if all(_is_decided(one, self.most_lost) for one in by_file.values()):
                parts = {
                    file: (str(one.format), self._date_sql(one)) for file, one in by_file.items()
                }
                ruling = decision.ruling
                examples = (ruling.conflict if ruling else None) or decision.mixed
                listed = " and ".join(in_file(*value) for value in examples)
                return self._stats(self._by_file("date", parts, listed)), False
        found = self._stats(
            self._format("date", str(decision.format), decision.evidence, self._date_sql(decision))
        )
        ruling = decision.ruling
        if problem := self._undecided_date(decision, is_mixed=is_mixed):
            return replace(found, problem=problem), False
        if ruling is None or not ruling.followers:
            return found, False
        n_rows, money = self._in_files(ruling.followers, "sum(_n_rows)::bigint, sum(_money)")
        sales = f", {money:,.2f} of the sales" if money else ""
        return replace(found, note=f"{ruling.note}: {n_rows:,} row(s){sales}"), True

    def _date_decision(self, file: str | None = None) -> DateDecision:
        """The date format of all files, or of one."""
        only = None
        if self.given.date == "excel":
            only = DateFormat("excel")
        elif self.given.date:
            only = DateFormat(strptime=self.given.date)
        values = _VALUES if file is None else f"{_VALUES} where _file = {sql_literal(file)}"
        row = self.connection.sql(decisions_sql(values, self.today, only)).pl().row(0, named=True)
        has_order = row.get("n_rows_1") or row.get("n_rows_2")
        votes = (
            self.connection.execute(votes_sql(values, self.today)).fetchall() if has_order else []
        )
        return decide_date_format(row, [Votes(*vote) for vote in votes], only)

    def _date_sql(self, decision: DateDecision) -> str:
        return decision.format.sql(self.name, self.today if decision.needs_limit else None)

    def _undecided_date(self, decision: DateDecision, *, is_mixed: bool) -> str:
        """Why the format of the dates is not decided; empty if it is."""
        ruling = decision.ruling
        if ruling is not None and ruling.conflict:
            first, second = ruling.conflict
            return (
                f"{self._shown()} has dates with the day first, such as {in_file(*first)}, and "
                f"with the month first, such as {in_file(*second)}; days up to 12 can be either. "
                f"Export all dates in one order, or set {self.setting} to ignore if the dates do "
                "not matter"
            )
        if ruling is not None and ruling.is_open:
            return (
                f"{self._shown()} has dates such as {ruling.doubtful!r}, which can be "
                f"day-month-year or month-day-year, and {ruling.reason}; set {self.setting} to "
                f"{_as_strptime(ruling.doubtful, day_first=True)!r} or "
                f"{_as_strptime(ruling.doubtful, day_first=False)!r}"
            )
        if is_mixed:
            listed = " and ".join(in_file(*value) for value in decision.mixed)
            return (
                f"{self._shown()} has dates in several formats, such as {listed}; export all dates "
                f"in one, or set {self.setting} to ignore if the dates do not matter"
            )
        return ""

    def _files(self) -> list[str]:
        """Files with values, where the input has several."""
        found = self.connection.execute("select distinct _file from _intake_values order by 1")
        return [file for (file,) in found.fetchall()]

    def _in_files(self, files: Sequence[str], chosen: str) -> tuple[Any, ...]:
        """One row over the values of some files."""
        listed = ", ".join(map(sql_literal, files))
        found = self.connection.execute(
            f"select {chosen} from _intake_values where _file in ({listed})"
        )
        return tuple(found.fetchall()[0])

    def _by_file(
        self, read_as: ReadAs, parts: Mapping[str, tuple[str, str]], examples: str
    ) -> ColumnFormat:
        """A column that every file writes in a format of its own, which its values prove."""
        files: dict[tuple[str, str], list[str]] = {}
        for file, part in parts.items():
            files.setdefault(part, []).append(file)
        column = f"{sql_name(self.plan.file_column)}::varchar"
        cases = " ".join(
            f"when {column} in ({', '.join(map(sql_literal, names))}) then {sql}"
            for (_, sql), names in files.items()
        )
        texts = sorted({text for text, _ in files})
        found = self._format(
            read_as, f"by file: {'; '.join(texts)}", "the values of each file", f"case {cases} end"
        )
        note = f"files have different formats, such as {examples}; each is read in its own"
        return replace(found, note=note)

    def _number(self, sql_type: str) -> _Decided:
        if _NUMBERS.match(self.type):
            if sql_type == MONEY_TYPE and re.match(r"(?i)(float|double|real)", self.type):
                sql = f"try_cast(if(isfinite({self.name}), {self.name}, null) as {sql_type})"
            else:
                sql = f"try_cast({self.name} as {sql_type})"
            found = self._format("number", self.type.lower(), "type of the column", sql)
            return _Decided(self._stats(found))
        shapes = self._shapes()
        of_cells = self._shapes(of_cells=True) if self.column in self.plan.with_cells else []
        decision = self._number_decision(shapes)
        by_file = self._number_by_file(shapes, decision, sql_type)
        if by_file is not None:
            found = self._stats(by_file)
        else:
            sql = self._number_sql(decision.format, sql_type)
            written = str(decision.format)
            found = self._stats(self._format("number", written, decision.evidence, sql))
        readable = [shape for shape in shapes if shape not in decision.not_understood] + of_cells
        percentage = next((s.example for s in (*shapes, *of_cells) if "%" in s.example), "")
        currencies = several_currencies(readable)
        if percentage and sql_type == MONEY_TYPE:
            found = replace(
                found,
                problem=f"{self._shown()} has percentages such as {percentage!r}, which are no "
                f"amounts; name the column with the amounts in columns.{self.plan.name}",
            )
        elif currencies and not self.given.currency:
            listed = " and ".join(repr(shape.example) for shape in currencies[:_MOST_EXAMPLES])
            found = replace(
                found,
                problem=f"{self._shown()} has several currencies, such as {listed}; convert all "
                f"values to one, or set {self.setting} to {{currency: mixed}} if the signs do not "
                "matter",
            )
        elif by_file is None and decision.ruling is not None:
            problem, note = self._undecided(decision.ruling), ""
            if decision.ruling.followers:
                problem, note = self._followers(decision, sql_type)
            found = replace(found, problem=problem, note=note)
        remedy = self._remedy(found, decision)
        # coordinates are often copied from elsewhere and prove nothing about other columns
        speaks_for_others = by_file is None and math.isinf(self._largest())
        return _Decided(replace(found, remedy=remedy), decision if speaks_for_others else None)

    def _number_decision(self, shapes: Sequence[Shape]) -> NumberDecision:
        return decide_number_format(
            shapes,
            decimal=self.given.decimal,
            thousands=self.given.thousands,
            like=self.like,
            are_amounts=self.column == "sales_amount" and self.role == "money",
            largest=self._largest(),
        )

    def _largest(self) -> float:
        """The largest value that the column can have: coordinates are degrees."""
        if self.role != "external":
            return math.inf
        name = normalized(self.column)
        return next((top for top, names in _COORDINATES.items() if names.fullmatch(name)), math.inf)

    def _number_sql(self, number_format: NumberFormat, sql_type: str) -> str:
        sql = number_format.sql(self.name, sql_type)
        if self.column in self.plan.with_cells:
            of_a_cell = NumberFormat().sql(self.name, sql_type)
            starts = f"starts_with({self.name}, {sql_literal(OF_A_CELL)})"
            sql = f"(case when {starts} then {of_a_cell} else {sql} end)"
        return f"(case when isfinite({sql}) then {sql} end)" if sql_type == MEASURE_TYPE else sql

    def _number_by_file(
        self, shapes: Sequence[Shape], decision: NumberDecision, sql_type: str
    ) -> ColumnFormat | None:
        """The column read file by file, where files differ and each one proves its own format."""
        if decision.ruling is None or not decision.ruling.conflict or not self.plan.file_column:
            return None
        by_file: dict[str, list[Shape]] = {}
        for shape in shapes:
            for file, n_rows, example in shape.by_file:
                part = Shape(example, n_rows, by_file=((file, n_rows, example),))
                by_file.setdefault(file, []).append(part)
        decisions = {file: self._number_decision(parts) for file, parts in by_file.items()}
        if any(one.ruling and self._undecided(one.ruling) for one in decisions.values()):
            return None
        parts = {
            file: (str(one.format), self._number_sql(one.format, sql_type))
            for file, one in decisions.items()
        }
        listed = " and ".join(in_file(*value) for value in decision.ruling.conflict)
        return self._by_file("number", parts, listed)

    def _followers(self, decision: NumberDecision, sql_type: str) -> tuple[str, str]:
        """Files in which no value decides: a problem if the other reading differs much, or a note.

        The mark of such a file can be another one than in the other files.
        """
        assert decision.ruling is not None  # noqa: S101 (it names the files)
        files = decision.ruling.followers
        lenient = replace(decision.format, unsure="")
        here = self._number_sql(lenient, sql_type)
        there = self._number_sql(lenient.other_reading(), sql_type)
        n_rows, ours, other = self._in_files(
            files,
            "sum(_n_rows)::bigint, "
            f"coalesce(sum(_n_rows * abs({here})), 0)::double, "
            f"coalesce(sum(_n_rows * abs({there})), 0)::double",
        )
        ((whole,),) = self.connection.execute(
            f"select coalesce(sum(_n_rows * abs({here})), 0)::double from _intake_values"
        ).fetchall()
        share = n_rows / max(self.plan.n_rows, 1)
        if self.role == "money":
            share = abs(ours - other) / max(whole - ours + max(ours, other), 1e-9)
        sums = f"{n_rows:,} row(s) that add up to {ours:,.2f}, or to {other:,.2f} in the other way"
        if share <= self.most_lost:
            return "", f"{decision.ruling.note}: {sums}"
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        mark = decision.format.decimal
        (example,) = self._in_files(
            files[:1], f"max(_value) filter ({here} is distinct from {there})"
        )
        return (
            f"{self._shown()} has numbers such as {example!r} in {files[0]}{more}, in which the "
            "mark can be the decimal or the thousands mark, and no value of the file decides: "
            f'{sums}. Set {self.setting} to {{decimal: "{mark}"}} if they are written as in the '
            f"other files, where values such as {decision.ruling.example} decide, or export the "
            "file in the format of the others",
            "",
        )

    def _remedy(self, found: ColumnFormat, decision: NumberDecision) -> str:
        """What helps with the numbers that are not understood."""
        if not found.examples:
            return ""
        example, mark = found.examples[0], decision.format.decimal
        if unsure := decision.format.unsure:
            loose = replace(decision.format, unsure="")
            if loose.understands(example):
                others = "all other amounts have two decimals"
                if unsure == mark:
                    others = "hardly any other amount has three decimals, and many have fewer"
                return (
                    f"{others}, so the value may be a thousand times as "
                    f'large; correct it, or set {self.setting} to {{decimal: "{mark}"}} to read '
                    f"it as {loose.digits(example)}"
                )
        other = next(
            (
                NumberFormat(*marks)
                for marks in CANDIDATES
                if all(NumberFormat(*marks).understands(text) for text in found.examples)
            ),
            None,
        )
        if other is None:
            if any(not char.isascii() and char.isdecimal() for char in example):
                return "export all numbers with the digits 0 to 9"
            return "correct the values in the export"
        return (
            f"these have {other}, and the others {decision.format}; "
            "export all numbers in one format"
        )

    def _undecided(self, ruling: Ruling) -> str:
        """Why the decimal mark is not decided; empty if it is."""
        if ruling.conflict:
            point, comma = ruling.conflict
            either = f"; {ruling.doubtful!r} can be either" if ruling.doubtful else ""
            return (
                f"{self._shown()} has numbers with a decimal point, such as {in_file(*point)}, and "
                f"with a decimal comma, such as {in_file(*comma)}{either}. Export all numbers in "
                f'one format, or set {self.setting} to {{decimal: "."}} or {{decimal: ","}} to '
                "reject the others"
            )
        if ruling.is_open:
            return (
                f"{self._shown()} has numbers such as {ruling.doubtful!r}, in which the mark can "
                f"be the decimal or the thousands mark, and {ruling.reason}; set {self.setting} to "
                '{decimal: "."} or {decimal: ","}'
            )
        return ""

    def _several_currencies(self) -> str:
        """Why the amounts of the sales do not add up; empty if they do."""
        if self.plan.name != "sales":
            return ""
        is_named = _NAMES_OF_CURRENCIES.fullmatch(normalized(self.column)) is not None
        if not is_named and not _is_currency(self.some_text or ""):
            return ""
        distinct = self.plan.grouped(
            self.connection,
            f"select distinct {tidy(self.name)} as name from {self.plan.relation} where name <> ''",
            {},
        )
        names = [
            name
            for (name,) in self.connection.execute(
                f"select name from {distinct} order by name"
            ).fetchall()
        ]
        if len(names) < 2 or not (is_named or _are_currencies(names)):  # noqa: PLR2004
            return ""
        shown = " and ".join(map(repr, names[:_MOST_EXAMPLES]))
        return (
            f"{self._shown()} names several currencies, such as {shown}; convert all amounts to"
            f" one, or set {self.setting}: ignore if they are in the same"
        )

    def _shapes(self, *, of_cells: bool = False) -> list[Shape]:
        """The texts of the column by shape, or the numbers of the cells of a workbook."""
        values = _VALUES
        if self.column in self.plan.with_cells:
            has_mark = f"starts_with(_value, {sql_literal(OF_A_CELL)})"
            values += f" where {'' if of_cells else 'not '}coalesce({has_mark}, false)"
        return [
            Shape(text, n_rows, money, tuple(by_file))
            for text, n_rows, money, by_file in self.connection.execute(
                shapes_sql(values)
            ).fetchall()
        ]

    def _external(self) -> _Decided:
        if _DATES.match(self.type):
            return _Decided(self._stats(self._no_feature("dates")))
        if self.type.upper() == "BOOLEAN":
            return _Decided(self._stats(self._category("type of the column")))
        number = self._number(MEASURE_TYPE)
        found = number.format
        n_values = found.n_rows - found.n_missing
        is_number = n_values and found.n_not_understood <= (1 - _NUMERIC_SHARE) * n_values
        is_set = self.given.read_as == "number" or self.given.decimal is not None
        if is_set and found.n_not_understood > _FEWEST_NUMBERS * n_values:
            lost = f"{100 * found.n_not_understood / n_values:.0f} % of the values"
            problem = (
                f"{self.setting} says that {self._shown()} has numbers, and {lost} are none, such "
                f"as {found.examples[0]!r}; remove the setting, or set it to category"
            )
            return replace(number, format=replace(found, problem=problem))
        if is_set or is_number:
            note = found.note or self._missing_note(found) or self._code_note(found)
            return replace(number, format=replace(found, note=note))
        return _Decided(self._date_or_text(n_values))

    def _date_or_text(self, n_values: int) -> ColumnFormat:
        """A column of an external input that has no numbers."""
        date, _ = self._date()
        if n_values and date.n_not_understood == 0 and date.format != "Excel serial number":
            return replace(self._no_feature("dates"), n_distinct=date.n_distinct)
        category = self._stats(self._category("fewer than nine in ten values are numbers"))
        n_named = category.n_rows - category.n_missing
        if category.n_distinct == n_named >= _FEWEST_FOR_IDENTIFIER and not self._unit(n_named):
            return replace(
                category,
                read_as="identifier",
                evidence="every row has another text",
                note="dropped: a text that differs for every store cannot describe a group",
            )
        if unit := self._unit(n_named):
            note = f"numbers with the unit {unit!r} are texts here; export them without the unit"
            return replace(category, note=note)
        return self._with_garbled_names(category)

    def _unit(self, n_named: int) -> str:
        """The unit behind the numbers of a text column, such as `km`; empty if there is none."""
        unit, n_rows = self.connection.execute(
            f"""
            select unit, sum(_n_rows) as n_rows
            from (
                select _n_rows, regexp_extract({tidy("_value")}, {_WITH_UNIT}, 1) as unit
                from _intake_values
            )
            where unit <> ''
            group by unit
            order by n_rows desc, unit
            limit 1
            """
        ).fetchone() or ("", 0)
        return str(unit) if n_rows >= _NUMERIC_SHARE * n_named else ""

    def _no_feature(self, what: str) -> ColumnFormat:
        found = self._format("identifier", what, "", or_null(tidy(self.name), NO_CATEGORY))
        return replace(found, note=f"dropped: a column of {what} is no feature")

    def _missing_note(self, found: ColumnFormat) -> str:
        """Which number seems to stand for a missing value; empty if none does."""
        values = self.connection.execute(
            "select number, sum(_n_rows)::bigint "
            f"from (select {found.sql} as number, _n_rows from _intake_values) "
            "where number < 0 group by number limit 2"
        ).fetchall()
        if len(values) != 1 or values[0][0] not in _STAND_FOR_NOTHING:
            return ""
        return (
            f"{values[0][1]:,} row(s) are {values[0][0]:g} and no other value is negative; if it "
            "stands for a missing value, leave the cells empty"
        )

    def _code_note(self, found: ColumnFormat) -> str:
        if self.given.read_as or self.given.decimal:
            return ""
        ((is_whole, has_zeros),) = self.connection.execute(
            f"select bool_and({found.sql} = round({found.sql})), "
            "bool_or(regexp_full_match(trim(_value), '0\\d+')) from _intake_values"
        ).fetchall()
        if not is_whole:
            return ""
        few = 2 < found.n_distinct <= _MOST_LEVELS_OF_A_CODE  # noqa: PLR2004
        if (
            has_zeros
            or (few and found.n_rows > 2 * found.n_distinct)
            or _NAMES_OF_CODES.search(self.column)
        ):
            return (
                f"whole numbers that may be codes ({found.n_distinct} different ones); if they "
                f"are, set {self.setting}: category"
            )
        return ""

    def _shown(self) -> str:
        source = self.plan.sources[self.column]
        return f"{self.plan.name}.{self.column}" + (
            f" ({source})" if normalized(source) != normalized(self.column) else ""
        )


def _is_currency(text: str) -> bool:
    """Whether a text is a sign or a code of a currency, in any case."""
    return is_currency(text) or is_currency(text.upper())


def _are_currencies(texts: Sequence[str]) -> bool:
    """Whether all of some texts are signs or codes of currencies, and not all of one currency."""
    if not all(map(_is_currency, texts)):
        return False
    written = [text if is_currency(text) else text.upper() for text in texts]
    return bool(several_currencies([Shape(text, 1) for text in written]))


def _is_decided(decision: DateDecision, most_lost: float) -> bool:
    """Whether the dates of one file prove their format."""
    ruling = decision.ruling
    n_values = decision.n_rows_understood + decision.n_rows_lost
    is_open = ruling is not None and (ruling.is_open or ruling.conflict is not None)
    return not is_open and decision.n_rows_mixed <= most_lost * n_values


def _as_strptime(example: str, *, day_first: bool) -> str:
    """The `strptime` format of a numeric date."""
    marks = re.findall(r"\d+(\D+)\d+(\D+)\d{4}", example)
    first, second = marks[0] if marks else ("/", "/")
    parts = ("%d", "%m") if day_first else ("%m", "%d")
    time = ""
    if found := re.search(r"\d{4}([T ]+)\d{1,2}:\d{2}(:\d{2})?$", example):
        time = f"{found[1]}%H:%M{':%S' if found[2] else ''}"
    return f"{parts[0]}{first}{parts[1]}{second}%Y{time}"
