"""Numbers as people write them, against numbers that were written in a known way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segmentation.inputs.evidence import Votes, rule
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
from segmentation.warehouse.database import sql_literal

MONEY: Final = "decimal(18, 4)"
#: A number as text, and the factor by which its digits are multiplied.
STYLES: Final = {
    "{}": "1",
    "-{}": "-1",
    "+{}": "1",
    "- {}": "-1",
    "{}-": "-1",
    "{} -": "-1",
    "\u2212{}": "-1",
    "\u00ad{}": "-1",
    "({})": "-1",
    "( {} )": "-1",
    "$ ({})": "-1",
    "($ {})": "-1",
    "({}) EUR": "-1",
    "${}": "1",
    "-$ {}": "-1",
    "$ -{}": "-1",
    "kr. {}": "1",
    "-Rs. {}": "-1",
    "€\u00a0{}": "1",
    "{} EUR": "1",
    "{} €-": "-1",
    "{}- kr.": "-1",
    "{}CR": "-1",
    "{} cr": "-1",
    "{} DR": "1",
    "{}%": "0.01",
    "-{} %": "-0.01",
}
NUMBERS: Final = tuple(
    map(Decimal, ("0", "0.5", "7", "12.25", "999", "1000", "1234.5", "98765.43", "1234567.89"))
)
_GROUPED: Final = re.compile(r"(?<=\d)(?=(?:\d{3})+$)")
_INDIAN: Final = re.compile(r"(?<=\d)(?=(?:\d\d)*\d{3}$)")


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def numbers(
    database: duckdb.DuckDBPyConnection, number_format: NumberFormat, texts: Sequence[str]
) -> list[Decimal | None]:
    """What the SQL of a format makes of texts."""
    rows = ", ".join(f"({place}, {sql_literal(text)})" for place, text in enumerate(texts))
    query = (
        f"select {number_format.sql('text', MONEY)} from (values {rows}) as texts (place, text) "
        "order by place"
    )
    return [value for (value,) in database.execute(query).fetchall()]


def written(number: Decimal, decimal: str, thousands: str, groups: re.Pattern[str]) -> str:
    """A number with its marks."""
    whole, _, part = str(number).partition(".")
    return groups.sub(thousands, whole) + (decimal + part if part else "")


@pytest.mark.parametrize(("decimal", "thousands"), CANDIDATES)
@pytest.mark.parametrize("has_dashes", [True, False])
def test_a_number_is_read_as_it_was_written(
    database: duckdb.DuckDBPyConnection, decimal: Any, thousands: Any, has_dashes: bool
) -> None:
    number_format = NumberFormat(decimal, thousands, has_dashes=has_dashes)
    marks = {thousands, "", *({"\u2019"} if thousands == "'" else ())}
    marks |= {"\u00a0", "\u202f"} if thousands == " " else set()
    texts = {
        style.format(written(number, decimal, mark, groups)): number * Decimal(factor)
        for style, factor in STYLES.items()
        for number in NUMBERS
        for mark in marks
        for groups in ((_GROUPED, _INDIAN) if mark else (_GROUPED,))
    }
    assert all(number_format.understands(text) for text in texts)
    read = numbers(database, number_format, list(texts))
    wrong = {
        text: value
        for (text, expected), value in zip(texts.items(), read, strict=True)
        if value is None or abs(value - expected) > Decimal("0.0001")
    }
    assert wrong == {}


@pytest.mark.parametrize(("decimal", "thousands"), CANDIDATES)
def test_whole_amounts_can_end_with_a_mark_and_dashes(
    database: duckdb.DuckDBPyConnection, decimal: Any, thousands: Any
) -> None:
    texts = [f"13{decimal}{end}" for end in ("-", "--", "\u2014", "- kr.", "")]
    texts += [f"-13{decimal}-", f"(13{decimal}-)"]
    read = numbers(database, NumberFormat(decimal, thousands), texts)
    assert read == [Decimal(13)] * 5 + [Decimal(-13)] * 2


@pytest.mark.parametrize(
    "text",
    [
        *("", "abc", "-", "12.5.3", "1,2,3,4", "--5", "-5-", "(5", "5)", "-(5)", "1e", "12%%"),
        *("5 pieces", "EUR", "$$5", "1 2", "12:30", "12.3.456,7", "01.234.567", "5.-.", "+-5"),
        *("1 2345", "1234 567", "1''234", "0x10", "5 CR EUR", "inf", "nan", "1_000"),
        *("\u0661\u0662", "\uff11\uff12", "1\u0662", "\u06615,50", "\u0967 1.50"),
    ],
)
def test_other_texts_are_no_numbers_in_any_format(
    database: duckdb.DuckDBPyConnection, text: str
) -> None:
    for decimal, thousands in CANDIDATES:
        number_format = NumberFormat(decimal, thousands)
        assert not number_format.understands(text) or text == "-"
        assert numbers(database, number_format, [text]) == [None]


@given(st.lists(st.text("0123456789.,' -+()€%CREe\u2212", max_size=9), min_size=20))
@settings(max_examples=25)
@example(["1.5e3", "1e400", "2E-2", "€€5", "5.", ".5", ",5", "1,5-", "$", "1.234", "0.513"])
def test_sql_and_python_understand_the_same_texts(
    database: duckdb.DuckDBPyConnection, texts: list[str]
) -> None:
    texts = [text.strip() for text in texts]
    formats = [NumberFormat(*pair, has_dashes=True) for pair in CANDIDATES]
    formats += [NumberFormat(has_dashes=True, unsure="."), NumberFormat(",", "", unsure=".,")]
    for number_format in formats:
        for text, value in zip(texts, numbers(database, number_format, texts), strict=True):
            is_dash = re.fullmatch("(€ *)?[-\u2212]{1,2}( *€)?", text) is not None
            if is_dash:
                assert value == (0 if number_format.has_dashes else None)
            elif not number_format.understands(text):
                assert value is None
            elif abs(Decimal(number_format.digits(text))) < Decimal(10) ** 13:
                assert value is not None
                factor = Decimal("0.01") if "%" in text else Decimal(1)
                expected = Decimal(number_format.digits(text)) * factor
                assert abs(abs(value) - expected) <= Decimal("0.001")


@given(
    st.lists(
        st.from_regex(r"-?([0-9]{1,9}(\.[0-9]{0,4})?|\.[0-9]{1,4})", fullmatch=True), min_size=9
    )
)
@settings(max_examples=25)
def test_a_cast_reads_plain_numbers_like_the_format(
    database: duckdb.DuckDBPyConnection, texts: list[str]
) -> None:
    plain, other = NumberFormat(is_plain=True), NumberFormat()
    assert numbers(database, plain, texts) == numbers(database, other, texts)
    assert numbers(database, plain, texts) == [Decimal(text) for text in texts]


def shapes(database: duckdb.DuckDBPyConnection, values: Sequence[str | tuple[str, str]]) -> Any:
    """Values of a column of one file, or values with their files, by shape."""
    rows = [("", value) if isinstance(value, str) else value for value in values]
    listed = ", ".join(f"({sql_literal(file)}, {sql_literal(value)})" for file, value in rows)
    query = (
        f"select file, value, count(*) as n_rows, 10.0 * count(*) as money "
        f"from (values {listed}) as texts (file, value) group by all"
    )
    return [
        Shape(one, n_rows, money, tuple(by_file))
        for one, n_rows, money, by_file in database.execute(shapes_sql(query)).fetchall()
    ]


def test_values_of_one_pattern_are_one_shape(database: duckdb.DuckDBPyConnection) -> None:
    values = [("a", "12.50"), ("a", "47.25"), ("b", " 12.99 "), ("a", "0.5"), ("a", "1.5")]
    nothing = [("a", ""), ("a", "n/a"), ("b", "  "), ("b", "NULL")]
    assert shapes(database, [*values, *nothing]) == [
        Shape("12.50", 3, 30.0, (("a", 2, "12.50"), ("b", 1, "12.99"))),
        Shape("0.5", 1, 10.0, (("a", 1, "0.5"),)),
        Shape("1.5", 1, 10.0, (("a", 1, "1.5"),)),
    ]


def decide(
    database: duckdb.DuckDBPyConnection, values: Sequence[str | tuple[str, str]], **given: Any
) -> NumberDecision:
    """The format of a column with these values."""
    return decide_number_format(shapes(database, values), **given)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1234.50", "7"], NumberFormat(is_plain=True)),
        (["12.5", "1e3", "-.5"], NumberFormat(is_plain=True)),
        (["12.5", "+7"], NumberFormat()),
        (["12.5", "inf"], NumberFormat()),
        (["12.5", "1_0"], NumberFormat()),
        (["12.5", "abc"], NumberFormat(is_plain=True)),
        (["12,5", "7"], NumberFormat(",")),
        (["1,234.50"], NumberFormat(".", ",")),
        (["1.234,50"], NumberFormat(",", ".")),
        (["1.234.567"], NumberFormat(",", ".")),
        (["1,234,567"], NumberFormat(".", ",")),
        (["1'234.5"], NumberFormat(".", "'")),
        (["1'234,5"], NumberFormat(",", "'")),
        (["1 234.5"], NumberFormat(".", " ")),
        (["1 234,5"], NumberFormat(",", " ")),
        (["12.50", "(3.00)"], NumberFormat(has_dashes=True)),
        (["$ 12.50", "$ -"], NumberFormat(has_dashes=True)),
    ],
)
def test_the_format_that_understands_the_most_rows_is_taken(
    database: duckdb.DuckDBPyConnection, values: list[str], expected: NumberFormat
) -> None:
    assert decide(database, values).format == expected


def test_values_that_the_format_does_not_understand_are_left_over(
    database: duckdb.DuckDBPyConnection,
) -> None:
    decision = decide(database, [*["12.50"] * 8, "abc", "12,5", "12,7"])
    assert sorted((shape.example, shape.n_rows) for shape in decision.not_understood) == [
        ("12,5", 2),
        ("abc", 1),
    ]
    assert decision.evidence == "8 rows such as 12.50"


@pytest.mark.parametrize(
    ("values", "evidence", "winner"),
    [
        (["1.5", "2.5"], "2 rows such as 1.5", 0),
        (["1,5", "7"], "1 rows such as 1,5", 1),
        (["7", "12"], "every format gives the same values", None),
        (["1.234"], "no value decides", None),
        (["1,234", "5,678"], "no value decides", None),
        (
            [*["1.234"] * 30, "7.5"],
            "only 1 of 31 rows decides, such as '7.5'",
            None,
        ),
        ([*["7.5"] * 9, *["7,5"] * 9, "1.234"], "values prove both decimal marks", None),
    ],
)
def test_the_evidence_says_why_a_mark_is_decided_or_not(
    database: duckdb.DuckDBPyConnection, values: list[str], evidence: str, winner: int | None
) -> None:
    decision = decide(database, values)
    assert decision.evidence == evidence
    assert decision.ruling is not None
    assert decision.ruling.winner == winner


@pytest.mark.parametrize(("first", "second", "mark"), [(9, 0, "."), (0, 9, ",")])
def test_another_column_decides_what_this_one_leaves_open(
    database: duckdb.DuckDBPyConnection, first: int, second: int, mark: str
) -> None:
    like = rule([Votes("", first, second, 0, "1.5", "1,5")])
    decision = decide(database, ["1.234", "5.678"], like=like)
    assert decision.format.decimal == mark
    assert decision.evidence == "as in other columns of the input"
    assert decision.ruling is not None
    assert not decision.ruling.is_open
    few = decide(database, ["1.234"] * 400, like=like)
    assert few.evidence == "no value decides"


@pytest.mark.parametrize(
    ("values", "given", "expected"),
    [
        (["1.234", "5.678"], {"decimal": "."}, NumberFormat(is_plain=True)),
        (["1.234", "5.678"], {"decimal": ","}, NumberFormat(",", ".")),
        (["1,234"], {"decimal": ".", "thousands": ","}, NumberFormat(".", ",")),
        (["12"], {"decimal": ",", "thousands": "."}, NumberFormat(",", ".")),
        (["1.234"], {"thousands": "."}, NumberFormat(",", ".")),
        (["1,234.5"], {"thousands": ","}, NumberFormat(".", ",")),
        (["1 234,5"], {"thousands": ""}, NumberFormat(is_plain=True)),
    ],
)
def test_marks_that_are_set_are_not_questioned(
    database: duckdb.DuckDBPyConnection,
    values: list[str],
    given: dict[str, Any],
    expected: NumberFormat,
) -> None:
    decision = decide(database, values, **given)
    assert decision.format == expected
    assert (decision.ruling is None) == ("decimal" in given)
    assert (decision.evidence == "set by formats") == ("decimal" in given)


@pytest.mark.parametrize(
    ("largest", "mark"), [(float("inf"), None), (90.0, "."), (1234.0, None), (1233.0, ".")]
)
def test_a_number_that_is_too_large_is_not_meant(
    database: duckdb.DuckDBPyConnection, largest: float, mark: str | None
) -> None:
    decision = decide(database, ["1.234"], largest=largest)
    assert decision.ruling is not None
    assert decision.ruling.winner == (None if mark is None else 0)


@pytest.mark.parametrize(
    ("values", "unsure", "n_left_over"),
    [
        ([*["12.50"] * 9, "1.513"], ".,", 1),
        ([*["12,50"] * 9, "1.513"], ".,", 1),
        ([*["12.50"] * 9, "7.-", "1,513"], ".,", 1),
        ([*["12.5"] * 9, "1.513"], ".", 1),
        ([*["12.5"] * 9, "0.125", "1.513"], "", 0),
        ([*["12,5"] * 9, "1.513"], "", 0),
        ([*["12.50"] * 9, "1.513", "7"], ".", 1),
        ([*["12.50"] * 99, "7", "1.513"], ".,", 1),
        ([*["12.50"] * 98, "7", "1.513"], ".", 1),
        (["12.50", "7.25"], "", 0),
    ],
)
def test_three_digits_among_amounts_with_cents_are_neither_decimals_nor_thousands(
    database: duckdb.DuckDBPyConnection, values: list[str], unsure: str, n_left_over: int
) -> None:
    decision = decide(database, values, are_amounts=True)
    assert decision.format.unsure == unsure
    assert sum(shape.n_rows for shape in decision.not_understood) == n_left_over
    assert decide(database, values).format.unsure == ""


def test_every_file_votes_with_an_example_of_its_own(
    database: duckdb.DuckDBPyConnection,
) -> None:
    values = [("a", "1.5"), ("a", "1.234"), ("b", "2,5"), ("b", "3,5"), ("b", "1.234")]
    ruling = decide(database, values).ruling
    assert ruling is not None
    assert ruling.conflict == (("1.5", "a"), ("2,5", "b"))
    ruling = decide(database, [("b", "1.5"), ("a", "1.234")]).ruling
    assert ruling is not None
    assert (ruling.winner, ruling.followers, ruling.doubtful) == (0, ("a",), "1.234")


@pytest.mark.parametrize(
    ("decimal", "thousands", "text"),
    [
        (".", "", "decimal point"),
        (",", ".", "decimal comma, thousands point"),
        (".", "'", "decimal point, thousands apostrophe"),
        (",", " ", "decimal comma, thousands blank"),
    ],
)
def test_a_format_is_called_by_its_marks(decimal: Any, thousands: Any, text: str) -> None:
    assert str(NumberFormat(decimal, thousands)) == text


@pytest.mark.parametrize(("mark", "other"), [(".", ","), (",", ".")])
def test_in_the_other_reading_the_decimal_mark_is_that_of_thousands(mark: Any, other: Any) -> None:
    assert NumberFormat(mark, "").other_reading() == NumberFormat(other, mark)


@pytest.mark.parametrize(
    ("text", "has_decimals"),
    [
        *(("1,234", True), ("1,234 EUR", True), ("1,23円", True), ("1,2345円", True)),
        *(("1,234円", False), ("JPY 1,234", False), ("₩1,234", False)),
    ],
)
def test_amounts_of_a_currency_without_cents_never_have_three_decimals(
    text: str, has_decimals: bool
) -> None:
    assert NumberFormat(",").understands(text) == has_decimals


@pytest.mark.parametrize(
    ("texts", "n_currencies"),
    [
        (["5.00", "7.00"], 0),
        (["€ 5.00", "7.00 EUR"], 0),
        (["$ 5.00", "7.00 CAD", "USD"], 3),
        (["$ 5.00", "7.00 CAD"], 0),
        (["€ 5.00", "$ 7.00"], 2),
        (["5.00 kr", "7.00 kr.", "9.00 SEK"], 0),
        (["5.00 kr", "9.00 EUR", "7"], 2),
    ],
)
def test_several_currencies_are_noticed_and_two_names_of_one_are_not(
    texts: list[str], n_currencies: int
) -> None:
    found = several_currencies([Shape(text, 1) for text in texts])
    assert len(found) == n_currencies
    assert all(is_currency(text) for text in ("€", "EUR", "kr.", "R$"))
    assert not any(is_currency(text) for text in ("", "E", "EURO", "5 EUR"))
