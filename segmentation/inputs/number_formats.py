"""The number format of a text column, decided over all of its values.

Values are grouped by shape (every digit replaced by 9), so that a column of millions of values has
a few dozen cases to judge. Each candidate format either understands a shape or does not. A format
is decided when a value proves it, such as `1.234,50` or `12,5`. `1,234` alone proves nothing: it is
one thousand or one point two. Such a column is ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from segmentation.inputs.sql_text import NOTHING, or_null, tidy
from segmentation.warehouse.database import sql_literal

Decimal = Literal[".", ","]
Thousands = Literal["", ".", ",", "'", " "]

_SIGNS: Final = "[€$£¥₹₽₺₩₪฿₫₴₦₱]|R\\$|zł|kr|Kč|Ft|CHF|Fr|lei"
_CODES: Final = (
    "AED|ARS|AUD|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KRW|MXN|MYR"
    "|NOK|NZD|PHP|PLN|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR"
)
_CURRENCY: Final = f"(?:{_SIGNS}|{_CODES})"
_BLANK: Final = "[ \u00a0\u2009\u202f]"
_MINUS: Final = "[-\u2212\u2013]"
_NEGATIVE: Final = rf"^\(|^[^\d.,]*{_MINUS}|{_MINUS}$"
_MARKS: Final = {
    ".": r"\.",
    ",": ",",
    "'": "['\u2019]",
    " ": _BLANK,
}
_MARK_NAMES: Final = {".": "point", ",": "comma", "'": "apostrophe", " ": "blank"}
#: Candidate pairs of decimal mark and thousands mark; earlier ones are preferred among equals.
CANDIDATES: Final[tuple[tuple[Decimal, Thousands], ...]] = (
    (".", ""),
    (",", ""),
    (".", ","),
    (",", "."),
    (".", "'"),
    (",", "'"),
    (".", " "),
    (",", " "),
)
_PLAIN: Final = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
#: What a cast takes for a number although it is none here.
_CASTS_ALL_THE_SAME: Final = re.compile(r"(?i)[\d_.+-]*(?:e[+-]?[\d_]+)?|[+-]?(?:inf|infinity|nan)")


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    `thousands` is empty where no value has a thousands mark. `is_plain` is true when every value
    is written as SQL writes numbers, so that a cast is enough.
    """

    decimal: Decimal = "."
    thousands: Thousands = ""
    is_plain: bool = False

    def understands(self, text: str) -> bool:
        """Whether a tidy text is a number in this format."""
        return re.fullmatch(self._pattern(), text) is not None

    def digits(self, text: str) -> str:
        """The digits of a text that the format understands, with a point as the decimal mark."""
        kept = (c for c in text if c.isdigit() or c == self.decimal)
        return "".join(kept).replace(self.decimal, ".")

    def sql(self, column: str, sql_type: str) -> str:
        """SQL that gives the number of a text column, null for what is not understood.

        Parameters
        ----------
        column
            SQL of the text.
        sql_type
            A DECIMAL type, or DOUBLE.
        """
        if self.is_plain:
            return f"try_cast({tidy(column)} as {sql_type})"
        text = tidy(column)
        digits = f"regexp_extract({text}, {sql_literal(self._digits())})"
        if self.thousands:
            digits = f"regexp_replace({digits}, {sql_literal(_MARKS[self.thousands])}, '', 'g')"
        if self.decimal == ",":
            digits = f"replace({digits}, ',', '.')"
        is_negative = f"regexp_matches({text}, {sql_literal(_NEGATIVE)})"
        number = f"try_cast({digits} as {sql_type})"
        signed = f"{number} * if({is_negative}, -1, 1) * if(contains({text}, '%'), 0.01, 1)"
        matches = f"regexp_full_match({text}, {sql_literal(self._pattern())})"
        return f"case when {matches} then ({signed})::{sql_type} end"

    def __str__(self) -> str:
        """The marks, as people name them."""
        parts = [f"decimal {_MARK_NAMES[self.decimal]}"]
        if self.thousands:
            parts.append(f"thousands {_MARK_NAMES[self.thousands]}")
        return ", ".join(parts)

    def _body(self) -> str:
        mark = _MARKS[self.decimal]
        whole = r"\d+"
        if self.thousands:
            group = _MARKS[self.thousands]
            # the second form is the Indian one: 12,34,567
            whole = (
                rf"(?:[1-9]\d{{0,2}}(?:{group}\d{{3}})+|[1-9]\d?(?:{group}\d\d)+{group}\d{{3}}|\d+)"
            )
        return rf"(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?"

    def _digits(self) -> str:
        mark = _MARKS[self.decimal]
        marks = mark + ("|" + _MARKS[self.thousands] if self.thousands else "")
        return rf"(?:{mark})?\d(?:(?:\d|{marks})*\d)?(?:[eE][+-]?\d+)?"

    def _pattern(self) -> str:
        body, money = self._body(), rf"(?:{_CURRENCY}{_BLANK}*)?"
        after = rf"(?:{_BLANK}*(?:%|{_CURRENCY}))?"
        return (
            rf"(?:[+]|{_MINUS})?{_BLANK}*{money}(?:[+]|{_MINUS})?{body}{after}"
            rf"|{money}{body}{after}{_BLANK}*{_MINUS}"
            rf"|\({_BLANK}*{money}{body}{after}{_BLANK}*\)"
        )


