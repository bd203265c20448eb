"""The number format of a text column, decided over all of its values.

Values are grouped by shape (every digit replaced by 9), so that a column of millions of values has
a few dozen cases to judge. Each candidate format either understands a shape or does not. Values
such as `1.234,50` or `12,5` prove a format, and `1,234` proves nothing: it is one thousand or one
point two. The module `evidence` says how many proofs it takes.

Patterns say `[0-9]` for a digit, as Python's own class of digits has those of other scripts too,
and DuckDB's has not.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from segmentation.inputs.evidence import Ruling, Votes, has_enough, rule
from segmentation.inputs.sql_text import (
    NOTHING,
    SET_BY_FORMATS,
    SOFT_HYPHEN,
    or_null,
    tidy,
)
from segmentation.warehouse.database import sql_literal

Decimal = Literal[".", ","]
Thousands = Literal["", ".", ",", "'", " "]

_SIGNS: Final = "[€$£¥₹₽₺₩₪฿₫₴₦₱円元]|(?:R|A|C|S|US|NZ|HK)\\$|zł|kr\\.?|Kč|Ft|CHF|Fr\\.?|lei|Rs\\.?"
_CODES: Final = (
    "AED|ARS|AUD|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KRW|MXN|MYR"
    "|LKR|NOK|NZD|PHP|PKR|PLN|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR"
)
_CURRENCY: Final = f"(?:{_SIGNS}|{_CODES})"
#: Codes that a sign can stand for.
_CODES_OF_SIGNS: Final[Mapping[str, frozenset[str]]] = {
    sign: frozenset(codes.split())
    for sign, codes in {
        "€": "EUR",
        "$": "USD ARS AUD CAD CLP COP HKD MXN NZD SGD TWD",
        "£": "GBP",
        "¥": "JPY CNY",
        "kr": "DKK NOK SEK",
        "円": "JPY",
        "元": "CNY",
        "R$": "BRL",
        "A$": "AUD",
        "C$": "CAD",
        "S$": "SGD",
        "US$": "USD",
        "NZ$": "NZD",
        "HK$": "HKD",
        "Rs": "INR LKR PKR",
        "zł": "PLN",
        "Kč": "CZK",
        "Ft": "HUF",
        "Fr": "CHF",
        "lei": "RON",
        "₹": "INR",
        "₽": "RUB",
        "₺": "TRY",
        "₩": "KRW",
        "₪": "ILS",
        "฿": "THB",
        "₫": "VND",
        "₴": "UAH",
        "₱": "PHP",
    }.items()
}
_BLANK: Final = "[ \u00a0\u2009\u202f]"
_MONEY: Final = rf"(?:{_CURRENCY}{_BLANK}*)?"
_AFTER: Final = rf"(?:{_BLANK}*(?:%|{_CURRENCY}))?"
#: Currencies in which nobody writes three decimals.
_WITHOUT_CENTS: Final = re.compile("[¥円元₩₫]|JPY|KRW|VND")
_THOUSAND: Final = 3
#: Hyphens (soft and non-breaking ones too), dashes and minus signs, all of which export a minus.
_HYPHENS: Final = "\\-\u00ad\u2010-\u2014\u2212\ufe63\uff0d"
_MINUS: Final = f"[{_HYPHENS}]"
#: What may stand before the digits: signs, a currency, an abbreviation with its point.
_BEFORE: Final = r"^(?:[^0-9]*[A-Za-z]\.)?[^0-9.,]*"
#: A minus before the digits, behind them or behind the currency; `13,-` is 13 without cents.
_NEGATIVE: Final = (
    rf"\(|{_BEFORE}{_MINUS}|[0-9]{_BLANK}*{_MINUS}|(?:[^0-9.,{_HYPHENS}]|[A-Za-z]\.){_MINUS}$"
    r"|[Cc][Rr]$"
)
#: Zero in accounting: `$ -`.
_DASH: Final = re.compile(rf"{_MONEY}{_MINUS}{{1,2}}(?:{_BLANK}*{_CURRENCY})?")
#: What stands before and after the mark of a number with one mark and three digits after it.
_EITHER: Final = (rf"{_BEFORE}[1-9][0-9]{{0,2}}[", r"][0-9]{3}(?:[^0-9.,].*)?$")
_CENTS: Final = 2
#: Share of the amounts that have cents where all have them but for typing errors.
_NEARLY_ALL: Final = 0.99
_MARKS: Final = {
    ".": r"\.",
    ",": ",",
    "'": "['\u2019]",
    " ": _BLANK,
}
_MARK_NAMES: Final = {".": "point", ",": "comma", "'": "apostrophe", " ": "blank"}
#: The two readings of `1.234`.
_DECIMALS: Final[tuple[Decimal, Decimal]] = (".", ",")
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
_PLAIN: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
#: What a cast takes for a number although it is none here.
_CASTS_ALL_THE_SAME: Final = re.compile(
    r"(?i)[0-9_.+-]*(?:e[+-]?[0-9_]+)?|[+-]?(?:inf|infinity|nan)"
)


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    `thousands` is empty where no value has a thousands mark. `is_plain` is true when every value
    is written as SQL writes numbers, so that a cast is enough. `has_dashes` is true for a column
    of accounting, in which a dash is zero. `unsure` has the marks that are neither a decimal nor a
    thousands mark before three digits: among amounts that have at most two decimals, `1.513` is
    neither 1.513 nor 1513.
    """

    decimal: Decimal = "."
    thousands: Thousands = ""
    is_plain: bool = False
    has_dashes: bool = False
    unsure: str = ""

    def understands(self, text: str) -> bool:
        """Whether a tidy text is a number in this format."""
        if _DASH.fullmatch(text):
            return True
        if re.fullmatch(self._pattern(), text) is None:
            return False
        if self.unsure and re.search(self.unsure.join(_EITHER), text):
            return False
        decimals = self.digits(text).partition(".")[2]
        # 1,200 yen are never 1.2 yen
        return len(decimals) != _THOUSAND or not _WITHOUT_CENTS.search(text)

    def digits(self, text: str) -> str:
        """The digits of a text that the format understands, with a point as the decimal mark."""
        found = re.search(f"{_BEFORE}({self._digits()})", text)
        if found is None:
            return "0"
        marks = self.thousands and _MARKS[self.thousands]
        number = re.sub(marks, "", found[1]) if marks else found[1]
        return number.replace(self.decimal, ".")

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
        text = tidy(column, keep=SOFT_HYPHEN)
        digits = f"regexp_extract({text}, {sql_literal(f'{_BEFORE}({self._digits()})')}, 1)"
        if self.thousands:
            digits = f"regexp_replace({digits}, {sql_literal(_MARKS[self.thousands])}, '', 'g')"
        if self.decimal == ",":
            digits = f"replace({digits}, ',', '.')"
        is_negative = f"regexp_matches({text}, {sql_literal(_NEGATIVE)})"
        number = f"try_cast({digits} as {sql_type})"
        signed = f"{number} * if({is_negative}, -1, 1) * if(contains({text}, '%'), 0.01, 1)"
        matches = f"regexp_full_match({text}, {sql_literal(self._pattern())})"
        cases = ""
        if self.has_dashes:
            cases += f"when regexp_full_match({text}, {sql_literal(_DASH.pattern)}) then 0 "
        if self.unsure:
            either = sql_literal(self.unsure.join(_EITHER))
            cases += f"when regexp_matches({text}, {either}) then null "
        return f"case {cases}when {matches} then ({signed})::{sql_type} end"

    def other_reading(self) -> NumberFormat:
        """The format in which the decimal mark is the thousands mark."""
        return NumberFormat({".": ",", ",": "."}[self.decimal], self.decimal)  # type: ignore[arg-type]

    def __str__(self) -> str:
        """The marks, as people name them."""
        parts = [f"decimal {_MARK_NAMES[self.decimal]}"]
        if self.thousands:
            parts.append(f"thousands {_MARK_NAMES[self.thousands]}")
        return ", ".join(parts)

    def _whole(self) -> str:
        if not self.thousands:
            return r"[0-9]+"
        group = _MARKS[self.thousands]
        western = rf"[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+"
        indian = rf"[1-9][0-9]?(?:{group}[0-9]{{2}})+{group}[0-9]{{3}}"  # 12,34,567
        return f"(?:{western}|{indian}|[0-9]+)"

    def _digits(self) -> str:
        mark = _MARKS[self.decimal]
        marks = mark + ("|" + _MARKS[self.thousands] if self.thousands else "")
        return rf"(?:{mark})?[0-9](?:(?:[0-9]|{marks})*[0-9])?(?:[eE][+-]?[0-9]+)?"

    def _pattern(self) -> str:
        mark, whole = _MARKS[self.decimal], self._whole()
        exact = rf"(?:{whole}(?:{mark}[0-9]+)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?"
        body = rf"(?:{exact}|{whole}{mark}{_MINUS}{{0,2}})"
        sign = rf"(?:[+]|{_MINUS})?"
        return (
            rf"(?:{sign}{_BLANK}*{_MONEY}|{_MONEY}{sign}{_BLANK}*){body}{_AFTER}"
            rf"|{_MONEY}(?:{exact})(?:{_AFTER}{_BLANK}*{_MINUS}|{_MINUS}{_AFTER})"
            rf"|{_MONEY}(?:{exact}){_AFTER}{_BLANK}*(?:[Cc][Rr]|[Dd][Rr])"
            rf"|{_MONEY}\({_BLANK}*{_MONEY}{body}{_AFTER}{_BLANK}*\){_AFTER}"
        )


