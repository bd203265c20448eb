from __future__ import annotations

import re
from pathlib import Path

import duckdb
import polars as pl
import pytest

from segmentation.inputs.number_formats import NumberFormat
from segmentation.inputs.sql_text import BLANKS, tidy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.50", "12.50"),
        ("\ufeff a  b\u00a0\t", "a  b"),
        ('="0012"', "0012"),
        (' ="0012" ', "0012"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("e\u0301\0a", "\u00e9\0a"),
        ("e\0a", "e\0a"),
        (" \u200b ", ""),
    ],
)
def test_a_text_is_without_blanks_around_it_and_complete(text: str, expected: str) -> None:
    with duckdb.connect() as connection:
        (found,) = connection.execute(f"select {tidy('$1')}", [text]).fetchall()
    assert found == (expected,)


def test_staging_takes_the_same_characters_for_blanks() -> None:
    """Amounts that the check cannot read are not read by staging either."""
    macros = (Path(__file__).parents[3] / "macros" / "validation.sql").read_text()
    (blanks,) = re.findall(r"\|(\[\S+\])\+\$', '', 'g'\)", macros)
    letters = [chr(code) for code in range(1, 0x10000) if not 0xD800 <= code < 0xE000]
    with duckdb.connect() as connection:
        connection.register("letters", pl.DataFrame({"letter": letters}))
        found = connection.execute(
            f"select letter from letters where regexp_full_match(letter, '{blanks}')"
        ).fetchall()
        padded = "chr(0) || '7' || chr(0)"
        assert connection.execute(f"select {tidy(padded)}").fetchall() == [("7",)]
    assert {letter for (letter,) in found} == {*BLANKS} & {*letters}


@pytest.mark.parametrize("text", ["\u20ac 12\x0034", "12\x0034", "\u20ac 12.50\0\x0025"])
def test_an_amount_with_a_nul_in_it_is_no_number(text: str) -> None:
    with duckdb.connect() as connection:
        for number_format in (NumberFormat(), NumberFormat(is_plain=True), NumberFormat(",")):
            sql = number_format.sql("$1", "decimal(18, 4)")
            assert connection.execute(f"select {sql}", [text]).fetchall() == [(None,)]