@dataclass(frozen=True)
class Shape:
    """Values with the same pattern.

    `example` is one of them, `n_rows` the number of rows and `money` the sales that have one.
    """

    example: str
    n_rows: int
    money: float | None = None


@dataclass(frozen=True)
class NumberDecision:
    """The format of a column, why, and what it does not understand.

    `alternatives` has the formats that no value decides between; it is empty when the format is
    decided.
    """

    format: NumberFormat
    evidence: str
    not_understood: tuple[Shape, ...]
    alternatives: tuple[NumberFormat, ...] = ()


def shapes_sql(values: str, money: str = "null") -> str:
    """SQL that groups the values of a text column by shape.

    Parameters
    ----------
    values
        Query with a column `value` (text), `n_rows` and `money`, one row per different value.
    money
        SQL of the money of a group, from the columns of `values`.

    Returns
    -------
    str
        Query with `example`, `n_rows` and `money`; blank values and words for nothing are left
        out.
    """
    return f"""
        select
            min(text) as example,
            sum(n_rows)::bigint as n_rows,
            {money} as money
        from (
            select {or_null(tidy("value"), NOTHING)} as text, n_rows, money
            from ({values})
        )
        where text is not null
        group by
            translate(text, '0123456789', '9999999999'),
            regexp_matches(text, '(^|[^\\d.,])0[.,]')
        order by n_rows desc, example
    """


def decide_number_format(
    shapes: Sequence[Shape],
    *,
    decimal: Decimal | None = None,
    thousands: Thousands | None = None,
    like: NumberFormat | None = None,
) -> NumberDecision:
    """Decide the number format of a column.

    Parameters
    ----------
    shapes
        All values of the column by shape.
    decimal, thousands
        Marks that the user has set; they are not questioned.
    like
        The format that values of another column of the same file prove. It decides between
        formats that understand this column equally well.

    Returns
    -------
    NumberDecision
        The format that understands the most rows. With `alternatives`, others understand as many
        rows and give other numbers.
    """
    candidates = [
        NumberFormat(mark, group)
        for mark, group in CANDIDATES
        if (decimal is None or mark == decimal)
        and (thousands is None or group == thousands or not group)
    ]
    if decimal and thousands and decimal != thousands:
        candidates = [NumberFormat(decimal, thousands)]
    n_rows = {
        candidate: sum(shape.n_rows for shape in shapes if candidate.understands(shape.example))
        for candidate in candidates
    }
    most = max(n_rows.values(), default=0)
    best = [candidate for candidate in candidates if n_rows[candidate] == most]
    chosen = best[0] if best else NumberFormat()
    rivals = [chosen, *(other for other in best[1:] if _differ(chosen, other, shapes))]
    is_set = bool(decimal)
    evidence = "set by formats" if is_set else _proof(chosen, candidates, shapes)
    if len(rivals) > 1 and like is not None:
        same = [rival for rival in rivals if rival.decimal == like.decimal]
        if len(same) == 1:
            chosen, rivals, evidence = same[0], same, "as in other columns of the input"
    left_over = tuple(shape for shape in shapes if not chosen.understands(shape.example))
    is_plain = (
        (chosen.decimal, chosen.thousands) == (".", "")
        and all(_PLAIN.fullmatch(shape.example) for shape in shapes if shape not in left_over)
        and not any(_CASTS_ALL_THE_SAME.fullmatch(shape.example) for shape in left_over)
    )
    final = NumberFormat(chosen.decimal, chosen.thousands, is_plain)
    return NumberDecision(final, evidence, left_over, tuple(rivals) if len(rivals) > 1 else ())


def _differ(one: NumberFormat, other: NumberFormat, shapes: Sequence[Shape]) -> bool:
    """Whether two formats read a value that both understand as different numbers."""
    return any(
        one.understands(shape.example)
        and other.understands(shape.example)
        and _canonical(one, shape.example) != _canonical(other, shape.example)
        for shape in shapes
    )


def _canonical(number_format: NumberFormat, text: str) -> str:
    """The digits of a text, the same for `1.50` and `1.5`."""
    whole, _, part = number_format.digits(text).partition(".")
    return f"{whole}.{part}".rstrip("0").rstrip(".")


def _proof(
    chosen: NumberFormat, candidates: Sequence[NumberFormat], shapes: Sequence[Shape]
) -> str:
    """A value that the chosen format understands and its rivals with the other mark do not."""
    others = [other for other in candidates if other.decimal != chosen.decimal]
    proofs = [
        shape
        for shape in shapes
        if chosen.understands(shape.example)
        and not any(other.understands(shape.example) for other in others)
    ]
    if proofs:
        n_rows = sum(shape.n_rows for shape in proofs)
        return f"{n_rows:,} rows such as {proofs[0].example}"
    return "every format gives the same values"