@dataclass(frozen=True)
class Shape:
    """Values with the same pattern.

    `example` is one of them, `n_rows` the number of rows and `money` the sales that have one.
    `by_file` has the file, the rows and an example for each file.
    """

    example: str
    n_rows: int
    money: float | None = None
    by_file: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True)
class NumberDecision:
    """The format of a column, why, and what it does not understand.

    `ruling` says whether the decimal mark is decided; it is None where the user has set it.
    """

    format: NumberFormat
    evidence: str
    not_understood: tuple[Shape, ...]
    ruling: Ruling | None = None


def shapes_sql(values: str) -> str:
    """SQL that groups the values of a text column by shape.

    Parameters
    ----------
    values
        Query with a column `value` (text), `file`, `n_rows` and `money`.

    Returns
    -------
    str
        Query with the arguments of `Shape`; blank values and words for nothing are left out.
    """
    text = or_null(tidy("value", keep=SOFT_HYPHEN), NOTHING)
    return f"""
        select
            min(example),
            sum(n_rows)::bigint as n_rows,
            sum(money)::double,
            list((file, n_rows, example) order by file)
        from (
            select
                translate(text, '0123456789', '9999999999') as shape,
                regexp_matches(text, '(^|[^0-9.,])0[.,]') as is_below_one,
                file,
                min(text) as example,
                sum(n_rows)::bigint as n_rows,
                sum(money) as money
            from (
                select {text} as text, file, n_rows, money
                from ({values})
            )
            where text is not null
            group by shape, is_below_one, file
        )
        group by shape, is_below_one
        order by n_rows desc, min(example)
    """


def decide_number_format(
    shapes: Sequence[Shape],
    *,
    decimal: Decimal | None = None,
    thousands: Thousands | None = None,
    like: Ruling | None = None,
    are_amounts: bool = False,
    largest: float = math.inf,
) -> NumberDecision:
    """Decide the number format of a column.

    Parameters
    ----------
    shapes
        All values of the column by shape.
    decimal, thousands
        Marks that the user has set; they are not questioned.
    like
        What values of another column of the same input prove. It decides where too few values of
        this column do.
    are_amounts
        Whether the values are money, which has two decimals or none.
    largest
        The largest number that a value can be, such as 90 for a latitude.

    Returns
    -------
    NumberDecision
        The format that understands the most rows, of those with the decimal mark that is decided.
    """
    candidates = [
        NumberFormat(mark, group)
        for mark, group in CANDIDATES
        if (decimal is None or mark == decimal)
        and (thousands is None or (mark != thousands and group in ("", thousands)))
    ]
    if decimal and thousands and decimal != thousands:
        candidates = [NumberFormat(decimal, thousands)]
    understood = {
        candidate: {shape.example for shape in shapes if candidate.understands(shape.example)}
        for candidate in candidates
    }
    ruling, evidence = None, SET_BY_FORMATS
    either: list[Shape] = []
    if not decimal:
        point, comma, either = _readings(shapes, understood, largest)
        ruling = rule(_votes(point, comma, either))
        evidence = "every format gives the same values"
        mark = None if ruling.winner is None else _DECIMALS[ruling.winner]
        if mark:
            evidence = f"{ruling.n_deciding:,} rows such as {ruling.example}"
        elif ruling.conflict:
            evidence = "values prove both decimal marks"
        elif like is not None and like.winner is not None and ruling.is_settled_by(like):
            mark, evidence = _DECIMALS[like.winner], "as in other columns of the input"
            ruling = replace(ruling, n_either=0)
        elif ruling.is_open:
            evidence = ruling.reason
        candidates = [one for one in candidates if mark is None or one.decimal == mark]
    chosen = max(
        candidates,
        key=lambda one: sum(shape.n_rows for shape in shapes if shape.example in understood[one]),
        default=NumberFormat(),
    )
    if are_amounts and ruling is not None and ruling.winner is not None and either:
        chosen = replace(chosen, unsure=_unsure_marks(chosen, shapes, either))
    left_over = tuple(shape for shape in shapes if not chosen.understands(shape.example))
    is_plain = (
        not chosen.unsure
        and (chosen.decimal, chosen.thousands) == (".", "")
        and all(_PLAIN.fullmatch(shape.example) for shape in shapes if shape not in left_over)
        and not any(_CASTS_ALL_THE_SAME.fullmatch(shape.example) for shape in left_over)
    )
    has_dashes = any("(" in shape.example or _DASH.fullmatch(shape.example) for shape in shapes)
    final = replace(chosen, is_plain=is_plain, has_dashes=has_dashes)
    return NumberDecision(final, evidence, left_over, ruling)


def is_currency(text: str) -> bool:
    """Whether a text is a sign or a code of a currency."""
    return re.fullmatch(_CURRENCY, text) is not None


def several_currencies(shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    """A shape of each currency, where the values have signs or codes of several ones."""
    found: dict[str, Shape] = {}
    for shape in shapes:
        if sign := re.search(_CURRENCY, shape.example):
            found.setdefault(sign[0].rstrip("."), shape)
    codes = [_CODES_OF_SIGNS.get(sign, frozenset({sign})) for sign in found]
    return () if not codes or frozenset.intersection(*codes) else tuple(found.values())


def _unsure_marks(
    number_format: NumberFormat, shapes: Sequence[Shape], either: Sequence[Shape]
) -> str:
    """Marks that tell neither decimals nor thousands before three digits.

    Values such as `12.5` prove a decimal point, and do not prove that `1.513` has three decimals.
    Values such as `0.513` or `1513.250` do.
    """
    if _all_have_cents(number_format, shapes, either):
        return ".,"
    mark = number_format.decimal
    n_either = sum(shape.n_rows for shape in either if re.search(mark.join(_EITHER), shape.example))
    n_with_three = sum(
        shape.n_rows
        for shape in shapes
        if shape not in either
        and number_format.understands(shape.example)
        and len(number_format.digits(shape.example).partition(".")[2]) >= _THOUSAND
    )
    return mark if n_either and not has_enough(n_with_three, n_either) else ""


def _all_have_cents(
    number_format: NumberFormat, shapes: Sequence[Shape], either: Sequence[Shape]
) -> bool:
    """Whether all amounts but those that can be read in two ways have two decimals."""
    n_rows = n_with = 0
    for shape in shapes:
        text = shape.example
        if shape in either or not number_format.understands(text) or _DASH.fullmatch(text):
            continue
        n_rows += shape.n_rows
        has_none = re.search(rf"[0-9]{_MARKS[number_format.decimal]}{_MINUS}", text)
        if has_none or len(number_format.digits(text).partition(".")[2]) == _CENTS:
            n_with += shape.n_rows
    return n_with > 0 and n_with >= _NEARLY_ALL * n_rows


def _readings(
    shapes: Sequence[Shape],
    understood: Mapping[NumberFormat, Collection[str]],
    largest: float,
) -> tuple[list[Shape], list[Shape], list[Shape]]:
    """Shapes that need a decimal point, those that need a comma, and those that can have either."""
    point, comma, either = [], [], []
    for shape in shapes:
        values: dict[str, set[str]] = {".": set(), ",": set()}
        for candidate, texts in understood.items():
            text = shape.example
            if text in texts and float(candidate.digits(text)) <= largest:
                values[candidate.decimal].add(candidate.digits(text))
        if values["."] and not values[","]:
            point.append(shape)
        elif values[","] and not values["."]:
            comma.append(shape)
        elif values["."] != values[","]:
            either.append(shape)
    return point, comma, either


def _votes(point: Sequence[Shape], comma: Sequence[Shape], either: Sequence[Shape]) -> list[Votes]:
    """The votes of every file between a decimal point and a comma."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    examples: dict[str, list[str]] = defaultdict(lambda: ["", "", ""])
    for place, kind in enumerate((point, comma, either)):
        for shape in kind:
            for file, n_rows, example in shape.by_file or (("", shape.n_rows, shape.example),):
                counts[file][place] += n_rows
                examples[file][place] = examples[file][place] or example
    return [
        Votes(file, n_point, n_comma, n_either, *examples[file])
        for file, (n_point, n_comma, n_either) in sorted(counts.items())
    ]
